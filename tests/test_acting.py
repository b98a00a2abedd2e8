"""What people do with an incident from here, seen from PagerDuty, Slack, the page and the database."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.processes import Browser, Hub, Page, Sandbox, eventually, report_form

BOT = "Incident Central"


def reported(hub: Hub, **more: str) -> str:
    name = hub.dana.post("/report", report_form(hub, **more)).incident
    hub.finished(name)
    return name


def act(hub: Hub, name: str, kind: str, press: str = "", **given: str) -> Page:
    form = {"press": press or str(uuid4()), **given}
    return hub.dana.post(f"/incidents/{name}/actions/{kind}", form)


def actions(hub: Hub, name: str) -> list[dict[str, Any]]:
    return hub.rows("SELECT * FROM incidents_action WHERE incident_id = %s ORDER BY id", name)


def steps(hub: Hub, action: int) -> dict[str, dict[str, Any]]:
    query = """SELECT s.* FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id
               WHERE j.workflow = 'action' AND j.key = %s"""
    return {row["name"]: row for row in hub.rows(query, str(action))}


def settled(hub: Hub, name: str) -> list[dict[str, Any]]:
    """The incident's actions, once nothing is left to do for any of them."""

    def look() -> list[dict[str, Any]]:
        found = actions(hub, name)
        rows = [row for one in found for row in steps(hub, one["id"]).values()]
        left = [f"{row['name']} {row['state']} {row['error']}" for row in rows if row["state"] not in SETTLED]
        assert found, "no action"
        assert not left, left
        return found

    return eventually(look)


SETTLED = ("done", "off", "by-hand")


def entries(hub: Hub, name: str) -> list[str]:
    rows = hub.rows("SELECT text, body FROM incidents_timelineentry WHERE incident_id = %s ORDER BY id", name)
    return [f"{row['text']} {row['body']}".strip() for row in rows]


def notes(sandbox: Sandbox, name: str) -> list[str]:
    return [note["content"] for note in sandbox.page_of(name)["notes"]]


def writes(sandbox: Sandbox) -> list[dict[str, Any]]:
    return sandbox.calls("PUT /incidents/{id}")


# ── acknowledge, resolve, escalate ────────────────────────────────────────────────────────────────


def test_acknowledging_silences_the_phone_and_says_who_it_was(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    page = act(hub, name, "acknowledge")
    assert page.path == f"/incidents/{name}"
    settled(hub, name)
    assert sandbox.page_of(name)["status"] == "acknowledged"
    assert sandbox.ringing == set()
    row = hub.incident(name)
    assert (row["status"], row["acknowledged_by"]) == ("acknowledged", "Dana Okafor")
    assert [one for one in notes(sandbox, name) if one.startswith("Acknowledged by Dana Okafor through")]
    told = entries(hub, name)
    assert "Dana Okafor pressed Acknowledge" in told
    assert "Acknowledged by Dana Okafor" in told
    # What PagerDuty says at the next poll does not turn it into our From user.
    hub.poll_now()
    polled = len(sandbox.calls("GET /incidents"))
    eventually(lambda: len(sandbox.calls("GET /incidents")) > polled)
    assert hub.incident(name)["acknowledged_by"] == "Dana Okafor"


def test_resolving_ends_it_here_at_once(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    act(hub, name, "resolve")
    settled(hub, name)
    assert sandbox.page_of(name)["status"] == "resolved"
    assert hub.incident(name)["status"] == "resolved"
    assert [one for one in notes(sandbox, name) if one.startswith("Resolved by Dana Okafor through Incident Central")]


def test_escalating_pages_the_next_level_and_brings_it_into_the_channel(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    assert "Escalate to Oskar Lindqvist, level 2" in hub.dana.get(f"/incidents/{name}").text
    act(hub, name, "escalate", level="3")
    settled(hub, name)
    assert sandbox.ringing == {"Dana Okafor"}
    act(hub, name, "escalate", level="2")
    settled(hub, name)
    assert sandbox.ringing == {"Oskar Lindqvist"}
    assert "Oskar Lindqvist" in hub.incident(name)["assigned"]


def test_pressed_twice_it_is_done_once(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    press = str(uuid4())
    for _ in range(2):
        act(hub, name, "escalate", press, level="2")
    (action,) = settled(hub, name)
    assert len(writes(sandbox)) == 1
    # Another page, opened before, whose press is another one: it is so already.
    act(hub, name, "escalate", level="2")
    assert [one["outcome"] for one in settled(hub, name)] == ["done", "nothing"]
    assert len(writes(sandbox)) == 1
    assert len([one for one in notes(sandbox, name) if one.startswith("Escalated to Oskar")]) == 1


def test_a_late_acknowledgement_does_not_reopen_what_was_resolved_meanwhile(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    page = sandbox.page_of(name)["id"]
    sandbox.resolve(page, sandbox.user_id("Mei Tanaka"))
    act(hub, name, "acknowledge")
    (action,) = settled(hub, name)
    assert (action["outcome"], writes(sandbox)) == ("nothing", [])
    assert sandbox.page_of(name)["status"] == "resolved"
    assert hub.incident(name)["status"] == "resolved", "what was read on the way is taken over"
    assert "resolved meanwhile" in hub.dana.get(f"/incidents/{name}").text


def test_whoever_acknowledged_first_keeps_it(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    sandbox.acknowledge(sandbox.page_of(name)["id"], sandbox.user_id("Mei Tanaka"))
    act(hub, name, "acknowledge")
    settled(hub, name)
    assert writes(sandbox) == []
    assert hub.incident(name)["acknowledged_by"] == "Mei Tanaka"
    assert "Mei Tanaka acknowledged it before." in hub.dana.get(f"/incidents/{name}").text
