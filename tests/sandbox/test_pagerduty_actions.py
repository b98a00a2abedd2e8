"""Acting on an incident in the make-believe PagerDuty: snooze, merge, responders, status updates (fact sheet 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from incident_central.sandbox.company import FROM_USER
from tests.sandbox.asking import act, assignees, change, create, kinds_of, log_of, reference, refusal
from tests.sandbox.specification import check

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox

WEEK = 604_800


def shown(pager: LocalPagerDuty, incident: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pager.rget(f"/incidents/{incident['id']}")
    return found


def opened(sandbox: RunningSandbox, pager: LocalPagerDuty, **given: Any) -> dict[str, Any]:
    """An incident that no API call asked for."""
    made = sandbox.ask("POST", "/pagerduty/incidents", {"service": "Checkout API", "title": "Disk full", **given})
    return shown(pager, made)


def ask_for_help(pager: LocalPagerDuty, incident: dict[str, Any], *targets: dict[str, str]) -> httpx2.Response:
    body = {
        "requester_id": reference(pager, "users", FROM_USER.name)["id"],
        "message": "Join the call",
        "responder_request_targets": [{"responder_request_target": target} for target in targets],
    }
    return pager.post(f"/incidents/{incident['id']}/responder_requests", json=body)


# ── snooze ──


def test_a_snoozed_incident_is_silent_for_so_long_and_rings_again(
    sandbox: RunningSandbox, pager: LocalPagerDuty
) -> None:
    incident = create(pager)
    act(sandbox, incident, "acknowledge", "Mei Tanaka")
    answer = pager.post(f"/incidents/{incident['id']}/snooze", json={"duration": 3600})
    assert answer.status_code == 201
    check("POST /incidents/{id}/snooze", answer)
    assert [action["type"] for action in answer.json()["incident"]["pending_actions"]] == ["unacknowledge"]
    entry = log_of(pager, incident)[-1]
    assert (entry["type"], entry["channel"]["duration"]) == ("snooze_log_entry", 3600)
    assert entry["changed_actions"] == answer.json()["incident"]["pending_actions"]
    sandbox.advance(3600)
    again = shown(pager, incident)
    assert (again["status"], assignees(again)) == ("triggered", ["Mei Tanaka"])
    unacknowledged = next(one for one in log_of(pager, incident) if one["type"] == "unacknowledge_log_entry")
    assert (unacknowledged["agent"]["type"], unacknowledged["channel"]["type"]) == ("service_reference", "timeout")


@pytest.mark.parametrize("duration", [0, WEEK + 1, "3600", True, None])
def test_a_snooze_lasts_from_a_second_to_a_week(pager: LocalPagerDuty, duration: object) -> None:
    incident = change(pager, create(pager), status="acknowledged")
    assert refusal(pager.post(f"/incidents/{incident['id']}/snooze", json={"duration": duration}))[:2] == (400, 1013)


def test_only_what_is_acknowledged_can_be_snoozed(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    incident = create(pager)
    path = f"/incidents/{incident['id']}/snooze"
    assert refusal(pager.post(path, json={"duration": 60}))[:2] == (400, 1012)
    sandbox.switch("pagerduty", "snooze_triggered", "acknowledges")
    assert pager.jpost(path, json={"duration": 60})["incident"]["status"] == "acknowledged"
    change(pager, incident, status="resolved")
    assert refusal(pager.post(path, json={"duration": 60}))[:2] == (400, 1001)


# ── merge ──


def merge(pager: LocalPagerDuty, target: dict[str, Any], *sources: dict[str, Any]) -> httpx2.Response:
    references = [{"id": source["id"], "type": "incident_reference"} for source in sources]
    return pager.put(f"/incidents/{target['id']}/merge", json={"source_incidents": references})


def test_merging_resolves_the_sources_and_gathers_their_alerts(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    target, source = opened(sandbox, pager), opened(sandbox, pager, title="Disk still full")
    assert (target["is_mergeable"], target["alert_counts"]["all"]) == (True, 1)
    answer = merge(pager, target, source)
    check("PUT /incidents/{id}/merge", answer)
    assert answer.json()["incident"]["type"] == "incident_reference"
    check("GET /incidents/{id}", pager.get(f"/incidents/{source['id']}"))
    merged = shown(pager, source)
    assert (merged["status"], merged["resolve_reason"]["incident"]["id"]) == ("resolved", target["id"])
    assert shown(pager, target)["alert_counts"] == {"all": 2, "triggered": 2, "resolved": 0}
    assert kinds_of(pager, target)[-1] == "merge"
    assert refusal(merge(pager, target, source))[:2] == (400, 1019)
    reopened = change(pager, merged, status="triggered")
    assert reopened["resolve_reason"] is None


def test_merging_is_refused_where_pagerduty_refuses(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    by_api, alerted = create(pager), opened(sandbox, pager)
    by_hand = opened(sandbox, pager, user="Mei Tanaka", service="Search")
    assert by_api["is_mergeable"] is False
    assert refusal(merge(pager, alerted, by_api))[:2] == (400, 2001)
    assert refusal(merge(pager, by_api, alerted))[:2] == (400, 2001)
    assert refusal(merge(pager, alerted, alerted))[:2] == (400, 2001)
    assert refusal(merge(pager, alerted, {"id": "QNONE"}))[:2] == (400, 5001)
    assert refusal(merge(pager, alerted))[:2] == (400, 2001)
    sandbox.plant("pagerduty", "incidents", by_hand["id"], values={"alerts": 1000})
    assert refusal(merge(pager, alerted, by_hand))[:2] == (400, 2001)
    change(pager, alerted, status="resolved")
    assert refusal(merge(pager, alerted, by_hand))[:2] == (400, 1001), "an open one cannot go into a resolved one"
    sandbox.switch("pagerduty", "merging_api_incidents", "accepted")
    assert merge(pager, by_hand, by_api).status_code == 200, "full of alerts, but this one brings none"


# ── more people ──


def test_somebody_who_is_asked_to_help_is_rung_until_there_is_an_answer(
    sandbox: RunningSandbox, pager: LocalPagerDuty
) -> None:
    incident = create(pager)
    answer = ask_for_help(pager, incident, reference(pager, "users", "Priya Nair"))
    assert answer.status_code == 200
    check("POST /incidents/{id}/responder_requests", answer)
    phone = sandbox.phone("Priya Nair")
    assert phone is not None
    assert (phone["state"], phone["pages"][0]["asks"]) == ("ringing", "Join the call")
    act(sandbox, incident, "join", "Priya Nair")
    assert sandbox.phone("Priya Nair") is None
    check("GET /incidents/{id}", pager.get(f"/incidents/{incident['id']}"))
    (responder,) = shown(pager, incident)["incidents_responders"]
    assert (responder["state"], responder["user"]["summary"]) == ("joined", "Priya Nair")
    assert assignees(shown(pager, incident)) == ["Mei Tanaka"], "who has it does not change"
    assert kinds_of(pager, incident)[-3:] == ["responder_request", "notify", "responder_accept"]
    with pytest.raises(httpx2.HTTPStatusError, match="400"):
        act(sandbox, incident, "decline", "Priya Nair")


def test_a_request_can_be_cancelled_while_nobody_answered(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    incident = create(pager)
    policy, priya = reference(pager, "escalation_policies", "Search"), reference(pager, "users", "Priya Nair")
    made = ask_for_help(pager, incident, policy, priya).json()["responder_request"]
    (by_policy, _) = (one["responder_request_target"] for one in made["responder_request_targets"])
    assert [one["user"]["summary"] for one in by_policy["incidents_responders"]] == ["Jonas Weber"]
    act(sandbox, incident, "decline", "Priya Nair")
    body = {
        "requester_id": reference(pager, "users", FROM_USER.name)["id"],
        "responder_request_targets": [policy, priya, reference(pager, "users", "Ana Costa")],
    }
    answer = pager.put(f"/incidents/{incident['id']}/responder_requests/cancel", json=body)
    check("PUT /incidents/{id}/responder_requests/cancel", answer)
    results = [one["result"] for one in answer.json()["responder_request_targets"]]
    assert results == ["cancelled", "declined", "not_found"]
    assert sandbox.phone("Jonas Weber") is None
    states = {one["user"]["summary"]: one["state"] for one in shown(pager, incident)["incidents_responders"]}
    assert states == {"Jonas Weber": "user_cancelled", "Priya Nair": "declined"}


def test_a_plan_may_lack_responder_requests(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    incident, priya = create(pager), reference(pager, "users", "Priya Nair")
    assert pager.account_has_ability("coordinated_responding")
    sandbox.switch("pagerduty", "responder_requests", "off: 402")
    assert refusal(ask_for_help(pager, incident, priya))[:2] == (402, 2014)
    assert pager.put(f"/incidents/{incident['id']}/responder_requests/cancel", json={}).status_code == 402
    assert not pager.account_has_ability("coordinated_responding")
    assert "coordinated_responding" not in pager.rget("/abilities")
    assert "incidents_responders" not in shown(pager, incident)


def test_a_request_that_cannot_be_is_refused(pager: LocalPagerDuty) -> None:
    incident, priya = create(pager), reference(pager, "users", "Priya Nair")
    assert refusal(ask_for_help(pager, incident))[:2] == (400, 2001)
    assert refusal(ask_for_help(pager, incident, priya | {"id": "PNONE"}))[:2] == (400, 2013)
    empty = reference(pager, "escalation_policies", "Payments")
    assert refusal(ask_for_help(pager, incident, empty))[:2] == (400, 1015)
    without = pager.post(f"/incidents/{incident['id']}/responder_requests", json={"requester_id": "PNONE"})
    assert refusal(without)[:2] == (400, 1008)
    change(pager, incident, status="resolved")
    assert refusal(ask_for_help(pager, incident, priya))[:2] == (400, 1001)


# ── words ──


def test_a_status_update_is_published(pager: LocalPagerDuty) -> None:
    path = f"/incidents/{create(pager)['id']}/status_updates"
    answer = pager.post(path, json={"message": "A fix is on its way"})
    assert answer.status_code == 200
    check("POST /incidents/{id}/status_updates", answer)
    update = answer.json()["status_update"]
    assert (update["message"], update["sender"]["summary"]) == ("A fix is on its way", FROM_USER.name)
    assert "subject" not in update
    whole = {"message": "Fixed", "subject": "Checkout", "html_message": "<b>Fixed</b>"}
    assert pager.jpost(path, json=whole)["status_update"]["html_message"] == "<b>Fixed</b>"
    assert refusal(pager.post(path, json={"message": "Half", "subject": "Checkout"}))[:2] == (400, 2001)
    assert refusal(pager.post(path, json={"message": " "}))[:2] == (400, 2001)


def test_a_note_is_changed_and_deleted(pager: LocalPagerDuty) -> None:
    path = f"/incidents/{create(pager)['id']}/notes"
    note = pager.rpost(path, json={"note": {"content": "Channel: https://example.com/C1"}})
    answer = pager.put(f"{path}/{note['id']}", json={"note": {"content": "Channel: https://example.com/C2"}})
    check("PUT /incidents/{id}/notes/{note_id}", answer)
    assert [one["content"] for one in pager.rget(path)] == ["Channel: https://example.com/C2"]
    assert pager.delete(f"{path}/{note['id']}").status_code == 204
    assert pager.rget(path) == []
    assert pager.delete(f"{path}/{note['id']}").status_code == 404


# ── by hand ──


def test_monitoring_opens_an_incident_without_a_key_of_its_own(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    incident = opened(sandbox, pager, key="disk-1", priority="P2")
    assert (incident["status"], incident["incident_key"], assignees(incident)) == ("triggered", None, ["Mei Tanaka"])
    assert incident["priority"]["summary"] == "P2"
    assert incident["last_status_change_by"]["type"] == "service_reference"
    found = pager.list_all("/incidents", params={"incident_key": "disk-1"})
    assert [one["id"] for one in found] == [incident["id"]]
    (trigger, *_) = log_of(pager, incident)
    assert (trigger["agent"]["type"], trigger["channel"]["type"]) == ("service_reference", "api")
    by_hand = opened(sandbox, pager, user="Dana Okafor")
    assert log_of(pager, by_hand)[0]["channel"]["type"] == "website"


def test_people_do_in_pagerduty_itself_whatever_they_like(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    incident = create(pager)
    for action, more in (
        ("note", {"content": "Looking"}),
        ("update", {"message": "We are looking"}),
        ("priority", {"priority": "P3"}),
        ("edit", {"title": "All payments fail", "urgency": "low"}),
        ("move", {"to": "Search"}),
        ("delegate", {"to": "Data"}),
        ("reassign", {"to": "Priya Nair"}),
        ("ask", {"to": "Jonas Weber"}),
        ("snooze", {"seconds": 600}),
        ("unacknowledge", {}),
    ):
        act(sandbox, incident, action, "Dana Okafor", **more)
    now = shown(pager, incident)
    assert (now["title"], now["urgency"], now["priority"]["summary"]) == ("All payments fail", "low", "P3")
    assert (now["service"]["summary"], now["escalation_policy"]["summary"]) == ("Search", "Data")
    assert (now["status"], assignees(now)) == ("triggered", ["Dana Okafor"]), "snoozing was an acknowledgement"
    act(sandbox, incident, "resolve", "Dana Okafor")
    act(sandbox, incident, "reopen", "Dana Okafor")
    assert shown(pager, incident)["status"] == "triggered"
    by_hand = opened(sandbox, pager, user="Mei Tanaka")
    other = opened(sandbox, pager)
    act(sandbox, by_hand, "merge", "Dana Okafor", into=other["incident_number"])
    assert shown(pager, by_hand)["resolve_reason"]["incident"]["id"] == other["id"]


@pytest.mark.parametrize(
    ("action", "more"),
    [("reassign", {"to": "Nobody"}), ("snooze", {"seconds": "long"}), ("merge", {"into": "QNONE"}), ("fly", {})],
)
def test_what_nobody_can_do_is_refused(
    sandbox: RunningSandbox, pager: LocalPagerDuty, action: str, more: dict[str, Any]
) -> None:
    with pytest.raises(httpx2.HTTPStatusError, match="400"):
        act(sandbox, create(pager), action, "Mei Tanaka", **more)


def test_moving_an_incident_may_page_the_other_team(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    incident = create(pager)
    moved = change(pager, incident, service=reference(pager, "services", "Search"))
    assert assignees(moved) == ["Mei Tanaka"]
    sandbox.switch("pagerduty", "moved_service", "pages its policy")
    moved = change(pager, incident, service=reference(pager, "services", "Data Warehouse"))
    assert (moved["escalation_policy"]["summary"], assignees(moved)) == ("Data", ["Ana Costa"])
