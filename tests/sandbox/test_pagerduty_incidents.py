"""Incidents of the make-believe PagerDuty: created, refused, found, changed (fact sheet 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from incident_central.sandbox.company import FROM_USER
from tests.sandbox.asking import asked_for, assignees, change, create, reference, refusal

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox

DUPLICATE = "Open incident with matching dedup key already exists on this service"
DAY = 24 * 3600


def listed(pager: LocalPagerDuty, **params: Any) -> list[int]:
    return [incident["incident_number"] for incident in pager.list_all("/incidents", params=params)]


def test_an_incident_pages_the_first_level_of_its_services_policy(
    pager: LocalPagerDuty, sandbox: RunningSandbox
) -> None:
    incident = create(pager, priority=reference(pager, "priorities", "P1"), incident_key="incident-brave-otter")
    assert incident["status"] == "triggered"
    assert incident["summary"] == f"[#{incident['incident_number']}] Card payments fail"
    assert (incident["assigned_via"], assignees(incident)) == ("escalation_policy", ["Mei Tanaka"])
    assert (incident["urgency"], incident["priority"]["summary"]) == ("high", "P1")
    assert incident["last_status_change_by"]["summary"] == FROM_USER.name
    assert incident["created_at"].endswith("Z")
    assert [action["type"] for action in incident["pending_actions"]] == ["escalate"]
    phone = sandbox.phone("Mei Tanaka")
    assert phone is not None
    assert phone["state"] == "ringing"


def test_two_open_incidents_of_a_service_never_share_a_key(pager: LocalPagerDuty) -> None:
    first = create(pager, incident_key="incident-brave-otter")
    again = pager.post("/incidents", json=asked_for(pager, incident_key="incident-brave-otter"))
    assert refusal(again) == (400, 2002, [DUPLICATE])
    assert "incident" not in again.json()
    elsewhere = create(pager, "Search", incident_key="incident-brave-otter")
    change(pager, first, status="resolved")
    second = create(pager, incident_key="incident-brave-otter")
    assert len({first["id"], elsewhere["id"], second["id"]}) == 3


@pytest.mark.parametrize(
    ("given", "status", "code", "error"),
    [
        ({"title": ""}, 400, 2001, "Title cannot be empty."),
        ({"title": " \n"}, 400, 2001, "Title cannot be empty."),
        ({"title": 5}, 400, 2001, "Title cannot be empty."),
        ({"title": "x" * 1025}, 400, 2001, "Title is too long (maximum is 1024 characters)"),
        ({"type": "page"}, 400, 2001, "Type must be incident"),
        ({"service": {"id": "PNOWHERE", "type": "service_reference"}}, 400, 2002, "Service not found"),
        ({"service": None}, 400, 2002, "Service not found"),
        ({"body": {"type": "incident_body", "details": {"a": 1}}}, 400, 2001, "Body details must be a string"),
        ({"urgency": "severe"}, 400, 2001, "Urgency must be high or low"),
        ({"priority": {"id": "PNONE", "type": "priority_reference"}}, 400, 1020, None),
        ({"assignments": [{"assignee": {"id": "PNONE", "type": "user_reference"}}]}, 400, 1007, None),
        ({"escalation_policy": {"id": "PNONE", "type": "escalation_policy_reference"}}, 400, 1014, None),
    ],
)
def test_an_incident_that_cannot_be_is_refused(
    sandbox: RunningSandbox, pager: LocalPagerDuty, given: dict[str, Any], status: int, code: int, error: str | None
) -> None:
    body = asked_for(pager)
    body["incident"] |= given
    answer = pager.post("/incidents", json=body)
    assert refusal(answer) == (status, code, [error] if error else [])
    assert sandbox.state()["pagerduty"]["incidents"] == []


@pytest.mark.parametrize("service", ["Gift Cards", "Returns Portal"])
def test_a_closed_service_takes_no_incident(sandbox: RunningSandbox, pager: LocalPagerDuty, service: str) -> None:
    answer = pager.post("/incidents", json=asked_for(pager, service))
    assert refusal(answer) == (400, 2001, ["Incident could not be created"])
    sandbox.switch("pagerduty", "closed_service", "accepted")
    assert create(pager, service)["status"] == "triggered"


def test_a_policy_that_reaches_nobody_takes_no_incident(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    assert refusal(pager.post("/incidents", json=asked_for(pager, "Payments"))) == (400, 1015, [])
    sandbox.switch("pagerduty", "nobody_on_call", "unassigned")
    assert create(pager, "Payments")["assignments"] == []


def test_an_unknown_priority_may_be_ignored(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    priority = reference(pager, "priorities", "P1")
    sandbox.switch("pagerduty", "priorities", "off: 404")
    assert refusal(pager.post("/incidents", json=asked_for(pager, priority=priority)))[1] == 1020
    sandbox.switch("pagerduty", "unknown_priority", "ignored")
    assert create(pager, priority=priority)["priority"] is None


def test_unknown_fields_are_ignored(pager: LocalPagerDuty) -> None:
    assert create(pager, incident_keey="typo", colour="red")["status"] == "triggered"


def test_whoever_creates_an_incident_for_himself_is_not_paged(
    sandbox: RunningSandbox, pager_with: Callable[..., LocalPagerDuty]
) -> None:
    mei = pager_with(email="mei.tanaka@example.com")
    for incident in (create(mei), create(mei, assignments=[{"assignee": reference(mei, "users", "Mei Tanaka")}])):
        assert (incident["status"], assignees(incident)) == ("acknowledged", ["Mei Tanaka"])
    kinds = [entry["type"] for entry in sandbox.state()["pagerduty"]["incidents"][0]["log"]]
    assert "notify" not in kinds


def test_people_can_be_named_instead_and_then_nothing_escalates(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    incident = create(pager, assignments=[{"assignee": reference(pager, "users", "Priya Nair")}])
    assert (incident["assigned_via"], assignees(incident)) == ("direct_assignment", ["Priya Nair"])
    sandbox.advance(DAY)
    assert assignees(pager.rget(f"/incidents/{incident['id']}")) == ["Priya Nair"]


def test_another_policy_can_be_named_but_not_beside_people(pager: LocalPagerDuty) -> None:
    policy = reference(pager, "escalation_policies", "Platform")
    assert assignees(create(pager, escalation_policy=policy)) == ["Priya Nair"]
    both: dict[str, Any] = {
        "escalation_policy": policy,
        "assignments": [{"assignee": reference(pager, "users", "Mei Tanaka")}],
    }
    assert pager.post("/incidents", json=asked_for(pager, **both)).status_code == 400


def test_an_incident_is_read_by_id_or_number_with_what_is_included(pager: LocalPagerDuty) -> None:
    bridge = {"conference_number": "+1 555 0199", "conference_url": "https://example.com/C1"}
    made = create(pager, body={"type": "incident_body", "details": "Since 03:15"}, conference_bridge=bridge)
    assert pager.rget(f"/incidents/{made['incident_number']}") == pager.rget(f"/incidents/{made['id']}") == made
    assert "body" not in made
    include = {"include": ["body", "conference_bridge", "assignees", "services"]}
    whole = pager.rget(f"/incidents/{made['id']}", params=include)
    assert whole["body"] == {"type": "incident_body", "details": "Since 03:15"}
    assert whole["conference_bridge"] == bridge
    assert whole["assignments"][0]["assignee"]["email"] == "mei.tanaka@example.com"
    assert whole["service"]["status"] == "critical"


def test_a_list_holds_the_last_month_unless_told_otherwise(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    number = create(pager, incident_key="old")["incident_number"]
    assert listed(pager) == [number]
    sandbox.advance(31 * DAY)
    assert listed(pager) == []
    assert listed(pager, incident_key="old") == []
    assert listed(pager, date_range="all") == listed(pager, incident_key="old", date_range="all") == [number]
    sandbox.switch("pagerduty", "date_range_with_key", "ignored")
    assert listed(pager, incident_key="old", date_range="all") == []


def test_a_list_spans_at_most_six_months(pager: LocalPagerDuty) -> None:
    answer = pager.get("/incidents", params={"since": "2026-01-01", "until": "2026-12-01"})
    assert refusal(answer)[:2] == (400, 2005)


def test_incidents_are_found_by_what_they_are(pager: LocalPagerDuty) -> None:
    shop, search = create(pager, incident_key="one"), create(pager, "Search", urgency="low")
    done = create(pager, "Data Warehouse")
    change(pager, done, status="resolved")
    numbers = {name: made["incident_number"] for name, made in (("shop", shop), ("search", search), ("done", done))}
    mei, jonas = reference(pager, "users", "Mei Tanaka")["id"], reference(pager, "users", "Jonas Weber")["id"]
    assert listed(pager) == sorted(numbers.values())
    assert listed(pager, statuses=["triggered", "acknowledged"]) == [numbers["shop"], numbers["search"]]
    assert listed(pager, statuses=["resolved"]) == [numbers["done"]]
    assert listed(pager, urgencies=["low"]) == [numbers["search"]]
    assert listed(pager, service_ids=[shop["service"]["id"]]) == [numbers["shop"]]
    assert listed(pager, team_ids=[done["teams"][0]["id"]]) == [numbers["done"]]
    assert listed(pager, user_ids=[mei, jonas]) == [numbers["shop"], numbers["search"]]
    assert listed(pager, incident_key="one") == [numbers["shop"]]
    assert listed(pager, incident_key="") == [numbers["shop"], numbers["search"]], "every open one, by reports"
    assert listed(pager, sort_by="urgency:desc,created_at:desc") == [
        numbers["done"],
        numbers["shop"],
        numbers["search"],
    ]
    assert pager.get("/incidents", params={"sort_by": "title"}).status_code == 400
    assert pager.get("/incidents", params={"statuses[]": "open"}).status_code == 400


def test_leaving_out_the_statuses_may_mean_open_ones(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    change(pager, create(pager), status="resolved")
    assert len(listed(pager)) == 1
    sandbox.switch("pagerduty", "no_statuses", "open only")
    assert listed(pager) == []


def test_a_new_incident_may_take_a_while_to_be_listed(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    sandbox.switch("pagerduty", "listed_after", "10")
    incident = create(pager, incident_key="new")
    assert listed(pager, incident_key="new", date_range="all") == []
    assert pager.rget(f"/incidents/{incident['id']}")["title"] == "Card payments fail"
    assert refusal(pager.post("/incidents", json=asked_for(pager, incident_key="new")))[1] == 2002
    sandbox.advance(10)
    assert listed(pager, incident_key="new") == [incident["incident_number"]]


def test_whoever_acknowledges_has_it_and_resolving_lets_go(pager: LocalPagerDuty) -> None:
    incident = change(pager, create(pager), status="acknowledged")
    assert (incident["status"], assignees(incident)) == ("acknowledged", [FROM_USER.name])
    assert incident["acknowledgements"][0]["acknowledger"]["summary"] == FROM_USER.name
    incident = change(pager, incident, status="resolved", resolution="Rolled back")
    assert (incident["status"], incident["assignments"]) == ("resolved", [])
    assert incident["resolved_at"] is not None
    newest = pager.rget(f"/incidents/{incident['id']}/log_entries")[0]
    assert (newest["type"], newest["note"]) == ("resolve_log_entry", "Rolled back")


@pytest.mark.parametrize(("status", "code"), [("acknowledged", 1002), ("resolved", 1001)])
def test_a_second_press_is_accepted_or_refused(
    sandbox: RunningSandbox, pager: LocalPagerDuty, status: str, code: int
) -> None:
    incident = change(pager, create(pager), status=status)
    assert change(pager, incident, status=status)["status"] == status
    sandbox.switch("pagerduty", "second_status", "refused")
    body = {"incident": {"type": "incident_reference", "status": status}}
    assert refusal(pager.put(f"/incidents/{incident['id']}", json=body))[:2] == (400, code)


def test_a_late_acknowledge_reopens_and_parks_it_on_whoever_sent_it(
    sandbox: RunningSandbox, pager: LocalPagerDuty
) -> None:
    incident = change(pager, create(pager), status="resolved")
    late = change(pager, incident, status="acknowledged")
    assert (late["status"], late["resolved_at"], assignees(late)) == ("acknowledged", None, [FROM_USER.name])
    assert sandbox.phone("Mei Tanaka") is None


def test_a_late_trigger_pages_the_policy_again(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    late = change(pager, change(pager, create(pager), status="resolved"), status="triggered")
    assert (late["status"], assignees(late)) == ("triggered", ["Mei Tanaka"])
    phone = sandbox.phone("Mei Tanaka")
    assert phone is not None
    assert phone["state"] == "ringing"


def test_an_incident_is_given_to_others(pager: LocalPagerDuty) -> None:
    incident = create(pager)
    assert assignees(change(pager, incident, escalation_level=3)) == ["Dana Okafor"]
    assert assignees(change(pager, incident, escalation_policy=reference(pager, "escalation_policies", "Data"))) == [
        "Ana Costa"
    ]
    by_hand = change(pager, incident, assignments=[{"assignee": reference(pager, "users", "Priya Nair")}])
    assert (by_hand["assigned_via"], assignees(by_hand), by_hand["pending_actions"]) == (
        "direct_assignment",
        ["Priya Nair"],
        [],
    )
    body = {"incident": {"type": "incident_reference", "escalation_level": 9}}
    assert refusal(pager.put(f"/incidents/{incident['id']}", json=body))[1] == 1006


def test_what_an_incident_says_can_be_changed(pager: LocalPagerDuty) -> None:
    incident = create(pager)
    moved = change(
        pager,
        incident,
        title="All payments fail",
        urgency="low",
        priority="P2",
        service=reference(pager, "services", "Search"),
    )
    assert (moved["title"], moved["urgency"]) == ("All payments fail", "low")
    assert (moved["priority"]["summary"], moved["service"]["summary"]) == ("P2", "Search")
    assert change(pager, moved, priority=None)["priority"] is None
    body = {"incident": {"type": "incident_reference", "title": ""}}
    assert refusal(pager.put(f"/incidents/{incident['id']}", json=body))[1] == 2001


@pytest.mark.parametrize("body", [{}, {"status": "acknowledged"}, {"type": "incident_reference", "status": "closed"}])
def test_a_change_that_cannot_be_is_refused(pager: LocalPagerDuty, body: dict[str, Any]) -> None:
    incident = create(pager)
    assert pager.put(f"/incidents/{incident['id']}", json={"incident": body}).status_code == 400
    assert pager.rget(f"/incidents/{incident['id']}")["status"] == "triggered"


def test_several_incidents_change_all_or_none(pager: LocalPagerDuty) -> None:
    first, second = create(pager), create(pager, "Search")
    changes = [{"id": each["id"], "type": "incident_reference", "status": "resolved"} for each in (first, second)]
    broken = [*changes, {"id": "QNONE", "type": "incident_reference", "status": "resolved"}]
    assert pager.put("/incidents", json={"incidents": broken}).status_code == 404
    assert listed(pager, statuses=["triggered"]) == [first["incident_number"], second["incident_number"]]
    answer = pager.jput("/incidents", json={"incidents": changes})
    assert [incident["status"] for incident in answer["incidents"]] == ["resolved", "resolved"]
    assert pager.put("/incidents", json={"incidents": changes[:1] * 251}).status_code == 413


def test_notes_are_kept_newest_first(pager: LocalPagerDuty) -> None:
    path = f"/incidents/{create(pager)['id']}/notes"
    answer = pager.post(path, json={"note": {"content": "Channel: https://example.com/C1"}})
    assert (answer.status_code, answer.json()["note"]["user"]["summary"]) == (200, FROM_USER.name)
    pager.jpost(path, json={"note": {"content": "Second"}})
    assert [note["content"] for note in pager.rget(path)] == ["Second", "Channel: https://example.com/C1"]
    assert refusal(pager.post(path, json={"note": {"content": " "}}))[1] == 2001


def test_the_log_tells_what_happened(pager: LocalPagerDuty) -> None:
    incident = change(pager, create(pager), status="resolved")
    kinds = [entry["type"] for entry in pager.rget(f"/incidents/{incident['id']}/log_entries")]
    assert kinds == ["resolve_log_entry", "notify_log_entry", "assign_log_entry", "trigger_log_entry"]
    assert incident["first_trigger_log_entry"]["type"] == "trigger_log_entry_reference"
