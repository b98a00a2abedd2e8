"""Who is paged, and what happens to an incident while time passes.

`run_due` lets everything happen that is due, in order and at its own time, so that a jump of the clock gives
the same history as waiting.
"""

from __future__ import annotations

from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.records import (
    ACKNOWLEDGED,
    BY_HAND,
    BY_POLICY,
    RESOLVED,
    TRIGGERED,
    Assignment,
    Incident,
    LogEntry,
    Policy,
    User,
    fresh_id,
)


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


def page_level(account: Account, incident: Incident, level: int, *, at: float, agent: str | None = None) -> None:
    """Assign an incident to whoever the level reaches and start the count-down to the next one."""
    policy = account.policies[incident.policy_id]
    incident.level = level
    incident.assigned_via = BY_POLICY
    page(account, incident, account.on_call(policy, level, now=at), at=at, agent=agent)
    incident.escalates_at = at + 60 * policy.rules[level - 1].minutes


def page_people(
    account: Account, incident: Incident, user_ids: list[str], *, at: float, agent: str | None = None
) -> None:
    """Assign an incident to people by hand: such an incident never escalates (fact sheet 7)."""
    incident.assigned_via = BY_HAND
    incident.escalates_at = None
    page(account, incident, user_ids, at=at, agent=agent)


def page(account: Account, incident: Incident, user_ids: list[str], *, at: float, agent: str | None) -> None:
    """Assign, and let phones ring."""
    users = [account.users[user_id] for user_id in user_ids]
    incident.assignments = [Assignment(user.id, at) for user in users]
    incident.updated_at = at
    log(incident, "assign", f"Assigned to {_names(users)}", at=at, agent=agent, assignee_ids=user_ids)
    for user in users:
        if user.can_be_paged(incident.urgency):
            log(incident, "notify", f"Notified {user.name}", at=at, channel="auto", user_id=user.id)


def acknowledge(account: Account, incident: Incident, *, by: str, at: float, channel: str = "api") -> None:
    """The phones fall silent, and whoever acknowledged is the assignee."""
    service = account.services[incident.service_id]
    _set_status(incident, ACKNOWLEDGED, by=by, at=at)
    incident.acknowledgements = [Assignment(by, at)]
    if not incident.is_assigned_to(by) or len(incident.assignments) != 1:
        incident.assignments = [Assignment(by, at)]
    incident.escalates_at = None
    timeout = service.acknowledgement_timeout
    incident.unacknowledges_at = at + timeout if timeout else None
    log(incident, "acknowledge", f"Acknowledged by {account.users[by].name}", at=at, agent=by, channel=channel)


def resolve(
    account: Account,
    incident: Incident,
    *,
    by: str | None,
    at: float,
    channel: str = "api",
    resolution: str | None = None,
) -> None:
    """The end; `by` None is the service's auto-resolve time-out."""
    _set_status(incident, RESOLVED, by=by or incident.service_id, at=at)
    incident.resolved_at = at
    incident.assignments, incident.acknowledgements = [], []
    incident.escalates_at = incident.unacknowledges_at = incident.resolves_at = None
    account.open.pop(incident.id, None)
    who = account.users[by].name if by is not None else "timeout"
    more = {"note": resolution} if resolution else {}
    log(incident, "resolve", f"Resolved by {who}", at=at, agent=by or incident.service_id, channel=channel, **more)


def trigger(account: Account, incident: Incident, *, by: str | None, at: float) -> None:
    """Make it a triggered, open incident, new or again; whom to page is for the caller to say."""
    service = account.services[incident.service_id]
    _set_status(incident, TRIGGERED, by=by, at=at)
    incident.resolved_at = None
    incident.acknowledgements = []
    incident.unacknowledges_at = None
    if incident.id not in account.open:
        timeout = service.auto_resolve_timeout
        incident.resolves_at = at + timeout if timeout else None
        account.open[incident.id] = incident


def log(
    incident: Incident,
    kind: str,
    summary: str,
    *,
    at: float,
    agent: str | None = None,
    channel: str = "api",
    **more: object,
) -> None:
    incident.log.append(LogEntry(fresh_id(), kind, at, summary, agent, channel, more))


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
    policy = account.policies[incident.policy_id]
    level = first_level(account, policy, at=at, start=incident.level + 1)
    if level is None and incident.loop < policy.num_loops:
        level = first_level(account, policy, at=at)
        incident.loop += 1
        log(incident, "repeat_escalation_path", "Repeated the escalation policy", at=at, channel="timeout")
    if level is None:
        incident.escalates_at = None
        log(incident, "exhaust_escalation_path", "Nobody left to escalate to", at=at, channel="timeout")
        return
    log(incident, "escalate", f"Escalated to level {level}", at=at, agent=incident.service_id, channel="timeout")
    page_level(account, incident, level, at=at, agent=incident.service_id)


def _unacknowledge(account: Account, incident: Incident, *, at: float) -> None:
    trigger(account, incident, by=None, at=at)
    log(incident, "unacknowledge", "Acknowledgement timed out", at=at, agent=incident.service_id, channel="timeout")
    if incident.assigned_via == BY_POLICY:
        incident.escalates_at = at + 60 * account.policies[incident.policy_id].rules[incident.level - 1].minutes
    user_ids = [assignment.user_id for assignment in incident.assignments]
    page(account, incident, user_ids, at=at, agent=incident.service_id)


def _set_status(incident: Incident, status: str, *, by: str | None, at: float) -> None:
    incident.status = status
    incident.updated_at = incident.status_changed_at = at
    incident.status_changed_by = by


def _names(users: list[User]) -> str:
    return ", ".join(user.name for user in users) or "nobody"
