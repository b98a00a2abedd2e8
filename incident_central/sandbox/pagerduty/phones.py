"""What rings: the phones of the people whom PagerDuty has paged or will page next, and what they press."""

from __future__ import annotations

from dataclasses import dataclass, field

from incident_central.sandbox.pagerduty import escalation, incidents
from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.records import ACKNOWLEDGED, RESOLVED, TRIGGERED, Incident, User

RINGING, ACKNOWLEDGED_PHONE, SILENT = "ringing", "acknowledged", "idle"
ACTIONS = ("acknowledge", "escalate", "resolve")


@dataclass
class Page:
    """One incident on a phone. `rings_since` is None on a phone that cannot ring, or does not any more."""

    incident_id: str
    service: str
    title: str
    priority: str
    status: str
    rings_since: float | None
    escalates_at: float | None


@dataclass
class Phone:
    """Somebody's phone. `next_at` and `next_level`: when it is paged if nobody answers before.

    `cannot_ring`: nothing of theirs rings for what they are, or will be, paged with.
    """

    user_id: str
    name: str
    state: str = SILENT
    cannot_ring: bool = False
    pages: list[Page] = field(default_factory=list)
    next_at: float | None = None
    next_level: int | None = None


def phones(account: Account) -> list[Phone]:
    """Whoever has an open incident, then whoever comes next: ringing ones first."""
    shown: dict[str, Phone] = {}
    with account.lock:
        for incident in account.open.values():
            for assignment in incident.assignments:
                user = account.users[assignment.user_id]
                _add_page(account, _phone(shown, user), user, incident, since=assignment.at)
        for incident in account.open.values():
            _add_next(account, shown, incident)
    order = (RINGING, ACKNOWLEDGED_PHONE, SILENT)
    return sorted(shown.values(), key=lambda phone: (order.index(phone.state), phone.next_at or 0.0))


def next_ring(account: Account) -> float | None:
    """When the next phone rings if nobody does anything."""
    with account.lock:
        due = [incident.escalates_at for incident in account.open.values() if incident.escalates_at is not None]
    return min(due, default=None)


def press(account: Account, *, incident_id: str, action: str, user_id: str) -> None:
    """What the buttons on a phone do. Raises ValueError, in words for a person; Refused as the API does."""
    with account.lock:
        incident, user = account.incidents.get(incident_id), account.users.get(user_id)
        if incident is None or user is None:
            raise ValueError("No such incident or user. Start over may have put them away.")
        if action not in ACTIONS:
            raise ValueError(f"A phone cannot {action}. It can: {', '.join(ACTIONS)}.")
        if action == "escalate":
            _escalate(account, incident, user)
            return
        status = ACKNOWLEDGED if action == "acknowledge" else RESOLVED
        if incident.is_open:
            incidents.set_status(account, incident, status, requester=user, channel="mobile")


def _phone(shown: dict[str, Phone], user: User) -> Phone:
    return shown.setdefault(user.id, Phone(user.id, user.name))


def _add_page(account: Account, phone: Phone, user: User, incident: Incident, *, since: float) -> None:
    priority = account.priorities.get(incident.priority_id or "")
    rings = incident.status == TRIGGERED and user.can_be_paged(incident.urgency)
    phone.pages.append(
        Page(
            incident_id=incident.id,
            service=account.services[incident.service_id].name,
            title=incident.title,
            priority=priority.name if priority else "",
            status=incident.status,
            rings_since=since if rings else None,
            escalates_at=incident.escalates_at,
        )
    )
    if rings:
        phone.state = RINGING
    elif incident.status == TRIGGERED:
        phone.cannot_ring = True
    elif phone.state == SILENT:
        phone.state = ACKNOWLEDGED_PHONE


def _add_next(account: Account, shown: dict[str, Phone], incident: Incident) -> None:
    if incident.escalates_at is None:
        return
    policy = account.policies[incident.policy_id]
    level = escalation.first_level(account, policy, at=incident.escalates_at, start=incident.level + 1)
    if level is None:
        return
    for user_id in account.on_call(policy, level, now=incident.escalates_at):
        user = account.users[user_id]
        phone = _phone(shown, user)
        if not phone.pages and (phone.next_at is None or incident.escalates_at < phone.next_at):
            phone.next_at, phone.next_level = incident.escalates_at, level
            phone.cannot_ring = not user.can_be_paged(incident.urgency)


def _escalate(account: Account, incident: Incident, user: User) -> None:
    """To the next level that reaches somebody, or from the last one to the first."""
    policy, now = account.policies[incident.policy_id], account.clock.now()
    level = escalation.first_level(account, policy, at=now, start=incident.level + 1)
    level = level or escalation.first_level(account, policy, at=now)
    if level is None:
        raise ValueError(f"The escalation policy {policy.name} reaches nobody.")
    change = {"type": "incident_reference", "escalation_level": level}
    incidents.update(account, incident, change, requester=user)
