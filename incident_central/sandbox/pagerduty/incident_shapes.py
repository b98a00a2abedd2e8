"""Incidents, their notes, status updates and responders as JSON (fact sheet 7)."""

from __future__ import annotations

from datetime import UTC

from incident_central.sandbox.pagerduty.actions import is_mergeable
from incident_central.sandbox.pagerduty.log_shapes import agent_link, log_entry_link
from incident_central.sandbox.pagerduty.records import (
    Assignment,
    Incident,
    Note,
    Responder,
    ResponderRequest,
    StatusUpdate,
)
from incident_central.sandbox.pagerduty.shapes import Json, Shapes


def incident_json(shapes: Shapes, incident: Incident) -> Json:
    """An incident; its times are in UTC unless the request names a time zone."""
    account = shapes.account
    service = account.services[incident.service_id]
    trigger = incident.log[0]
    open_alerts = incident.alerts if incident.is_open else 0
    counts = {"all": incident.alerts, "triggered": open_alerts, "resolved": incident.alerts - open_alerts}
    shape: Json = {
        **incident_link(shapes, incident),
        "type": "incident",
        "incident_number": incident.number,
        "title": incident.title,
        "description": incident.title,
        "created_at": shapes.time(incident.created_at),
        "updated_at": shapes.time(incident.updated_at),
        "status": incident.status,
        "incident_key": account.shown_key(incident),
        "service": shapes.service_link(incident.service_id),
        "assignments": [_person(shapes, one, "assignee", "assignees") for one in incident.assignments],
        "assigned_via": incident.assigned_via,
        "last_status_change_at": shapes.time(incident.status_changed_at),
        "last_status_change_by": agent_link(shapes, incident.status_changed_by or incident.service_id),
        "resolved_at": shapes.time(incident.resolved_at),
        "first_trigger_log_entry": log_entry_link(shapes, trigger, incident_json),
        "alert_counts": counts,
        "is_mergeable": is_mergeable(account, incident),
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
        "resolve_reason": _resolve_reason(shapes, incident),
    }
    if account.switches["responder_requests"] == "on":
        shape["incidents_responders"] = [responder_json(shapes, incident, one) for one in incident.responders]
        shape["responder_requests"] = [request_json(shapes, incident, one) for one in incident.requests]
    if account.switches["odd_rows"] == "rows" and incident.acknowledgements:
        shape["acknowledgements"] = [None]
    if "body" in shapes.include:
        shape["body"] = {"type": "incident_body", "details": incident.details}
    if "conference_bridge" in shapes.include:
        shape["conference_bridge"] = incident.conference_bridge
    if "custom_fields" in shapes.include:
        shape["custom_fields"] = []
    return shape


def incident_link(shapes: Shapes, incident: Incident) -> Json:
    return shapes.reference("incident", incident.id, f"[#{incident.number}] {incident.title}")


def note_json(shapes: Shapes, note: Note) -> Json:
    """A note; the author and times in the account's zone."""
    return {
        "id": note.id,
        "user": shapes.user_link(note.user_id, name=""),
        "channel": {"summary": "The PagerDuty website or APIs"},
        "content": note.content,
        "created_at": shapes.time(note.created_at),
        "updated_at": shapes.time(note.updated_at),
    }


def status_update_json(shapes: Shapes, update: StatusUpdate) -> Json:
    """A status update; subject and HTML only where they were given."""
    shape: Json = {
        "id": update.id,
        "message": update.message,
        "sender": shapes.user_link(update.user_id, name=""),
        "created_at": shapes.time(update.created_at),
    }
    if update.subject is not None:
        shape |= {"subject": update.subject, "html_message": update.html_message}
    return shape


def request_json(shapes: Shapes, incident: Incident, request: ResponderRequest) -> Json:
    """A responder request; each target with those whom it made responders."""

    def target(target_id: str) -> Json:
        is_user = target_id in shapes.account.users
        asked = [
            one
            for one in incident.responders
            if one.request_id == request.id and target_id == (one.user_id if is_user else one.policy_id)
        ]
        name = shapes.account.users[target_id].name if is_user else shapes.account.policies[target_id].name
        return {
            "type": "user" if is_user else "escalation_policy",
            "id": target_id,
            "summary": name,
            "incidents_responders": [responder_json(shapes, incident, one) for one in asked],
        }

    return {
        "id": request.id,
        "incident": incident_link(shapes, incident),
        "requester": shapes.user_link(request.requester_id, name=""),
        "requested_at": shapes.time(request.at),
        "message": request.message,
        "responder_request_targets": [{"responder_request_target": target(id_)} for id_ in request.target_ids],
    }


def responder_json(shapes: Shapes, incident: Incident, responder: Responder) -> Json:
    policies = [shapes.account.policies[id_].name for id_ in (responder.policy_id,) if id_ is not None]
    return {
        "state": responder.state,
        "user": shapes.user_link(responder.user_id, name=""),
        "incident": incident_link(shapes, incident),
        "updated_at": shapes.time(responder.updated_at),
        "message": responder.message,
        "requester": shapes.user_link(responder.requester_id, name=""),
        "requested_at": shapes.time(responder.requested_at),
        "escalation_policy_requests": policies,
    }


def _person(shapes: Shapes, one: Assignment, role: str, include: str) -> Json:
    # include[]=users is the old word for the people of an incident, in either role.
    name = include if include in shapes.include else "users"
    is_odd = role == "acknowledger" and shapes.account.switches["odd_rows"] == "people"
    return {"at": shapes.time(one.at), role: None if is_odd else shapes.user_link(one.user_id, name=name)}


def _resolve_reason(shapes: Shapes, incident: Incident) -> Json | None:
    """Only a merge gives one."""
    if incident.merged_into is None:
        return None
    target = shapes.account.incidents[incident.merged_into]
    return {"type": "merge_resolve_reason", "incident": incident_link(shapes, target)}


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
