"""What happens to an incident while time passes, and what people press on their phones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox

MINUTE = 60


def report(pager: LocalPagerDuty, service: str, **more: Any) -> str:
    found = pager.find("services", service)
    assert found is not None
    reference = {"id": found["id"], "type": "service_reference"}
    body = {"type": "incident", "title": "It is slow", "service": reference, **more}
    return str(pager.rpost("/incidents", json=body)["id"])


def ringing(sandbox: RunningSandbox) -> list[str]:
    return [phone["name"] for phone in sandbox.state()["phones"] if phone["state"] == "ringing"]


def press(sandbox: RunningSandbox, pager: LocalPagerDuty, incident: str, action: str, name: str) -> None:
    user = pager.find("users", name)
    assert user is not None
    sandbox.ask("POST", f"/pagerduty/incidents/{incident}/{action}", {"user": user["id"]})


def log_of(pager: LocalPagerDuty, incident: str) -> list[str]:
    """From the oldest on."""
    newest_first = pager.list_all(f"/incidents/{incident}/log_entries")
    return [entry["type"].removesuffix("_log_entry") for entry in reversed(newest_first)]


def test_nobody_acknowledges_and_the_next_level_rings(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    incident = report(pager, "Checkout API")
    assert ringing(sandbox) == ["Mei Tanaka"]
    next_phone = sandbox.phone("Oskar Lindqvist")
    assert next_phone is not None
    assert (next_phone["state"], next_phone["next_level"]) == ("idle", 2)
    sandbox.advance(5 * MINUTE)
    assert ringing(sandbox) == ["Oskar Lindqvist"]
    sandbox.advance(10 * MINUTE)
    assert ringing(sandbox) == ["Dana Okafor"]
    assert pager.rget(f"/incidents/{incident}")["status"] == "triggered"


def test_after_the_last_level_it_goes_round_as_often_as_the_policy_says(
    sandbox: RunningSandbox, pager: LocalPagerDuty
) -> None:
    incident = report(pager, "Checkout API")
    sandbox.advance(30 * MINUTE)
    assert ringing(sandbox) == ["Mei Tanaka"]
    sandbox.advance(24 * 60 * MINUTE)
    assert ringing(sandbox) == ["Dana Okafor"], "it stays with the last one"
    log = log_of(pager, incident)
    assert (log.count("repeat_escalation_path"), log.count("notify"), log[-1]) == (2, 9, "exhaust_escalation_path")
    assert pager.rget(f"/incidents/{incident}")["pending_actions"] == []


def test_a_jump_of_the_clock_tells_the_same_story_as_waiting(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    jumped, waited = report(pager, "Checkout API"), report(pager, "Mobile App")
    sandbox.advance(25 * MINUTE)
    for incident in (jumped, waited):
        times = [entry["created_at"] for entry in pager.rget(f"/incidents/{incident}/log_entries")]
        assert times == sorted(times, reverse=True)
        assert len(set(times)) == 3, "each at its own time"


def test_an_empty_level_is_passed_over(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    schedule = pager.find("schedules", "Platform rota")
    assert schedule is not None
    sandbox.plant("pagerduty", "schedules", schedule["id"], values={"user_ids": []})
    report(pager, "Identity")
    assert ringing(sandbox) == ["Lucía Paredes"]


def test_acknowledging_on_the_phone_silences_it_and_stops_the_escalation(
    sandbox: RunningSandbox, pager: LocalPagerDuty
) -> None:
    incident = report(pager, "Checkout API")
    press(sandbox, pager, incident, "acknowledge", "Mei Tanaka")
    sandbox.advance(60 * MINUTE)
    phone = sandbox.phone("Mei Tanaka")
    assert phone is not None
    assert phone["state"] == "acknowledged"
    assert ringing(sandbox) == []
    shown = pager.rget(f"/incidents/{incident}")
    assert shown["acknowledgements"][0]["acknowledger"]["summary"] == "Mei Tanaka"
    press(sandbox, pager, incident, "resolve", "Mei Tanaka")
    assert sandbox.phone("Mei Tanaka") is None
    assert pager.rget(f"/incidents/{incident}")["status"] == "resolved"


def test_escalating_on_the_phone_rings_the_next_and_from_the_last_the_first(
    sandbox: RunningSandbox, pager: LocalPagerDuty
) -> None:
    incident = report(pager, "Checkout API")
    for presser, rings in (
        ("Mei Tanaka", "Oskar Lindqvist"),
        ("Oskar Lindqvist", "Dana Okafor"),
        ("Dana Okafor", "Mei Tanaka"),
    ):
        press(sandbox, pager, incident, "escalate", presser)
        assert ringing(sandbox) == [rings]


@pytest.mark.parametrize("action", ["explode", "acknowledge"])
def test_a_phone_cannot_press_what_is_not_there(sandbox: RunningSandbox, pager: LocalPagerDuty, action: str) -> None:
    incident = report(pager, "Checkout API") if action == "explode" else "QNONE"
    with pytest.raises(httpx2.HTTPStatusError, match="400"):
        press(sandbox, pager, incident, action, "Mei Tanaka")


def test_whoever_has_no_contact_method_is_paged_in_silence(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    incident = report(pager, "Data Warehouse")
    press(sandbox, pager, incident, "escalate", "Ana Costa")
    phone = sandbox.phone("Tomás Herrera")
    assert phone is not None
    assert (phone["state"], phone["cannot_ring"]) == ("idle", True)
    assert log_of(pager, incident)[-1] == "assign"


def test_low_urgency_rings_only_where_a_rule_says_so(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    report(pager, "Checkout API", urgency="low")
    assert ringing(sandbox) == ["Mei Tanaka"], "the app on her phone has a rule for low urgency"
    user = pager.find("users", "Mei Tanaka")
    assert user is not None
    sandbox.plant("pagerduty", "users", user["id"], values={"notification_rules": []})
    assert ringing(sandbox) == []


def test_an_acknowledgement_times_out_and_rings_again(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    incident = report(pager, "Data Warehouse")
    press(sandbox, pager, incident, "acknowledge", "Ana Costa")
    actions = [action["type"] for action in pager.rget(f"/incidents/{incident}")["pending_actions"]]
    assert actions == ["unacknowledge", "resolve"]
    sandbox.advance(30 * MINUTE)
    assert ringing(sandbox) == ["Ana Costa"]
    assert "unacknowledge" in log_of(pager, incident)
    sandbox.advance(15 * MINUTE)
    assert pager.rget(f"/incidents/{incident}")["assignments"][0]["assignee"]["summary"] == "Tomás Herrera"


def test_an_incident_resolves_by_itself_after_its_services_time(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    incident = report(pager, "Data Warehouse")
    sandbox.advance(4 * 60 * MINUTE)
    shown = pager.rget(f"/incidents/{incident}")
    assert (shown["status"], shown["last_status_change_by"]["type"]) == ("resolved", "service_reference")


def test_phones_ring_on_time_without_anybody_asking(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    policy = pager.find("escalation_policies", "Search")
    assert policy is not None
    jonas, oskar = (rule["targets"][0]["id"] for rule in policy["escalation_rules"])
    rules = [{"id": "R1", "minutes": 0.005, "target_ids": [jonas]}, {"id": "R2", "minutes": 60, "target_ids": [oskar]}]
    sandbox.plant("pagerduty", "policies", policy["id"], values={"rules": rules})
    incident = report(pager, "Search")
    sandbox.until(lambda: ringing(sandbox) == ["Oskar Lindqvist"])
    assert log_of(pager, incident).count("escalate") == 1
