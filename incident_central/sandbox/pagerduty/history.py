"""What happened to an incident, in its log and as the events that webhooks carry (fact sheets 7 and 8)."""

from __future__ import annotations

from collections.abc import Mapping

from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.records import Incident, LogEntry, fresh_id

# Types that real answers are seen to have, though PagerDuty's API description does not list them.
UNLISTED = (
    "merge",
    "priority_change",
    "reopen",
    "responder_accept",
    "responder_decline",
    "responder_request",
    "status_update",
)
Fields = dict[str, tuple[object, object]]  # name of a field: its old and its new value


def log(
    account: Account,
    incident: Incident,
    kind: str,
    summary: str,
    *,
    at: float,
    agent: str | None = None,
    channel: str = "api",
    channel_more: Mapping[str, object] | None = None,
    **more: object,
) -> None:
    """Write one log entry. `agent` is whoever did it: a user's or the service's id, None is PagerDuty itself.

    A switch leaves out the types that PagerDuty's API description does not list.
    """
    if kind in UNLISTED and account.switches["unlisted_log_entries"] == "left out":
        return
    account.write_log(
        LogEntry(fresh_id(), incident.id, kind, at, summary, agent, channel, dict(channel_more or {}), dict(more))
    )


def log_fields(account: Account, incident: Incident, fields: Fields, *, at: float, agent: str, channel: str) -> None:
    """One entry for what an incident says that has no entry type of its own: title, service, type, bridge."""
    if not fields:
        return
    changeset = [
        {"id": incident.id, "name": name, "namespace": "incidents", "value": new, "old_value": old}
        for name, (old, new) in fields.items()
    ]
    log(
        account,
        incident,
        "field_value_change",
        f"Updated {', '.join(fields)}",
        at=at,
        agent=agent,
        channel=channel,
        channel_more={"changeset": {"application_fields": changeset}},
        changeset=[f"Updated {name} to {new}" for name, (_, new) in fields.items()],
    )


def log_priority(
    account: Account, incident: Incident, old_id: str | None, *, at: float, agent: str, channel: str
) -> None:
    """The entry that real answers have; as a changed field where the switch leaves unlisted types out."""
    names = [
        account.priorities[id_].name if id_ in account.priorities else "none" for id_ in (old_id, incident.priority_id)
    ]
    if account.switches["unlisted_log_entries"] == "left out":
        fields: Fields = {"priority": (names[0], names[1])}
        log_fields(account, incident, fields, at=at, agent=agent, channel=channel)
        return
    log(
        account,
        incident,
        "priority_change",
        f'Priority changed from "{names[0]}" to "{names[1]}"',
        at=at,
        agent=agent,
        channel=channel,
        channel_more={"old_priority": old_id, "new_priority": incident.priority_id},
    )
