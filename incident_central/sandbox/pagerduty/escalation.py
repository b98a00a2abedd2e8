"""Who is paged, and what happens to an incident while time passes.

`run_due` lets everything happen that is due, in order and at its own time, so that a jump of the clock gives
the same history as waiting.
"""

from __future__ import annotations

from collections.abc import Iterable

from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.events import announce
from incident_central.sandbox.pagerduty.history import log
from incident_central.sandbox.pagerduty.records import (
    ACKNOWLEDGED,
    BY_HAND,
    BY_POLICY,
    RESOLVED,
    TRIGGERED,
    Assignment,
    Incident,
    Policy,
    User,
)

# What the log calls a way to get to somebody else, and the event that it makes.
ESCALATE, DELEGATE, REASSIGN = "escalate", "delegate", "assign"
EVENTS = {ESCALATE: "incident.escalated", DELEGATE: "incident.delegated", REASSIGN: "incident.reassigned"}
REOPENED = "incident.reopened"
# By which channel a service resolves, in the words of the log.
DOORS = {"timeout": "by timeout", "api": "through the API", "email": "through e-mail", "nagios": "through Nagios"}


def run_due(account: Account) -> None:
    """Escalate, un-acknowledge and auto-resolve whatever is due by now."""
    with account.lock:
        now = account.clock.now()
        while (due := _next_due(account, now)) is not None:
            at, incident = due
            if incident.resolves_at == at:
                resolve(account, incident, by=None, at=at, channel="timeout")
            elif incident.unacknowledges_at == at:
                _unacknowledge(account, incident, at=at)
            else:
                _escalate(account, incident, at=at)


def first_level(account: Account, policy: Policy, *, at: float, start: int = 1) -> int | None:
    """The first level, from `start`, that reaches somebody: PagerDuty passes over empty ones."""
    levels = range(start, len(policy.rules) + 1)
    return next((level for level in levels if account.on_call(policy, level, now=at)), None)


def page_level(
    account: Account,
    incident: Incident,
    level: int,
    *,
    at: float,
    agent: str | None = None,
    channel: str = "api",
    why: str | None = None,
) -> None:
    """Assign an incident to whoever the level reaches and start the count-down to the next one.

    `why` is ESCALATE or DELEGATE where the log says more than that somebody was assigned.
    """
    policy = account.policies[incident.policy_id]
    incident.level = level
    incident.assigned_via = BY_POLICY
    incident.escalates_at = at + 60 * policy.rules[level - 1].minutes
    user_ids = account.on_call(policy, level, now=at)
    if why is not None:
        word = f"Escalated to level {level}" if why == ESCALATE else f"Delegated to {policy.name}"
        log(account, incident, why, word, at=at, agent=agent, channel=channel, assignee_ids=user_ids)
    page(account, incident, user_ids, at=at, agent=agent, channel=channel)


def page_people(
    account: Account,
    incident: Incident,
    user_ids: list[str],
    *,
    at: float,
    agent: str | None = None,
    channel: str = "api",
) -> None:
    """Assign an incident to people by hand: such an incident never escalates (fact sheet 7)."""
    incident.assigned_via = BY_HAND
    incident.escalates_at = None
    page(account, incident, user_ids, at=at, agent=agent, channel=channel)


def page(
    account: Account, incident: Incident, user_ids: list[str], *, at: float, agent: str | None, channel: str
) -> None:
    """Assign, and let phones ring."""
    users = [account.users[user_id] for user_id in user_ids]
    incident.assignments = [Assignment(user.id, at) for user in users]
    incident.updated_at = at
    summary = f"Assigned to {_names(users)}"
    log(account, incident, "assign", summary, at=at, agent=agent, channel=channel, assignee_ids=user_ids)
    notify(account, incident, users, urgency=incident.urgency, at=at)


def notify(account: Account, incident: Incident, users: Iterable[User], *, urgency: str, at: float) -> None:
    """Ring whoever can be rung, by the first way that wakes."""
    for user in users:
        if (method := user.first_to_ring(urgency)) is not None:
            way = method.type.removesuffix("_contact_method").removesuffix("_notification")
            kind = f"{way}_notification"
            address = None if kind == "push_notification" else method.address
            told = {"notification": {"type": kind, "address": address, "status": "success"}}
            summary = f"Notified {user.name}"
            log(account, incident, "notify", summary, at=at, channel="auto", channel_more=told, user_id=user.id)


def acknowledge(account: Account, incident: Incident, *, by: str, at: float, channel: str = "api") -> None:
    """The phones fall silent, and whoever acknowledged is the assignee."""
    timeout = account.services[incident.service_id].acknowledgement_timeout
    _set_status(incident, ACKNOWLEDGED, by=by, at=at)
    incident.acknowledgements = [Assignment(by, at)]
    if not incident.is_assigned_to(by) or len(incident.assignments) != 1:
        incident.assignments = [Assignment(by, at)]
    incident.escalates_at = None
    incident.unacknowledges_at = at + timeout if timeout else None
    summary = f"Acknowledged by {account.users[by].name}"
    log(
        account,
        incident,
        "acknowledge",
        summary,
        at=at,
        agent=by,
        channel=channel,
        acknowledgement_timeout=timeout,
    )
    announce(account, incident, "incident.acknowledged", at=at, agent=by, channel=channel)


def resolve(
    account: Account,
    incident: Incident,
    *,
    by: str | None,
    at: float,
    channel: str = "api",
    resolution: str | None = None,
    integration: str | None = None,
) -> None:
    """The end; `by` None is the service's doing: its auto-resolve time-out or, by another channel, what a monitoring
    tool told it. `integration`: name of the one by which that came."""
    _set_status(incident, RESOLVED, by=by or incident.service_id, at=at)
    incident.resolved_at = at
    incident.assignments, incident.acknowledgements = [], []
    incident.escalates_at = incident.unacknowledges_at = incident.resolves_at = None
    account.open.pop(incident.id, None)
    who = f"by {account.users[by].name}" if by is not None else DOORS[channel]
    log(
        account,
        incident,
        "resolve",
        f"Resolved {who}",
        at=at,
        agent=by or incident.service_id,
        channel=channel,
        note=resolution,
        integration=integration,
    )
    announce(account, incident, "incident.resolved", at=at, agent=by, channel=channel)


def trigger(account: Account, incident: Incident, *, by: str | None, at: float) -> None:
    """Make it a triggered, open incident, new or again; whom to page is for the caller to say."""
    service = account.services[incident.service_id]
    _set_status(incident, TRIGGERED, by=by, at=at)
    incident.resolved_at = None
    incident.merged_into = None
    incident.acknowledgements = []
    incident.unacknowledges_at = None
    if incident.id not in account.open:
        timeout = service.auto_resolve_timeout
        incident.resolves_at = at + timeout if timeout else None
        account.open[incident.id] = incident


def _next_due(account: Account, now: float) -> tuple[float, Incident] | None:
    due = [
        (at, incident)
        for incident in account.open.values()
        for at in (incident.resolves_at, incident.unacknowledges_at, incident.escalates_at)
        if at is not None and at <= now
    ]
    return min(due, key=lambda pair: (pair[0], pair[1].number), default=None)


def _escalate(account: Account, incident: Incident, *, at: float) -> None:
    """On to the next level that reaches somebody; after the last one round again, as often as the policy says."""
    policy, service_id = account.policies[incident.policy_id], incident.service_id
    level = first_level(account, policy, at=at, start=incident.level + 1)
    if level is None and incident.loop < policy.num_loops:
        level = first_level(account, policy, at=at)
        incident.loop += 1
        summary = "Repeated the escalation policy"
        log(account, incident, "repeat_escalation_path", summary, at=at, agent=service_id, channel="timeout")
    if level is None:
        incident.escalates_at = None
        summary = "Nobody left to escalate to"
        log(account, incident, "exhaust_escalation_path", summary, at=at, agent=service_id, channel="timeout")
        return
    page_level(account, incident, level, at=at, agent=service_id, channel="timeout", why=ESCALATE)
    announce(account, incident, EVENTS[ESCALATE], at=at, agent=None, channel="timeout")


def _unacknowledge(account: Account, incident: Incident, *, at: float) -> None:
    """An acknowledgement, or a snooze, is over: whoever had it is rung again."""
    service_id = incident.service_id
    trigger(account, incident, by=None, at=at)
    summary = "Unacknowledged due to timeout"
    log(account, incident, "unacknowledge", summary, at=at, agent=service_id, channel="timeout")
    if incident.assigned_via == BY_POLICY:
        incident.escalates_at = at + 60 * account.policies[incident.policy_id].rules[incident.level - 1].minutes
    user_ids = [assignment.user_id for assignment in incident.assignments]
    page(account, incident, user_ids, at=at, agent=service_id, channel="timeout")
    announce(account, incident, "incident.unacknowledged", at=at, agent=None, channel="timeout")


def _set_status(incident: Incident, status: str, *, by: str | None, at: float) -> None:
    incident.status = status
    incident.updated_at = incident.status_changed_at = at
    incident.status_changed_by = by


def _names(users: list[User]) -> str:
    return ", ".join(user.name for user in users) or "nobody"
