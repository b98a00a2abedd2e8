"""Incidents that PagerDuty opened by itself, shown when that is switched on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from uuid import uuid4

import psycopg
import pytest

from tests.pagerduty import act, ask, incident, log_of
from tests.processes import ADMIN, PASSWORD, Browser, Hub, Json, Sandbox, eventually, report_form
from tests.test_acting import signed_in_as_mei
from tests.test_sync import moment, texts, timeline

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="session")


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


@on_postgresql
def test_the_list_and_the_log_may_tell_of_a_new_one_in_the_same_moment(importing: Hub, sandbox: Sandbox) -> None:
    first = opened(importing, sandbox)
    number = first["pagerduty_number"] + 1
    with psycopg.connect(importing.database_url) as log:  # has written it down, and not committed
        log.execute("CREATE TEMP TABLE new AS SELECT * FROM incidents WHERE id = %s", [first["id"]])
        log.execute(
            "UPDATE new SET id = %s, pagerduty_id = 'PNEW', pagerduty_number = %s, report_id = gen_random_uuid()",
            [f"pagerduty-{number}", number],
        )
        log.execute("INSERT INTO incidents SELECT * FROM new")
        page = sandbox.control("/pagerduty/incidents", {"service": "Search", "title": "Disk full again"})
        log.execute("UPDATE incidents SET pagerduty_id = %s WHERE pagerduty_id = 'PNEW'", [page["id"]])
        importing.poll_now()
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO %%'"
        eventually(lambda: importing.rows(waiting))
    eventually(lambda: importing.incident(f"pagerduty-{number}")["title"] == "Disk full again")
    assert "failed here" not in importing.log
    assert "Traceback" not in importing.log


def opened_with_a_channel(hub: Hub, sandbox: Sandbox) -> Json:
    """Row of an incident from PagerDuty that somebody gave another one's channel, before it had a name of ours."""
    row, other = opened(hub, sandbox), hub.dana.post("/report", report_form(hub)).incident
    hub.finished(other)
    channel = hub.incident(other)["slack_channel_id"]
    hub.rows("UPDATE incidents SET slack_channel_id = NULL WHERE id = %s", other)
    hub.rows("UPDATE incidents SET slack_channel_id = %s WHERE id = %s", channel, row["id"])
    return row


def test_a_reporter_whom_somebody_named_stays_and_who_opens_the_channel_is_in_it(
    importing: Hub, sandbox: Sandbox
) -> None:
    old = opened(importing, sandbox)["id"]
    form = importing.dana.get(f"/incidents/{old}/edit")
    fields = {field: form.value(field) for field in ("commander", "channel", "channel_name")}
    named = {"reporter_name": "Mei Tanaka", "reporter_email": "mei.tanaka@example.com", "links": ""}
    edited = importing.dana.post(f"/incidents/{old}/edit", fields | named | {"press": str(uuid4())})
    assert edited.path == f"/incidents/{old}"
    name = importing.dana.post(f"/incidents/{old}/channel", {}).incident
    importing.finished(name)
    assert importing.incident(name)["reporter_email"] == "mei.tanaka@example.com"
    assert {"Mei Tanaka", "Dana Okafor"} <= sandbox.members_of(name)


def test_what_another_channel_could_not_be_told_under_the_old_name_needs_nobody_under_the_new_one(
    importing: Hub, sandbox: Sandbox
) -> None:
    row = opened_with_a_channel(importing, sandbox)
    fault = sandbox.fault("slack", "missing-scope", method="chat.postMessage")
    act(sandbox, row["pagerduty_id"], "acknowledge", "Priya Nair")
    importing.poll_now()
    eventually(lambda: "Tell the channel: Ack" in importing.dana.get(f"/incidents/{row['id']}").text)
    sandbox.control(f"/faults/{fault}", method="DELETE")
    name = importing.dana.post(f"/incidents/{row['id']}/channel", {}).incident
    importing.finished(name)
    assert "Tell the channel: Ack" not in importing.dana.get(f"/incidents/{name}").text


def test_what_waited_for_another_channel_is_told_though_its_incident_has_a_new_name(
    importing: Hub, sandbox: Sandbox
) -> None:
    row = opened_with_a_channel(importing, sandbox)
    fault = sandbox.fault("slack", "500", method="chat.postMessage")
    act(sandbox, row["pagerduty_id"], "acknowledge", "Priya Nair")
    importing.poll_now()
    eventually(lambda: any(one["attempts"] for one in told_to_channels(importing, row["id"])))
    name = importing.dana.post(f"/incidents/{row['id']}/channel", {}).incident
    sandbox.control(f"/faults/{fault}", method="DELETE")
    importing.finished(name)
    (step,) = [one for one in told_to_channels(importing, f"{row['id']}/acknowledged") if one["name"] == "tell"]
    retried = importing.dana.post(f"/incidents/{row['id']}/news/{step['job_id']}/tell", {})
    assert (retried.status, retried.path) == (200, f"/incidents/{name}")
    at_once = "UPDATE jobs_step SET run_at = '2020-01-01 00:00:00' WHERE id = %s AND state = 'waiting'"
    for one in told_to_channels(importing, row["id"]):
        importing.rows(at_once, one["id"])
    eventually(lambda: {one["state"] for one in told_to_channels(importing, row["id"])} <= {"done", "off"})
    states = {one["id"]: one["state"] for one in told_to_channels(importing, row["id"])}
    assert states[step["id"]] == "done", "and not given up"
    said = [one["text"] for channel in sandbox.state["slack"]["channels"] for one in channel["messages"]]
    assert [text for text in said if text.startswith("Acknowledged by Priya Nair")]


def told_to_channels(hub: Hub, name: str) -> list[Json]:
    """The steps that tell the channel of an incident what changed under this name."""
    query = """SELECT s.* FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id
               WHERE j.workflow = 'news' AND j.key LIKE %s"""
    return hub.rows(query, f"{name}/%")


def test_whoever_took_command_has_it_and_keeps_it_when_somebody_else_opens_a_channel(
    importing: Hub, sandbox: Sandbox
) -> None:
    row = opened(importing, sandbox)
    assert (
        "<dd><b>Mei Tanaka</b>" in signed_in_as_mei(importing).post(f"/incidents/{row['id']}/actions/command", {}).text
    )
    name = importing.dana.post(f"/incidents/{row['id']}/channel", {}).incident
    importing.finished(name)
    full, page = importing.incident(name), importing.dana.get(f"/incidents/{name}").text
    assert (full["commander_name"], full["incident_commander_email"]) == ("Mei Tanaka", "mei.tanaka@example.com")
    assert "<dd><b>Mei Tanaka</b>" in page
    assert "Take command" in page
    assert "Commander: Mei Tanaka" in str(sandbox.channel_of(name)["topic"])


def test_what_is_sent_under_the_old_name_reaches_it_under_the_new_one(importing: Hub, sandbox: Sandbox) -> None:
    row = opened(importing, sandbox)
    old, browser = row["id"], signed_in_as_mei(importing)
    before = {"text": "It was the disk", "press": str(uuid4())}
    browser.post(f"/incidents/{old}/actions/note", before)
    name = importing.dana.post(f"/incidents/{old}/channel", {}).incident
    importing.finished(name)
    assert browser.post(f"/incidents/{old}/actions/note", before).path == f"/incidents/{name}"
    assert len(importing.rows("SELECT id FROM incidents_action WHERE incident_id = %s", name)) == 1, (
        "it was sent before"
    )
    page = browser.post(f"/incidents/{old}/actions/note", {"text": "It was the logs"})
    assert (page.status, page.path) == (200, f"/incidents/{name}")
    assert "It was the logs" in page.text
    _, pressed = importing.rows("SELECT id FROM incidents_action WHERE incident_id = %s ORDER BY id", name)
    assert browser.post(f"/incidents/{old}/actions/{pressed['id']}/note", {}).path == f"/incidents/{name}"
    was = browser.get(f"/incidents/{old}/edit").value("was_reporter_email")
    edited = browser.post(f"/incidents/{old}/edit", {"was_reporter_email": was, "reporter_email": "ana@example.com"})
    assert (edited.status, edited.path) == (200, f"/incidents/{name}")
    assert importing.incident(name)["reporter_email"] == "ana@example.com"
    assert browser.post(f"/incidents/{old}/steps/topic", {}).path == f"/incidents/{name}/responding"
    responder = importing.rows("SELECT id FROM incidents_responder WHERE incident_id = %s", name)[0]["id"]
    for part in ("responding", "actions/wrong-service", f"people/{responder}"):
        found = browser.get(f"/incidents/{old}/{part}")
        assert found.status == 200, part
        assert f"/incidents/{name}" in found.text, part
    assert browser.post("/incidents/pagerduty-999999/actions/note", {"text": "It was the logs"}).status == 404


def test_what_was_sent_under_the_old_name_while_signed_out_is_told_in_words(importing: Hub, sandbox: Sandbox) -> None:
    row = opened(importing, sandbox)
    importing.finished(importing.dana.post(f"/incidents/{row['id']}/channel", {}).incident)
    stranger = Browser(importing.url)
    stranger.get("/sign-in")
    asked = stranger.post(f"/incidents/{row['id']}/actions/command", {"email": "ana@example.com"})
    carried = {"carried": unescape(asked.value("carried"))}
    known = {"email": ADMIN, "password": PASSWORD}
    again = stranger.post("/sign-in", known | carried)
    assert "Ana Costa in command" in again.text
    assert "Disk full" in again.text


def test_another_account_with_an_incident_of_the_same_number_keeps_nothing_from_being_read(
    importing: Hub, sandbox: Sandbox
) -> None:
    row = opened(importing, sandbox)
    old, page = row["id"], row["pagerduty_id"]
    importing.rows(
        "UPDATE incidents SET pagerduty_id = 'PTRIAL1', title = 'Of a trial', sender = 'trial',"
        " created_at = '2026-01-01 00:00:00' WHERE id = %s",
        old,
    )
    importing.does("poll")
    (new,) = importing.rows("SELECT * FROM incidents WHERE pagerduty_id = %s", page)
    assert new["id"] == f"{old}-{page}"
    for name, title in ((old, "Of a trial"), (new["id"], "Disk full")):
        shown = importing.dana.get(f"/incidents/{name}")
        assert (shown.path, f">{title}</h1>" in shown.text) == (f"/incidents/{name}", True)
    full = importing.dana.post(f"/incidents/{new['id']}/channel", {}).incident
    importing.finished(full)
    assert importing.incident(full)["pagerduty_id"] == page
    assert importing.dana.get(f"/incidents/{new['id']}").path == f"/incidents/{full}"
    assert importing.dana.get(f"/incidents/{old}").path == f"/incidents/{old}"
    trial = importing.dana.post(f"/incidents/{old}/channel", {}).incident
    assert importing.dana.get(f"/incidents/{old}").path == f"/incidents/{trial}"
    assert importing.incident(trial)["pagerduty_id"] == "PTRIAL1"


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


# ── over before anybody saw it open ───────────────────────────────────────────────────────────────


def over(sandbox: Sandbox, title: str, **more: str) -> str:
    """Monitoring opens an incident, and it is resolved at once; its id."""
    page = str(sandbox.control("/pagerduty/incidents", {"service": "Search", "title": title, **more})["id"])
    sandbox.control(f"/pagerduty/incidents/{page}/resolve", {})
    return page


def known(hub: Hub) -> list[str]:
    return [row["title"] for row in hub.rows("SELECT title FROM incidents ORDER BY created_at, pagerduty_number")]


def test_what_was_opened_and_resolved_between_two_polls_is_shown_with_all_that_happened(
    importing: Hub, sandbox: Sandbox
) -> None:
    before = opened(importing, sandbox, title="Queue full")
    page = sandbox.control("/pagerduty/incidents", {"service": "Search", "title": "Disk full on db-7"})["id"]
    act(sandbox, page, "acknowledge", "Priya Nair")
    sandbox.advance(240)
    act(sandbox, page, "note", "Priya Nair", content="It was the logs")
    act(sandbox, page, "resolve", "Priya Nair")
    importing.poll_now()
    (row,) = eventually(lambda: importing.rows("SELECT * FROM incidents WHERE pagerduty_id = %s", page))
    name, told = row["id"], incident(sandbox, page)
    assert (name, row["status"]) == (f"pagerduty-{told['incident_number']}", "resolved")
    for column in ("created_at", "resolved_at"):
        assert moment(row[column]) == moment(told[column]), column
    entries = [(one["log_entry_id"], moment(one["at"])) for one in timeline(importing, name)]
    assert sorted(entries) == sorted((one["id"], moment(one["created_at"])) for one in log_of(sandbox, page))
    shown = importing.dana.get(f"/incidents/{name}").text
    for words in ("from PagerDuty", "Opened in PagerDuty", "Acknowledged by Priya Nair", "It was the logs", "4 min"):
        assert words in shown, words
    act(sandbox, before["pagerduty_id"], "resolve")
    importing.poll_now()
    eventually(lambda: importing.incident(before["id"])["status"] == "resolved")
    home = importing.dana.get("/").text
    assert home.index("Queue full") < home.index("Disk full on db-7"), "what was resolved last comes first"


def test_a_storm_of_such_costs_no_call_and_repeats_double_nothing(
    make_hub: Callable[..., Hub], quiet_sandbox: Sandbox
) -> None:
    sandbox, hub = quiet_sandbox, make_hub(PAGERDUTY_IMPORT_INCIDENTS="on")
    hub.sandbox = sandbox
    hub.start()
    hub.does("poll", "log")
    sandbox.control("/calls", method="DELETE")
    titles = [f"Disk full on db-{number}" for number in range(20)]
    for title in titles:
        over(sandbox, title)
    hub.does("log", "poll")
    assert known(hub) == titles
    before = hub.rows("SELECT count(*) AS n FROM incidents_timelineentry")
    hub.does("log", "poll", "changed")
    assert known(hub) == titles
    assert hub.rows("SELECT count(*) AS n FROM incidents_timelineentry") == before
    assert hub.rows("SELECT id FROM incidents WHERE status <> 'resolved' OR stale_since IS NOT NULL") == []
    assert sandbox.calls("GET /incidents/{id}") == sandbox.calls("GET /incidents/{id}/log_entries") == []


def test_a_hub_that_was_away_is_told_of_what_was_over_meanwhile(importing: Hub, sandbox: Sandbox) -> None:
    importing.does("log")
    importing.stop()
    over(sandbox, "Disk full on db-7")
    sandbox.advance(2 * 60 * 60)
    importing.start()
    importing.read_log_now()
    eventually(lambda: known(importing) == ["Disk full on db-7"])


def test_what_another_hub_reported_is_left_alone_and_what_is_on_a_new_service_waits_for_that(
    importing: Hub, sandbox: Sandbox
) -> None:
    importing.does("poll")
    importing.put_off_directory()
    first = over(sandbox, "Disk full on db-7")
    service = incident(sandbox, first)["service"]
    about = {"type": "incident", "title": "Another hub's", "service": {"id": service["id"], "type": service["type"]}}
    theirs = ask(sandbox, "/incidents", {"incident": about | {"incident_key": "incident-brave-otter-2026-11"}})
    act(sandbox, theirs["incident"]["id"], "resolve")
    new_service(sandbox, "Brand new")
    over(sandbox, "On a new service", service="Brand new")
    importing.does("log")
    assert known(importing) == ["Disk full on db-7"]
    importing.does("directory")
    importing.does("log")
    assert known(importing) == ["Disk full on db-7", "On a new service"]


def test_what_was_over_long_ago_does_not_come_back_because_somebody_writes_a_note(
    importing: Hub, sandbox: Sandbox
) -> None:
    importing.does("poll")
    importing.put_off_directory()
    new_service(sandbox, "Brand new")
    long_ago = over(sandbox, "Over before its service was known", service="Brand new")
    sandbox.advance(300)
    over(sandbox, "Disk full on db-7")
    importing.does("log")
    importing.does("directory")
    act(sandbox, long_ago, "note", content="I wonder what that was")
    importing.does("log")
    assert known(importing) == ["Disk full on db-7"]


def new_service(sandbox: Sandbox, name: str) -> None:
    policy = ask(sandbox, "/services")["services"][0]["escalation_policy"]
    ask(sandbox, "/services", {"service": {"type": "service", "name": name, "escalation_policy": policy}})


def test_what_was_open_for_long_and_is_triggered_again_has_its_whole_timeline(importing: Hub, sandbox: Sandbox) -> None:
    importing.does("log")
    importing.stop()
    page = sandbox.control("/pagerduty/incidents", {"service": "Search", "title": "Disk full on db-7"})["id"]
    act(sandbox, page, "acknowledge", "Priya Nair")
    sandbox.advance(60 * 60)
    importing.rows("UPDATE incidents_readupto SET at = %s", "2100-01-01 00:00:00")  # what was before is not read
    sandbox.control(f"/pagerduty/incidents/{page}/trigger", {})
    importing.start()
    importing.does("log", "poll")
    importing.does("changed")  # what those two took in
    (row,) = importing.rows("SELECT * FROM incidents")
    entries = [one["log_entry_id"] for one in timeline(importing, row["id"])]
    assert sorted(entries) == sorted(one["id"] for one in log_of(sandbox, page))
    assert (row["status"], row["acknowledged_by"]) == ("acknowledged", "Priya Nair")


@pytest.mark.parametrize("brought", ["cut", "links"])
def test_a_log_without_whole_incidents_is_read_all_the_same(importing: Hub, sandbox: Sandbox, brought: str) -> None:
    sandbox.control("/switches", {"pagerduty": {"log_incidents": brought}})
    over(sandbox, "Disk full on db-7")
    row = opened(importing, sandbox, title="Queue full")
    act(sandbox, row["pagerduty_id"], "note", "Priya Nair", content="It was the logs")
    importing.does("log", "poll")
    assert "It was the logs" in importing.dana.get(f"/incidents/{row['id']}").text
    assert known(importing) == ["Queue full"]


def test_without_the_setting_nothing_of_what_was_over_is_asked_for_or_shown(hub: Hub, sandbox: Sandbox) -> None:
    over(sandbox, "Disk full on db-8")
    hub.does("log", "poll")
    assert hub.rows("SELECT id FROM incidents WHERE title = %s", "Disk full on db-8") == []
    assert "incidents" not in str([call.get("query") for call in sandbox.calls("GET /log_entries")])


def test_what_is_over_and_brought_a_channel_is_a_full_incident(importing: Hub, sandbox: Sandbox) -> None:
    over(sandbox, "Disk full on db-7")
    importing.poll_now()
    (row,) = eventually(lambda: importing.rows("SELECT * FROM incidents"))
    name = importing.dana.post(f"/incidents/{row['id']}/channel", {}).incident
    importing.finished(name)
    assert importing.incident(name)["status"] == "resolved"
    importing.does("log", "poll")
    assert known(importing) == ["Disk full on db-7"]
    assert len([text for text in texts(importing, name) if text.startswith("Opened in PagerDuty")]) == 1
