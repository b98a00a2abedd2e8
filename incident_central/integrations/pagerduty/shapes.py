"""PagerDuty's rows, made into what crosses the line. Where its description and its answers differ, what may be missing
is left empty. Log entries are in log.py.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from incident_central.integrations.base import (
    EscalationPolicy,
    Level,
    OnCall,
    Page,
    PagerService,
    PagerUser,
    Phone,
    Reference,
    Subscription,
)

T = TypeVar("T")
Json = dict[str, Any]

log = logging.getLogger(__name__)


def understood(rows: Iterable[Json], shape: Callable[[Json], T]) -> list[T]:
    """What the rows become. One that cannot be understood is left out, and keeps nobody from the others."""
    found = []
    for row in rows:
        try:
            found.append(shape(row))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("PagerDuty told something that cannot be understood, and is left out: %r", error)
    return found


def policy_of(row: Json) -> EscalationPolicy:
    levels = (
        Level(rule["escalation_delay_in_minutes"], tuple(_reference(target) for target in rule["targets"]))
        for rule in row["escalation_rules"]
    )
    return EscalationPolicy(row["id"], row.get("name") or row["summary"], row.get("html_url") or "", tuple(levels))


def service_of(row: Json) -> PagerService:
    return PagerService(
        row["id"],
        row.get("name") or row["summary"],
        row.get("description") or "",
        row["status"],
        row.get("html_url") or "",
        _reference(row["escalation_policy"]) if row.get("escalation_policy") else None,
        tuple(_reference(team) for team in row.get("teams") or ()),
    )


def on_call_of(row: Json) -> OnCall:
    return OnCall(
        row["escalation_policy"]["id"],
        row["escalation_level"],
        _reference(row["user"]),
        _reference(row["schedule"]) if row.get("schedule") else None,
        _time(row.get("start")),
        _time(row.get("end")),
    )


def user_of(row: Json) -> PagerUser:
    """Without phones, which only users() asks for."""
    return PagerUser(row["id"], row["name"], row["email"].lower(), row.get("html_url") or "")


def phones_of(user: Json) -> Iterable[Phone]:
    """Numbers that reach the person: PagerDuty lists voice and text methods apart, often with one number."""
    seen = set()
    for method in user.get("contact_methods") or ():
        if method.get("type") not in ("phone_contact_method", "sms_contact_method") or not method.get("address"):
            continue
        if method.get("enabled") is False or method.get("blacklisted"):
            continue
        number = f"+{method.get('country_code') or 1} {method['address']}"
        if number not in seen:
            seen.add(number)
            yield Phone(method.get("label") or "", number)


def page_of(row: Json) -> Page:
    acknowledgements = row.get("acknowledgements") or []
    return Page(
        id=row["id"],
        key=row.get("incident_key") or "",
        number=row["incident_number"],
        url=row.get("html_url") or "",
        status=row["status"],
        title=row.get("title") or "",
        service_id=row["service"]["id"],
        priority_id=(row.get("priority") or {}).get("id"),
        created_at=_time(row["created_at"]) or datetime.now(UTC),
        assigned=tuple(_people(row.get("assignments"), "assignee")),
        acknowledged_at=min((at for one in acknowledgements if (at := _time(one.get("at")))), default=None),
        acknowledged_by=tuple(_people(acknowledgements, "acknowledger")),
        resolved_at=_time(row.get("resolved_at") or row.get("last_status_change_at"))
        if row["status"] == "resolved"
        else None,
        urgency=row.get("urgency") or "high",
        service=_reference(row["service"]),
        priority=_reference(row["priority"]) if row.get("priority") else None,
        escalation_policy_id=(row.get("escalation_policy") or {}).get("id"),
        assigned_by_hand=row.get("assigned_via") == "direct_assignment",
        status_changed_at=_time(row.get("last_status_change_at") or row["created_at"]) or datetime.now(UTC),
        status_changed_by=(row.get("last_status_change_by") or {}).get("id") or "",
        updated_at=_time(row.get("updated_at") or row["created_at"]) or datetime.now(UTC),
        merged_into=_merged_into(row),
    )


def _people(rows: Iterable[Json] | None, role: str) -> Iterable[Reference]:
    """As far as PagerDuty names them."""
    return (_reference(one[role]) for one in rows or () if one.get(role))


def _merged_into(row: Json) -> Reference | None:
    """(fact sheet section 7: resolve_reason of an incident that was merged into another)"""
    reason = row.get("resolve_reason")
    target = reason.get("incident") if isinstance(reason, dict) else None
    return _reference(target) if target else None


def subscription_of(row: Json) -> Subscription:
    """(fact sheet section 0.6: one flag is on top, the other one in the delivery method)"""
    method = row["delivery_method"]
    return Subscription(
        row["id"],
        method.get("url") or "",
        active=row.get("active") is not False,
        given_up=bool(method.get("temporarily_disabled")),
        secret=method.get("secret") or "",
    )


def _reference(row: Json) -> Reference:
    return Reference(row["id"], row.get("name") or row.get("summary") or "")


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
