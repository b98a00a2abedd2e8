"""The calls that act on an incident: notes, snooze, merge, responder requests, status updates."""

from __future__ import annotations

from datetime import UTC

from incident_central.sandbox.pagerduty import actions, responders
from incident_central.sandbox.pagerduty.asked import Asked
from incident_central.sandbox.pagerduty.errors import invalid, not_found
from incident_central.sandbox.pagerduty.incident_shapes import (
    incident_json,
    incident_link,
    note_json,
    request_json,
    status_update_json,
)
from incident_central.sandbox.pagerduty.records import Incident
from incident_central.sandbox.server import Response


def list_notes(asked: Asked) -> Response:
    shapes = asked.shapes()
    newest_first = reversed(_found(asked).notes)
    return Response.json({"notes": [note_json(shapes, note) for note in newest_first]})


def create_note(asked: Asked) -> Response:
    requester, incident = asked.requester(), _found(asked)
    content = asked.body("note").get("content")
    note = actions.add_note(asked.account, incident, content, requester=requester)
    return Response.json({"note": note_json(asked.shapes(), note)})


def update_note(asked: Asked) -> Response:
    asked.requester()
    content = asked.body("note").get("content")
    note = actions.change_note(asked.account, _found(asked), asked.ids[1], content)
    return Response.json({"note": note_json(asked.shapes(), note)})


def delete_note(asked: Asked) -> Response:
    asked.must_write(before_body=False)
    actions.delete_note(_found(asked), asked.ids[1])
    return Response(204)


def snooze_incident(asked: Asked) -> Response:
    requester, incident = asked.requester(), _found(asked)
    actions.snooze(asked.account, incident, asked.whole_body().get("duration"), requester=requester)
    return Response.json({"incident": incident_json(asked.shapes(zone=UTC), incident)}, status=201)


def merge_incidents(asked: Asked) -> Response:
    """The answer is only a reference to the target."""
    requester, target = asked.requester(), _found(asked)
    given = asked.list_body("source_incidents")
    source_ids = [str(source.get("id")) if isinstance(source, dict) else "" for source in given]
    actions.merge(asked.account, target, source_ids, requester=requester)
    return Response.json({"incident": incident_link(asked.shapes(zone=UTC), target)})


def create_status_update(asked: Asked) -> Response:
    requester, incident = asked.requester(), _found(asked)
    update = actions.publish(asked.account, incident, asked.whole_body(), requester=requester)
    return Response.json({"status_update": status_update_json(asked.shapes(), update)})


def request_responders(asked: Asked) -> Response:
    """Who asks stands in the body, not in a From header (fact sheet 1)."""
    responders.check_ability(asked.account)
    incident, given = _found(asked), asked.whole_body()
    requester = responders.requester_in(asked.account, given)
    targets = [_target_id(item, wrapped=True) for item in _targets(given)]
    made = responders.request(asked.account, incident, targets, given.get("message"), requester=requester)
    return Response.json({"responder_request": request_json(asked.shapes(), incident, made)})


def cancel_responders(asked: Asked) -> Response:
    """Here the targets are a flat list (fact sheet 7), and each has its own result."""
    responders.check_ability(asked.account)
    incident, given = _found(asked), asked.whole_body()
    responders.requester_in(asked.account, given)
    results = []
    for item in _targets(given):
        target_id = _target_id(item, wrapped=False)
        kind = item.get("type") if isinstance(item, dict) else None
        kind = "escalation_policy_reference" if kind == "escalation_policy_reference" else "user_reference"
        result = responders.cancel(asked.account, incident, target_id)
        results.append({"type": kind, "id": target_id, "result": result})
    return Response.json({"responder_request_targets": results})


def _targets(given: dict[str, object]) -> list[object]:
    targets = given.get("responder_request_targets")
    if not isinstance(targets, list) or not targets:
        raise invalid("Responder request targets cannot be empty")
    return targets


def _target_id(item: object, *, wrapped: bool) -> str:
    target = item.get("responder_request_target") if wrapped and isinstance(item, dict) else item
    return str(target.get("id")) if isinstance(target, dict) else ""


def _found(asked: Asked) -> Incident:
    incident = asked.account.incident(asked.ids[0])
    if incident is None:
        raise not_found()
    return incident
