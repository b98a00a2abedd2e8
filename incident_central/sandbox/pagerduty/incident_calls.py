"""The calls about incidents: create, get, list with its filters, update."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta

from incident_central.sandbox.pagerduty import incidents
from incident_central.sandbox.pagerduty.asked import Asked
from incident_central.sandbox.pagerduty.errors import invalid, not_found
from incident_central.sandbox.pagerduty.incident_shapes import incident_json
from incident_central.sandbox.pagerduty.records import STATUSES, Incident
from incident_central.sandbox.pagerduty.shapes import Json
from incident_central.sandbox.server import Response

MONTH = timedelta(days=30)
LONGEST_SPAN = timedelta(days=184)  # "six months" is the description's word
SORT_KEYS: dict[str, Callable[[Incident], float]] = {
    "incident_number": lambda incident: incident.number,
    "created_at": lambda incident: incident.created_at,
    "resolved_at": lambda incident: incident.resolved_at or 0.0,
    "urgency": lambda incident: incident.urgency == "high",
}


def create_incident(asked: Asked) -> Response:
    requester = asked.requester()
    incident = incidents.create(asked.account, asked.body("incident"), requester=requester)
    return Response.json({"incident": _json(asked, incident)}, status=201)


def get_incident(asked: Asked) -> Response:
    return Response.json({"incident": _json(asked, _found(asked))})


def update_incident(asked: Asked) -> Response:
    requester, incident = asked.requester(), _found(asked)
    incidents.update(asked.account, incident, asked.body("incident"), requester=requester)
    return Response.json({"incident": _json(asked, incident)})


def update_incidents(asked: Asked) -> Response:
    requester = asked.requester()
    changed = incidents.update_all(asked.account, asked.list_body("incidents"), requester=requester)
    return Response.json({"incidents": [_json(asked, incident) for incident in changed]})


def list_incidents(asked: Asked) -> Response:
    found = [incident for incident in asked.account.incidents.values() if _is_listed(asked, incident)]
    for keep in (_within_dates(asked), _with_key(asked), _with_status(asked), _of_others(asked)):
        found = [incident for incident in found if keep(incident)]
    shapes = asked.shapes(zone=UTC)
    return asked.page("incidents", _in_order(asked, found), lambda incident: incident_json(shapes, incident))


def _json(asked: Asked, incident: Incident) -> Json:
    return incident_json(asked.shapes(zone=UTC), incident)


def _found(asked: Asked) -> Incident:
    incident = asked.account.incident(asked.ids[0])
    if incident is None:
        raise not_found()
    return incident


def _is_listed(asked: Asked, incident: Incident) -> bool:
    """How soon a new incident shows up in lists is not known: a switch says."""
    return asked.now - incident.created_at >= float(asked.account.switches["listed_after"])


def _within_dates(asked: Asked) -> Callable[[Incident], bool]:
    """The last month unless since and until say otherwise; date_range=all sets no bounds."""
    ignored = asked.one("incident_key") and asked.account.switches["date_range_with_key"] == "ignored"
    if asked.one("date_range") == "all" and not ignored:
        return lambda incident: True
    default = (asked.now - MONTH.total_seconds(), asked.now)
    since, until = asked.span(longest=LONGEST_SPAN, default=default)
    return lambda incident: since <= incident.created_at <= until


def _with_key(asked: Asked) -> Callable[[Incident], bool]:
    """An empty incident_key= is reported to give every open incident."""
    key = asked.one("incident_key")
    if key is None:
        return lambda incident: True
    if key == "":
        return lambda incident: incident.is_open
    return lambda incident: incident.key == key


def _with_status(asked: Asked) -> Callable[[Incident], bool]:
    statuses = asked.many("statuses")
    if any(status not in STATUSES for status in statuses):
        raise invalid("Statuses must be triggered, acknowledged or resolved")
    if not statuses and asked.account.switches["no_statuses"] == "open only":
        return lambda incident: incident.is_open
    return lambda incident: not statuses or incident.status in statuses


def _of_others(asked: Asked) -> Callable[[Incident], bool]:
    """By urgency, service, team and assignee."""
    urgencies, service_ids = asked.many("urgencies"), asked.many("service_ids")
    team_ids, user_ids = set(asked.many("team_ids")), asked.many("user_ids")

    def keep(incident: Incident) -> bool:
        if urgencies and incident.urgency not in urgencies:
            return False
        if service_ids and incident.service_id not in service_ids:
            return False
        if team_ids and not team_ids.intersection(asked.account.services[incident.service_id].team_ids):
            return False
        return not user_ids or any(incident.is_assigned_to(user_id) for user_id in user_ids)

    return keep


def _in_order(asked: Asked, found: list[Incident]) -> list[Incident]:
    """At most two sort keys, "created_at:desc,urgency"; by number when none is given."""
    given = [part.partition(":") for part in (asked.one("sort_by") or "incident_number").split(",")]
    if len(given) > 2 or any(name not in SORT_KEYS or way not in ("", "asc", "desc") for name, _, way in given):
        raise invalid("Sort by is invalid")
    for name, _, way in reversed(given):
        found = sorted(found, key=SORT_KEYS[name], reverse=way == "desc")
    return found
