"""The stand-in against PagerDuty's own API description: its paths, and the answers of every call."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import jsonschema
import pytest

from incident_central.sandbox.pagerduty.api import ROUTES

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox

SPECIFICATION = Path(__file__).parents[2].parent / "shared" / "specs" / "pagerduty.openapi.json"
# The description is stricter than reality (fact sheet 7: 18 of its own 66 examples fail it).
# 1. What is not set is null, though it says a string, number or object.
NULL_WHERE_NOT_SET = {
    *("last_incident_timestamp", "support_hours", "auto_resolve_timeout", "acknowledgement_timeout", "description"),
    *("start", "end", "schedule", "rendered_coverage_percentage", "id"),
    *("priority", "resolved_at", "alert_grouping", "resolve_reason"),
}
# 2. Log entries match several of its oneOf, or none: acknowledge_log_entry against acknowledgement_log_entry.
# 3. Where include[] puts the whole record, it still says a reference.


@cache
def specification() -> dict[str, Any]:
    if not SPECIFICATION.exists():
        pytest.skip("PagerDuty's description is not beside this checkout (../shared/specs/pagerduty.openapi.json)")
    loaded: dict[str, Any] = json.loads(SPECIFICATION.read_text())
    return loaded


def as_in_reality(schema: Any) -> Any:
    if isinstance(schema, list):
        return [as_in_reality(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    real = {"anyOf" if name == "oneOf" else name: as_in_reality(part) for name, part in schema.items()}
    if isinstance(real.get("properties"), dict):
        for name in NULL_WHERE_NOT_SET & real["properties"].keys():
            real["properties"][name] = {"anyOf": [real["properties"][name], {"type": "null"}]}
    if isinstance(real.get("enum"), list):
        real["enum"] += [str(word).removesuffix("_reference") for word in real["enum"]]
        real["enum"] += ["acknowledge_log_entry"] if "acknowledgement_log_entry" in real["enum"] else []
    return {"anyOf": [real, {"type": "null"}]} if real.get("nullable") is True else real


@cache
def components() -> Any:
    return as_in_reality(specification()["components"])


def check(route: str, answer: httpx2.Response) -> None:
    """Hold one answer to the description of its route and status."""
    method, path = route.lower().split(" ", 1)
    described: dict[str, Any] = specification()["paths"][path][method]["responses"][str(answer.status_code)]
    if "$ref" in described:
        described = specification()["components"]["responses"][described["$ref"].rsplit("/", 1)[-1]]
    if "content" in described:
        schema = as_in_reality(described["content"]["application/json"]["schema"])
        jsonschema.Draft4Validator({**schema, "components": components()}).validate(answer.json())


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_one_of_pagerdutys(route: str) -> None:
    method, path = route.lower().split(" ", 1)
    assert method in specification()["paths"][path]


@pytest.fixture
def incident(pager: LocalPagerDuty) -> dict[str, Any]:
    service, priority = pager.find("services", "Data Warehouse"), pager.find("priorities", "P2")
    assert service is not None
    assert priority is not None
    body = {
        "type": "incident",
        "title": "The reports are empty",
        "service": {"id": service["id"], "type": "service_reference"},
        "priority": {"id": priority["id"], "type": "priority_reference"},
        "body": {"type": "incident_body", "details": "Since 03:15"},
    }
    answer = pager.post("/incidents", json={"incident": body})
    check("POST /incidents", answer)
    made: dict[str, Any] = answer.json()["incident"]
    return made


@pytest.mark.parametrize(
    ("route", "include"),
    [
        ("GET /abilities", []),
        ("GET /users", []),
        ("GET /users", ["contact_methods", "notification_rules", "teams"]),
        ("GET /teams", []),
        ("GET /services", []),
        ("GET /services", ["escalation_policies", "teams", "integrations"]),
        ("GET /escalation_policies", []),
        ("GET /escalation_policies", ["services", "teams", "targets"]),
        ("GET /schedules", []),
        ("GET /schedules", ["schedule_layers", "overrides_subschedule", "final_schedule"]),
        ("GET /oncalls", []),
        ("GET /oncalls", ["escalation_policies", "users", "schedules"]),
        ("GET /priorities", []),
        ("GET /maintenance_windows", []),
        ("GET /incidents", []),
        ("GET /incidents", ["assignees", "acknowledgers", "agents", "escalation_policies", "priorities", "services"]),
        ("GET /incidents", ["teams", "users", "first_trigger_log_entries"]),
    ],
)
def test_lists_look_as_described(
    sandbox: RunningSandbox, pager: LocalPagerDuty, incident: dict[str, Any], route: str, include: list[str]
) -> None:
    path = route.split(" ")[1]
    answer = pager.get(path, params={"include": include, "since": incident["created_at"]} if include else {})
    assert answer.status_code == 200
    check(route, answer)


@pytest.mark.parametrize("resource", ["services", "escalation_policies", "schedules", "users"])
def test_single_records_look_as_described(pager: LocalPagerDuty, resource: str) -> None:
    for record in pager.list_all(f"/{resource}"):
        check(f"GET /{resource}/{{id}}", pager.get(f"/{resource}/{record['id']}"))


@pytest.mark.parametrize("part", ["contact_methods", "notification_rules"])
def test_what_reaches_a_person_looks_as_described(pager: LocalPagerDuty, part: str) -> None:
    for user in pager.list_all("/users"):
        check(f"GET /users/{{id}}/{part}", pager.get(f"/users/{user['id']}/{part}"))


@pytest.mark.parametrize(("resource", "part"), [("teams", "members"), ("schedules", "users")])
def test_people_of_a_team_or_schedule_look_as_described(pager: LocalPagerDuty, resource: str, part: str) -> None:
    for record in pager.list_all(f"/{resource}"):
        check(f"GET /{resource}/{{id}}/{part}", pager.get(f"/{resource}/{record['id']}/{part}"))


def test_a_schedule_preview_looks_as_described(pager: LocalPagerDuty) -> None:
    schedule = {"type": "schedule", "time_zone": "Etc/UTC", "name": "doctor", "schedule_layers": []}
    check("POST /schedules/preview", pager.post("/schedules/preview", json={"schedule": schedule}))


@pytest.mark.parametrize("status", ["triggered", "acknowledged", "resolved"])
def test_an_incident_looks_as_described_whatever_its_status(
    pager: LocalPagerDuty, incident: dict[str, Any], status: str
) -> None:
    path, change = f"/incidents/{incident['id']}", {"type": "incident_reference", "status": status}
    check("PUT /incidents/{id}", pager.put(path, json={"incident": change}))
    check("PUT /incidents", pager.put("/incidents", json={"incidents": [{**change, "id": incident["id"]}]}))
    check("POST /incidents/{id}/notes", pager.post(f"{path}/notes", json={"note": {"content": "Looking"}}))
    check("GET /incidents/{id}", pager.get(path))
    check("GET /incidents/{id}/notes", pager.get(f"{path}/notes"))
    check("GET /incidents/{id}/log_entries", pager.get(f"{path}/log_entries"))


@pytest.mark.parametrize(
    "ask",
    [
        lambda pager: ("GET /services/{id}", pager.get("/services/PNONE")),
        lambda pager: ("GET /incidents", pager.get("/incidents", params={"since": "never"})),
        lambda pager: ("POST /incidents", pager.post("/incidents", json={"incident": {"title": "x"}})),
        lambda pager: ("GET /oncalls", pager.get("/oncalls", params={"limit": "none"})),
    ],
)
def test_refusals_look_as_described(
    pager: LocalPagerDuty, ask: Callable[[LocalPagerDuty], tuple[str, httpx2.Response]]
) -> None:
    route, answer = ask(pager)
    assert answer.status_code in (400, 404)
    check(route, answer)
