"""More people for an incident: responder requests, their answers and their cancelling (fact sheet 7)."""

from __future__ import annotations

from collections.abc import Mapping

from incident_central.sandbox.pagerduty import escalation, history
from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.errors import invalid, refused
from incident_central.sandbox.pagerduty.events import announce
from incident_central.sandbox.pagerduty.records import (
    CANCELLED,
    DECLINED,
    JOINED,
    PENDING,
    Incident,
    Responder,
    ResponderRequest,
    User,
    fresh_id,
)

ABILITY = "coordinated_responding"


def check_ability(account: Account) -> None:
    """Plans without responder requests answer 402."""
    if account.switches["responder_requests"] == "off: 402":
        message = "Account does not have the abilities to perform the action"
        raise refused(402, 2014, message, [f"Missing ability: {ABILITY}"])


def requester_in(account: Account, given: Mapping[str, object]) -> User:
    """Here the acting user stands in the body, by id."""
    user = account.users.get(str(given.get("requester_id")))
    if user is None:
        raise refused(400, 1008, "Requester User Not Found", [])
    return user


def request(
    account: Account,
    incident: Incident,
    target_ids: list[str],
    message: object,
    *,
    requester: User,
    channel: str = "api",
) -> ResponderRequest:
    """Ask users, and whoever policies reach. Their phones ring as for high urgency until they answer."""
    now = account.clock.now()
    if not incident.is_open:
        raise refused(400, 1001, "Incident Already Resolved", ["Incident Already Resolved"])
    if not isinstance(message, str) or not message.strip():
        raise invalid("Message cannot be empty.")
    asked = _asked_people(account, target_ids)
    made = ResponderRequest(fresh_id(), requester.id, message, now, tuple(dict.fromkeys(target_ids)))
    incident.requests.append(made)
    incident.updated_at = now
    people = [account.users[user_id] for user_id in asked]
    names = ", ".join(user.name for user in people)
    history.log(
        account,
        incident,
        "responder_request",
        f"{requester.name} requested help from {names}",
        at=now,
        agent=requester.id,
        channel=channel,
        message=message,
        responder_ids=list(asked),
    )
    for user_id, policy_id in asked.items():
        responder = Responder(user_id, made.id, requester.id, message, now, now, policy_id)
        incident.responders = [one for one in incident.responders if one.user_id != user_id] + [responder]
        event = "incident.responder.added"
        announce(account, incident, event, at=now, agent=requester.id, channel=channel, about=responder)
    escalation.notify(account, incident, people, urgency="high", at=now)
    return made


def reply(account: Account, incident: Incident, user: User, *, joins: bool, channel: str = "mobile") -> None:
    """Accept or decline, as the asked person does on the phone. Raises ValueError where nobody asked."""
    responder = next((one for one in incident.responders if one.user_id == user.id and one.state == PENDING), None)
    if responder is None:
        raise ValueError(f"Nobody waits for an answer of {user.name}.")
    now = account.clock.now()
    responder.state, responder.updated_at = JOINED if joins else DECLINED, now
    kind, word = ("responder_accept", "accepted") if joins else ("responder_decline", "declined")
    summary = f"{user.name} {word} a responder request"
    history.log(account, incident, kind, summary, at=now, agent=user.id, channel=channel, responder_ids=[user.id])
    announce(account, incident, "incident.responder.replied", at=now, agent=user.id, channel=channel, about=responder)


def cancel(account: Account, incident: Incident, target_id: str) -> str:
    """Stop asking a user, or everybody whom a policy reached; the word that the API has for what came of it."""
    asked = [one for one in incident.responders if target_id in (one.user_id, one.policy_id)]
    pending = [one for one in asked if one.state == PENDING]
    for responder in pending:
        responder.state, responder.updated_at = CANCELLED, account.clock.now()
    if pending:
        return "cancelled"
    answered = [one.state for one in asked if one.state in (JOINED, DECLINED)]
    return answered[0] if answered else "not_found"


def _asked_people(account: Account, target_ids: list[str]) -> dict[str, str | None]:
    """The ids of those who are asked, each with the policy by which."""
    if not target_ids:
        raise invalid("Responder request targets cannot be empty")
    asked: dict[str, str | None] = {}
    for target_id in target_ids:
        if target_id in account.users:
            asked[target_id] = None
        elif target_id in account.policies:
            policy, now = account.policies[target_id], account.clock.now()
            level = escalation.first_level(account, policy, at=now)
            if level is None:
                raise refused(400, 1015, "Escalation Policy Has No User On Call", [])
            for user_id in account.on_call(policy, level, now=now):
                asked.setdefault(user_id, target_id)
        else:
            raise refused(400, 2013, "User Not Found", [])
    return asked
