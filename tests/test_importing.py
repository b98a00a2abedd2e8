"""Incidents that PagerDuty opened by itself, shown when that is switched on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.pagerduty import act
from tests.processes import Browser, Hub, Json, Sandbox, eventually, report_form


@pytest.fixture
def importing(make_hub: Callable[..., Hub], sandbox: Sandbox) -> Hub:
    hub = make_hub(PAGERDUTY_IMPORT_INCIDENTS="on")
    hub.start()
    return hub


def opened(hub: Hub, sandbox: Sandbox, **more: str) -> Json:
    """An incident that monitoring opened, once the hub has read all of it."""
    page = sandbox.control("/pagerduty/incidents", {"service": "Search", "title": "Disk full", **more})["id"]
    hub.poll_now()
    query = "SELECT * FROM incidents WHERE pagerduty_id = %s"
    eventually(lambda: hub.rows(query, page) and hub.rows(query, page)[0]["whole_log_read"])
    (row,) = hub.rows(query, page)
    return row


def test_what_monitoring_opened_is_shown_marked_and_kept_up_to_date(importing: Hub, sandbox: Sandbox) -> None:
    row = opened(importing, sandbox, priority="P2")
    name, page = row["id"], row["pagerduty_id"]
    assert name == f"pagerduty-{row['pagerduty_number']}"
    text = importing.dana.get(f"/incidents/{name}").text
    for words in ("from PagerDuty", "Disk full", "Opened in PagerDuty", "Open a channel for it", "Nobody yet"):
        assert words in text, words
    assert "Priority changed" not in text
    assert row["priority_id"] == importing.priority_id("P2")
    home = importing.dana.get("/").text
    assert "Disk full" in home
    assert f'<span class="id">{name} from PagerDuty</span>' in home
    assert [one for one in sandbox.state["slack"]["channels"] if one["name"].startswith("incident-")] == []
    act(sandbox, page, "acknowledge", "Priya Nair")
    importing.poll_now()
    eventually(lambda: "Acknowledged by Priya Nair" in importing.dana.get(f"/incidents/{name}").text)
    act(sandbox, page, "resolve", "Priya Nair")
    importing.poll_now()
    eventually(lambda: importing.incident(name)["status"] == "resolved")


def test_one_press_opens_a_channel_under_a_name_pages_nobody_and_a_second_press_changes_nothing(
    importing: Hub, sandbox: Sandbox
) -> None:
    row = opened(importing, sandbox)
    old, page = row["id"], row["pagerduty_id"]
    incidents = len(sandbox.pages)
    browsers = [Browser(importing.url) for _ in range(3)]
    for browser in browsers:
        browser.cookies = importing.dana.cookies
        browser._opener = importing.dana._opener
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda one: one.post(f"/incidents/{old}/channel", {}), browsers))
    (name,) = {answer.incident for answer in answers}
    assert name.startswith("incident-")
    steps = importing.finished(name)
    assert (steps["page"]["state"], steps["open_channel"]["state"], steps["note"]["state"]) == ("off", "done", "done")
    assert len(sandbox.pages) == incidents
    (phone,) = sandbox.ringing
    assert {"Dana Okafor", phone} <= sandbox.members_of(name)
    full = importing.dana.get(f"/incidents/{old}")
    assert full.path == f"/incidents/{name}"
    assert "Opened in PagerDuty" in full.text
    assert f"Dana Okafor opened a channel for it: {old} is {name} now" in full.text
    assert importing.rows("SELECT id FROM incidents") == [{"id": name}]
    act(sandbox, page, "acknowledge", "Priya Nair")
    importing.poll_now()
    eventually(lambda: [one for one in sandbox.messages(name) if one["text"].startswith("Acknowledged by Priya")])


def test_what_another_channel_could_not_be_told_under_the_old_name_needs_nobody_under_the_new_one(
    importing: Hub, sandbox: Sandbox
) -> None:
    row = opened(importing, sandbox)
    other = importing.dana.post("/report", report_form(importing)).incident
    importing.finished(other)
    channel = importing.incident(other)["slack_channel_id"]
    importing.rows("UPDATE incidents SET slack_channel_id = NULL WHERE id = %s", other)
    importing.rows("UPDATE incidents SET slack_channel_id = %s WHERE id = %s", channel, row["id"])
    fault = sandbox.fault("slack", "missing-scope", method="chat.postMessage")
    act(sandbox, row["pagerduty_id"], "acknowledge", "Priya Nair")
    importing.poll_now()
    eventually(lambda: "Tell the channel: Ack" in importing.dana.get(f"/incidents/{row['id']}").text)
    sandbox.control(f"/faults/{fault}", method="DELETE")
    name = importing.dana.post(f"/incidents/{row['id']}/channel", {}).incident
    importing.finished(name)
    assert "Tell the channel: Ack" not in importing.dana.get(f"/incidents/{name}").text


def test_what_was_reported_here_is_not_taken_in_again(importing: Hub, sandbox: Sandbox) -> None:
    name = importing.dana.post("/report", report_form(importing)).incident
    importing.finished(name)
    opened(importing, sandbox)
    assert len(importing.rows("SELECT id FROM incidents")) == 2


def test_without_the_setting_only_what_was_reported_is_shown(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.control("/pagerduty/incidents", {"service": "Search", "title": "Disk full on db-7"})
    polled = len(sandbox.calls("GET /incidents"))
    hub.poll_now()
    eventually(lambda: len(sandbox.calls("GET /incidents")) > polled)
    assert "db-7" not in hub.dana.get("/").text


def test_there_is_no_channel_to_open_for_what_does_not_exist(hub: Hub) -> None:
    hub.dana.get("/report")
    for name in ("pagerduty-999999", "incident-brave-otter-2026-11", "pagerduty-", "pagerduty-99999999999999999999"):
        assert hub.dana.post(f"/incidents/{name}/channel", {}).status == 404
