"""The log of the make-believe PagerDuty: every type that it makes, of one incident and of all (fact sheet 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from incident_central.sandbox.company import FROM_USER
from tests.sandbox.asking import act, change, create, kinds_of, log_of, reference
from tests.sandbox.specification import check

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox

MINUTE = 60


def entry_of(pager: LocalPagerDuty, incident: dict[str, Any], kind: str, **params: Any) -> dict[str, Any]:
    """The newest entry of a type."""
    found = [entry for entry in log_of(pager, incident, **params) if entry["type"] == f"{kind}_log_entry"]
    return found[-1]


def test_every_change_is_told_with_who_did_it_and_by_which_way(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    incident = create(pager)
    change(pager, incident, title="All payments fail", urgency="low", priority="P2")
    change(pager, incident, priority="P1")
    change(pager, incident, escalation_level=2)
    change(pager, incident, escalation_policy=reference(pager, "escalation_policies", "Data"))
    pager.rpost(f"/incidents/{incident['id']}/notes", json={"note": {"content": "Looking"}})
    change(pager, incident, status="resolved")
    change(pager, incident, status="triggered")
    assert set(kinds_of(pager, incident)) == {
        *("trigger", "assign", "notify", "escalate", "delegate", "annotate", "resolve", "reopen"),
        *("field_value_change", "urgency_change", "priority_change"),
    }
    agents = {entry["agent"]["summary"] for entry in log_of(pager, incident) if entry["type"] != "notify_log_entry"}
    assert agents == {FROM_USER.name}
    told = entry_of(pager, incident, "priority_change")
    assert told["summary"] == 'Priority changed from "P2" to "P1"'
    assert [told["channel"][name]["name"] for name in ("old_priority", "new_priority")] == ["P2", "P1"]
    (title,) = entry_of(pager, incident, "field_value_change")["channel"]["changeset"]["application_fields"]
    assert (title["old_value"], title["value"]) == ("Card payments fail", "All payments fail")
    assert entry_of(pager, incident, "annotate")["channel"] == {"type": "note", "summary": "Looking"}
    assert [one["summary"] for one in entry_of(pager, incident, "delegate")["assignees"]] == ["Ana Costa"]
    rung = next(entry for entry in log_of(pager, incident) if entry["type"] == "notify_log_entry")
    assert (rung["user"]["summary"], rung["channel"]["notification"]["type"]) == ("Mei Tanaka", "phone_notification")


def test_what_happens_by_itself_is_told_as_the_services_doing(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    incident = create(pager, "Data Warehouse")
    act(sandbox, incident, "acknowledge", "Ana Costa")
    assert entry_of(pager, incident, "acknowledge")["acknowledgement_timeout"] == 1800
    sandbox.advance(4 * 60 * MINUTE)
    for kind in ("unacknowledge", "escalate", "exhaust_escalation_path", "resolve"):
        entry = entry_of(pager, incident, kind)
        assert (entry["agent"]["summary"], entry["channel"]["type"]) == ("Data Warehouse", "timeout")


@pytest.mark.parametrize(
    ("given", "agent", "channel"),
    [
        ({}, ("service_reference", "Checkout API"), "api"),
        ({"integration": "Datadog"}, ("integration_reference", "Datadog"), "api"),
        ({"channel": "nagios"}, ("service_reference", "Checkout API"), "nagios"),
        ({"channel": "email", "integration": "Mail"}, ("integration_reference", "Mail"), "email"),
    ],
)
def test_monitoring_resolves_as_the_service_or_as_an_integration_of_it(
    sandbox: RunningSandbox, pager: LocalPagerDuty, given: dict[str, str], agent: tuple[str, str], channel: str
) -> None:
    incident = create(pager)
    act(sandbox, incident, "resolve", "", **given)
    entry = entry_of(pager, incident, "resolve")
    assert (entry["agent"]["type"], entry["agent"]["summary"]) == agent
    assert entry["channel"] == {"type": channel}
    assert "timeout" not in entry["summary"]
    check("GET /incidents/{id}/log_entries", pager.get(f"/incidents/{incident['id']}/log_entries"))
    now = pager.rget(f"/incidents/{incident['id']}")
    assert (now["status"], now["last_status_change_by"]["type"]) == ("resolved", "service_reference")


def test_types_that_are_not_in_the_description_may_be_left_out(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    sandbox.switch("pagerduty", "unlisted_log_entries", "left out")
    incident = change(pager, create(pager), priority="P1", status="resolved")
    change(pager, incident, status="acknowledged")
    pager.post(f"/incidents/{incident['id']}/status_updates", json={"message": "Looking"})
    assert kinds_of(pager, incident)[3:] == ["field_value_change", "resolve", "acknowledge"]
    act(sandbox, incident, "snooze", "Mei Tanaka", seconds=60)
    change(pager, incident, urgency="low", escalation_level=2)
    change(pager, incident, escalation_policy=reference(pager, "escalation_policies", "Data"))
    act(sandbox, incident, "note", "Mei Tanaka", content="Looking")
    sandbox.advance(2 * 60 * MINUTE)
    assert kinds_of(pager, incident)[-1] == "exhaust_escalation_path"
    check("GET /incidents/{id}/log_entries", pager.get(f"/incidents/{incident['id']}/log_entries?limit=100"))
    sandbox.switch("pagerduty", "acknowledge_entry", "acknowledgement")
    assert "acknowledgement" in kinds_of(pager, incident)
    assert "acknowledge" not in kinds_of(pager, incident)


def test_an_entry_of_any_type_can_be_written_as_pagerdutys_own_doing_or_somebodys(
    sandbox: RunningSandbox, pager: LocalPagerDuty
) -> None:
    incident = create(pager)
    act(sandbox, incident, "log", "", type="reach_ack_limit", summary="Acknowledgement limit reached")
    act(sandbox, incident, "log", "", type="reach_trigger_limit")
    fields = [{"id": "PFIELD1", "name": "serial_number", "namespace": "incidents", "value": 4711, "old_value": None}]
    changed = {"changeset": {"customer_fields": fields}}
    act(sandbox, incident, "log", "Mei Tanaka", type="custom_field_value_change", summary="1 field", channel=changed)
    check("GET /incidents/{id}/log_entries", pager.get(f"/incidents/{incident['id']}/log_entries"))
    limit, field = entry_of(pager, incident, "reach_ack_limit"), entry_of(pager, incident, "custom_field_value_change")
    assert (limit["agent"]["summary"], limit["channel"]) == ("Checkout API", {"type": "timeout"})
    assert (field["agent"]["summary"], field["channel"]) == ("Mei Tanaka", {"type": "website", **changed})
    assert sandbox.http.post(f"/pagerduty/incidents/{incident['id']}/log", json={"user": ""}).status_code == 400


def test_the_whole_accounts_log_is_read_since_a_moment(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    first, second = create(pager), create(pager, "Data Warehouse")
    sandbox.advance(5 * MINUTE)
    since = next(one["created_at"] for one in log_of(pager, first) if one["type"] == "escalate_log_entry")
    change(pager, second, status="resolved")
    answer = pager.get("/log_entries", params={"since": since})
    check("GET /log_entries", answer)
    entries = answer.json()["log_entries"]
    assert {entry["type"] for entry in entries if entry["incident"]["id"] == second["id"]} == {"resolve_log_entry"}
    times = [entry["created_at"] for entry in entries]
    assert times == sorted(times, reverse=True)
    assert min(times) >= since
    team = second["teams"][0]["id"]
    ours = pager.list_all("/log_entries", params={"team_ids": [team]})
    assert {entry["incident"]["id"] for entry in ours} == {second["id"]}
    pages = [pager.jget("/log_entries", params={"limit": 2, "offset": offset}) for offset in (0, 2)]
    whole = pager.list_all("/log_entries")
    assert [entry["id"] for page in pages for entry in page["log_entries"]] == [entry["id"] for entry in whole[:4]]
    sandbox.switch("pagerduty", "log_order", "oldest first")
    assert pager.list_all("/log_entries") == whole[::-1]


def test_an_entry_may_take_a_while_to_be_listed(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    sandbox.switch("pagerduty", "logged_after", "10")
    incident = create(pager)
    assert pager.list_all("/log_entries") == log_of(pager, incident) == []
    sandbox.advance(10)
    assert kinds_of(pager, incident) == ["trigger", "assign", "notify"]


def test_an_overview_leaves_out_who_was_rung_and_include_brings_whole_records(pager: LocalPagerDuty) -> None:
    incident = create(pager)
    assert kinds_of(pager, incident, is_overview="true") == ["trigger", "assign"]
    assert log_of(pager, incident)[0]["channel"] == {"type": "api"}
    include = ["incidents", "services", "channels", "teams"]
    whole = log_of(pager, incident, include=include)[0]
    assert whole["incident"] == pager.rget(f"/incidents/{incident['id']}")
    assert (whole["service"]["type"], whole["teams"][0]["type"]) == ("service", "team")
    assert whole["channel"]["summary"] == "Card payments fail"
    answer = pager.get(f"/log_entries/{whole['id']}", params={"include[]": include})
    check("GET /log_entries/{id}", answer)
    assert answer.json()["log_entry"] == whole
    assert pager.get("/log_entries/QNONE").status_code == 404


def test_several_changes_that_fail_leave_no_trace_in_the_log(pager: LocalPagerDuty) -> None:
    incident = create(pager)
    changes = [{"id": id_, "type": "incident_reference", "status": "resolved"} for id_ in (incident["id"], "QNONE")]
    before = pager.list_all("/log_entries")
    assert pager.put("/incidents", json={"incidents": changes}).status_code == 404
    assert pager.list_all("/log_entries") == before
