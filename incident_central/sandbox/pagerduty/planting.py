"""Plant any state, past all rules: what a test or a curious person needs to see the hub meet a broken set-up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, asdict, fields
from typing import Any

from incident_central.sandbox.pagerduty import history
from incident_central.sandbox.pagerduty.account import Account, Key
from incident_central.sandbox.pagerduty.records import (
    Assignment,
    ContactMethod,
    Incident,
    MaintenanceWindow,
    NotificationRule,
    Policy,
    Priority,
    Rule,
    Schedule,
    Service,
    Shift,
    Team,
    User,
    fresh_id,
)
from incident_central.sandbox.pagerduty.subscriptions import Subscription

COLLECTIONS: dict[str, type[Any]] = {
    "keys": Key,
    "users": User,
    "teams": Team,
    "schedules": Schedule,
    "policies": Policy,
    "services": Service,
    "priorities": Priority,
    "windows": MaintenanceWindow,
    "incidents": Incident,
    "subscriptions": Subscription,
}
# Lists of records inside a record, which a plant gives as lists of plain objects.
PARTS: dict[str, type[Any]] = {
    "contact_methods": ContactMethod,
    "notification_rules": NotificationRule,
    "overrides": Shift,
    "rules": Rule,
    "assignments": Assignment,
    "acknowledgements": Assignment,
}
# Fields that hold the id of another record, or several, and where it may be.
LINKS = {
    "user_id": ("users",),
    "user_ids": ("users",),
    "created_by": ("users",),
    "team_ids": ("teams",),
    "policy_id": ("policies",),
    "service_id": ("services",),
    "service_ids": ("services",),
    "priority_id": ("priorities",),
    "target_ids": ("users", "schedules"),
}


def plant(
    account: Account,
    collection: str,
    record_id: str | None,
    *,
    values: dict[str, object] | None,
    delete: bool,
) -> dict[str, object] | None:
    """Change, delete or create one record; the id of a key is its secret. Raises ValueError that says what is wrong."""
    if collection not in COLLECTIONS:
        raise ValueError(f"No collection {collection!r}. There are: {', '.join(COLLECTIONS)}.")
    records: dict[str, Any] = getattr(account, collection)
    if record_id is not None and record_id not in records:
        raise ValueError(f"No record {record_id!r} in {collection}.")
    if delete:
        _delete(account, collection, str(record_id))
        return None
    kind = COLLECTIONS[collection]
    given = _typed(kind, values or {})
    _check_links(account, given)
    if record_id is None:
        record = _created(kind, given)
        records[record.secret if isinstance(record, Key) else record.id] = record
    else:
        record = records[record_id]
        for name, value in given.items():
            setattr(record, name, value)
    if isinstance(record, Incident):
        account.put_incident(record)
        if record_id is None:
            # Every incident in PagerDuty has an entry that tells how it began, and links to it.
            history.log(account, record, "trigger", "Triggered through the API", at=record.created_at)
    return asdict(record)


def _typed(kind: type[Any], values: dict[str, object]) -> dict[str, object]:
    known = {field.name for field in fields(kind)} - {"id", "log", "notes", "status_updates", "requests", "responders"}
    if unknown := set(values) - known:
        raise ValueError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}. It has: {sorted(known)}.")
    return {
        name: [PARTS[name](**part) for part in value] if name in PARTS and isinstance(value, list) else value
        for name, value in values.items()
    }


def _check_links(account: Account, given: dict[str, object]) -> None:
    """An id that leads nowhere would not be a broken set-up but a broken sandbox."""
    for name, value in given.items():
        if name in PARTS and isinstance(value, list):
            for part in value:
                _check_links(account, asdict(part))
        elif name in LINKS and value is not None:
            ids: Iterable[object] = value if isinstance(value, list) else [value]
            if lost := [id_ for id_ in ids if not any(id_ in getattr(account, place) for place in LINKS[name])]:
                raise ValueError(f"{name}: nothing has the id {lost[0]!r} among {' and '.join(LINKS[name])}.")


def _created(kind: type[Any], given: dict[str, object]) -> Any:
    missing = [
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING and field.name not in ("id", *given)
    ]
    if missing:
        raise ValueError(f"A new {kind.__name__} needs also: {', '.join(missing)}.")
    return kind(**given) if kind is Key else kind(id=fresh_id(), **given)


def _delete(account: Account, collection: str, record_id: str) -> None:
    """Delete a record and what names it. Raises ValueError where something cannot be without it."""
    if any(record_id in _named_by(incident) for incident in account.incidents.values()):
        raise ValueError(f"An incident names {record_id}. Start over, or delete the incident first.")
    if any(record_id == service.policy_id for service in account.services.values()):
        raise ValueError(f"A service has the policy {record_id}. Give it another one first.")
    if collection == "incidents":
        account.forget_incident(record_id)
        return
    del getattr(account, collection)[record_id]
    lists = [schedule.user_ids for schedule in account.schedules.values()]
    lists += [rule.target_ids for policy in account.policies.values() for rule in policy.rules]
    lists += [window.service_ids for window in account.windows.values()]
    for ids in lists:
        ids[:] = [id_ for id_ in ids if id_ != record_id]
    for schedule in account.schedules.values():
        schedule.overrides = [shift for shift in schedule.overrides if shift.user_id != record_id]
    for team in account.teams.values():
        team.members.pop(record_id, None)


def _named_by(incident: Incident) -> set[str | None]:
    """Every id that its page, its log or its answers would look for."""
    ids = [one.user_id for one in (*incident.assignments, *incident.acknowledgements)]
    ids += [note.user_id for note in incident.notes]
    ids += [update.user_id for update in incident.status_updates]
    for request in incident.requests:
        ids += [request.requester_id, *request.target_ids]
    for responder in incident.responders:
        ids += [responder.user_id, responder.requester_id]
    for entry in incident.log:
        ids += [str(entry.agent_id), str(entry.more.get("user_id"))]
        for name in ("assignee_ids", "responder_ids", "source_ids"):
            named = entry.more.get(name, [])
            ids += named if isinstance(named, list) else []
    changed_by = incident.status_changed_by
    return {incident.service_id, incident.policy_id, incident.priority_id, incident.merged_into, changed_by, *ids}
