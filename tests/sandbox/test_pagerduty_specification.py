"""The stand-in against PagerDuty's own API description: its paths, and the answers of every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from incident_central.sandbox.pagerduty.api import ROUTES
from tests.sandbox.specification import check, specification

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox


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


def test_what_is_made_looks_as_described(pager: LocalPagerDuty) -> None:
    user = pager.find("users", "Dana Okafor")
    assert user is not None
    rule = {"escalation_delay_in_minutes": 30, "targets": [{"id": user["id"], "type": "user_reference"}]}
    policy = {"type": "escalation_policy", "name": "Only Dana", "escalation_rules": [rule]}
    made = pager.post("/escalation_policies", json={"escalation_policy": policy})
    assert made.status_code == 201
    check("POST /escalation_policies", made)
    reference = {"id": made.json()["escalation_policy"]["id"], "type": "escalation_policy_reference"}
    service = {"type": "service", "name": "Only Dana", "escalation_policy": reference}
    answer = pager.post("/services", json={"service": service})
    assert answer.status_code == 201
    check("POST /services", answer)
    refused = pager.post("/services", json={"service": service})
    check("POST /services", refused)
    invited = {"type": "user", "name": "Noor Haddad", "email": "noor.haddad@example.com", "role": "limited_user"}
    answer = pager.post("/users", json={"user": invited})
    assert answer.status_code == 201
    check("POST /users", answer)
    check("POST /users", pager.post("/users", json={"user": invited}))
    layer = {
        "start": "2026-11-24T09:00:00Z",
        "rotation_virtual_start": "2026-11-24T09:00:00Z",
        "rotation_turn_length_seconds": 604800,
        "users": [{"user": {"id": user["id"], "type": "user_reference"}}],
    }
    schedule = {"type": "schedule", "name": "Only Dana", "time_zone": "Europe/Lisbon", "schedule_layers": [layer]}
    answer = pager.post("/schedules", json={"schedule": schedule})
    assert answer.status_code == 201
    check("POST /schedules", answer)
