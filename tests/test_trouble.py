"""PagerDuty or Slack down, hung, slow, limited or answering into the void: paged once, and honest meanwhile."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.processes import Hub, Sandbox, eventually, moment, report_form

WRITES = {
    "page": ("pagerduty", "POST /incidents"),
    "open_channel": ("slack", "conversations.create"),
    "invite": ("slack", "conversations.invite"),
    "topic": ("slack", "conversations.setTopic"),
    "bookmark_incident": ("slack", "bookmarks.add"),
    "summary": ("slack", "chat.postMessage"),
    "pin": ("slack", "pins.add"),
    "note": ("pagerduty", "POST /incidents/{id}/notes"),
}


def report(hub: Hub, **more: str) -> str:
    return hub.dana.post("/report", report_form(hub, **more)).incident


def assert_everything_once(hub: Hub, sandbox: Sandbox, name: str) -> None:
    """One page, one channel, one summary, one announcement, one note; and they are those that the database holds."""
    row, page, channel = hub.incident(name), sandbox.page_of(name), sandbox.channel_of(name)
    assert (row["pagerduty_id"], row["slack_channel_id"]) == (page["id"], channel["id"])
    assert len(sandbox.messages(name, f"{name}/summary")) == 1
    assert len(sandbox.messages("incidents", f"{name}/announcement")) == 1
    assert len(page["notes"]) == 1
    assert len(channel["pins"]) == 1
    assert len({one["link"] for one in channel["bookmarks"]}) == len(channel["bookmarks"]) == 2
    assert sandbox.members_of(name) == {"Mei Tanaka", "Oskar Lindqvist", "Dana Okafor"}


@pytest.mark.parametrize("kind", ["down", "hung", "429", "500", "html"])
def test_the_page_leaves_at_once_whatever_slack_does(hub: Hub, sandbox: Sandbox, kind: str) -> None:
    sandbox.fault("slack", kind, seconds=2)
    before = time.time()
    name = report(hub)
    page = eventually(lambda: sandbox.page_of(name))
    assert sandbox.ringing == {"Mei Tanaka"}
    # Before any call to Slack could have timed out.
    assert page["created_at"] - before < 8
    eventually(lambda: hub.incident(name)["pagerduty_id"])
    sandbox.mend()
    hub.finished(name)
    assert_everything_once(hub, sandbox, name)


@pytest.mark.parametrize("kind", ["down", "hung", "500"])
def test_the_channel_opens_at_once_whatever_pagerduty_does(hub: Hub, sandbox: Sandbox, kind: str) -> None:
    sandbox.fault("pagerduty", kind)
    name = report(hub)
    eventually(lambda: hub.incident(name)["slack_channel_id"], within=5)
    eventually(lambda: sandbox.members_of(name) == {"Mei Tanaka", "Oskar Lindqvist", "Dana Okafor"}, within=5)
    sandbox.mend()
    hub.finished(name)
    assert_everything_once(hub, sandbox, name)


def test_while_pagerduty_is_down_the_page_says_so_and_whom_to_phone(hub: Hub, sandbox: Sandbox) -> None:
    hub.does("poll")  # one that failed keeps its time
    sandbox.fault("pagerduty", "down")
    name = report(hub)
    eventually(lambda: hub.steps(name)["page"]["attempts"] >= 1)
    text = hub.dana.get(f"/incidents/{name}/responding").text
    assert "Nobody could be paged yet" in text
    assert "+1 2025550101" in text, "Mei's number, as PagerDuty gave it at the last good read"
    assert "Dana Okafor looked up phone numbers" in hub.dana.get(f"/incidents/{name}").text
    eventually(lambda: "PagerDuty has not answered for" in hub.dana.get("/").text, within=5)

    sandbox.mend()
    hub.finished(name)
    assert_everything_once(hub, sandbox, name)
    assert "2025550101" not in hub.dana.get(f"/incidents/{name}/responding").text, "shown only while nobody is paged"


@pytest.mark.parametrize("step", WRITES)
def test_an_answer_that_is_lost_after_the_work_was_done_doubles_nothing(hub: Hub, sandbox: Sandbox, step: str) -> None:
    provider, method = WRITES[step]
    # Two steps post, and two add bookmarks: whichever comes first, both answers are lost.
    times = 2 if method in ("chat.postMessage", "bookmarks.add") else 1
    sandbox.fault(provider, "answer-lost", method=method, times=times)
    name = report(hub)
    steps = hub.finished(name)
    assert_everything_once(hub, sandbox, name)
    assert steps[step]["state"] == "done"


def test_answers_that_never_come_after_the_work_was_done_double_nothing(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "answer-lost-hang", method="POST /incidents", times=1)
    sandbox.fault("slack", "answer-lost-hang", method="conversations.create", times=1)
    name = report(hub)
    hub.finished(name)
    assert_everything_once(hub, sandbox, name)


def test_answers_that_drip_are_given_up_and_what_was_done_is_found(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    """No byte is late, so no read times out, and all of it would take half an hour."""
    hub = make_hub()
    hub.start()
    calls = {"POST /incidents": "pagerduty", "conversations.create": "slack"}
    for method, provider in calls.items():
        sandbox.fault(provider, "drip", method=method, times=1, seconds=4)
    name = report(hub)
    eventually(lambda: hub.steps(name)["page"]["error"] == "PagerDuty did not answer in time.")
    hub.finished(name)
    assert_everything_once(hub, sandbox, name)
    assert {method: len(sandbox.calls(method)) for method in calls} == dict.fromkeys(calls, 1)


def test_a_page_that_is_not_listed_for_some_seconds_is_found_and_not_sent_twice(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.control("/switches", {"pagerduty": {"listed_after": "2"}})
    sandbox.fault("pagerduty", "answer-lost", method="POST /incidents", times=1)
    name = report(hub)
    hub.finished(name)
    assert_everything_once(hub, sandbox, name)


def test_a_page_resolved_by_hand_before_we_heard_of_it_is_not_sent_again(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "answer-lost", method="POST /incidents", times=1)
    lookups = sandbox.fault("pagerduty", "500", method="GET /incidents")
    name = report(hub)
    page = eventually(lambda: sandbox.page_of(name))
    sandbox.resolve(page["id"], sandbox.user_id("Mei Tanaka"))
    sandbox.control(f"/faults/{lookups}", method="DELETE")
    hub.finished(name)
    assert sandbox.page_of(name)["id"] == page["id"]
    assert hub.incident(name)["status"] == "resolved"


def test_a_refused_priority_is_left_out_and_the_page_goes_out(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.plant("pagerduty", "priorities", hub.priority_id("P1"), delete=True)
    name = report(hub)
    hub.finished(name)
    assert sandbox.page_of(name)["priority"] is None
    assert "Paged without priority P1" in hub.dana.get(f"/incidents/{name}").text


def test_a_service_that_refuses_the_page_is_tried_again_and_the_channel_opens(hub: Hub, sandbox: Sandbox) -> None:
    """PagerDuty's refusal is not the end for a page: whoever can mend the service may do it any minute."""
    sandbox.plant("pagerduty", "services", hub.service_id("Checkout API"), set={"status": "disabled"})
    name = report(hub)
    eventually(lambda: hub.incident(name)["slack_channel_id"])
    step = eventually(lambda: (step := hub.steps(name)["page"])["attempts"] and step)
    assert step["state"] == "waiting"
    assert "PagerDuty said 400" in step["error"]
    sandbox.plant("pagerduty", "services", hub.service_id("Checkout API"), set={"status": "active"})
    hub.dana.post(f"/incidents/{name}/steps/page", {})
    hub.finished(name)
    assert_everything_once(hub, sandbox, name)


@pytest.mark.parametrize("status", [302, 403, 407])
def test_a_proxy_that_answers_in_pagerdutys_place_for_a_moment_ends_no_tries(
    make_hub: Callable[..., Hub], sandbox: Sandbox, status: int
) -> None:
    """As its refusals, the page would be tried again after 45 seconds at the earliest, and the note by nobody."""
    hub = make_hub()
    hub.start()
    for method in ("POST /incidents", "POST /incidents/{id}/notes"):
        sandbox.fault("pagerduty", "html", method=method, status=status, times=2)
    name = report(hub)
    error = eventually(lambda: hub.steps(name)["page"]["error"])
    assert error.startswith(f"Something between us and PagerDuty answered in its place ({status} ")
    hub.finished(name)
    assert_everything_once(hub, sandbox, name)


@pytest.mark.parametrize("kind", ["429", "503"])
@pytest.mark.parametrize("step", ["open_channel", "page"])
def test_no_call_leaves_before_its_retry_after(
    make_hub: Callable[..., Hub], sandbox: Sandbox, step: str, kind: str
) -> None:
    """The second is reported when the first was told to wait."""
    (provider, method), hub = WRITES[step], make_hub()
    hub.start()
    sandbox.fault(provider, kind, method=method, times=1, seconds=4)
    first = report(hub)
    eventually(lambda: hub.steps(first)[step]["error"])
    second = report(hub)
    hub.finished(first)
    hub.finished(second)
    calls = sandbox.calls(method)
    refused = next(call for call in calls if str(call["status"]) == kind)
    assert [call for call in calls if refused["finished_at"] < call["arrived_at"] < refused["finished_at"] + 4] == []


def test_however_often_slack_limited_us_a_step_is_tried_again_within_about_a_minute(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    sandbox.fault("slack", "429", method="conversations.create", seconds=1)
    name = report(hub)
    eventually(lambda: hub.steps(name)["open_channel"]["state"] == "waiting")
    hub.stop()
    hub.rows("UPDATE jobs_step SET attempts = 12, run_at = '2020-01-01 00:00:00' WHERE name = 'open_channel'")
    hub.start()
    eventually(lambda: hub.steps(name)["open_channel"]["attempts"] > 12)
    assert moment(hub.steps(name)["open_channel"]["run_at"]) - datetime.now(UTC) < timedelta(seconds=76)


def test_no_retry_after_puts_a_page_off_for_longer_than_a_quarter_of_an_hour(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    sandbox.fault("pagerduty", "503", method="POST /incidents", times=1, seconds=24 * 3600)
    name = report(hub)
    eventually(lambda: (step := hub.steps(name)["page"])["error"] and step["state"] == "waiting")
    assert timedelta(minutes=14) < moment(hub.steps(name)["page"]["run_at"]) - datetime.now(UTC) < timedelta(minutes=16)


def test_a_channel_opened_by_hand_is_nowhere_told_of_as_if_it_were_known(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "down")
    name = report(hub)
    eventually(lambda: hub.steps(name)["open_channel"]["state"] == "waiting")
    hub.dana.post(f"/incidents/{name}/steps/open_channel", {"done": "by-hand"})
    sandbox.mend()
    steps = hub.finished(name)
    assert (steps["open_channel"]["state"], steps["note"]["state"], steps["pin"]["state"]) == ("by-hand", "off", "off")
    assert "opened by hand" in steps["pin"]["error"]
    assert sandbox.page_of(name)["notes"] == []
    page = hub.dana.get(f"/incidents/{name}/responding").text
    assert f'<a href="/incidents/{name}/edit">Say which it is</a>' in page
    assert "as soon as it is open" not in page


def test_every_page_says_soon_that_slack_does_not_answer_and_that_it_does_again(hub: Hub, sandbox: Sandbox) -> None:
    eventually(lambda: "PagerDuty and Slack are answering" in hub.dana.get("/").text)
    sandbox.fault("slack", "down")
    name = report(hub)
    eventually(lambda: "Slack has not answered for" in hub.dana.get("/").text)
    sandbox.mend()
    hub.finished(name)
    eventually(lambda: "PagerDuty and Slack are answering" in hub.dana.get("/").text, within=30)


def test_what_may_be_done_twice_is_not_said_to_be_looked_for(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "500", method="pins.add")
    sandbox.fault("slack", "500", method="bookmarks.add")
    name = report(hub)
    eventually(lambda: {hub.steps(name)[step]["state"] for step in ("pin", "bookmark_incident")} == {"waiting"})
    page = hub.dana.get(f"/incidents/{name}/responding").text
    told = {step: page.split(step)[1].split("</li>")[0] for step in ("Pin the summary", "Bookmark this incident")}
    assert "trouble on its side" in told["Pin the summary"]
    assert "we look first" not in told["Pin the summary"]
    assert "we look first" in told["Bookmark this incident"]


def test_a_missing_scope_fails_its_step_says_which_and_stops_nothing_else(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "missing-scope", method="pins.add", needed="pins:write")
    name = report(hub)
    step = eventually(lambda: (step := hub.steps(name)["pin"])["state"] == "failed" and step)
    assert step["error"] == (
        "Slack said missing_scope: the app lacks the scope pins:write. Add it to the app, then reinstall the app."
    )
    eventually(lambda: hub.steps(name)["invite_paged"]["state"] == "done")
    sandbox.mend()
    hub.dana.post(f"/incidents/{name}/steps/pin", {})
    hub.finished(name)
    assert_everything_once(hub, sandbox, name)


def test_done_by_hand_ends_the_tries_and_is_written_down(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "missing-scope", method="conversations.setTopic", needed="channels:write.topic")
    name = report(hub)
    eventually(lambda: hub.steps(name)["topic"]["state"] == "failed")
    hub.dana.post(f"/incidents/{name}/steps/topic", {"done": "by-hand"})
    assert hub.finished(name)["topic"]["state"] == "by-hand"
    assert "Dana Okafor did this by hand" in hub.dana.get(f"/incidents/{name}").text


def test_phoned_by_hand_after_a_lost_answer_still_finds_the_page_that_got_through(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "answer-lost", method="POST /incidents", times=1)
    lookups = sandbox.fault("pagerduty", "slow", method="GET /incidents", seconds=1)
    name = report(hub)
    eventually(lambda: hub.steps(name)["page"]["doubtful_since"])
    hub.dana.post(f"/incidents/{name}/steps/page", {"done": "by-hand"})
    sandbox.control(f"/faults/{lookups}", method="DELETE")
    assert hub.finished(name)["page"]["state"] == "done"
    assert hub.incident(name)["pagerduty_id"] == sandbox.page_of(name)["id"]


def test_a_channel_name_that_is_taken_means_the_next_one(hub: Hub, sandbox: Sandbox) -> None:
    down = sandbox.fault("slack", "down", method="conversations.create")
    name = report(hub)
    sandbox.plant("slack", "channels", create={"name": name})
    sandbox.control(f"/faults/{down}", method="DELETE")
    hub.finished(name)
    assert hub.incident(name)["slack_channel_name"] == f"{name}-2"
    assert sandbox.members_of(f"{name}-2") == {"Mei Tanaka", "Oskar Lindqvist", "Dana Okafor"}
