"""Plant any state, past all rules: what a test or a curious person needs to see the hub meet a broken set-up."""

from __future__ import annotations

from dataclasses import MISSING, asdict, fields
from typing import Any

from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.records import (
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

COLLECTIONS: dict[str, type[Any]] = {
    "users": User,
    "teams": Team,
    "schedules": Schedule,
    "policies": Policy,
    "services": Service,
    "priorities": Priority,
    "windows": MaintenanceWindow,
    "incidents": Incident,
}
# Lists of records inside a record, which a plant gives as lists of plain objects.
PARTS: dict[str, type[Any]] = {
    "contact_methods": ContactMethod,
    "notification_rules": NotificationRule,
    "overrides": Shift,
    "rules": Rule,
}


def plant(
    account: Account,
    collection: str,
    record_id: str | None,
    *,
    values: dict[str, object] | None,
    delete: bool,
) -> dict[str, object] | None:
    """Change, delete or create one record. Raises ValueError that says what is wrong."""
    if collection not in COLLECTIONS:
        raise ValueError(f"No collection {collection!r}. There are: {', '.join(COLLECTIONS)}.")
    records: dict[str, Any] = getattr(account, collection)
    if record_id is not None and record_id not in records:
        raise ValueError(f"No record {record_id!r} in {collection}.")
    kind, given = COLLECTIONS[collection], _typed(COLLECTIONS[collection], values or {})
    if delete:
        records.pop(record_id or "", None)
        account.open.pop(record_id or "", None)
        return None
    if record_id is None:
        record = _created(kind, given)
        records[record.id] = record
    else:
        record = records[record_id]
        for name, value in given.items():
            setattr(record, name, value)
    if isinstance(record, Incident):
        account.put_incident(record)
    return asdict(record)


def _created(kind: type[Any], given: dict[str, object]) -> Any:
    whole = {"id": fresh_id(), **given}
    missing = [
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING and field.name not in whole
    ]
    if missing:
        raise ValueError(f"A new {kind.__name__} needs also: {', '.join(missing)}.")
    return kind(**whole)


def _typed(kind: type[Any], values: dict[str, object]) -> dict[str, object]:
    known = {field.name for field in fields(kind)}
    if unknown := set(values) - known:
        raise ValueError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}. It has: {sorted(known)}.")
    return {
        name: [PARTS[name](**part) for part in value] if name in PARTS and isinstance(value, list) else value
        for name, value in values.items()
    }
