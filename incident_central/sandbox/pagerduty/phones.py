"""What rings: the phones of the people whom PagerDuty has paged or asked to help, or will page next."""

from __future__ import annotations

from dataclasses import dataclass, field

from incident_central.sandbox.pagerduty import escalation
from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.records import PENDING, TRIGGERED, Incident, Responder, User

RINGING, ACKNOWLEDGED_PHONE, SILENT = "ringing", "acknowledged", "idle"


@dataclass
class Page:
    """One incident on a phone. `rings_since` is None on a phone that cannot ring, or does not any more.

    `asks` is the message of a responder request, where this person was only asked to help.
    """

    incident_id: str
    service: str
    title: str
    priority: str
    status: str
    rings_since: float | None
    escalates_at: float | None
    asks: str | None = None


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
            for responder in incident.responders:
                if responder.state == PENDING:
                    user = account.users[responder.user_id]
                    _add_request(account, _phone(shown, user), user, incident, responder)
        for incident in account.open.values():
            _add_next(account, shown, incident)
    order = (RINGING, ACKNOWLEDGED_PHONE, SILENT)
    return sorted(shown.values(), key=lambda phone: (order.index(phone.state), phone.next_at or 0.0))


def next_ring(account: Account) -> float | None:
    """When the next phone rings if nobody does anything."""
    with account.lock:
        due = [incident.escalates_at for incident in account.open.values() if incident.escalates_at is not None]
    return min(due, default=None)


def _phone(shown: dict[str, Phone], user: User) -> Phone:
    return shown.setdefault(user.id, Phone(user.id, user.name))


def _add_page(account: Account, phone: Phone, user: User, incident: Incident, *, since: float) -> None:
    rings = incident.status == TRIGGERED and user.can_be_paged(incident.urgency)
    phone.pages.append(_page(account, incident, rings_since=since if rings else None))
    if rings:
        phone.state = RINGING
    elif incident.status == TRIGGERED:
        phone.cannot_ring = True
    elif phone.state == SILENT:
        phone.state = ACKNOWLEDGED_PHONE


def _add_request(account: Account, phone: Phone, user: User, incident: Incident, responder: Responder) -> None:
    """Whoever is asked to help is rung as for high urgency, until an answer."""
    rings = user.can_be_paged("high")
    page = _page(account, incident, rings_since=responder.requested_at if rings else None)
    page.asks, page.escalates_at = responder.message, None
    phone.pages.append(page)
    if rings:
        phone.state = RINGING
    else:
        phone.cannot_ring = True


def _page(account: Account, incident: Incident, *, rings_since: float | None) -> Page:
    priority = account.priorities.get(incident.priority_id or "")
    return Page(
        incident_id=incident.id,
        service=account.services[incident.service_id].name,
        title=incident.title,
        priority=priority.name if priority else "",
        status=incident.status,
        rings_since=rings_since,
        escalates_at=incident.escalates_at,
    )


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
