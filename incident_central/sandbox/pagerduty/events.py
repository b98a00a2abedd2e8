"""The events that webhooks carry, in their own shapes, which are not those of the REST API (fact sheet 8)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.records import ID_LETTERS, Incident, Note, Responder, StatusUpdate
from incident_central.sandbox.pagerduty.shapes import Json, Shapes

INCIDENT_EVENTS = (
    "incident.triggered",
    "incident.acknowledged",
    "incident.unacknowledged",
    "incident.escalated",
    "incident.delegated",
    "incident.reassigned",
    "incident.reopened",
    "incident.resolved",
    "incident.priority_updated",
    "incident.service_updated",
    "incident.incident_type.changed",
    "incident.annotated",
    "incident.status_update_published",
    "incident.responder.added",
    "incident.responder.replied",
    "incident.conference_bridge.updated",
)
# What a subscription may ask for besides, and nothing here ever makes.
OTHER_EVENTS = (
    "incident.custom_field_values.updated",
    "incident.role.assigned",
    "incident.task.created",
    "incident.task.updated",
    "incident.task.completed",
    "incident.action_invocation.created",
    "incident.action_invocation.updated",
    "incident.action_invocation.terminated",
    "incident.workflow.started",
    "incident.workflow.completed",
    "service.created",
    "service.updated",
    "service.deleted",
    "service.custom_field_values.updated",
)
PING = "pagey.ping"
# Where PagerDuty cuts is not documented; that it does, and says "trimmed", is.
LONGEST_TEXT = 10_000


@dataclass(frozen=True)
class Event:
    """What happened, as it was then. A ping is of no incident; `subscription_id` is the only one that gets it."""

    id: str
    type: str
    at: float
    json: Json
    incident_id: str | None = None
    service_id: str | None = None
    team_ids: tuple[str, ...] = ()
    subscription_id: str | None = None


def announce(
    account: Account,
    incident: Incident,
    event_type: str,
    *,
    at: float,
    agent: str | None,
    channel: str,
    about: Note | StatusUpdate | Responder | None = None,
) -> None:
    """Put an event into the account's outbox; called when the incident already is as the event will say.

    `agent` is the acting user's id, None what happened by itself. `about` is what the event tells of, where that
    is not the incident.
    """
    if not account.subscriptions:
        return
    if agent is None and account.switches["automatic_agent"] == "the service":
        agent = incident.service_id
    # What came through the API names no client: fact sheet 8 shows one only for what a person did.
    client = {"name": "PagerDuty"} if channel in ("website", "mobile") else None
    account.events.append(of_now(account, incident, event_type, at=at, agent=agent, client=client, about=about))


def of_now(
    account: Account,
    incident: Incident,
    event_type: str,
    *,
    at: float,
    agent: str | None = None,
    client: dict[str, str] | None = None,
    about: Note | StatusUpdate | Responder | None = None,
) -> Event:
    """An event that tells of an incident as it is now."""
    shapes = Shapes(account, UTC)
    event_id, json = _envelope(
        event_type, at, _data(shapes, incident, event_type, about), agent=_agent(shapes, agent), client=client
    )
    team_ids = tuple(account.services[incident.service_id].team_ids)
    return Event(event_id, event_type, at, json, incident.id, incident.service_id, team_ids)


def ping(at: float, *, subscription_id: str | None = None) -> Event:
    """A test; without an id for whoever gets it."""
    data: Json = {"message": "Hello from your friend Pagey!", "type": "ping"}
    event_id, json = _envelope(PING, at, data, agent=None, client=None)
    return Event(event_id, PING, at, json, subscription_id=subscription_id)


def _envelope(
    event_type: str, at: float, data: Json, *, agent: Json | None, client: dict[str, str] | None
) -> tuple[str, Json]:
    event_id = "01" + "".join(secrets.choice(ID_LETTERS) for _ in range(24))
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    content: Json = {
        "id": event_id,
        "event_type": event_type,
        "resource_type": event_type.partition(".")[0],
        "occurred_at": moment,
        "agent": agent,
        "client": client,
        "data": data,
    }
    return event_id, {"event": content}


def incident_data(shapes: Shapes, incident: Incident) -> Json:
    """An incident as webhooks tell of it: `number` and `assignees`, and no times but two."""
    account = shapes.account
    reason = None
    if incident.merged_into is not None:
        target = account.incidents[incident.merged_into]
        reason = {"type": "merge_resolve_reason", "incident": _incident_link(shapes, target)}
    head = shapes.reference("incident", incident.id, incident.title)
    return {
        "id": incident.id,
        "type": "incident",
        "self": head["self"],
        "html_url": head["html_url"],
        "number": incident.number,
        "status": incident.status,
        "incident_key": shapes.account.shown_key(incident),
        "created_at": shapes.time(incident.created_at),
        "reopened_at": shapes.time(incident.reopened_at),
        "title": incident.title,
        "incident_type": {"name": incident.incident_type},
        "service": _service_link(shapes, incident.service_id),
        "assignees": [shapes.user_link(assignment.user_id) for assignment in incident.assignments],
        "escalation_policy": shapes.policy_link(incident.policy_id),
        "teams": shapes.team_links(account.services[incident.service_id].team_ids),
        "priority": _priority_link(shapes, incident.priority_id),
        "urgency": incident.urgency,
        "conference_bridge": incident.conference_bridge,
        "resolve_reason": reason,
    }


def _data(shapes: Shapes, incident: Incident, event_type: str, about: Note | StatusUpdate | Responder | None) -> Json:
    link = _incident_link(shapes, incident)
    if isinstance(about, Note):
        content, trimmed = about.content[:LONGEST_TEXT], len(about.content) > LONGEST_TEXT
        return {"incident": link, "id": about.id, "content": content, "trimmed": trimmed, "type": "incident_note"}
    if isinstance(about, StatusUpdate):
        message, trimmed = about.message[:LONGEST_TEXT], len(about.message) > LONGEST_TEXT
        kind = "incident_status_update"
        return {"incident": link, "id": about.id, "message": message, "trimmed": trimmed, "type": kind}
    if isinstance(about, Responder):
        return {
            "incident": link,
            "user": shapes.user_link(about.user_id),
            "escalation_policy": shapes.policy_link(about.policy_id) if about.policy_id else None,
            "message": about.message,
            "state": about.state,
            "type": "incident_responder",
        }
    if event_type == "incident.conference_bridge.updated":
        bridge = incident.conference_bridge or {}
        number = bridge.get("conference_number")
        return {
            "incident": link,
            "conference_numbers": [{"label": "", "number": number}] if number else [],
            "conference_url": bridge.get("conference_url"),
            "type": "incident_conference_bridge",
        }
    return incident_data(shapes, incident)


def _incident_link(shapes: Shapes, incident: Incident) -> Json:
    """Its summary is the title alone, where REST puts the number before it."""
    return shapes.reference("incident", incident.id, incident.title)


def _agent(shapes: Shapes, agent_id: str | None) -> Json | None:
    if agent_id is None:
        return None
    if agent_id in shapes.account.users:
        return shapes.user_link(agent_id)
    return _service_link(shapes, agent_id)


def _service_link(shapes: Shapes, service_id: str) -> Json:
    """Webhooks still link to /services, where REST links to /service-directory (fact sheet 7, Services)."""
    link = shapes.service_link(service_id)
    return {**link, "html_url": f"{shapes.account.page_url}/pagerduty/services/{service_id}"}


def _priority_link(shapes: Shapes, priority_id: str | None) -> Json | None:
    priority = shapes.account.priorities.get(priority_id or "")
    if priority is None:
        return None
    link = shapes.reference("priority", priority.id, priority.name)
    return {**link, "html_url": f"{shapes.account.page_url}/pagerduty/account/incident_priorities"}
