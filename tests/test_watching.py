"""The doctor by itself: what was there from when until when, and who is told of it, once."""

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from incident_central.integrations.slack.manifest import SCOPES
from incident_central.sandbox.company import SLACK_TOKEN
from tests.doctor import WEBHOOK_SECRET, heal, member_id, schedule_id, user_id
from tests.journeys.conftest import on_sqlite
from tests.processes import Hub, Sandbox, eventually
from tests.test_set_up_page import findings

Json = dict[str, Any]
PARTS = ("pagerduty", "on-call", "slack", "people", "database", "hub", "drill")
NOBODY = "Escalation policy Payments reaches nobody now"


@pytest.fixture
def healthy(make_hub: Callable[..., Hub], sandbox: Sandbox) -> Hub:
    """A hub of a company in which everything is right, checked often enough to be sure of that."""
    return started(make_hub(PAGERDUTY_WEBHOOK_SECRET=WEBHOOK_SECRET), sandbox)


def started(hub: Hub, sandbox: Sandbox) -> Hub:
    heal(sandbox, f"{hub.url}/webhooks/pagerduty")
    hub.start()
    hub.does(*PARTS)
    hub.does(*PARTS)
    return hub


def empty_payments(sandbox: Sandbox) -> None:
    sandbox.plant("pagerduty", "schedules", schedule_id("Payments primary"), set={"user_ids": []})


def fill_payments(sandbox: Sandbox) -> None:
    sandbox.plant("pagerduty", "schedules", schedule_id("Payments primary"), set={"user_ids": [user_id("priya.nair")]})


def told(sandbox: Sandbox) -> list[Json]:
    """What the announce channel was told about the hub itself, oldest first."""
    ours = sandbox.messages("incidents")
    marked = [one for one in ours if one["metadata"]["event_payload"]["marker"].startswith("notice/")]
    return sorted(marked, key=lambda one: float(one["ts"]))


def speak(hub: Hub) -> None:
    """Whatever is to be told is told, by the time this ends."""
    hub.does("speak")
    left = "SELECT s.name FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id WHERE j.workflow = 'notice'"
    eventually(lambda: not hub.rows(f"{left} AND s.state NOT IN ('done', 'off', 'failed')"))


def trouble(hub: Hub, kind: str) -> Json | None:
    rows = hub.rows("SELECT * FROM doctor_trouble WHERE key LIKE %s ORDER BY id DESC", f"{kind} %")
    return rows[0] if rows else None


def banner(hub: Hub, path: str = "/") -> str:
    found = re.search(r'<p class="broken" id="broken" role="status">(.*?)</p>', hub.dana.get(path).text, re.S)
    assert found
    return re.sub(r"<.*?>", "", found[1])


# ── by itself ─────────────────────────────────────────────────────────────────────────────────────


def test_after_the_first_start_everything_is_checked_without_anybody_asking(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.rows("DELETE FROM jobs_step")
    hub.rows("DELETE FROM jobs_job")
    hub.start()
    due = "SELECT s.name, s.run_at, j.created_at FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id"
    first = hub.rows(f"{due} WHERE j.workflow = 'doctor'")
    assert {row["name"] for row in first} == set(PARTS)
    assert all(_seconds(row["created_at"], row["run_at"]) == pytest.approx(30, abs=1) for row in first)
    hub.rows("UPDATE jobs_step SET run_at = '2020-01-01' WHERE name IN (%s, %s)", "pagerduty", "on-call")
    page = eventually(lambda: _with(hub, NOBODY))
    assert "Check everything again" in page


def _with(hub: Hub, words: str) -> str:
    text = hub.dana.get("/set-up").text
    return text if words in text else ""


def _seconds(earlier: object, later: object) -> float:
    return (datetime.fromisoformat(str(later)) - datetime.fromisoformat(str(earlier))).total_seconds()


@on_sqlite
def test_the_cheap_parts_run_every_five_minutes_and_who_is_on_call_every_hour(healthy: Hub, sandbox: Sandbox) -> None:
    healthy.rows("UPDATE jobs_step SET run_at = '2100-01-01' WHERE name IN ('poll', 'log', 'directory', 'changed')")
    sandbox.control("/calls", method="DELETE")
    healthy.does(*[part for part in PARTS if part != "on-call"])
    calls = [call["method"] for call in sandbox.calls() if call["provider"] == "pagerduty"]
    assert [call for call in calls if not call.startswith("GET")] == ["POST /schedules/preview"], "which stores nothing"
    assert len(calls) <= 10
    healthy.does("on-call")
    due = "SELECT s.name, s.run_at, s.finished_at FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id"
    rows = healthy.rows(f"{due} WHERE j.workflow = 'doctor'")
    minutes = {row["name"]: round(_seconds(row["finished_at"], row["run_at"]) / 60) for row in rows}
    assert minutes == {part: 60 if part == "on-call" else 5 for part in PARTS}

    empty_payments(sandbox)  # then another look follows soon
    healthy.does("on-call")
    (row,) = healthy.rows(f"{due} WHERE s.name = 'on-call'")
    assert round(_seconds(row["finished_at"], row["run_at"]) / 60) == 5


@on_sqlite
def test_while_pagerdutys_limit_is_nearly_used_the_dear_part_waits(healthy: Hub, sandbox: Sandbox) -> None:
    sandbox.switch(other_requests="900")
    sandbox.advance(60)
    healthy.does("poll")
    sandbox.control("/calls", method="DELETE")
    healthy.does("on-call")
    assert sandbox.calls("GET /schedules") == []
    assert "what is left is for paging" in healthy.dana.get("/set-up").text


# ── history ───────────────────────────────────────────────────────────────────────────────────────


def test_a_finding_has_a_since_and_once_mended_is_shown_as_such(healthy: Hub, sandbox: Sandbox) -> None:
    empty_payments(sandbox)
    healthy.does("on-call")
    found = trouble(healthy, "pagerduty.policy-reaches-nobody")
    assert found is not None
    assert found["broken_at"] is None, "seen once"
    assert re.search(r"Since <time datetime=[^>]+>(\d+ \w+, )?\d\d:\d\d</time>", healthy.dana.get("/set-up").text)
    healthy.does("on-call")
    again = trouble(healthy, "pagerduty.policy-reaches-nobody")
    assert again is not None
    assert again["broken_at"] is not None
    assert again["since"] == found["since"]

    fill_payments(sandbox)
    healthy.does("on-call")
    assert "Mended lately" not in healthy.dana.get("/set-up").text, "missed once"
    healthy.does("on-call")
    page = healthy.dana.get("/set-up").text
    assert NOBODY in page.partition("Mended lately")[2]
    assert "pagerduty.policy-reaches-nobody" not in findings(healthy.dana.get("/set-up"))

    empty_payments(sandbox)  # again: a new one, with a since of its own
    healthy.does("on-call")
    assert (
        len(healthy.rows("SELECT id FROM doctor_trouble WHERE key LIKE %s", "pagerduty.policy-reaches-nobody %")) == 2
    )


@on_sqlite
def test_what_is_long_gone_is_forgotten(healthy: Hub, sandbox: Sandbox) -> None:
    empty_payments(sandbox)
    healthy.does("on-call")
    healthy.does("on-call")
    speak(healthy)
    fill_payments(sandbox)
    healthy.does("on-call")
    healthy.does("on-call")
    speak(healthy)
    assert len(told(sandbox)) == 2
    healthy.rows("UPDATE doctor_notice SET made_at = '2026-01-01'")
    healthy.rows("UPDATE doctor_trouble SET gone_at = '2026-01-01' WHERE gone_at IS NOT NULL")
    speak(healthy)
    assert trouble(healthy, "pagerduty.policy-reaches-nobody") is None
    assert healthy.rows("SELECT id FROM doctor_notice") == []
    assert healthy.rows("SELECT id FROM jobs_job WHERE workflow = 'notice'") == []
    assert len(told(sandbox)) == 2


# ── people are told ───────────────────────────────────────────────────────────────────────────────


def test_what_breaks_is_told_once_and_once_more_when_it_is_mended(healthy: Hub, sandbox: Sandbox) -> None:
    speak(healthy)
    assert told(sandbox) == []
    assert banner(healthy) == ""

    empty_payments(sandbox)
    for _ in range(2):
        healthy.does("on-call")
        speak(healthy)
    (message,) = told(sandbox)
    assert "1 thing would keep a page from arriving" in message["text"]
    assert NOBODY in message["text"]
    for path in ("/", "/report", "/on-call", "/people", "/account", "/drills", "/nowhere"):
        shown = eventually(partial(banner, healthy, path))
        assert shown.startswith("1 thing would keep a page from arriving."), path
    assert banner(healthy, "/set-up") == "", "its heading says it"
    for _ in range(2):
        healthy.does("on-call")
        speak(healthy)
    assert len(told(sandbox)) == 1, "nothing is said twice"

    fill_payments(sandbox)
    healthy.does("on-call")
    speak(healthy)
    assert len(told(sandbox)) == 1, "missed once is not mended"
    healthy.does("on-call")
    speak(healthy)
    assert len(told(sandbox)) == 2
    assert "1 thing is mended: nothing is known that would keep a page from arriving" in told(sandbox)[1]["text"]
    assert f"Mended: {NOBODY}, from " in told(sandbox)[1]["text"]
    eventually(lambda: banner(healthy) == "")
    speak(healthy)
    assert len(told(sandbox)) == 2


@on_sqlite
def test_what_comes_and_goes_is_not_told(healthy: Hub, sandbox: Sandbox) -> None:
    for _ in range(3):
        empty_payments(sandbox)
        healthy.does("on-call")
        speak(healthy)
        fill_payments(sandbox)
        healthy.does("on-call")
        speak(healthy)
    assert told(sandbox) == []
    assert banner(healthy) == ""


@on_sqlite
def test_what_is_only_to_be_looked_at_is_not_told(healthy: Hub, sandbox: Sandbox) -> None:
    sandbox.plant("slack", "members", member_id(sandbox, "Henrik Aalto"), set={"deleted": True})
    sandbox.plant("pagerduty", "users", user_id("mei.tanaka"), set={"invitation_sent": True})
    for _ in range(2):
        healthy.does("on-call")
        speak(healthy)
    found = trouble(healthy, "pagerduty.invitation-open")
    assert found is not None
    assert found["broken_at"] is not None
    assert told(sandbox) == []


def test_what_was_broken_from_the_first_is_told_in_one_message(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub()  # of the company as it is on its first day
    hub.start()
    for part in PARTS:
        hub.does(part)
        speak(hub)
        hub.does(part)
        speak(hub)
    (message,) = told(sandbox)
    assert "2 things would keep a page from arriving" in message["text"]
    assert NOBODY in message["text"]
    assert "Tomás Herrera is on call, and PagerDuty has no contact method" in message["text"]


@on_sqlite
def test_where_nobody_listens_it_is_told_once_somebody_does(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub(SLACK_ANNOUNCE_CHANNEL="")
    hub.start()
    hub.does(*PARTS)
    hub.does(*PARTS)
    speak(hub)
    assert "2 things would keep a page from arriving" in banner(hub)
    hub.stop()
    hub.settings["SLACK_ANNOUNCE_CHANNEL"] = "incidents"
    hub.start()
    speak(hub)
    (message,) = told(sandbox)
    assert "2 things would keep a page from arriving" in message["text"]

    fill_payments(sandbox)  # one of the two
    hub.does("on-call")
    hub.does("on-call")
    speak(hub)
    assert "1 thing is mended; still, 1 thing would keep a page from arriving" in told(sandbox)[1]["text"]


@on_sqlite
def test_a_part_that_never_ends_does_not_keep_the_first_message_back_for_ever(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    hub.does("on-call")
    hub.does("on-call")
    speak(hub)
    assert told(sandbox) == []
    hub.rows("UPDATE doctor_checked SET first_at = '2026-01-01'")
    speak(hub)
    assert len(told(sandbox)) == 1


@on_sqlite
def test_a_check_that_could_not_be_made_is_neither_broken_nor_mended(healthy: Hub, sandbox: Sandbox) -> None:
    empty_payments(sandbox)
    sandbox.plant("slack", "tokens", SLACK_TOKEN, set={"scopes": ["chat:write", "users:read", "channels:read"]})
    for _ in range(2):
        healthy.does("on-call", "slack")
    speak(healthy)
    (message,) = told(sandbox)
    assert "1 thing would keep a page from arriving, and 1 a channel from opening" in message["text"]

    sandbox.fault("pagerduty", "down")
    sandbox.plant("slack", "tokens", SLACK_TOKEN, set={"state": "token_revoked"})
    for _ in range(3):
        healthy.does("on-call", "slack")
    rows = healthy.rows("SELECT key FROM doctor_trouble WHERE gone_at IS NULL AND level = 'fail'")
    kinds = {row["key"].split()[0] for row in rows}
    assert {"pagerduty.policy-reaches-nobody", "slack.may-not-open-channels", "slack.token-revoked"} <= kinds

    sandbox.mend()
    fill_payments(sandbox)
    sandbox.plant("slack", "tokens", SLACK_TOKEN, set={"state": "", "scopes": [scope.name for scope in SCOPES]})
    for _ in range(2):
        healthy.does("on-call", "slack")
    rows = healthy.rows("SELECT key FROM doctor_trouble WHERE gone_at IS NULL AND level = 'fail'")
    assert rows == []


def test_a_lost_answer_and_a_kill_double_no_message(healthy: Hub, sandbox: Sandbox) -> None:
    empty_payments(sandbox)
    healthy.does("on-call")
    healthy.does("on-call")
    sandbox.fault("slack", "answer-lost-hang", method="chat.postMessage", times=1, seconds=30)
    healthy.does("speak")
    eventually(lambda: told(sandbox))
    healthy.kill()
    sandbox.mend()
    healthy.start()
    speak(healthy)
    assert len(told(sandbox)) == 1
    (step,) = healthy.rows("SELECT state FROM jobs_step WHERE name = 'announce' AND state <> 'off'")
    assert step["state"] == "done"


@on_sqlite
def test_killed_while_it_decides_to_tell_it_tells_once(healthy: Hub, sandbox: Sandbox) -> None:
    empty_payments(sandbox)
    healthy.does("on-call")
    healthy.does("on-call")
    for _ in range(3):
        healthy.rows("UPDATE jobs_step SET run_at = '2020-01-01' WHERE name = 'speak' AND state = 'waiting'")
        healthy.kill()
        healthy.start()
    speak(healthy)
    assert len(told(sandbox)) == 1


@on_sqlite
def test_where_that_it_broke_could_not_be_told_its_end_waits_for_that(healthy: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "down", method="chat.postMessage")
    empty_payments(sandbox)
    healthy.does("on-call")
    healthy.does("on-call")
    healthy.does("speak")
    fill_payments(sandbox)
    healthy.does("on-call")
    healthy.does("on-call")
    healthy.does("speak")
    waits = "SELECT id FROM jobs_step WHERE error = 'Waits for the message that it was broken.'"
    eventually(lambda: healthy.rows(waits))
    sandbox.mend()
    eventually(lambda: len(told(sandbox)) == 2)
    first, second = (one["text"] for one in told(sandbox))
    assert "would keep a page from arriving" in first
    assert "Mended since" in first
    assert "1 thing is mended" in second
