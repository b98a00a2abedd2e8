"""What people do in PagerDuty itself, on its website and on their phones, and what monitoring tools report.

Records can be named by their id or their name, people also by their e-mail. All raise ValueError, in words for a
person, where something is not there, and Refused as the API does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from incident_central.sandbox.pagerduty import actions, escalation, history, incidents, responders
from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.records import (
    ACKNOWLEDGED,
    BY_MONITORING,
    BY_WEBSITE,
    RESOLVED,
    TRIGGERED,
    Incident,
    User,
)

Given = Mapping[str, Any]
WEBSITE, PHONE = "website", "mobile"
MONITORING = ("api", "email", "nagios")  # the channels by which it tells


def press(account: Account, incident_id: str, action: str, given: Given) -> None:
    """Do something to an incident, by id or number, as `given["user"]`; without one as monitoring, which resolves it
    or tells once more, or as PagerDuty itself, which writes its log."""
    with account.lock:
        incident = account.incident(incident_id)
        if incident is None:
            raise ValueError("No such incident. Start over may have put it away.")
        if action in MONITORING_ACTIONS and not given.get("user"):
            MONITORING_ACTIONS[action](account, incident, given)
            return
        user = account.users[_id_of(account.users, given.get("user"))]
        if action not in ACTIONS:
            raise ValueError(f"Nobody can {action} an incident. People can: {', '.join(ACTIONS)}.")
        ACTIONS[action](account, incident, user, given)


def open_incident(account: Account, given: Given) -> Incident:
    """A new incident that no API call asked for: by a person on the website, or by monitoring without a `user`."""
    with account.lock:
        service_id = _id_of(account.services, given.get("service"))
        user_id = _id_of(account.users, given["user"]) if given.get("user") else None
        body: dict[str, object] = {
            "type": "incident",
            "title": given.get("title"),
            "service": {"id": service_id, "type": "service_reference"},
            "incident_key": given.get("key"),
        }
        if given.get("priority"):
            body["priority"] = str(given["priority"])
        if given.get("urgency"):
            body["urgency"] = given["urgency"]
        user = account.users[user_id] if user_id else None
        origin = BY_WEBSITE if user else BY_MONITORING
        return incidents.create(account, body, requester=user, origin=origin)


def _recover(account: Account, incident: Incident, given: Given) -> None:
    """A monitoring tool says that all is well again: by a `channel`, as the service or as its `integration`."""
    channel, integration = given.get("channel") or "api", given.get("integration") or None
    if channel not in MONITORING:
        raise ValueError(f"Monitoring resolves by one of: {', '.join(MONITORING)}.")
    if incident.is_open:
        now = account.clock.now()
        escalation.resolve(account, incident, by=None, at=now, channel=channel, integration=integration)


def _tell_again(account: Account, incident: Incident, given: Given) -> None:
    """It is still wrong: of an open incident the log has one more trigger."""
    if incident.is_open:
        now, agent = account.clock.now(), incident.service_id
        history.log(account, incident, "trigger", "Triggered through the API", at=now, agent=agent)


def _log_by_itself(account: Account, incident: Incident, given: Given) -> None:
    _write(account, incident, given, agent=incident.service_id, channel="timeout")


def _write(account: Account, incident: Incident, given: Given, *, agent: str, channel: str) -> None:
    """An entry of the log as given: `type`, without "_log_entry", known or not; `summary`; `channel` tells the rest.
    Of some types nothing is known but that they are there, such as reach_ack_limit, and so nothing here makes them.
    """
    told = given.get("channel") or {}
    if not given.get("type") or not isinstance(told, Mapping):
        raise ValueError('Give "type", and as "channel" an object or nothing.')
    kind, summary, now = str(given["type"]), str(given.get("summary") or ""), account.clock.now()
    history.log(account, incident, kind, summary, at=now, agent=agent, channel=channel, channel_more=told)


def _acknowledge(account: Account, incident: Incident, user: User, given: Given) -> None:
    if incident.is_open:
        incidents.set_status(account, incident, ACKNOWLEDGED, requester=user, channel=PHONE)


def _resolve(account: Account, incident: Incident, user: User, given: Given) -> None:
    if incident.is_open:
        incidents.set_status(account, incident, RESOLVED, requester=user, channel=PHONE)


def _escalate(account: Account, incident: Incident, user: User, given: Given) -> None:
    """To the next level that reaches somebody, or from the last one to the first."""
    policy, now = account.policies[incident.policy_id], account.clock.now()
    level = escalation.first_level(account, policy, at=now, start=incident.level + 1)
    level = level or escalation.first_level(account, policy, at=now)
    if level is None:
        raise ValueError(f"The escalation policy {policy.name} reaches nobody.")
    _change(account, incident, user, channel=PHONE, escalation_level=level)


def _answer(*, joins: bool) -> Callable[[Account, Incident, User, Given], None]:
    return lambda account, incident, user, given: responders.reply(account, incident, user, joins=joins)


def _reopen(account: Account, incident: Incident, user: User, given: Given) -> None:
    if not incident.is_open:
        incidents.set_status(account, incident, TRIGGERED, requester=user, channel=WEBSITE)


def _unacknowledge(account: Account, incident: Incident, user: User, given: Given) -> None:
    if incident.status == ACKNOWLEDGED:
        incidents.set_status(account, incident, TRIGGERED, requester=user, channel=WEBSITE)


def _note(account: Account, incident: Incident, user: User, given: Given) -> None:
    actions.add_note(account, incident, given.get("content"), requester=user, channel=WEBSITE)


def _publish(account: Account, incident: Incident, user: User, given: Given) -> None:
    actions.publish(account, incident, {"message": given.get("message")}, requester=user, channel=WEBSITE)


def _prioritise(account: Account, incident: Incident, user: User, given: Given) -> None:
    """No `priority`, or an empty one, takes it away."""
    _change(account, incident, user, priority=given.get("priority") or None)


def _edit(account: Account, incident: Incident, user: User, given: Given) -> None:
    """`title` and `urgency`."""
    fields = {name: given[name] for name in ("title", "urgency") if given.get(name)}
    _change(account, incident, user, **fields)


def _reassign(account: Account, incident: Incident, user: User, given: Given) -> None:
    person_id = _id_of(account.users, given.get("to"))
    _change(account, incident, user, assignments=[{"assignee": {"id": person_id, "type": "user_reference"}}])


def _delegate(account: Account, incident: Incident, user: User, given: Given) -> None:
    _change(account, incident, user, escalation_policy={"id": _id_of(account.policies, given.get("to"))})


def _move(account: Account, incident: Incident, user: User, given: Given) -> None:
    _change(account, incident, user, service={"id": _id_of(account.services, given.get("to"))})


def _snooze(account: Account, incident: Incident, user: User, given: Given) -> None:
    """`seconds`: how long. On the website a snooze acknowledges what nobody had."""
    if incident.status == TRIGGERED:
        incidents.set_status(account, incident, ACKNOWLEDGED, requester=user, channel=WEBSITE)
    actions.snooze(account, incident, int(given.get("seconds", 3600)), requester=user, channel=WEBSITE)


def _merge(account: Account, incident: Incident, user: User, given: Given) -> None:
    """This incident goes into another one: `into` is that one's id or number."""
    target = account.incident(str(given.get("into")))
    if target is None:
        raise ValueError('Give "into": the id or number of the incident to merge into.')
    actions.merge(account, target, [incident.id], requester=user, channel=WEBSITE)


def _ask(account: Account, incident: Incident, user: User, given: Given) -> None:
    """Ask one person, or whoever a policy reaches, for help: `to`."""
    everybody = {**account.policies, **account.users}
    message = given.get("message") or "Please help with this incident"
    responders.request(
        account, incident, [_id_of(everybody, given.get("to"))], message, requester=user, channel=WEBSITE
    )


def _log(account: Account, incident: Incident, user: User, given: Given) -> None:
    _write(account, incident, given, agent=user.id, channel=WEBSITE)


MONITORING_ACTIONS = {"resolve": _recover, "trigger": _tell_again, "log": _log_by_itself}
ACTIONS: dict[str, Callable[[Account, Incident, User, Given], None]] = {
    "acknowledge": _acknowledge,
    "resolve": _resolve,
    "escalate": _escalate,
    "join": _answer(joins=True),
    "decline": _answer(joins=False),
    "unacknowledge": _unacknowledge,
    "reopen": _reopen,
    "note": _note,
    "update": _publish,
    "priority": _prioritise,
    "edit": _edit,
    "reassign": _reassign,
    "delegate": _delegate,
    "move": _move,
    "snooze": _snooze,
    "merge": _merge,
    "ask": _ask,
    "log": _log,
}


def _change(account: Account, incident: Incident, user: User, *, channel: str = WEBSITE, **fields: object) -> None:
    change = {"type": "incident_reference", **fields}
    incidents.update(account, incident, change, requester=user, channel=channel)


def _id_of(records: Mapping[str, Any], given: object) -> str:
    """The id of a record that is given by its id, its name or, for people, its e-mail."""
    for id_, record in records.items():
        if given in (id_, record.name, getattr(record, "email", id_)):
            return id_
    raise ValueError(f"Nothing has the id or name {given!r}.")
