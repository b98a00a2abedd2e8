"""PagerDuty's log entries, as its API has them. The types and fields are in fact sheet section 7, Log entries.

The published description contradicts itself and real answers go beyond it, so what is missing is left empty and what is
unknown is passed on.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from incident_central.integrations.base import Change, LogEntry, Page, Reference
from incident_central.integrations.pagerduty.shapes import page_of, understood

Json = dict[str, Any]

log = logging.getLogger(__name__)

#: Two words for one thing, both in the description.
SAME = {"acknowledgement": "acknowledge"}


def oldest_first(rows: Iterable[Json]) -> list[LogEntry]:
    """They come newest first, as far as is known; PagerDuty's times are whole seconds, so their order tells more. What
    cannot be understood is left out."""
    entries = understood(rows, log_entry)
    if entries and entries[0].at >= entries[-1].at:
        entries.reverse()
    return sorted(entries, key=lambda entry: entry.at)


def log_entry(row: Json) -> LogEntry:
    channel, agent = row.get("channel") or {}, row.get("agent") or {}
    name, is_person = agent.get("summary") or agent.get("name") or "", "user" in str(agent.get("type"))
    kind = str(row.get("type") or "").removesuffix("_reference").removesuffix("_log_entry")
    return LogEntry(
        id=row["id"],
        page_id=row["incident"]["id"],
        kind=SAME.get(kind, kind),
        at=datetime.fromisoformat(row["created_at"]),
        summary=row.get("summary") or "",
        actor=name if is_person else "",
        actor_id=str(agent.get("id") or ""),
        machine="" if is_person else name,
        channel=str(channel.get("type") or ""),
        people=tuple(_people(row)),
        text=_text(row, channel, kind),
        changes=tuple(_changes(channel, kind)),
        seconds=channel["duration"] if isinstance(channel.get("duration"), int) else None,
        notified_by=str((channel.get("notification") or {}).get("type") or "").partition("_")[0],
        sources=tuple(_reference(one) for one in row.get("source_incidents") or ()),
        page=_page(row, kind),
    )


def _page(row: Json, kind: str) -> Page | None:
    """Where the whole incident was asked for. How whole it comes is described nowhere: what lacks something counts as
    the reference that it is else, and does not keep the log from being read."""
    if kind != "trigger" or "incident_key" not in row["incident"]:
        return None
    try:
        return page_of(row["incident"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        log.warning("PagerDuty's log includes an incident that is not whole: %r", error)
        return None


def _people(row: Json) -> Iterable[Reference]:
    for one in row.get("assignees") or ():
        yield _reference(one)
    if isinstance(row.get("user"), dict):
        yield _reference(row["user"])
    for one in row.get("responders") or ():
        if isinstance(one.get("user"), dict):
            yield _reference(one["user"])


def _text(row: Json, channel: Json, kind: str) -> str:
    """A note is in the channel, what was said on resolving in `note`, a message in `message`."""
    if kind == "annotate":
        return str(channel.get("summary") or channel.get("content") or "")
    return str(row.get("note") or row.get("message") or "")


def _changes(channel: Json, kind: str) -> Iterable[Change]:
    if kind == "priority_change":
        yield Change("priority", _value(channel.get("old_priority")), _value(channel.get("new_priority")))
    changeset = channel.get("changeset")
    fields = "customer_fields" if kind == "custom_field_value_change" else "application_fields"
    for field in changeset.get(fields) or () if isinstance(changeset, dict) else ():
        yield Change(str(field.get("name") or ""), _value(field.get("old_value")), _value(field.get("value")))


def _value(value: object) -> str:
    if isinstance(value, dict):
        return str(value.get("summary") or value.get("name") or value.get("id") or "")
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return "" if value is None else str(value)


def _reference(row: Json) -> Reference:
    return Reference(row["id"], row.get("summary") or row.get("name") or "")
