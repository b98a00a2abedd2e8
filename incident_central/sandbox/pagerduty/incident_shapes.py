"""Incidents, notes and log entries as JSON (fact sheet 7)."""

from __future__ import annotations

from datetime import UTC
from typing import cast

from incident_central.sandbox.pagerduty.records import Assignment, Incident, LogEntry, Note
from incident_central.sandbox.pagerduty.shapes import Json, Shapes


def incident_json(shapes: Shapes, incident: Incident) -> Json:
    """An incident; its times are in UTC unless the request names a time zone."""
    account = shapes.account
    service = account.services[incident.service_id]
    trigger = incident.log[0]
    counts = {"all": 0, "triggered": 0, "resolved": 0}
    shape: Json = {
        **shapes.reference("incident", incident.id, f"[#{incident.number}] {incident.title}"),
        "type": "incident",
        "incident_number": incident.number,
        "title": incident.title,
        "description": incident.title,
        "created_at": shapes.time(incident.created_at),
        "updated_at": shapes.time(incident.updated_at),
        "status": incident.status,
        "incident_key": incident.key,
        "service": shapes.service_link(incident.service_id),
        "assignments": [_person(shapes, one, "assignee", "assignees") for one in incident.assignments],
        "assigned_via": incident.assigned_via,
        "last_status_change_at": shapes.time(incident.status_changed_at),
        "last_status_change_by": _agent(shapes, incident.status_changed_by or incident.service_id),
        "resolved_at": shapes.time(incident.resolved_at),
        "first_trigger_log_entry": log_entry_link(shapes, incident, trigger),
        "alert_counts": counts,
        "is_mergeable": True,
        "incident_type": {"name": incident.incident_type},
        "escalation_policy": shapes.policy_link(incident.policy_id),
        "teams": shapes.team_links(service.team_ids),
        "impacted_services": [shapes.reference("service", service.id, service.name)],
        "pending_actions": _pending_actions(shapes, incident),
        "acknowledgements": [
            _person(shapes, one, "acknowledger", "acknowledgers") for one in incident.acknowledgements
        ],
        "alert_grouping": None,
        "priority": _priority(shapes, incident.priority_id),
        "urgency": incident.urgency,
        "resolve_reason": None,
        "incidents_responders": [],
        "responder_requests": [],
    }
    if "body" in shapes.include:
        shape["body"] = {"type": "incident_body", "details": incident.details}
    if "conference_bridge" in shapes.include:
        shape["conference_bridge"] = incident.conference_bridge
    if "custom_fields" in shapes.include:
        shape["custom_fields"] = []
    return shape


def note_json(shapes: Shapes, note: Note) -> Json:
    """A note; the author and times in the account's zone."""
    return {
        "id": note.id,
        "user": shapes.user_link(note.user_id, name=""),
        "channel": {"summary": "The PagerDuty website or APIs"},
        "content": note.content,
        "created_at": shapes.time(note.created_at),
        "updated_at": shapes.time(note.created_at),
    }


def log_entry_link(shapes: Shapes, incident: Incident, entry: LogEntry) -> Json:
    if "first_trigger_log_entries" in shapes.include:
        return log_entry_json(shapes, incident, entry)
    return {**_log_entry_head(shapes, incident, entry), "type": f"{entry.type}_log_entry_reference"}


def log_entry_json(shapes: Shapes, incident: Incident, entry: LogEntry) -> Json:
    summary = f"[#{incident.number}] {incident.title}"
    shape: Json = {
        **_log_entry_head(shapes, incident, entry),
        "created_at": shapes.time(entry.at),
        "agent": _agent(shapes, entry.agent_id or incident.service_id),
        "channel": {"type": entry.channel},
        "service": shapes.service_link(incident.service_id),
        "incident": (
            incident_json(shapes, incident)
            if "incidents" in shapes.include
            else shapes.reference("incident", incident.id, summary)
        ),
        "teams": shapes.team_links(shapes.account.services[incident.service_id].team_ids),
        "contexts": [],
    }
    if entry.type == "trigger":
        shape["event_details"] = {"description": incident.title}
    if "note" in entry.more:
        shape["note"] = entry.more["note"]
    if entry.type == "assign":
        assignees = cast("list[str]", entry.more["assignee_ids"])
        shape["assignees"] = [shapes.user_link(user_id, name="") for user_id in assignees]
    if entry.type == "notify":
        shape["user"] = shapes.user_link(str(entry.more["user_id"]), name="")
        shape["channel"] = {"type": "auto", "notification": {"type": "phone_notification", "status": "success"}}
    return shape


def _log_entry_head(shapes: Shapes, incident: Incident, entry: LogEntry) -> Json:
    return {
        "id": entry.id,
        "type": f"{entry.type}_log_entry",
        "summary": entry.summary,
        "self": f"{shapes.api_url}/log_entries/{entry.id}?incident_id={incident.id}",
        "html_url": f"{shapes.page_url}/pagerduty/incidents/{incident.id}/log_entries/{entry.id}",
    }


def _person(shapes: Shapes, one: Assignment, role: str, include: str) -> Json:
    # include[]=users is the old word for the people of an incident, in either role.
    name = include if include in shapes.include else "users"
    return {"at": shapes.time(one.at), role: shapes.user_link(one.user_id, name=name)}


def _agent(shapes: Shapes, agent_id: str) -> Json:
    if agent_id in shapes.account.users:
        return shapes.user_link(agent_id, name="agents")
    service = shapes.account.services[agent_id]
    return shapes.reference("service", service.id, service.name)


def _priority(shapes: Shapes, priority_id: str | None) -> Json | None:
    priority = shapes.account.priorities.get(priority_id or "")
    if priority is None:
        return None
    if "priorities" in shapes.include:
        return shapes.priority(priority)
    return shapes.reference("priority", priority.id, priority.name, web=False)


def _pending_actions(shapes: Shapes, incident: Incident) -> list[Json]:
    due = {
        "escalate": incident.escalates_at,
        "unacknowledge": incident.unacknowledges_at,
        "resolve": incident.resolves_at,
    }
    return [
        {"type": kind, "at": shapes.time(at, zone=UTC)}
        for kind, at in sorted(due.items(), key=lambda pair: pair[1] or 0)
        if at is not None
    ]
