"""What the channel is told when something changes in PagerDuty."""

import re
import time
from collections.abc import Callable
from html import unescape
from uuid import uuid4

from tests.pagerduty import act, edit
from tests.processes import Hub, Json, Sandbox, eventually, report_form


def reported(hub: Hub, sandbox: Sandbox, **more: str) -> tuple[str, str]:
    name = hub.dana.post("/report", report_form(hub, **more)).incident
    hub.finished(name)
    return name, str(sandbox.page_of(name)["id"])


def summary(sandbox: Sandbox, name: str) -> str:
    (message,) = sandbox.messages(name, f"{name}/summary")
    return str(message["blocks"])


def said(sandbox: Sandbox, name: str, beginning: str) -> list[Json]:
    return [one for one in sandbox.messages(name) if one["text"].startswith(beginning)]


def topic(sandbox: Sandbox, name: str) -> str:
    return str(sandbox.channel_of(name)["topic"]["value"])


def test_who_acknowledged_and_that_it_is_resolved_reaches_the_channel_and_the_reporter_once(
    hub: Hub, sandbox: Sandbox
) -> None:
    name, page = reported(hub, sandbox)
    dana = next(one["id"] for one in sandbox.state["slack"]["members"] if one["real_name"] == "Dana Okafor")
    act(sandbox, page, "acknowledge")
    hub.poll_now()
    (acknowledged,) = eventually(lambda: said(sandbox, name, "Acknowledged by Mei Tanaka."))
    assert f"<@{dana}>" in acknowledged["text"]
    eventually(lambda: "Acknowledged by Mei Tanaka" in summary(sandbox, name))
    eventually(lambda: "· Acknowledged ·" in topic(sandbox, name))
    act(sandbox, page, "resolve")
    hub.poll_now()
    (resolved,) = eventually(lambda: said(sandbox, name, "Resolved."))
    assert f"<@{dana}>" in resolved["text"]
    eventually(lambda: "Resolved" in summary(sandbox, name))
    eventually(lambda: "· Resolved ·" in topic(sandbox, name))
    hub.poll_now()
    eventually(lambda: _settled(hub, name))
    assert len(said(sandbox, name, "Acknowledged by")) == len(said(sandbox, name, "Resolved.")) == 1


def test_a_new_title_and_priority_reach_summary_and_topic_without_a_message(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    before = len(sandbox.messages(name))
    edit(sandbox, page, title="Cards <!channel> fail", priority=None)
    hub.poll_now()
    eventually(lambda: "Cards" in topic(sandbox, name))
    assert not topic(sandbox, name).startswith("P1")
    eventually(lambda: "Cards <!channel> fail" in summary(sandbox, name))
    eventually(lambda: _settled(hub, name))
    assert len(sandbox.messages(name)) == before


def test_what_happens_before_the_channel_is_open_is_told_when_it_is(hub: Hub, sandbox: Sandbox) -> None:
    fault = sandbox.fault("slack", "500", method="conversations.create")
    name = hub.dana.post("/report", report_form(hub)).incident
    eventually(lambda: hub.incident(name)["pagerduty_id"])
    act(sandbox, hub.incident(name)["pagerduty_id"], "acknowledge")
    hub.poll_now()
    eventually(lambda: hub.incident(name)["status"] == "acknowledged")
    eventually(lambda: _tried(hub, name, "tell"))
    assert "Tell the channel" not in hub.dana.get(f"/incidents/{name}").text, "it only waits: there is none yet"
    sandbox.control(f"/faults/{fault}", method="DELETE")
    hub.finished(name)
    eventually(lambda: said(sandbox, name, "Acknowledged by Mei Tanaka."))
    eventually(lambda: "· Acknowledged ·" in topic(sandbox, name))
    assert len(said(sandbox, name, "Acknowledged by")) == 1


def test_a_message_whose_answer_was_lost_is_not_posted_again(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    sandbox.fault("slack", "answer-lost", method="chat.postMessage", times=1)
    act(sandbox, page, "acknowledge")
    hub.poll_now()
    eventually(lambda: _settled(hub, name))
    assert len(said(sandbox, name, "Acknowledged by")) == 1


def test_nobody_acknowledging_for_five_minutes_is_shown_and_told_once(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    sandbox.plant("pagerduty", "incidents", page, set={"status_changed_at": time.time() - 301})
    hub.poll_now()
    eventually(lambda: "<strong>Nobody has acknowledged for" in hub.dana.get(f"/incidents/{name}").text)
    hub.remind_now()
    eventually(lambda: said(sandbox, name, "Nobody has acknowledged for 5 minutes. PagerDuty is paging Mei Tanaka."))
    hub.remind_now()
    eventually(lambda: _reminded(hub))
    told = "SELECT id FROM incidents_timelineentry WHERE incident_id = %s AND text = %s"
    assert len(hub.rows(told, name, "Nobody had acknowledged for 5 minutes")) == 1
    assert len(said(sandbox, name, "Nobody has acknowledged")) == 1
    act(sandbox, page, "acknowledge")
    hub.poll_now()
    eventually(lambda: "<strong>Nobody has acknowledged" not in hub.dana.get(f"/incidents/{name}").text)


def test_while_pagerduty_does_not_answer_nobody_is_said_not_to_have_acknowledged(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    sandbox.plant("pagerduty", "incidents", page, set={"status_changed_at": time.time() - 301})
    hub.does("poll", "log")
    sandbox.fault("pagerduty", "500", method="GET /incidents")
    hub.does("poll", well=False)
    hub.remind_now()
    eventually(lambda: _reminded(hub))
    text = hub.dana.get(f"/incidents/{name}").text
    assert "What is shown here is what it said then: nobody had acknowledged." in text
    assert "<strong>Nobody has acknowledged" not in text
    assert text.partition('id="head"')[2].partition('id="actions"')[0].count('class="banner"') == 1
    act(sandbox, page, "acknowledge")
    sandbox.mend()
    hub.does("poll")
    hub.remind_now()
    eventually(lambda: _reminded(hub))
    eventually(lambda: _settled(hub, name))
    assert said(sandbox, name, "Nobody has acknowledged") == []
    told = "SELECT id FROM incidents_timelineentry WHERE incident_id = %s AND text = %s"
    assert hub.rows(told, name, "Nobody had acknowledged for 5 minutes") == []


def test_what_was_just_triggered_when_pagerduty_stopped_answering_is_told_with_it(hub: Hub, sandbox: Sandbox) -> None:
    name, _ = reported(hub, sandbox)
    hub.does("poll", "log")
    sandbox.fault("pagerduty", "500", method="GET /incidents")
    hub.does("poll", well=False)
    told = "What is shown here is what it said then: nobody had acknowledged."
    eventually(lambda: told in hub.dana.get(f"/incidents/{name}").text)


def test_what_the_channel_could_not_be_told_is_shown_and_retried_or_done_by_hand(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    address = f"/incidents/{name}"
    sandbox.fault("slack", "missing-scope", method="chat.postMessage")
    sandbox.fault("slack", "missing-scope", method="conversations.setTopic")
    act(sandbox, page, "acknowledge")
    hub.poll_now()
    shown = eventually(lambda: _needing(hub, name, "Tell the channel: Acknowledged by Mei Tanaka."))
    assert "missing_scope" in shown
    assert "<code>Acknowledged by Mei Tanaka.</code>" in shown
    eventually(lambda: _needing(hub, name, "Set the channel’s topic"))
    assert "Update the pinned summary" not in hub.dana.get(address).text
    text = hub.dana.get(address).text
    assert "2 need you" in text.partition('id="status"')[2].partition("</p>")[0]
    tell, topic = (re.search(rf'action="({address}/news/\d+/{step})"', text) for step in ("tell", "update_topic"))
    assert tell is not None
    assert topic is not None
    sandbox.mend()
    hub.dana.post(tell[1], {})
    eventually(lambda: said(sandbox, name, "Acknowledged by Mei Tanaka."))
    hub.dana.post(topic[1], {"done": "by-hand"})
    hub.dana.post(topic[1], {"done": "by-hand"})
    eventually(lambda: "Needs somebody" not in hub.dana.get(address).text)
    by_hand = "SELECT text FROM incidents_timelineentry WHERE incident_id = %s AND text LIKE %s"
    assert len(hub.rows(by_hand, name, "Dana Okafor did this by hand: Set the channel%")) == 1
    other, _ = reported(hub, sandbox)
    assert hub.dana.post(topic[1].replace(name, other), {}).status == 404


def test_what_is_not_so_any_more_need_not_be_told(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    fault = sandbox.fault("slack", "missing-scope", method="chat.postMessage")
    act(sandbox, page, "acknowledge")
    hub.poll_now()
    eventually(lambda: _needing(hub, name, "Tell the channel: Acknowledged by Mei Tanaka."))
    sandbox.control(f"/faults/{fault}", method="DELETE")
    act(sandbox, page, "resolve")
    hub.poll_now()
    eventually(lambda: said(sandbox, name, "Resolved."))
    eventually(lambda: "Needs somebody" not in hub.dana.get(f"/incidents/{name}").text)
    assert said(sandbox, name, "Acknowledged by") == []


def test_that_nobody_had_acknowledged_need_not_be_told_once_somebody_has(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    fault = sandbox.fault("slack", "missing-scope", method="chat.postMessage")
    sandbox.plant("pagerduty", "incidents", page, set={"status_changed_at": time.time() - 301})
    hub.poll_now()
    eventually(lambda: "<strong>Nobody has acknowledged for" in hub.dana.get(f"/incidents/{name}").text)
    hub.remind_now()
    title = "Tell the channel: Nobody has acknowledged for 5 minutes. PagerDuty is paging Mei Tanaka."
    shown = eventually(lambda: _needing(hub, name, title))
    act(sandbox, page, "acknowledge")
    hub.poll_now()
    eventually(lambda: hub.incident(name)["status"] == "acknowledged")
    act(sandbox, page, "unacknowledge")
    hub.poll_now()
    eventually(lambda: _needing(hub, name, "Tell the channel: Triggered again: PagerDuty is paging Mei Tanaka."))
    assert not _needing(hub, name, title), "it was triggered again just now"
    sandbox.control(f"/faults/{fault}", method="DELETE")
    retry = re.search(r'action="([^"]+/tell)"', shown)
    assert retry is not None
    hub.dana.post(retry[1], {})
    query = "SELECT s.state FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id WHERE j.key LIKE %s AND s.name = 'tell'"
    eventually(lambda: [row["state"] for row in hub.rows(query, f"{name}/reminder/%")] == ["off"])
    assert said(sandbox, name, "Nobody has acknowledged") == []


def test_where_there_is_nobody_left_to_escalate_to_nobody_is_said_to_be_paged(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox, service_name="Search")
    for _ in range(40):
        sandbox.advance(600)
    sandbox.plant("pagerduty", "incidents", page, set={"status_changed_at": time.time() - 301})
    hub.does("poll", "log")
    told = "SELECT at FROM incidents_timelineentry WHERE incident_id = %s AND text LIKE %s"
    eventually(lambda: hub.rows(told, name, "%nobody left to escalate to"))
    hub.poll_now()
    text = eventually(lambda: _said_of_it(hub, name, "and PagerDuty has stopped paging.</strong>"))
    assert "goes on paging" not in text
    text = hub.dana.get(f"/incidents/{name}").text
    assert "<dt>Paged last</dt>" in text
    hub.remind_now()
    eventually(lambda: said(sandbox, name, "Nobody has acknowledged for 5 minutes. PagerDuty has stopped paging."))
    eventually(lambda: said(sandbox, name, "PagerDuty has stopped paging: there is nobody left to escalate to."))
    assert "Nobody is paged any more" in hub.dana.get("/").text
    hub.dana.post(f"/incidents/{name}/actions/escalate", {"press": str(uuid4()), "level": "1"})
    eventually(lambda: "Paging Jonas Weber" in hub.dana.get("/").text)


def test_what_is_triggered_again_after_paging_had_ended_is_paging(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox, service_name="Data Warehouse")
    for _ in range(20):  # not so long that it resolves itself
        sandbox.advance(600)
    hub.does("poll", "log")
    eventually(lambda: said(sandbox, name, "PagerDuty has stopped paging: there is nobody left to escalate to."))
    act(sandbox, page, "acknowledge", "Ana Costa")
    hub.does("poll")
    eventually(lambda: said(sandbox, name, "Acknowledged by Ana Costa."))
    sandbox.advance(1801)
    hub.does("poll")  # before its log tells why
    eventually(lambda: said(sandbox, name, "Triggered again: PagerDuty is paging Ana Costa."))
    hub.does("log")
    assert "Paging Ana Costa" in hub.dana.get("/").text


def test_where_pagerdutys_clock_is_minutes_off_five_minutes_are_five(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.advance(300)
    hub.does("poll")
    name, _ = reported(hub, sandbox, service_name="Data Warehouse")
    hub.does("poll", "remind")
    assert hub.incident(name)["reminded_of"] is None
    sandbox.advance(301)
    hub.does("poll", "remind")
    eventually(lambda: said(sandbox, name, "Nobody has acknowledged for 5 minutes."))
    assert "Nobody has acknowledged for" in hub.dana.get(f"/incidents/{name}").text


def test_one_that_waits_to_be_read_keeps_no_other_from_being_reminded_of(hub: Hub, sandbox: Sandbox) -> None:
    (one, first), (unread, second) = (reported(hub, sandbox) for _ in range(2))
    hub.does("poll")
    for page in (first, second):
        sandbox.plant("pagerduty", "incidents", page, set={"status_changed_at": time.time() - 301})
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    hub.does("poll")
    hub.rows("UPDATE incidents SET stale_since = %s WHERE id = %s", "2026-01-01 00:00:00", unread)
    hub.remind_now()
    eventually(lambda: said(sandbox, one, "Nobody has acknowledged for 5 minutes."))
    assert hub.incident(unread)["reminded_of"] is None, "somebody may have acknowledged it meanwhile"


def test_where_an_acknowledgement_from_here_runs_out_it_is_said_that_no_phone_rings(hub: Hub, sandbox: Sandbox) -> None:
    name, _ = reported(hub, sandbox, service_name="Data Warehouse")
    hub.dana.post(f"/incidents/{name}/actions/acknowledge", {"press": str(uuid4())})
    eventually(lambda: hub.incident(name)["status"] == "acknowledged")
    assert "Have somebody on call acknowledge it there, too." in hub.dana.get(f"/incidents/{name}").text

    sandbox.advance(1801)
    assert sandbox.ringing == set()
    hub.poll_now()
    eventually(lambda: _said_of_it(hub, name, "<strong>Nobody’s phone rings.</strong>"))
    assert "Nobody is paged any more" in hub.dana.get("/").text
    told = "Triggered again: PagerDuty has it on Incident Central’s own user, who has no phone."
    eventually(lambda: said(sandbox, name, told))

    hub.dana.post(f"/incidents/{name}/actions/escalate", {"press": str(uuid4()), "level": "1"})
    eventually(lambda: "phone rings" not in hub.dana.get(f"/incidents/{name}").text)
    assert sandbox.ringing == {"Ana Costa"}


def test_who_has_it_is_not_said_to_have_acknowledged_when_somebody_else_did(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    act(sandbox, page, "acknowledge", "Mei Tanaka")
    hub.poll_now()
    eventually(lambda: "Acknowledged by Mei Tanaka after" in hub.dana.get(f"/incidents/{name}").text)
    act(sandbox, page, "unacknowledge")
    sandbox.advance(60)
    act(sandbox, page, "acknowledge", "Oskar Lindqvist")
    hub.poll_now()
    shown = eventually(lambda: _said_of_it(hub, name, "Oskar Lindqvist has it now."))
    assert "First acknowledged after" in shown
    assert "Acknowledged by Oskar" not in shown


def _said_of_it(hub: Hub, name: str, words: str) -> str:
    head = hub.dana.get(f"/incidents/{name}").text.partition('id="head"')[2].partition('id="actions"')[0]
    return head if words in head else ""


def _tried(hub: Hub, name: str, step: str) -> bool:
    query = "SELECT s.attempts FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id WHERE j.key LIKE %s AND s.name = %s"
    return any(row["attempts"] for row in hub.rows(query, f"{name}/%", step))


def _needing(hub: Hub, name: str, title: str) -> str:
    """What is shown of what needs somebody, once it has this line."""
    text = unescape(hub.dana.get(f"/incidents/{name}").text)
    needing = text.partition('id="needing-h"')[2].partition("</section>")[0]
    return needing if f"<h3>{title}</h3>" in needing else ""


def _reminded(hub: Hub) -> bool:
    (row,) = hub.rows("SELECT run_at FROM jobs_step WHERE name = 'remind'")
    return row["run_at"] is not None and not str(row["run_at"]).startswith("2020")


def test_without_slack_nothing_is_queued(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub(SLACK_BOT_TOKEN="")
    hub.start()
    name, page = reported(hub, sandbox)
    act(sandbox, page, "acknowledge")
    hub.poll_now()
    eventually(lambda: hub.incident(name)["status"] == "acknowledged")
    assert hub.rows("SELECT * FROM jobs_job WHERE workflow = 'news'") == []


def _settled(hub: Hub, name: str) -> bool:
    query = """SELECT s.state FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id
               WHERE j.workflow = 'news' AND j.key LIKE %s"""
    states = [row["state"] for row in hub.rows(query, f"{name}/%")]
    return bool(states) and set(states) <= {"done", "off"}
