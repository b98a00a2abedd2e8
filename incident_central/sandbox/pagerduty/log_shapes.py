"""Log entries as JSON (fact sheet 7, Log entries)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import cast

from incident_central.sandbox.pagerduty.records import Incident, LogEntry
from incident_central.sandbox.pagerduty.shapes import Json, Shapes

IncidentJson = Callable[[Shapes, Incident], Json]


def log_entry_link(shapes: Shapes, entry: LogEntry, incident_json: IncidentJson) -> Json:
    if "first_trigger_log_entries" in shapes.include:
        return log_entry_json(shapes, entry, incident_json)
    return {**_head(shapes, entry), "type": f"{_type(shapes, entry)}_reference"}


def log_entry_json(shapes: Shapes, entry: LogEntry, incident_json: IncidentJson) -> Json:
    """A log entry; `incident_json` makes the whole incident where include[] asks for it, in UTC as ever."""
    account = shapes.account
    incident = account.incidents[entry.incident_id]
    link = shapes.reference("incident", incident.id, f"[#{incident.number}] {incident.title}")
    whole = "incidents" in shapes.include and account.switches["log_incidents"] != "links"
    shape: Json = {
        **_head(shapes, entry),
        "created_at": shapes.time(entry.at),
        "agent": _agent(shapes, incident, entry),
        "channel": _channel(shapes, incident, entry),
        "service": shapes.service_link(incident.service_id),
        "incident": incident_json(Shapes(account, UTC), incident) if whole else link,
        "teams": shapes.team_links(account.services[incident.service_id].team_ids),
        "contexts": [],
        **{name: value for name, value in entry.more.items() if name in PLAIN},
    }
    if whole and account.switches["log_incidents"] == "cut":
        del cast(Json, shape["incident"])["service"]
    if account.switches["odd_rows"] == "rows" and entry.type == "annotate":
        del shape["incident"]
    if shape.get("note", "") is None:
        del shape["note"]
    if entry.type == "trigger":
        shape["event_details"] = {"description": incident.title}
    if "assignee_ids" in entry.more:
        shape["assignees"] = _people(shapes, entry.more["assignee_ids"])
    if "user_id" in entry.more:
        shape["user"] = shapes.user_link(str(entry.more["user_id"]), name="")
    if "responder_ids" in entry.more:
        shape["responders"] = [{"user": person} for person in _people(shapes, entry.more["responder_ids"])]
    if "source_ids" in entry.more:
        sources = [account.incidents[id_] for id_ in cast("list[str]", entry.more["source_ids"])]
        shape["source_incidents"] = [shapes.reference("incident", one.id, one.title) for one in sources]
    if "changed_actions" in entry.more:
        actions = cast("list[dict[str, object]]", entry.more["changed_actions"])
        shape["changed_actions"] = [{**one, "at": shapes.time(cast("float", one["at"]), zone=UTC)} for one in actions]
    return shape


# Fields that an entry shows as they are.
PLAIN = ("acknowledgement_timeout", "changeset", "message", "note")


def _agent(shapes: Shapes, incident: Incident, entry: LogEntry) -> Json:
    agent_id, integration = entry.agent_id or incident.service_id, entry.more.get("integration")
    if integration is None:
        return agent_link(shapes, agent_id)
    service = shapes.account.services[agent_id]
    return {**shapes.integration(service, str(integration)), "type": "integration_reference"}


def agent_link(shapes: Shapes, agent_id: str) -> Json:
    if agent_id in shapes.account.users:
        return shapes.user_link(agent_id, name="agents")
    service = shapes.account.services[agent_id]
    return shapes.reference("service", service.id, service.name)


def _head(shapes: Shapes, entry: LogEntry) -> Json:
    account = shapes.account
    return {
        "id": entry.id,
        "type": _type(shapes, entry),
        "summary": entry.summary,
        "self": f"{account.api_url}/log_entries/{entry.id}?incident_id={entry.incident_id}",
        "html_url": f"{account.page_url}/pagerduty/incidents/{entry.incident_id}/log_entries/{entry.id}",
    }


def _type(shapes: Shapes, entry: LogEntry) -> str:
    """PagerDuty's description contradicts itself about one of them: a switch says which word is used."""
    word = shapes.account.switches["acknowledge_entry"] if entry.type == "acknowledge" else entry.type
    return f"{word}_log_entry"


def _channel(shapes: Shapes, incident: Incident, entry: LogEntry) -> Json:
    """What a trigger's channel told comes only with include[]=channels."""
    account = shapes.account
    channel: Json = {"type": entry.channel, **entry.channel_more}
    if entry.type == "trigger" and "channels" in shapes.include:
        channel |= {"summary": incident.title, "incident_key": incident.key, "details": {}}
    for name in ("old_priority", "new_priority"):
        if name in channel:
            priority = account.priorities.get(str(channel[name]))
            channel[name] = shapes.priority(priority) if priority else None
    return channel


def _people(shapes: Shapes, user_ids: object) -> list[Json]:
    return [shapes.user_link(user_id, name="") for user_id in cast("list[str]", user_ids)]
