"""How the make-believe PagerDuty account is set up, as its API tells it (fact sheet 7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox


def named(pager: LocalPagerDuty, resource: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] | None = pager.find(resource, name)
    assert found is not None
    return found


def on_call(pager: LocalPagerDuty, policy: str, **params: Any) -> list[tuple[int, str]]:
    """Levels and names, sorted: the API does not sort them."""
    params["escalation_policy_ids"] = [named(pager, "escalation_policies", policy)["id"]]
    rows = pager.list_all("/oncalls", params=params)
    return sorted((row["escalation_level"], row["user"]["summary"]) for row in rows)


def test_services_belong_to_teams_and_policies(pager: LocalPagerDuty) -> None:
    services = {service["name"]: service for service in pager.list_all("/services")}
    teams = {service["teams"][0]["summary"] for service in services.values()}
    assert len(services) >= 6
    assert len(teams) >= 3
    assert services["Checkout API"]["escalation_policy"]["summary"] == "Storefront"
    assert services["Checkout API"]["escalation_policy"]["type"] == "escalation_policy_reference"


def test_a_services_status_follows_from_its_incidents(pager: LocalPagerDuty) -> None:
    services = {service["name"]: service["status"] for service in pager.list_all("/services")}
    assert services.pop("Gift Cards") == "disabled"
    assert services.pop("Returns Portal") == "maintenance"
    assert set(services.values()) == {"active"}
    service = named(pager, "services", "Search")
    reference = {"id": service["id"], "type": "service_reference"}
    incident = pager.rpost("/incidents", json={"type": "incident", "title": "Nothing found", "service": reference})
    assert named(pager, "services", "Search")["status"] == "critical"
    pager.rput(incident["self"], json={"type": "incident_reference", "status": "acknowledged"})
    assert named(pager, "services", "Search")["status"] == "warning"
    assert named(pager, "services", "Search")["last_incident_timestamp"] is not None


def test_services_are_found_by_name_by_part_of_it_and_by_team(pager: LocalPagerDuty) -> None:
    def names(**params: Any) -> list[str]:
        return [service["name"] for service in pager.list_all("/services", params=params)]

    assert names(name="Search") == ["Search"]
    assert names(name="search") == []
    assert names(query="warehouse") == ["Data Warehouse", "Warehouse Scanners"]
    assert names(team_ids=[named(pager, "teams", "Data")["id"]]) == ["Data Warehouse"]
    assert names(sort_by="name:desc") == sorted(names(), reverse=True)


def test_a_maintenance_window_is_going_on(pager: LocalPagerDuty) -> None:
    service = named(pager, "services", "Returns Portal")
    (window,) = pager.list_all("/maintenance_windows", params={"service_ids": [service["id"]], "filter": "ongoing"})
    assert window["services"][0]["summary"] == "Returns Portal"
    assert pager.list_all("/maintenance_windows", params={"filter": "future"}) == []


def test_links_are_references_unless_they_are_included(pager: LocalPagerDuty) -> None:
    service_id = named(pager, "services", "Checkout API")["id"]
    plain = pager.rget(f"/services/{service_id}")["escalation_policy"]
    whole = pager.rget(f"/services/{service_id}", params={"include": ["escalation_policies"]})["escalation_policy"]
    assert set(plain) == {"id", "type", "summary", "self", "html_url"}
    assert (plain["id"], plain["type"]) == (whole["id"], "escalation_policy_reference")
    assert whole["type"] == "escalation_policy"
    assert len(whole["escalation_rules"]) == 3


def test_everything_can_be_included_at_once(pager: LocalPagerDuty) -> None:
    include = ["services", "teams", "targets"]
    policies = pager.list_all("/escalation_policies", params={"include": include})
    assert all(service["type"] == "service" for policy in policies for service in policy["services"])
    assert all("escalation_rules" not in service["escalation_policy"] for p in policies for service in p["services"])


def test_the_storefront_is_reached_over_three_levels(pager: LocalPagerDuty) -> None:
    policy = named(pager, "escalation_policies", "Storefront")
    assert [rule["escalation_delay_in_minutes"] for rule in policy["escalation_rules"]] == [5, 10, 15]
    assert on_call(pager, "Storefront") == [(1, "Mei Tanaka"), (2, "Oskar Lindqvist"), (3, "Dana Okafor")]


def test_a_level_that_reaches_nobody_has_no_row(pager: LocalPagerDuty) -> None:
    assert len(named(pager, "escalation_policies", "Payments")["escalation_rules"]) == 1
    assert on_call(pager, "Payments") == []


def test_rows_of_on_calls_come_unsorted_with_null_for_direct_targets(pager: LocalPagerDuty) -> None:
    rows = pager.list_all("/oncalls")
    storefront = [row["escalation_level"] for row in rows if row["escalation_policy"]["summary"] == "Storefront"]
    assert storefront != sorted(storefront)
    for row in rows:
        assert (row["schedule"] is None) == (row["start"] is None) == (row["end"] is None)


def test_on_calls_of_a_window_name_everybody_whose_shift_touches_it(pager: LocalPagerDuty) -> None:
    now = datetime.now(UTC)
    fortnight = {"since": now.isoformat(), "until": (now + timedelta(days=9)).isoformat()}
    assert on_call(pager, "Storefront", **fortnight)[:2] == [(1, "Jonas Weber"), (1, "Mei Tanaka")]
    long = {"since": now.isoformat(), "until": (now + timedelta(days=30)).isoformat()}
    assert on_call(pager, "Storefront", **long).count((1, "Mei Tanaka")) > 1
    assert on_call(pager, "Storefront", **long, earliest="true").count((1, "Mei Tanaka")) == 1


def test_a_shift_begins_and_ends_around_now(pager: LocalPagerDuty) -> None:
    params = {"schedule_ids": [named(pager, "schedules", "Storefront primary")["id"]]}
    (row,) = pager.list_all("/oncalls", params=params)
    start, end = datetime.fromisoformat(row["start"]), datetime.fromisoformat(row["end"])
    assert start < datetime.now(UTC) + timedelta(hours=11) <= end
    assert end.hour == 9


def test_when_the_week_is_over_the_next_one_is_on_call(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    sandbox.advance(7 * 24 * 3600)
    assert on_call(pager, "Storefront")[:2] == [(1, "Jonas Weber"), (2, "Mei Tanaka")]


@pytest.mark.parametrize(("since", "until"), [(0, 91), (5, 4), (80, 91)])
def test_on_calls_look_at_most_90_days_ahead(pager: LocalPagerDuty, since: int, until: int) -> None:
    now = datetime.now(UTC)
    params = {
        "since": (now + timedelta(days=since)).isoformat(),
        "until": (now + timedelta(days=until, minutes=1)).isoformat(),
    }
    answer = pager.get("/oncalls", params=params)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 2005)


def test_a_time_that_is_none_is_refused(pager: LocalPagerDuty) -> None:
    answer = pager.get("/oncalls", params={"since": "yesterday"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 2004)


def test_an_override_takes_the_place_of_a_turn(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    schedule = named(pager, "schedules", "Storefront primary")
    priya = named(pager, "users", "Priya Nair")
    now = datetime.now(UTC).timestamp()
    override = {"user_id": priya["id"], "start": now - 60, "end": now + 3600}
    sandbox.plant("pagerduty", "schedules", schedule["id"], values={"overrides": [override]})
    assert on_call(pager, "Storefront")[0] == (1, "Priya Nair")
    day = {
        "since": datetime.fromtimestamp(now, UTC).isoformat(),
        "until": datetime.fromtimestamp(now + 7200, UTC).isoformat(),
    }
    entries = pager.rget(f"/schedules/{schedule['id']}", params=day)["final_schedule"]["rendered_schedule_entries"]
    assert [entry["user"]["summary"] for entry in entries] == ["Priya Nair", "Mei Tanaka"]
    sandbox.advance(3600)
    assert on_call(pager, "Storefront")[0] == (1, "Mei Tanaka")


def test_a_schedule_renders_entries_only_for_a_span(pager: LocalPagerDuty) -> None:
    schedule_id = named(pager, "schedules", "Storefront primary")["id"]
    assert pager.rget(f"/schedules/{schedule_id}")["final_schedule"]["rendered_schedule_entries"] == []
    users = pager.rget(f"/schedules/{schedule_id}/users")
    assert [user["name"] for user in users] == ["Mei Tanaka"]
    empty = named(pager, "schedules", "Payments primary")
    assert pager.rget(f"/schedules/{empty['id']}/users") == []


def test_phone_numbers_come_only_with_users_that_include_contact_methods(pager: LocalPagerDuty) -> None:
    rows = pager.list_all("/oncalls", params={"include": ["users"]})
    methods = [method for row in rows for method in row["user"]["contact_methods"]]
    assert {method["type"] for method in methods} >= {"phone_contact_method_reference"}
    assert all("address" not in method for method in methods)
    users = {user["name"]: user for user in pager.list_all("/users", params={"include": ["contact_methods"]})}
    phone = next(m for m in users["Mei Tanaka"]["contact_methods"] if m["type"] == "phone_contact_method")
    assert (phone["country_code"], phone["address"], phone["enabled"]) == (1, "2025550101", True)
    assert users["Tomás Herrera"]["contact_methods"] == []


def test_notification_rules_are_those_for_high_urgency_unless_asked(pager: LocalPagerDuty) -> None:
    path = f"/users/{named(pager, 'users', 'Mei Tanaka')['id']}/notification_rules"
    assert {rule["urgency"] for rule in pager.rget(path)} == {"high"}
    assert {rule["urgency"] for rule in pager.rget(path, params={"urgency": "all"})} == {"high", "low"}


def test_people_are_found_by_name_and_by_email(pager: LocalPagerDuty) -> None:
    by_email = pager.find("users", "mei.tanaka@example.com", attribute="email")
    assert by_email is not None
    assert by_email["name"] == "Mei Tanaka"
    assert pager.find("users", "ana.ribeiro@example.com", attribute="email") is None, "support has no seat"
    assert named(pager, "users", "Eva Lindgren")["role"] == "read_only_user"


def test_teams_have_members_with_roles(pager: LocalPagerDuty) -> None:
    team = named(pager, "teams", "Storefront")
    members = pager.list_all(f"/teams/{team['id']}/members")
    assert (members[0]["user"]["summary"], members[0]["role"]) == ("Mei Tanaka", "manager")


def test_priorities_come_from_the_most_severe_down(pager: LocalPagerDuty) -> None:
    priorities = pager.list_all("/priorities")
    assert [priority["name"] for priority in priorities] == ["P1", "P2", "P3", "P4", "P5"]
    assert priorities[0]["description"].startswith("Customers cannot do the main thing")


@pytest.mark.parametrize(("choice", "status"), [("off: 404", 404), ("off: 402", 402)])
def test_an_account_without_priorities_says_so(
    sandbox: RunningSandbox, pager: LocalPagerDuty, choice: str, status: int
) -> None:
    sandbox.switch("pagerduty", "priorities", choice)
    assert pager.get("/priorities").status_code == status


def test_times_are_told_in_the_accounts_zone_unless_one_is_asked_for(
    sandbox: RunningSandbox, pager: LocalPagerDuty
) -> None:
    sandbox.switch("pagerduty", "time_zone", "Asia/Kolkata")
    service_id = named(pager, "services", "Search")["id"]
    assert pager.rget(f"/services/{service_id}")["created_at"].endswith("+05:30")
    assert pager.rget(f"/services/{service_id}", params={"time_zone": "UTC"})["created_at"].endswith("Z")
    assert pager.get("/services", params={"time_zone": "Nowhere/Town"}).status_code == 400


def test_ids_stay_when_everything_starts_over(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    before = {service["name"]: service["id"] for service in pager.list_all("/services")}
    sandbox.ask("POST", "/reset", {})
    assert {service["name"]: service["id"] for service in pager.list_all("/services")} == before


def test_a_record_that_a_set_up_fault_needs_can_be_planted(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    service = named(pager, "services", "Search")
    sandbox.plant("pagerduty", "services", service["id"], values={"status": "disabled"})
    assert named(pager, "services", "Search")["status"] == "disabled"
    team = sandbox.plant("pagerduty", "teams", values={"name": "Night watch", "description": ""})
    assert pager.rget("/teams")[2]["id"] == team["id"]
    sandbox.plant("pagerduty", "teams", team["id"], delete=True)
    assert pager.find("teams", "Night watch") is None


def test_whoever_is_deleted_leaves_every_rota_and_policy(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    sandbox.plant("pagerduty", "users", named(pager, "users", "Dana Okafor")["id"], delete=True)
    assert on_call(pager, "Storefront") == [(1, "Mei Tanaka"), (2, "Oskar Lindqvist")]
    targets = named(pager, "escalation_policies", "Storefront")["escalation_rules"][2]["targets"]
    assert targets == []


def test_people_are_listed_by_team(pager: LocalPagerDuty) -> None:
    team = named(pager, "teams", "Data")
    names = [user["name"] for user in pager.list_all("/users", params={"team_ids": [team["id"]]})]
    assert names == ["Ana Costa", "Tomás Herrera"]


def test_a_policy_and_a_service_can_be_made_and_page(pager: LocalPagerDuty) -> None:
    dana = named(pager, "users", "Dana Okafor")["id"]
    rule = {"escalation_delay_in_minutes": 30, "targets": [{"id": dana, "type": "user_reference"}]}
    policy = pager.rpost("/escalation_policies", json={"name": "Only Dana", "escalation_rules": [rule]})
    assert (policy["num_loops"], policy["teams"]) == (0, [])
    reference = {"id": policy["id"], "type": "escalation_policy_reference"}
    service = pager.rpost("/services", json={"name": "Only Dana", "escalation_policy": reference})
    assert service["status"] == "active"
    assert service["incident_urgency_rule"] == {"type": "constant", "urgency": "high"}
    assert on_call(pager, "Only Dana") == [(1, "Dana Okafor")]
    made = {"type": "incident", "title": "x", "service": {"id": service["id"], "type": "service_reference"}}
    incident = pager.rpost("/incidents", json=made)
    assert [one["assignee"]["id"] for one in incident["assignments"]] == [dana]


@pytest.mark.parametrize(
    ("path", "change", "said"),
    [
        ("/escalation_policies", {"name": "Storefront"}, "Escalation Policy has already been taken"),
        ("/escalation_policies", {"name": ""}, "Name can't be blank."),
        ("/escalation_policies", {"escalation_rules": []}, "Escalation rules cannot be empty"),
        (
            "/escalation_policies",
            {"escalation_rules": [{"escalation_delay_in_minutes": 5, "targets": [{"id": "PNO", "type": "user"}]}]},
            "Escalation rule target is invalid",
        ),
        ("/escalation_policies", {"teams": [{"id": "PNO"}]}, "Team not found"),
        ("/services", {"name": "Search"}, "Name has already been taken"),
        ("/services", {"escalation_policy": None}, "Escalation policy can't be blank"),
        ("/services", {"status": "disabled"}, "Status must be active"),
        (
            "/services",
            {"incident_urgency_rule": {"type": "constant", "urgency": "severity_based"}},
            "Active urgency must be in high, low, or severity_based.",
        ),
    ],
)
def test_what_cannot_be_made_is_refused(pager: LocalPagerDuty, path: str, change: dict[str, Any], said: str) -> None:
    dana = named(pager, "users", "Dana Okafor")["id"]
    rule = {"escalation_delay_in_minutes": 30, "targets": [{"id": dana, "type": "user_reference"}]}
    policy = named(pager, "escalation_policies", "Storefront")["id"]
    good: dict[str, dict[str, Any]] = {
        "/escalation_policies": {"name": "New", "escalation_rules": [rule]},
        "/services": {"name": "New", "escalation_policy": {"id": policy, "type": "escalation_policy_reference"}},
    }
    wrapper = "service" if path == "/services" else "escalation_policy"
    answer = pager.post(path, json={wrapper: good[path] | change})
    assert answer.status_code == 400
    assert answer.json()["error"]["errors"] == [said]


def test_a_read_only_key_makes_nothing(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    before = len(pager.list_all("/services"))
    sandbox.plant(provider="pagerduty", collection="keys", id="sandbox-account-key1", set={"kind": "read-only"})
    policy = named(pager, "escalation_policies", "Storefront")["id"]
    reference = {"id": policy, "type": "escalation_policy_reference"}
    answer = pager.post("/services", json={"service": {"name": "New", "escalation_policy": reference}})
    assert answer.status_code == 403
    assert len(pager.list_all("/services")) == before


def test_who_is_invited_has_an_open_invitation_and_is_told_by_email(pager: LocalPagerDuty) -> None:
    wanted = {"type": "user", "name": "Noor Haddad", "email": "noor.haddad@example.com", "role": "limited_user"}
    answer = pager.post("/users", json={"user": wanted})
    assert answer.status_code == 201
    params = {"include": ["contact_methods", "notification_rules"], "query": wanted["email"]}
    (user,) = pager.list_all("/users", params=params)
    assert user["id"] == answer.json()["user"]["id"]
    assert user["invitation_sent"] is True
    assert [method["type"] for method in user["contact_methods"]] == ["email_contact_method"]
    assert [rule["urgency"] for rule in user["notification_rules"]] == ["high"]
    again = pager.post("/users", json={"user": wanted | {"email": "Noor.Haddad@example.com"}})
    assert again.status_code == 400
    assert again.json()["error"]["errors"] == ["Email has already been taken"]


def test_nobody_invites_without_saying_who_asks(pager_with: Callable[..., LocalPagerDuty]) -> None:
    wanted = {"type": "user", "name": "Noor Haddad", "email": "noor.haddad@example.com"}
    answer = pager_with(email=None).post("/users", json={"user": wanted})
    assert answer.status_code == 400
    assert "From" in answer.json()["error"]["message"]


@pytest.mark.parametrize("change", [{"name": " "}, {"email": "nobody"}, {"role": "owner"}, {"time_zone": "Mars"}])
def test_who_cannot_be_invited_is_refused(pager: LocalPagerDuty, change: dict[str, str]) -> None:
    wanted = {"type": "user", "name": "Noor Haddad", "email": "noor.haddad@example.com"} | change
    assert pager.post("/users", json={"user": wanted}).status_code == 400


def test_people_of_a_new_schedule_take_turns(pager: LocalPagerDuty) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    people = [named(pager, "users", name) for name in ("Dana Okafor", "Mei Tanaka")]
    layer: dict[str, Any] = {
        "start": now.isoformat(),
        "rotation_virtual_start": now.isoformat(),
        "rotation_turn_length_seconds": 7 * 86400,
        "users": [{"user": {"id": person["id"], "type": "user_reference"}} for person in people],
    }
    wanted = {"type": "schedule", "name": "New", "time_zone": "Europe/Lisbon", "schedule_layers": [layer]}
    made = pager.post("/schedules", json={"schedule": wanted})
    assert made.status_code == 201
    span = {"since": now.isoformat(), "until": (now + timedelta(days=13)).isoformat()}
    rendered = pager.rget(f"/schedules/{made.json()['schedule']['id']}", params=span)["final_schedule"]
    names = [entry["user"]["summary"] for entry in rendered["rendered_schedule_entries"]]
    assert names == ["Dana Okafor", "Mei Tanaka"]
    assert rendered["rendered_coverage_percentage"] == 100
    wrong: dict[str, Any]
    for wrong in ({"users": []}, {"users": [{"user": {"id": "PNONE"}}]}, {"rotation_turn_length_seconds": 1}):
        refused = pager.post("/schedules", json={"schedule": wanted | {"schedule_layers": [layer | wrong]}})
        assert refused.status_code == 400, wrong
