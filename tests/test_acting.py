"""What people do with an incident from here, seen from PagerDuty, Slack, the page and the database."""

import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest

from tests import pagerduty
from tests.processes import ADMIN, PASSWORD, Browser, Hub, Page, Sandbox, company, eventually, report_form


@pytest.fixture
def mei(hub: Hub) -> Browser:
    return signed_in_as_mei(hub)


def signed_in_as_mei(hub: Hub) -> Browser:
    email = "mei.tanaka@example.com"
    hub.command("manage", "createadmin", email, "--name", "Mei Tanaka", "--password-stdin", stdin=PASSWORD)
    browser = Browser(hub.url)
    browser.sign_in(email, PASSWORD)
    return browser


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
        return actions(hub, name)  # as they are now: what was read before may have been written since

    return eventually(look)


SETTLED = ("done", "off", "by-hand")
PUT_OFF = "UPDATE jobs_step SET run_at = %s WHERE id = %s AND state = 'waiting' RETURNING id"


def tried_in_vain(hub: Hub, name: str, step: str = "act") -> None:
    """Once everything that was pressed was."""
    eventually(lambda: all(steps(hub, one["id"])[step]["attempts"] >= 1 for one in actions(hub, name)))


def entries(hub: Hub, name: str) -> list[str]:
    rows = hub.rows("SELECT text, body FROM incidents_timelineentry WHERE incident_id = %s ORDER BY id", name)
    return [f"{row['text']} {row['body']}".strip() for row in rows]


def person_id(hub: Hub, name: str) -> str:
    (row,) = hub.rows("SELECT id FROM incidents_person WHERE name = %s", name)
    return str(row["id"])


def member_id(sandbox: Sandbox, name: str) -> str:
    return next(str(one["id"]) for one in sandbox.state["slack"]["members"] if one["real_name"] == name)


def summary(sandbox: Sandbox, name: str) -> str:
    (message,) = sandbox.messages(name, f"{name}/summary")
    return str(message["blocks"])


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
    settled(hub, name)
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


@pytest.mark.parametrize("kind", ["acknowledge", "escalate", "resolve"])
def test_an_answer_that_is_lost_after_the_work_was_done_does_it_once(hub: Hub, sandbox: Sandbox, kind: str) -> None:
    name = reported(hub)
    sandbox.fault("pagerduty", "answer-lost", method="PUT /incidents/{id}", times=1)
    sandbox.fault("pagerduty", "answer-lost", method="POST /incidents/{id}/notes", times=1)
    act(hub, name, kind, level="2")
    (action,) = settled(hub, name)
    assert action["outcome"] == "done"
    assert len(writes(sandbox)) == 1
    assert len([one for one in notes(sandbox, name) if "through Incident Central, 2" in one]) == 1


@pytest.mark.parametrize(("kind", "done"), [("acknowledge", "acknowledged"), ("resolve", "resolved")])
def test_what_somebody_else_did_meanwhile_is_not_said_to_be_done_by_who_pressed(
    hub: Hub, sandbox: Sandbox, kind: str, done: str
) -> None:
    name = reported(hub)
    sandbox.fault("pagerduty", "500", method="PUT /incidents/{id}")
    act(hub, name, kind)
    tried_in_vain(hub, name)  # as far as we know: a 500 may hide that it got through
    pagerduty.act(sandbox, sandbox.page_of(name)["id"], kind)
    sandbox.mend()
    assert [one["outcome"] for one in settled(hub, name)] == ["nothing"]
    hub.poll_now()
    eventually(lambda: [one for one in entries(hub, name) if one.startswith(f"{done.capitalize()} by Mei Tanaka")])
    row = hub.incident(name)
    assert (row["status"], row["acknowledged_by"]) == (done, "Mei Tanaka" if kind == "acknowledge" else "")
    assert not [one for one in notes(sandbox, name) if one.startswith(done.capitalize())]


def test_what_others_do_by_the_api_is_theirs_though_somebody_pressed_before(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    act(hub, name, "acknowledge")
    settled(hub, name)
    act(hub, name, "escalate", level="2")  # so nobody has it any more
    settled(hub, name)
    status = {"incident": {"type": "incident_reference", "status": "acknowledged"}}
    page = sandbox.page_of(name)["id"]
    pagerduty.ask(sandbox, f"/incidents/{page}", status, method="PUT", as_user="oskar.lindqvist@example.com")
    hub.poll_now()
    eventually(lambda: "Acknowledged by Oskar Lindqvist" in entries(hub, name))
    assert entries(hub, name).count("Acknowledged by Dana Okafor") == 1


def test_an_acknowledgement_is_theirs_who_pressed_what_did_it(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    """Not theirs whose press came later and was refused."""
    hub = make_hub()  # what it reads of the log is put off
    hub.start()
    name = reported(hub)
    sandbox.fault("pagerduty", "unauthorized", method="PUT /incidents/{id}")
    act(hub, name, "acknowledge")
    eventually(lambda: [steps(hub, one["id"])["act"]["state"] for one in actions(hub, name)] == ["failed"])
    signed_in_as_mei(hub).post(f"/incidents/{name}/actions/acknowledge", {"press": str(uuid4())})
    eventually(lambda: [steps(hub, one["id"])["act"]["state"] for one in actions(hub, name)] == ["failed"] * 2)
    sandbox.mend()
    first, _ = actions(hub, name)
    hub.dana.post(f"/incidents/{name}/actions/{first['id']}/act", {})
    eventually(lambda: actions(hub, name)[0]["outcome"] == "done")
    eventually(lambda: [one for one in _logged(hub, name) if one.startswith("Acknowledged")])
    assert [one for one in _logged(hub, name) if one.startswith("Acknowledged")] == ["Acknowledged by Dana Okafor"]


def test_an_acknowledgement_is_theirs_who_did_it_though_another_one_waits(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    """Mei pressed it just after Dana's was done, and what she pressed has not come to anything yet."""
    hub = make_hub()
    hub.start()
    name = reported(hub)
    mei = signed_in_as_mei(hub)
    logs = [sandbox.fault("pagerduty", "500", method=f"GET {log}") for log in LOGS]
    act(hub, name, "acknowledge")
    eventually(lambda: actions(hub, name)[0]["outcome"] == "done")
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")  # which is read first
    mei.post(f"/incidents/{name}/actions/acknowledge", {"press": str(uuid4())})
    assert len(actions(hub, name)) == 2
    for fault in logs:
        sandbox.control(f"/faults/{fault}", method="DELETE")
    hub.read_log_now()
    eventually(lambda: [one for one in _logged(hub, name) if one.startswith("Acknowledged")])
    assert [one for one in _logged(hub, name) if one.startswith("Acknowledged")] == ["Acknowledged by Dana Okafor"]
    assert actions(hub, name)[1]["outcome"] == ""


LOGS = ("/log_entries", "/incidents/{id}/log_entries")


def _logged(hub: Hub, name: str) -> list[str]:
    """What PagerDuty's log told."""
    query = "SELECT text FROM incidents_timelineentry WHERE incident_id = %s AND log_entry_id IS NOT NULL ORDER BY id"
    return [row["text"].partition(", ")[0] for row in hub.rows(query, name)]


@pytest.mark.parametrize("lost", [False, True], ids=["", "answer-lost"])
@pytest.mark.parametrize("kind", ["escalate", "reassign"])
def test_where_paging_has_stopped_the_same_people_are_paged_once_more(
    hub: Hub, sandbox: Sandbox, kind: str, lost: bool
) -> None:
    name = reported(hub, service_name="Incident Desk")  # which has one level
    for _ in range(12):
        sandbox.advance(600)
    hub.does("poll", "log")
    eventually(lambda: hub.incident(name)["paging_ended"])
    if lost:
        sandbox.fault("pagerduty", "answer-lost", method="PUT /incidents/{id}", times=1)
    before = len(_paged(sandbox, name))
    policy = f"policy:{_policy_of(hub, 'Incident Desk')['id']}"
    given = {"level": "1"} if kind == "escalate" else {"to": policy}
    act(hub, name, kind, **given)
    settled(hub, name)
    assert len(sandbox.calls("PUT /incidents/{id}")) == 1
    assert len(_paged(sandbox, name)) > before
    assert "Nothing to do" not in hub.dana.get(f"/incidents/{name}").text
    assert not hub.incident(name)["paging_ended"]


def _paged(sandbox: Sandbox, name: str) -> list[dict[str, Any]]:
    entries = pagerduty.log_of(sandbox, sandbox.page_of(name)["id"])
    return [one for one in entries if one["type"].startswith("assign")]


def test_nobody_is_paged_on_a_stale_view(hub: Hub, sandbox: Sandbox) -> None:
    """What was pressed while PagerDuty was down, of what somebody acknowledged, or moved, before it came back."""
    taken, moved = reported(hub), reported(hub)
    sandbox.fault("pagerduty", "500", method="PUT /incidents/{id}")
    act(hub, taken, "escalate", level="2")
    act(hub, taken, "reassign", to=f"user:{person_id(hub, 'Jonas Weber')}")
    act(hub, moved, "escalate", level="2")
    tried_in_vain(hub, taken)
    tried_in_vain(hub, moved)
    pagerduty.act(sandbox, sandbox.page_of(taken)["id"], "acknowledge")
    to = {"incident": {"type": "incident_reference", "escalation_policy": _policy_of(hub, "Search")}}
    sandbox.mend()
    pagerduty.ask(sandbox, f"/incidents/{sandbox.page_of(moved)['id']}", to, method="PUT")
    before = len(writes(sandbox))
    assert [one["outcome"] for one in settled(hub, taken)] == ["nothing", "nothing"]
    assert [one["outcome"] for one in settled(hub, moved)] == ["nothing"]
    assert len(writes(sandbox)) == before
    assert "Mei Tanaka acknowledged it meanwhile, so nobody else was paged." in hub.dana.get(f"/incidents/{taken}").text
    assert "It follows another escalation policy by now" in hub.dana.get(f"/incidents/{moved}").text


@pytest.mark.parametrize(
    ("kind", "they", "why"),
    [
        ("wrong-service", "acknowledge", "Mei Tanaka acknowledged it meanwhile, so nobody else was paged."),
        ("wrong-service", "move", "It was moved to Data Warehouse meanwhile."),
        ("reassign", "move", "It was moved to Data Warehouse meanwhile."),
        ("reassign", "reassign", "Mei Tanaka assigned it to Priya Nair meanwhile."),
    ],
)
@pytest.mark.parametrize("when", ["unseen, before", "after"])
def test_what_others_chose_in_pagerduty_is_not_taken_back_by_who_did_not_see_it(
    hub: Hub, sandbox: Sandbox, kind: str, they: str, why: str, when: str
) -> None:
    name = reported(hub)
    page = sandbox.page_of(name)["id"]
    to = person_id(hub, "Priya Nair") if they == "reassign" else hub.service_id("Data Warehouse")
    sandbox.fault("pagerduty", "down")
    if when == "unseen, before":
        pagerduty.act(sandbox, page, they, to=to)
        time.sleep(1)  # PagerDuty's times are whole seconds
    act(hub, name, kind, service=hub.service_id("Search"), to=f"user:{person_id(hub, 'Jonas Weber')}")
    tried_in_vain(hub, name)
    if when == "after":
        time.sleep(1)
        pagerduty.act(sandbox, page, they, to=to)
    ringing, before = sandbox.ringing, len(writes(sandbox))
    sandbox.mend()
    assert [one["outcome"] for one in settled(hub, name)] == ["nothing"]
    assert (sandbox.ringing, len(writes(sandbox))) == (ringing, before)
    assert why in unescape(hub.dana.get(f"/incidents/{name}").text)


def test_what_is_acknowledged_from_here_after_it_was_pressed_wakes_nobody_else(
    hub: Hub, sandbox: Sandbox, mei: Browser
) -> None:
    name = reported(hub)
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    act(hub, name, "reassign", to=f"user:{person_id(hub, 'Jonas Weber')}")
    tried_in_vain(hub, name)
    step = steps(hub, actions(hub, name)[0]["id"])["act"]["id"]
    eventually(lambda: hub.rows(PUT_OFF, "2100-01-01 00:00:00", step))
    sandbox.mend()
    mei.post(f"/incidents/{name}/actions/acknowledge", {"press": str(uuid4())})
    eventually(lambda: actions(hub, name)[1]["outcome"] == "done")
    hub.rows(PUT_OFF, "2020-01-01 00:00:00", step)
    assert settled(hub, name)[0]["outcome"] == "nothing"
    assert sandbox.ringing == set()


@pytest.mark.parametrize("before", ["acknowledge", "escalate", "reassign", "wrong-service"])
@pytest.mark.parametrize("kind", ["reassign", "wrong-service"])
def test_what_waited_is_done_though_what_was_pressed_here_before_it_waited_too(
    hub: Hub, sandbox: Sandbox, before: str, kind: str
) -> None:
    """Whoever pressed it knew of that."""
    name = reported(hub)
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    first = {"service": hub.service_id("Data Warehouse"), "to": f"user:{person_id(hub, 'Priya Nair')}", "level": "2"}
    act(hub, name, before, **first)
    tried_in_vain(hub, name)
    act(hub, name, kind, service=hub.service_id("Search"), to=f"user:{person_id(hub, 'Jonas Weber')}")
    tried_in_vain(hub, name)
    other = steps(hub, actions(hub, name)[1]["id"])["act"]["id"]
    eventually(lambda: hub.rows(PUT_OFF, "2100-01-01 00:00:00", other))
    sandbox.mend()
    eventually(lambda: actions(hub, name)[0]["outcome"])
    eventually(lambda: hub.rows(PUT_OFF, "2020-01-01 00:00:00", other))
    assert settled(hub, name)[1]["outcome"] == "done"
    assert sandbox.ringing == {"Jonas Weber"}


@pytest.mark.parametrize("kind", ["reassign", "wrong-service"])
def test_a_choice_whose_answer_was_lost_is_not_taken_for_somebody_elses(hub: Hub, sandbox: Sandbox, kind: str) -> None:
    name = reported(hub)
    sandbox.fault("pagerduty", "answer-lost", method="PUT /incidents/{id}", times=1)
    act(hub, name, kind, service=hub.service_id("Search"), to=f"user:{person_id(hub, 'Jonas Weber')}")
    assert [one["outcome"] for one in settled(hub, name)] == ["done"]
    assert len(writes(sandbox)) == 1
    assert sandbox.ringing == {"Jonas Weber"}


def test_a_reassignment_is_done_though_it_was_escalated_by_itself(hub: Hub, sandbox: Sandbox) -> None:
    """Nobody chose that."""
    name = reported(hub)
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    act(hub, name, "reassign", to=f"user:{person_id(hub, 'Jonas Weber')}")
    tried_in_vain(hub, name)
    sandbox.advance(6 * 60)
    eventually(lambda: "Oskar Lindqvist" in sandbox.ringing)
    sandbox.mend()
    assert [one["outcome"] for one in settled(hub, name)] == ["done"]
    assert sandbox.ringing == {"Jonas Weber"}


@pytest.mark.parametrize("kind", ["acknowledge", "resolve", "escalate", "reassign"])
def test_what_was_pressed_before_it_began_anew_is_not_done(hub: Hub, sandbox: Sandbox, kind: str) -> None:
    name = reported(hub)
    page = sandbox.page_of(name)["id"]
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")  # which is read first
    act(hub, name, kind, level="2", to=f"user:{person_id(hub, 'Jonas Weber')}")
    tried_in_vain(hub, name)
    _waited_since(hub, hours=1)
    triggered = {"incident": {"type": "incident_reference", "status": "triggered"}}
    if kind == "escalate":
        pagerduty.ask(sandbox, f"/incidents/{page}", _level(3), method="PUT")
    else:
        pagerduty.act(sandbox, page, "acknowledge" if kind == "acknowledge" else "resolve")
        pagerduty.ask(sandbox, f"/incidents/{page}", triggered, method="PUT")
    ringing, before = sandbox.ringing, len(writes(sandbox))
    sandbox.mend()
    assert [one["outcome"] for one in settled(hub, name)] == ["nothing"]
    assert (sandbox.page_of(name)["status"], sandbox.ringing) == ("triggered", ringing)
    assert len(writes(sandbox)) == before
    why = {
        "acknowledge": "It was acknowledged or resolved after this was pressed, and is triggered again.",
        "resolve": "and reopened since",
        "escalate": "PagerDuty has reached level 3 meanwhile",
        "reassign": "and reopened since",
    }
    assert why[kind] in hub.dana.get(f"/incidents/{name}").text


def test_an_escalation_is_done_though_somebody_of_a_higher_level_was_asked_by_name(hub: Hub, sandbox: Sandbox) -> None:
    """PagerDuty escalates from nobody who was asked by name, so nobody else would be paged."""
    name = reported(hub)
    (paged,) = sandbox.ringing
    third = next(iter(_on_level(hub, name, 3)))
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    act(hub, name, "escalate", level="2")
    tried_in_vain(hub, name)
    to = [{"assignee": {"id": person_id(hub, third), "type": "user_reference"}}]
    pagerduty.edit(sandbox, sandbox.page_of(name)["id"], assignments=to)
    sandbox.mend()
    assert [one["outcome"] for one in settled(hub, name)] == ["done"]
    assert sandbox.ringing == {"Oskar Lindqvist"} != {paged}


def _on_level(hub: Hub, name: str, level: int) -> list[str]:
    query = """SELECT p.name FROM incidents_oncall o JOIN incidents_person p ON p.id = o.person_id
               WHERE o.level = %s AND o.policy_id = (SELECT policy_id FROM incidents WHERE id = %s)"""
    return [row["name"] for row in hub.rows(query, level, name)]


def _waited_since(hub: Hub, *, hours: int) -> None:
    """As if everything that waits had been pressed so long ago."""
    pressed_at = datetime.now(UTC) - timedelta(hours=hours)
    hub.rows("UPDATE incidents_action SET pressed_at = %s", _written(pressed_at))
    hub.rows("UPDATE jobs_step SET ask_at = %s WHERE name = 'act'", _written(pressed_at + timedelta(hours=4)))


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _level(level: int) -> dict[str, Any]:
    return {"incident": {"type": "incident_reference", "escalation_level": level}}


def test_what_waited_is_done_to_what_is_still_meant(hub: Hub, sandbox: Sandbox) -> None:
    """A priority that somebody else has changed stays; a snooze ends when it was to end, or is over."""
    name, snoozed = reported(hub), reported(hub)
    for one in (name, snoozed):
        pagerduty.act(sandbox, sandbox.page_of(one)["id"], "acknowledge")
    hub.poll_now()
    eventually(lambda: all(hub.incident(one)["status"] == "acknowledged" for one in (name, snoozed)))
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    act(hub, name, "priority", priority=hub.priority_id("P3"))
    act(hub, name, "snooze", hours="1")
    act(hub, snoozed, "snooze", hours="4")
    tried_in_vain(hub, name)
    tried_in_vain(hub, snoozed)
    _waited_since(hub, hours=1)
    page, to = sandbox.page_of(name)["id"], {"id": hub.priority_id("P2"), "type": "priority_reference"}
    pagerduty.edit(sandbox, page, priority=to)
    sandbox.mend()
    assert [one["outcome"] for one in settled(hub, name)] == ["nothing", "nothing"]
    assert pagerduty.incident(sandbox, page)["priority"]["summary"] == "P2"
    text = hub.dana.get(f"/incidents/{name}").text
    assert "It was changed to P2 meanwhile." in text
    assert "The time for which it was to be snoozed is over." in text
    settled(hub, snoozed)
    (call,) = sandbox.calls("POST /incidents/{id}/snooze")
    assert 3 * 3600 - 60 < call["body"]["duration"] <= 3 * 3600


def test_pressed_again_by_retry_it_is_meant_as_it_is_now(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    page = sandbox.page_of(name)["id"]
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    act(hub, name, "acknowledge")
    tried_in_vain(hub, name)
    _waited_since(hub, hours=5)
    (action,) = actions(hub, name)
    eventually(lambda: steps(hub, action["id"])["act"]["state"] == "failed")
    pagerduty.act(sandbox, page, "acknowledge")
    triggered = {"incident": {"type": "incident_reference", "status": "triggered"}}
    pagerduty.ask(sandbox, f"/incidents/{page}", triggered, method="PUT")
    time.sleep(6)  # longer than the two clocks may differ
    hub.dana.post(f"/incidents/{name}/actions/{action['id']}/act", {})
    sandbox.mend()
    assert [one["outcome"] for one in settled(hub, name)] == ["done"]
    assert sandbox.page_of(name)["status"] == "acknowledged"


def test_a_team_is_paged_though_the_same_person_is_on_call_for_both(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()  # what it reads of who is on call is not for others
    hub.start()
    name = reported(hub)
    other, (paged,) = _policy_of(hub, "Search")["id"], sandbox.ringing
    person = person_id(hub, paged)
    rules = [{"id": "R1", "minutes": 5, "target_ids": [person]}, {"id": "R2", "minutes": 5, "target_ids": [person]}]
    sandbox.plant("pagerduty", "policies", other, set={"rules": rules})
    hub.does("directory")
    act(hub, name, "reassign", to=f"policy:{other}")
    assert [one["outcome"] for one in settled(hub, name)] == ["done"]
    assert pagerduty.incident(sandbox, sandbox.page_of(name)["id"])["escalation_policy"]["id"] == other


def test_who_is_on_call_in_the_summary_is_the_team_that_it_was_reassigned_to(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    act(hub, name, "reassign", to=f"policy:{_policy_of(hub, 'Search')['id']}")
    settled(hub, name)

    def on_call() -> str:
        (summary,) = sandbox.messages(name, f"{name}/summary")
        return str(summary["blocks"]).partition("On call")[2].partition("Reporter")[0]

    eventually(lambda: "Jonas Weber" in on_call())
    assert "Mei Tanaka" not in on_call()


def test_what_is_pressed_before_the_channel_is_open_reaches_it(hub: Hub, sandbox: Sandbox) -> None:
    fault = sandbox.fault("slack", "500", method="conversations.create")
    name = hub.dana.post("/report", report_form(hub)).incident
    eventually(lambda: hub.incident(name)["pagerduty_id"])
    act(hub, name, "wrong-service", service=hub.service_id("Search"))
    act(hub, name, "me-too", saw="Nothing is found.")
    tried_in_vain(hub, name, "tell")
    assert "Tell the channel" not in hub.dana.get(f"/incidents/{name}").text, "it only waits: there is none yet"
    sandbox.control(f"/faults/{fault}", method="DELETE")
    settled(hub, name)
    said = [one["text"] for one in sandbox.messages(name)]
    assert [one for one in said if one.startswith("Moved from Checkout API to Search")]
    assert [one for one in said if "Nothing is found." in one]


def test_whoever_phoned_says_when_it_is_over(hub: Hub, sandbox: Sandbox) -> None:
    down = sandbox.fault("pagerduty", "down", method="POST /incidents")
    name = hub.dana.post("/report", report_form(hub)).incident
    eventually(lambda: hub.steps(name)["page"]["attempts"])
    assert act(hub, name, "resolve").status == 422
    hub.dana.post(f"/incidents/{name}/steps/page", {"done": "by-hand"})
    hub.finished(name)
    sandbox.control(f"/faults/{down}", method="DELETE")
    text = hub.dana.get(f"/incidents/{name}").text
    assert "People were phoned, so PagerDuty does not have this incident. Press Resolve when it is over." in text
    for _ in range(2):
        act(hub, name, "resolve")
        settled(hub, name)
    row = hub.incident(name)
    assert (row["status"], row["pagerduty_id"], bool(row["resolved_at"])) == ("resolved", None, True)
    assert entries(hub, name).count("Resolved by Dana Okafor") == 1
    assert [one for one in sandbox.pages if one["key"] == name] == []
    eventually(lambda: [one for one in sandbox.messages(name) if one["text"].startswith("Resolved.")])
    assert name not in hub.dana.get("/?status=open").text


def test_an_hour_old_resolve_is_done_though_an_acknowledgement_ran_out_meanwhile(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    page = sandbox.page_of(name)["id"]
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")  # which is read first
    act(hub, name, "resolve")
    tried_in_vain(hub, name)
    _waited_since(hub, hours=1)
    pagerduty.act(sandbox, page, "acknowledge")
    triggered = {"incident": {"type": "incident_reference", "status": "triggered"}}
    pagerduty.ask(sandbox, f"/incidents/{page}", triggered, method="PUT")
    sandbox.mend()
    assert [one["outcome"] for one in settled(hub, name)] == ["done"]
    assert sandbox.page_of(name)["status"] == "resolved"


def _policy_of(hub: Hub, service: str) -> dict[str, str]:
    (row,) = hub.rows("SELECT policy_id FROM incidents_service WHERE name = %s", service)
    return {"id": row["policy_id"], "type": "escalation_policy_reference"}


def test_a_button_that_named_somebody_else_pages_nobody(hub: Hub, sandbox: Sandbox) -> None:
    """A page that was left open while the next shift began."""
    name = reported(hub)
    shown = re.findall(
        r'name="level" value="([^"]+)">Escalate to ([^,]+), level 2', hub.dana.get(f"/incidents/{name}").text
    )
    assert shown == [(f"2 {person_id(hub, 'Oskar Lindqvist')}", "Oskar Lindqvist")]
    page = act(hub, name, "escalate", level=f"2 {person_id(hub, 'Jonas Weber')}")
    assert page.status == 422
    assert "Meanwhile that would page Oskar Lindqvist, level 2. Choose again." in page.text
    assert actions(hub, name) == []
    act(hub, name, "escalate", level=shown[0][0])
    settled(hub, name)
    assert sandbox.ringing == {"Oskar Lindqvist"}


@pytest.mark.parametrize("kind", ["escalate", "reassign", "wrong-service"])
def test_nobody_is_paged_from_a_form_that_did_not_show_who_has_it(hub: Hub, sandbox: Sandbox, kind: str) -> None:
    """Mei acknowledged, and we knew, while the form was open."""
    name = reported(hub)
    form = hub.dana.get(f"/incidents/{name}/actions/{kind}").text
    (status,) = re.findall(r'name="status" value="(\w+)"', form)
    chosen = {
        "escalate": {"level": "2"},
        "reassign": {"to": f"user:{person_id(hub, 'Jonas Weber')}"},
        "wrong-service": {"service": hub.service_id("Search")},
    }[kind]
    pagerduty.act(sandbox, sandbox.page_of(name)["id"], "acknowledge")
    hub.poll_now()
    eventually(lambda: hub.incident(name)["status"] == "acknowledged")
    page = act(hub, name, kind, status=status, **chosen)
    assert page.status == 422
    assert "Mei Tanaka acknowledged it meanwhile. Choose again." in page.text
    assert (actions(hub, name), writes(sandbox)) == ([], [])
    (status,) = re.findall(r'name="status" value="(\w+)"', page.text)
    act(hub, name, kind, status=status, **chosen)
    settled(hub, name)
    assert len(writes(sandbox)) == 1


def test_a_press_that_is_sent_again_is_not_refused_for_what_happened_since(hub: Hub, sandbox: Sandbox) -> None:
    name, press = reported(hub), str(uuid4())
    for _ in range(2):
        page = act(hub, name, "escalate", press, level="2", status="triggered")
        assert (page.status, page.path) == (200, f"/incidents/{name}")
        settled(hub, name)
        pagerduty.act(sandbox, sandbox.page_of(name)["id"], "acknowledge", "Oskar Lindqvist")
        hub.poll_now()
        eventually(lambda: hub.incident(name)["status"] == "acknowledged")
    assert len(actions(hub, name)) == len(writes(sandbox)) == 1


@pytest.mark.parametrize("kind", ["wrong-service", "me-too"])
def test_a_press_that_is_sent_again_when_it_could_not_be_pressed_any_more_is_answered_as_the_first_was(
    hub: Hub, sandbox: Sandbox, kind: str
) -> None:
    name, press = reported(hub), str(uuid4())
    given = {"service": hub.service_id("Search")} if kind == "wrong-service" else {"saw": "Scanners stand still."}
    for _ in range(2):
        page = act(hub, name, kind, press, **given)
        assert (page.status, page.path) == (200, f"/incidents/{name}")
        settled(hub, name)
        if kind == "me-too":
            pagerduty.act(sandbox, sandbox.page_of(name)["id"], "resolve")
            hub.poll_now()
            eventually(lambda: hub.incident(name)["status"] == "resolved")
    assert len(actions(hub, name)) == 1


def test_what_was_moved_meanwhile_is_moved_from_where_it_was_shown_alone(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    form = hub.dana.get(f"/incidents/{name}/actions/wrong-service").text
    (was,) = re.findall(r'name="was" value="(\w+)"', form)
    assert was == hub.service_id("Checkout API")
    act(hub, name, "wrong-service", service=hub.service_id("Search"), was=was)
    settled(hub, name)
    page = act(hub, name, "wrong-service", service=hub.service_id("Data Warehouse"), was=was)
    assert page.status == 422
    assert "It is on Search by now. Choose again." in page.text


def test_our_own_user_who_has_no_phone_is_nobody_to_page(hub: Hub) -> None:
    name = reported(hub)
    ours = person_id(hub, "Incident Central")
    for kind in ("reassign", "more-people"):
        assert "Incident Central</option>" not in hub.dana.get(f"/incidents/{name}/actions/{kind}").text
        assert act(hub, name, kind, to=f"user:{ours}").status == 422
    assert actions(hub, name) == []


def test_a_note_that_was_written_here_is_in_the_timeline_once(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    texts = ["Pool is exhausted.", "Pool is exhausted.", "Restarted it."]
    for text in texts:
        act(hub, name, "note", text=text)
        settled(hub, name)
    told = """SELECT text, body, log_entry_id FROM incidents_timelineentry
              WHERE incident_id = %s AND kind = 'note' AND body NOT LIKE 'Slack channel%%' ORDER BY id"""

    def all_logged() -> bool:
        hub.does("log")
        return all(row["log_entry_id"] for row in hub.rows(told, name))

    eventually(all_logged)
    assert [(row["text"], row["body"]) for row in hub.rows(told, name)] == [
        ("Note by Dana Okafor", text) for text in texts
    ]


def test_notes_are_in_the_timeline_once_and_each_under_its_writer(hub: Hub, sandbox: Sandbox, mei: Browser) -> None:
    """Two people write the same words; and a colleague's note, pasted from PagerDuty, is signed itself."""
    name = reported(hub)
    fault = sandbox.fault("pagerduty", "500", method="POST /incidents/{id}/notes")
    act(hub, name, "note", text="Looking at it.")
    tried_in_vain(hub, name, "note")
    (first,) = actions(hub, name)
    step = steps(hub, first["id"])["note"]["id"]
    eventually(lambda: hub.rows(PUT_OFF, "2100-01-01 00:00:00", step))
    sandbox.control(f"/faults/{fault}", method="DELETE")
    mei.post(f"/incidents/{name}/actions/note", {"press": str(uuid4()), "text": "Looking at it."})
    eventually(lambda: [one["outcome"] for one in actions(hub, name)] == ["", "done"])
    time.sleep(1)  # PagerDuty's times are whole seconds
    hub.rows(PUT_OFF, "2020-01-01 00:00:00", step)
    settled(hub, name)
    time.sleep(1)
    pasted = "Mei said:\n\nIt is the pool.\n\nWritten by Mei Tanaka through Incident Central, 2026-11-23 03:20:00 UTC"
    act(hub, name, "note", text=pasted)
    settled(hub, name)
    told = """SELECT text, body, log_entry_id FROM incidents_timelineentry
              WHERE incident_id = %s AND kind = 'note' AND body NOT LIKE 'Slack channel%%' ORDER BY at, id"""

    def all_logged() -> bool:
        hub.does("log")
        return all(row["log_entry_id"] for row in hub.rows(told, name))

    eventually(all_logged)
    assert [(row["text"], row["body"]) for row in hub.rows(told, name)] == [
        ("Note by Mei Tanaka", "Looking at it."),
        ("Note by Dana Okafor", "Looking at it."),
        ("Note by Dana Okafor", pasted),
    ]


def test_each_thing_that_waits_is_shown_though_it_is_of_one_kind(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    sandbox.fault("pagerduty", "500", method="POST /incidents/{id}/notes")
    for text in ("First.", "Second."):
        act(hub, name, "note", text=text)
    tried_in_vain(hub, name, "note")
    page = hub.dana.get(f"/incidents/{name}").text
    assert page.count("It is kept, and done as soon as that works.") == 2
    assert "Add note: First." in page
    assert "Add note: Second." in page
    sandbox.mend()
    settled(hub, name)
    assert "It is kept" not in hub.dana.get(f"/incidents/{name}").text


def test_while_pagerduty_is_down_it_is_kept_and_said_so_and_done_once_on_return(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    sandbox.fault("pagerduty", "down")
    for _ in range(2):
        act(hub, name, "acknowledge")
    (action,) = actions(hub, name)
    eventually(lambda: steps(hub, action["id"])["act"]["attempts"] >= 1)
    text = hub.dana.get(f"/incidents/{name}").text
    assert "PagerDuty could not be reached." in text
    assert "It is kept, and done as soon as that works." in text
    assert hub.incident(name)["status"] == "triggered", "nothing is said that PagerDuty does not know"
    sandbox.mend()
    settled(hub, name)
    assert len(writes(sandbox)) == 1
    assert hub.incident(name)["status"] == "acknowledged"


def test_while_the_key_is_revoked_what_fails_is_said_and_nothing_is_lost(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()  # so that the poll is its own
    hub.start()
    name = reported(hub)
    page = sandbox.page_of(name)["id"]
    sandbox.plant("pagerduty", "keys", company.PAGERDUTY_KEY, delete=True)
    act(hub, name, "acknowledge")
    act(hub, name, "note", text="It is the pool.")
    acknowledge, note = (one["id"] for one in actions(hub, name))
    eventually(lambda: steps(hub, acknowledge)["act"]["state"] == steps(hub, note)["note"]["state"] == "failed")
    text = hub.dana.get(f"/incidents/{name}").text
    refused = "PagerDuty refused our API key (401). Its administrator must give us a valid one (PAGERDUTY_API_KEY)."
    assert text.count(refused) == 2
    assert "Press Acknowledge. Then PagerDuty shows you as the one who has it." in text
    assert "Under Notes choose Add Note, and paste:" in text
    assert hub.incident(name)["status"] == "triggered", "nothing is said that PagerDuty does not know"

    sandbox.plant("pagerduty", "keys", create={"secret": company.PAGERDUTY_KEY, "kind": "account"})
    for _ in range(2):
        hub.dana.post(f"/incidents/{name}/actions/{acknowledge}/act", {})
        hub.dana.post(f"/incidents/{name}/actions/{note}/note", {})
    assert [one["outcome"] for one in settled(hub, name)] == ["done", "done"]
    assert len([one for one in writes(sandbox) if one["status"] == 200]) == 1
    assert len([one for one in notes(sandbox, name) if one.startswith("It is the pool.")]) == 1
    pagerduty.act(sandbox, page, "resolve")
    eventually(lambda: hub.incident(name)["status"] == "resolved", within=40)


def test_a_refusal_is_shown_in_pagerdutys_words_with_what_to_do_by_hand(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    # Somebody takes P5 away between our last reading of the directory and the press.
    sandbox.plant("pagerduty", "priorities", hub.priority_id("P5"), delete=True)
    act(hub, name, "priority", priority=hub.priority_id("P5"))
    (action,) = actions(hub, name)
    eventually(lambda: steps(hub, action["id"])["act"]["state"] == "failed")
    text = hub.dana.get(f"/incidents/{name}").text
    assert "Invalid Priority" in text
    assert "Choose the new priority beside the title." in text

    for _ in range(2):
        hub.dana.post(f"/incidents/{name}/actions/{action['id']}/act", {"done": "by-hand"})
    settled(hub, name)
    assert [one for one in entries(hub, name) if "Dana Okafor did this by hand: Change" in one] != []
    assert len([one for one in notes(sandbox, name) if one.startswith("Priority")]) == 0


# ── reassign, move, priority, note, snooze, more people ───────────────────────────────────────────


def test_reassigning_pages_one_person_or_a_team_from_its_first_level(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    act(hub, name, "reassign", to=f"user:{person_id(hub, 'Jonas Weber')}")
    settled(hub, name)
    assert sandbox.ringing == {"Jonas Weber"}
    (policy,) = hub.rows("SELECT id FROM incidents_escalationpolicy WHERE name = 'Platform'")
    act(hub, name, "reassign", to=f"policy:{policy['id']}")
    settled(hub, name)
    assert sandbox.ringing == {"Priya Nair"}
    assert sandbox.members_of(name) >= {"Jonas Weber", "Priya Nair"}
    assert "Priya Nair" in hub.incident(name)["assigned"]
    (second,) = hub.rows(
        """SELECT person.name FROM incidents_oncall AS one JOIN incidents_person AS person ON person.id = one.person_id
           WHERE one.policy_id = %s AND one.level = 2""",
        policy["id"],
    )
    assert f"Escalate to {second['name']}, level 2" in hub.dana.get(f"/incidents/{name}").text
    act(hub, name, "escalate", level="2")
    settled(hub, name)
    assert sandbox.ringing == {second["name"]}


@pytest.mark.parametrize("later", ["reassign", "wrong-service"])
def test_of_two_choices_that_waited_the_later_one_counts(hub: Hub, sandbox: Sandbox, later: str) -> None:
    """Though it is done first."""
    name = reported(hub)
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    act(hub, name, "reassign", to=f"user:{person_id(hub, 'Priya Nair')}")
    tried_in_vain(hub, name)
    (first,) = actions(hub, name)
    step = steps(hub, first["id"])["act"]["id"]
    eventually(lambda: hub.rows(PUT_OFF, "2100-01-01 00:00:00", step))
    sandbox.mend()
    if later == "reassign":
        act(hub, name, "reassign", to=f"user:{person_id(hub, 'Jonas Weber')}")
    else:
        act(hub, name, "wrong-service", service=hub.service_id("Search"))
    eventually(lambda: actions(hub, name)[1]["outcome"] == "done")
    assert sandbox.ringing == {"Jonas Weber"}

    hub.rows(PUT_OFF, "2020-01-01 00:00:00", step)
    first, _ = settled(hub, name)
    assert (first["outcome"], first["detail"]) == ("nothing", "Another choice was made after this one.")
    assert sandbox.ringing == {"Jonas Weber"}, "Priya is not woken"


@pytest.mark.parametrize("moved", ["keeps who has it", "pages its policy"])
def test_wrong_service_pages_the_right_team_and_tells_the_first(hub: Hub, sandbox: Sandbox, moved: str) -> None:
    sandbox.control("/switches", {"pagerduty": {"moved_service": moved}})
    name = reported(hub)
    act(hub, name, "wrong-service", service=hub.service_id("Search"))
    settled(hub, name)
    assert sandbox.ringing == {"Jonas Weber"}
    page = sandbox.page_of(name)
    assert page["service"] == "Search", "the same incident"
    assert len(writes(sandbox)) == 1
    (message,) = [one for one in sandbox.messages(name) if "Moved from Checkout API to Search" in one["text"]]
    assert "Mei Tanaka: it is not Checkout API" in message["text"]
    assert f"<@{member_id(sandbox, 'Mei Tanaka')}>" in message["text"], "she was woken for it"
    assert [one for one in notes(sandbox, name) if one.startswith("Moved from Checkout API to Search (Jonas Weber)")]
    assert "Jonas Weber" in sandbox.members_of(name)
    assert sandbox.channel_of(name)["topic"]["value"].startswith("P1 Search ·")
    (summary,) = sandbox.messages(name, f"{name}/summary")
    on_call = str(summary["blocks"]).partition("On call")[2].partition("Reporter")[0]
    assert "Jonas Weber" in on_call
    assert "Mei Tanaka" not in on_call
    assert hub.incident(name)["service_id"] == hub.service_id("Search")
    assert "Moved from Checkout API to Search" in " ".join(entries(hub, name))


def test_that_the_first_team_could_not_be_told_is_shown_with_what_to_post(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    fault = sandbox.fault("slack", "missing-scope", method="chat.postMessage")
    act(hub, name, "wrong-service", service=hub.service_id("Search"))

    def failing() -> str:
        page = hub.dana.get(f"/incidents/{name}")
        assert page.status == 200
        return page.text if "Tell the channel: " in page.text else ""

    assert "Mei Tanaka: it is not Checkout API" in eventually(failing)
    sandbox.control(f"/faults/{fault}", method="DELETE")
    (row,) = actions(hub, name)
    hub.dana.post(f"/incidents/{name}/actions/{row['id']}/tell", {})
    eventually(lambda: [one for one in sandbox.messages(name) if "Moved from Checkout API to Search" in one["text"]])


def test_a_service_that_would_page_nobody_is_refused_with_the_choice_kept(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    page = act(hub, name, "wrong-service", service=hub.service_id("Payments"))
    assert page.status == 422
    assert "Moving it to Payments would page nobody: nobody is on call." in page.text
    assert (actions(hub, name), writes(sandbox)) == ([], [])


def test_another_priority_shows_in_pagerduty_and_in_the_topic(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    act(hub, name, "priority", priority=hub.priority_id("P3"))
    settled(hub, name)
    assert sandbox.page_of(name)["priority"] == "P3"
    assert hub.incident(name)["priority_id"] == hub.priority_id("P3")
    assert sandbox.channel_of(name)["topic"]["value"].startswith("P3 Checkout API ·")
    assert any("Priority changed from P1 to P3" in one for one in entries(hub, name))
    assert any(one.startswith("Priority changed from P1 to P3 by Dana") for one in notes(sandbox, name))


def test_a_note_is_kept_here_and_in_pagerduty_under_the_writers_name(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    press = str(uuid4())
    for _ in range(2):
        act(hub, name, "note", press, text="Pool is exhausted.\r\nRolling back <b>now</b>.")
    # The same page again, after going back: another text is another note.
    act(hub, name, "note", press, text="Rolled back.")
    settled(hub, name)
    written = [one for one in notes(sandbox, name) if "Written by Dana Okafor through" in one]
    assert sorted(one.splitlines()[0] for one in written) == ["Pool is exhausted.", "Rolled back."]
    assert "Rolling back &lt;b&gt;now&lt;/b&gt;." in hub.dana.get(f"/incidents/{name}").text
    assert act(hub, name, "note", text=" ").status == 422


def test_only_what_is_acknowledged_is_snoozed(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    act(hub, name, "snooze", hours="4")
    (action,) = settled(hub, name)
    assert (action["outcome"], sandbox.calls("POST /incidents/{id}/snooze")) == ("nothing", [])
    sandbox.acknowledge(sandbox.page_of(name)["id"], sandbox.user_id("Mei Tanaka"))
    act(hub, name, "snooze", hours="4")
    settled(hub, name)
    assert len(sandbox.calls("POST /incidents/{id}/snooze")) == 1
    sandbox.advance(4 * 3600 + 1)
    eventually(lambda: sandbox.ringing == {"Mei Tanaka"})


def test_more_people_are_paged_once_though_the_answer_is_lost(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    sandbox.fault("pagerduty", "answer-lost", method="POST /incidents/{id}/responder_requests", times=1)
    act(hub, name, "more-people", to=f"user:{person_id(hub, 'Priya Nair')}")
    settled(hub, name)
    assert len(sandbox.calls("POST /incidents/{id}/responder_requests")) == 1
    assert "Priya Nair" in sandbox.members_of(name)
    assert any("Help asked of Priya Nair by Dana Okafor" in one["text"] for one in sandbox.messages(name))


def test_more_people_are_paged_once_though_it_is_sent_again(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub()  # its people are written anew
    hub.start()
    hub.rows("ANALYZE incidents_person")  # so few that PostgreSQL reads them as they lie
    name, press = reported(hub), str(uuid4())
    to = [f"user:{person_id(hub, one)}" for one in ("Oskar Lindqvist", "Priya Nair")]
    for one in to:
        hub.dana.post(f"/incidents/{name}/actions/more-people", {"press": press, "to": to})
        settled(hub, name)
        # Which the database may then give in another order.
        hub.rows("UPDATE incidents_person SET name = name WHERE id = %s", one.removeprefix("user:"))
    assert len(actions(hub, name)) == len(sandbox.calls("POST /incidents/{id}/responder_requests")) == 1


def test_whom_nobody_can_page_is_not_left_out_in_silence(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    mei, policy = person_id(hub, "Priya Nair"), _policy_of(hub, "Payments")["id"]
    for missing, said in ((f"policy:{policy}", "Nobody is on call for "), ("user:PGONE00", "Not all whom you chose")):
        page = hub.dana.post(f"/incidents/{name}/actions/more-people", {"press": "", "to": [f"user:{mei}", missing]})
        assert page.status == 422
        assert said in page.text
        assert re.search(rf'value="user:{mei}"[^>]* (checked|selected)', page.text), "what was chosen is kept"
    assert sandbox.calls("POST /incidents/{id}/responder_requests") == []


def test_a_service_that_lost_its_policy_meanwhile_is_refused_in_words(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    name = reported(hub)
    hub.stop()
    hub.rows("UPDATE incidents_service SET policy_id = NULL WHERE name = 'Search'")
    sandbox.fault("pagerduty", "500", method="GET /services")
    hub.start()
    page = act(hub, name, "wrong-service", service=hub.service_id("Search"))
    assert page.status == 422
    assert "Moving it to Search would page nobody: " in page.text


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [("snooze", "hours", "9" * 4301), ("escalate", "level", "9" * 4301), ("reassign", "to", "user:\0")],
)
def test_what_no_form_sends_is_refused_in_words(hub: Hub, kind: str, field: str, value: str) -> None:
    page = act(hub, reported(hub), kind, **{field: value})
    assert page.status == 422
    assert "Choose" in page.text


def test_a_plan_without_responder_requests_is_said_clearly(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.control("/switches", {"pagerduty": {"responder_requests": "off: 402"}})
    name = reported(hub)
    act(hub, name, "more-people", to=f"user:{person_id(hub, 'Priya Nair')}")
    (action,) = actions(hub, name)
    eventually(lambda: steps(hub, action["id"])["act"]["state"] == "failed")
    text = hub.dana.get(f"/incidents/{name}").text
    assert "your plan has no responder requests" in text
    assert "phone them, or reassign it" in text


# ── what is ours ──────────────────────────────────────────────────────────────────────────────────


def test_taking_command_shows_on_the_page_in_the_channel_and_in_pagerduty(
    hub: Hub, sandbox: Sandbox, mei: Browser
) -> None:
    name = reported(hub)
    assert "Take command" not in hub.dana.get(f"/incidents/{name}").text, "Dana leads already: she reported it"
    for _ in range(2):
        mei.post(f"/incidents/{name}/actions/command", {"press": str(uuid4())})
    assert len(settled(hub, name)) == 1
    assert sandbox.channel_of(name)["topic"]["value"].endswith("Commander: Mei Tanaka")
    eventually(lambda: re.search(r"Commander[^}]*Mei Tanaka", summary(sandbox, name)))
    assert any("Mei Tanaka is in command." in one["text"] for one in sandbox.messages(name))
    assert any("Mei Tanaka put in command by Mei Tanaka" in one for one in notes(sandbox, name))
    assert "Mei Tanaka took command Before: Dana Okafor" in entries(hub, name)
    assert hub.incident(name)["incident_commander_email"] == "mei.tanaka@example.com"


def test_me_too_is_counted_with_what_the_person_saw(hub: Hub, sandbox: Sandbox, mei: Browser) -> None:
    name = reported(hub, service_name="Warehouse Scanners")
    asked = hub.dana.post("/report", report_form(hub, seen="", service_name="Warehouse Scanners"))
    assert "Is it one of these?" in asked.text
    assert f"/incidents/{name}/actions/me-too" in asked.text
    # As the button in that form sends it, with what had been typed there.
    form = report_form(hub, title="Cannot pay", description="14 tickets <!channel>", seen="")
    for priority in (form["priority"], form["priority"], ""):
        page = mei.post(f"/incidents/{name}/actions/me-too", form | {"priority": priority})
    assert page.incident == name
    assert "Mei Tanaka" in page.text.partition("Sees it too")[2][:100]
    settled(hub, name)
    assert "Mei Tanaka sees it too Cannot pay\n14 tickets <!channel>" in entries(hub, name)
    (message,) = [one for one in sandbox.messages(name) if "sees it too" in one["text"]]
    assert "<!channel>" not in message["text"]
    assert len(sandbox.pages) == 1
    act(hub, name, "me-too")
    assert len(settled(hub, name)) == 2
    assert len([one for one in sandbox.messages(name) if "sees it too" in one["text"]]) == 1, "nothing was said"


@pytest.mark.parametrize("why", ["too long", "resolved"])
def test_a_report_that_cannot_be_a_me_too_is_kept_and_can_be_sent(hub: Hub, sandbox: Sandbox, why: str) -> None:
    name = reported(hub, service_name="Warehouse Scanners")
    seen = f"Queue at gate 4. {'It stands still. ' * 400}" if why == "too long" else "Queue at gate 4."
    form = report_form(hub, service_name="Warehouse Scanners", title="Gates stay shut", description=seen, seen=name)
    if why == "resolved":
        pagerduty.act(sandbox, sandbox.page_of(name)["id"], "resolve")
        hub.poll_now()
        eventually(lambda: hub.incident(name)["status"] == "resolved")
    page = hub.dana.post(f"/incidents/{name}/actions/me-too", form)
    assert page.status == 422
    told = "Shorten the text to 5,000 characters" if why == "too long" else "It is resolved."
    assert told in page.text
    assert (actions(hub, name), len(sandbox.pages)) == ([], 1)
    assert page.value("title") == "Gates stay shut"
    assert seen in page.text
    assert f'value="{form["service"]}" selected' in page.text
    again = form | {"report_id": page.value("report_id"), "seen": "anyway"}
    new = hub.dana.post("/report", again).incident
    hub.finished(new)
    assert hub.incident(new)["description"] == seen.strip()


def test_who_took_command_before_pagerduty_had_it_is_told_there_afterwards(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "500", method="POST /incidents")
    name = hub.dana.post("/report", report_form(hub)).incident
    act(hub, name, "command", email="mei.tanaka@example.com")
    (action,) = actions(hub, name)
    eventually(lambda: steps(hub, action["id"])["note"]["attempts"])
    sandbox.mend()
    eventually(
        lambda: any("Mei Tanaka put in command by Dana Okafor" in one for one in notes(sandbox, name)), within=60
    )


def test_where_there_is_no_page_and_will_be_none_nothing_waits_for_it(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    page = sandbox.page_of(name)["id"]
    pagerduty.act(sandbox, page, "resolve")
    hub.poll_now()
    eventually(lambda: hub.incident(name)["status"] == "resolved")
    sandbox.plant("pagerduty", "incidents", page, delete=True)  # or it would be found by its key
    hub.does("poll", "changed")
    hub.rows("UPDATE incidents SET pagerduty_id = NULL WHERE id = %s", name)  # as one of an earlier Incident Central
    act(hub, name, "command", email="mei.tanaka@example.com")
    (action,) = settled(hub, name)
    assert steps(hub, action["id"])["note"]["state"] == "off"


@pytest.mark.parametrize("kind", ["command", "me-too"])
def test_an_incident_is_found_by_the_name_of_who_took_command_or_sees_it_too(hub: Hub, kind: str) -> None:
    name = reported(hub, title="Numbats")
    email = f"{kind}@example.com"  # which says nothing of the name
    hub.command("manage", "createadmin", email, "--name", "Quentin Bettong", "--password-stdin", stdin=PASSWORD)
    quentin = Browser(hub.url)
    quentin.sign_in(email, PASSWORD)
    assert name not in quentin.get("/?q=numbats+bettong").text
    quentin.post(f"/incidents/{name}/actions/{kind}", {"press": str(uuid4())})
    settled(hub, name)
    assert name in quentin.get("/?q=numbats+bettong").text


def edited(hub: Hub, name: str, **changes: str) -> Page:
    """Dana's answers to the edit form, as it was shown to her but for some changes."""
    page = hub.dana.get(f"/incidents/{name}/edit")
    fields = ("commander", "reporter_name", "reporter_email", "channel", "channel_name")
    shown = {field: page.value(field) for field in fields} | {"links": ""}
    form = shown | changes | {f"was_{field}": value for field, value in shown.items()}
    return hub.dana.post(f"/incidents/{name}/edit", form | {"press": str(uuid4())})


def test_every_edit_is_in_the_timeline_with_what_was_there_before(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    assert edited(hub, name).incident == name
    edited(hub, name, reporter_name="Noor Haddad", reporter_email="noor.haddad@example.com")
    eventually(lambda: "Noor Haddad" in summary(sandbox, name))
    edited(hub, name, reporter_name="Dana Okafor", reporter_email="dana.okafor@example.com")
    before = entries(hub, name)
    edited(hub, name, commander="mei.tanaka@example.com")
    settled(hub, name)
    page = edited(
        hub,
        name,
        reporter_name="Ana Ribeiro",
        reporter_email="Ana.Ribeiro@example.com",
        channel="https://finch.slack.com/archives/C0ABC/p1",
        channel_name="#war-room",
        links="Dashboard https://grafana.example.com/d/1\r\nhttps://example.com/video",
    )
    assert page.incident == name
    new = entries(hub, name)[len(before) :]
    assert [one.partition(" to ")[0] for one in new if "changed the" in one] == [
        "Dana Okafor changed the commander from Dana Okafor",
        "Dana Okafor changed the reporter from Dana Okafor dana.okafor@example.com",
        f"Dana Okafor changed the Slack channel from #{name} {sandbox.addresses['page']}/slack/archives/"
        f"{sandbox.channel_of(name)['id']}",
        "Dana Okafor changed the links from none",
    ]
    row = hub.incident(name)
    assert (row["slack_channel_id"], row["slack_channel_name"]) == ("C0ABC", "war-room")
    assert row["reporter_email"] == "ana.ribeiro@example.com"
    text = hub.dana.get(f"/incidents/{name}").text
    assert 'href="https://grafana.example.com/d/1"' in text
    assert "Commander</dt><dd><b>Mei Tanaka</b>" in text


def test_what_was_written_with_capitals_and_is_not_edited_is_no_change(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    change = "UPDATE incidents SET reporter_email = %s, incident_commander_email = %s WHERE id = %s"
    hub.rows(change, "Noor.Haddad@Example.com", "Mei.Tanaka@Example.com", name)  # as an earlier Incident Central did
    before = entries(hub, name)
    assert edited(hub, name, links="https://example.com/video").incident == name
    assert entries(hub, name)[len(before) :] == ["Dana Okafor changed the links from none to https://example.com/video"]
    assert actions(hub, name) == []


def test_only_the_name_of_a_channel_is_changed_whatever_its_address(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    address = "https://slack.com/app_redirect?channel=C0EDITED"
    change = "UPDATE incidents SET slack_channel_id = %s, slack_channel_url = %s WHERE id = %s"
    hub.rows(change, "C0EDITED", address, name)
    edited(hub, name, channel_name="war-room")
    row = hub.incident(name)
    channel = [row[f"slack_channel_{column}"] for column in ("id", "name", "url")]
    assert channel == ["C0EDITED", "war-room", address]
    told = f"from #{name} {address} to #war-room {address}"  # after which PagerDuty's log may tell more
    assert len([one for one in entries(hub, name) if one.endswith(told)]) == 1


def test_a_channel_that_somebody_else_changed_meanwhile_stays_whoever_saves_another_name(
    hub: Hub, sandbox: Sandbox
) -> None:
    name = reported(hub)
    row = hub.incident(name)
    shown = {"was_channel": row["slack_channel_url"], "was_channel_name": name}
    theirs = "https://finch.slack.com/archives/C0THEIRS"
    edited(hub, name, channel=theirs, channel_name="theirs")
    form = shown | {"channel": row["slack_channel_url"], "channel_name": "war-room"}
    now = hub.dana.get(f"/incidents/{name}/edit")
    for field in ("commander", "reporter_name", "reporter_email"):
        form |= {field: now.value(field), f"was_{field}": now.value(field)}
    assert hub.dana.post(f"/incidents/{name}/edit", form).incident == name
    row = hub.incident(name)
    assert [row["slack_channel_url"], row["slack_channel_name"]] == [theirs, "theirs"]


def test_many_long_links_are_kept_whole_and_too_long_ones_refused(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    links = [f"Dashboard {number} https://grafana.example.com/{'x' * 300}/{number}" for number in range(20)]
    edited(hub, name, links="\r\n".join(links))
    assert str(hub.incident(name)["links"]).count("x" * 300) == 20
    page = edited(hub, name, links="\r\n".join(link + "y" * 2000 for link in links))
    assert page.status == 422
    assert "Shorten this to 20,000 characters." in page.text
    blanks = f"a{' ' * 19_000}b"  # which an expression may look at again and again
    assert "Write one link a line" in edited(hub, name, links=blanks).text


def test_a_priority_that_was_refused_or_chosen_wrongly_can_be_changed(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    act(hub, name, "priority", priority=hub.priority_id("P3"))
    act(hub, name, "priority", priority=hub.priority_id("P2"))
    tried_in_vain(hub, name)
    sandbox.mend()
    assert settled(hub, name)[1]["outcome"] == "done"
    page = sandbox.page_of(name)["id"]
    assert pagerduty.incident(sandbox, page)["priority"]["summary"] == "P2", "the later one"

    sandbox.plant("pagerduty", "priorities", hub.priority_id("P1"), delete=True)
    refused = reported(hub)
    page = sandbox.page_of(refused)["id"]
    assert pagerduty.incident(sandbox, page)["priority"] is None
    act(hub, refused, "priority", priority=hub.priority_id("P2"))
    assert settled(hub, refused)[0]["outcome"] == "done"
    assert pagerduty.incident(sandbox, page)["priority"]["summary"] == "P2"


def test_a_later_choice_that_pagerduty_refused_does_not_keep_the_one_before_from_being_done(
    hub: Hub, sandbox: Sandbox
) -> None:
    name = reported(hub)
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    act(hub, name, "priority", priority=hub.priority_id("P3"))
    tried_in_vain(hub, name)
    (first,) = actions(hub, name)
    step = steps(hub, first["id"])["act"]["id"]
    eventually(lambda: hub.rows(PUT_OFF, "2100-01-01 00:00:00", step))
    sandbox.mend()
    sandbox.plant("pagerduty", "priorities", hub.priority_id("P5"), delete=True)
    act(hub, name, "priority", priority=hub.priority_id("P5"))
    second = actions(hub, name)[1]
    eventually(lambda: steps(hub, second["id"])["act"]["state"] == "failed")
    hub.rows(PUT_OFF, "2020-01-01 00:00:00", step)
    eventually(lambda: actions(hub, name)[0]["outcome"] == "done")
    assert sandbox.page_of(name)["priority"] == "P3"


def test_an_answer_that_makes_no_sense_changes_nothing_and_is_kept(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    before = ours(hub, name)
    page = edited(hub, name, channel="#general", commander="Mei", links="javascript:alert(1)")
    assert page.status == 422
    assert "Paste the channel’s link" in page.text
    assert "javascript:alert(1)" in page.text
    assert ours(hub, name) == before
    other = edited(hub, name, channel=hub.incident(reported(hub))["slack_channel_url"])
    assert "This is the channel of incident-" in other.text


def ours(hub: Hub, name: str) -> list[object]:
    """What may be edited here. The rest of the row may change meanwhile: PagerDuty is read."""
    row = hub.incident(name)
    return [value for column, value in row.items() if column.startswith(("slack_", "reporter_", "incident_c", "links"))]


# ── who may, and what is not there ────────────────────────────────────────────────────────────────


def test_nobody_acts_without_signing_in_or_from_another_site(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    stranger = Browser(hub.url)
    stranger.get("/sign-in")
    for path in ("actions/acknowledge", "actions/wrong-service", "edit"):
        assert stranger.get(f"/incidents/{name}/{path}").path == "/sign-in"
        assert stranger.post(f"/incidents/{name}/{path}", {}).status == 403
        assert hub.dana.post(f"/incidents/{name}/{path}", {}, token="forged").status == 403
    assert (actions(hub, name), writes(sandbox)) == ([], [])


def test_what_was_sent_by_somebody_who_had_been_signed_out_is_sent_when_they_are_in_again(
    hub: Hub, sandbox: Sandbox
) -> None:
    name, browser = reported(hub), _signed_out(hub)
    page = browser.post(f"/incidents/{name}/actions/note", {"press": str(uuid4()), "text": 'It is the "pool".'})
    assert page.status == 403
    assert "You were signed out, and “Add note” has not been done." in page.text
    assert actions(hub, name) == []
    wrong = browser.post("/sign-in", _hidden(page) | {"email": ADMIN, "password": "wrong"})
    assert wrong.status == 422
    page = browser.post("/sign-in", _hidden(wrong) | {"email": ADMIN, "password": PASSWORD})
    assert "It is the &quot;pool&quot;." in page.text
    _send(browser, page)
    settled(hub, name)
    assert [one for one in notes(sandbox, name) if one.startswith('It is the "pool".')]


def test_a_press_of_somebody_who_had_been_signed_out_says_whom_it_would_page(hub: Hub, sandbox: Sandbox) -> None:
    name, one, other = reported(hub), _signed_out(hub), Browser(hub.url)
    page = one.post(f"/incidents/{name}/actions/escalate", {"press": str(uuid4()), "level": "2"})
    assert "Oskar Lindqvist" not in page.text, "they may be a stranger by now"
    stale = one.post("/sign-in", _hidden(page) | {"email": ADMIN, "password": PASSWORD}, token="of another tab")
    assert stale.status == 403
    page = one.post("/sign-in", _hidden(stale) | {"email": ADMIN, "password": PASSWORD})
    assert "Escalate to Oskar Lindqvist, level 2" in page.text
    assert writes(sandbox) == []
    _send(one, page)
    settled(hub, name)
    assert sandbox.ringing == {"Oskar Lindqvist"}
    other.get("/sign-in")
    form = {"csrfmiddlewaretoken": "x", "carried": f'["/incidents/{name}/steps/page", "/", [["done", "by-hand"]]]'}
    body = urllib.parse.urlencode(form).encode()
    foreign = urllib.request.Request(f"{hub.url}/sign-in", body, {"Origin": "https://elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(foreign)
    with refused.value:
        assert b"It is kept" not in refused.value.read()
    half = r"\ud800"  # of a character: JSON can say it, and no page can show it
    for packed in (
        "[" * 5000,
        '["//elsewhere.example", "/", []]',
        "{}",
        '["/", "/", [1]]',
        f'["/", "/", [["text", "{half}"]]]',
        f'["/{half}", "/", []]',
        f'["/", "/{half}", []]',
    ):
        page = other.post("/sign-in", {"email": ADMIN, "password": PASSWORD, "carried": packed})
        assert (page.status, page.path) == (200, "/")


def test_what_was_typed_before_somebody_signed_in_again_in_another_tab_is_kept(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    note = {"press": str(uuid4()), "text": "It is the pool."}
    page = hub.dana.post(f"/incidents/{name}/actions/note", note, token="x" * 32)
    assert page.status == 403
    assert "This has not been done yet" in page.text
    assert "It is the pool." in page.text
    assert actions(hub, name) == []
    _send(hub.dana, page)
    settled(hub, name)
    assert [one for one in notes(sandbox, name) if one.startswith("It is the pool.")]
    edit = {"press": str(uuid4()), "reporter_name": "Noor Haddad", "was_reporter_name": "Dana Okafor"}
    _send(hub.dana, hub.dana.post(f"/incidents/{name}/edit", edit, token="x" * 32))
    assert hub.incident(name)["reporter_name"] == "Noor Haddad"
    secret = {"old_password": PASSWORD, "new_password1": "another one"}
    assert "another one" not in hub.dana.post("/account", secret, token="x" * 32).text
    stranger = hub.dana.post("/drills/start", {}, headers={"Origin": "https://elsewhere.example"})
    assert (stranger.status, "This was not accepted." in stranger.text) == (403, True)


def test_retry_and_by_hand_of_somebody_who_had_been_signed_out_say_what_they_would_do(
    hub: Hub, sandbox: Sandbox
) -> None:
    sandbox.fault("pagerduty", "down")
    name = hub.dana.post("/report", report_form(hub)).incident
    eventually(lambda: "I phoned them" in hub.dana.get(f"/incidents/{name}/responding").text)
    title = str(hub.incident(name)["title"])
    browser = _signed_out(hub)
    page = browser.post(f"/incidents/{name}/steps/page", {"done": "by-hand"})
    assert "Page the on-call" not in page.text, "they may be a stranger by now"
    page = browser.post("/sign-in", _hidden(page) | {"email": ADMIN, "password": PASSWORD})
    assert "I phoned them: Page the on-call: Mei Tanaka</b>. It is not tried any more then." in page.text
    assert title in page.text
    page = hub.dana.post(f"/incidents/{name}/steps/page", {}, token="x" * 32)
    assert "Retry: Page the on-call: Mei Tanaka" in page.text
    sandbox.mend()
    _send(hub.dana, page)
    hub.finished(name)
    sandbox.fault("pagerduty", "500", method="POST /incidents/{id}/notes")
    act(hub, name, "note", text="It is the pool.")
    tried_in_vain(hub, name, "note")
    (action,) = actions(hub, name)
    sandbox.mend()
    page = hub.dana.post(f"/incidents/{name}/actions/{action['id']}/note", {"done": "by-hand"}, token="x" * 32)
    assert "I did it by hand: Add note: It is the pool." in page.text
    assert title in page.text


def test_whatever_else_was_sent_by_somebody_who_had_been_signed_out_says_where_from(hub: Hub) -> None:
    name = reported(hub)
    title = str(hub.incident(name)["title"])
    page = hub.dana.post(f"/incidents/{name}/edit", {"commander": ADMIN}, token="x" * 32)
    assert ("Edit" in page.text, title in page.text) == (True, True)
    headers = {"Referer": f"{hub.url}/drills?from=mail"}
    page = hub.dana.post("/drills/plan", {"day": "0"}, token="x" * 32, headers=headers)
    assert 'Sent from the page <span class="mono">/drills?from=mail</span>' in page.text
    page = hub.dana.post("/incidents/incident-no-such-2026-11/steps/page", {"done": "by-hand"}, token="x" * 32)
    assert "This has not been done yet" in page.text


def test_an_address_that_no_browser_sends_as_the_page_before_leads_home(hub: Hub) -> None:
    headers = {"Referer": "http://[x"}
    assert hub.dana.post("/theme", {"theme": "auto"}, headers=headers).path == "/"
    page = _signed_out(hub).post("/incidents/x/actions/note", {"text": "It is the pool."}, headers=headers)
    assert (page.status, "It is the pool." in page.text) == (403, True)


def _send(browser: Browser, page: Page) -> Page:
    (path,) = re.findall(r'<form class="row" method="post" action="([^"]+)"', page.text)
    return browser.post(path, _hidden(page))


def _signed_out(hub: Hub) -> Browser:
    """With the page still open."""
    browser = Browser(hub.url)
    browser.sign_in(ADMIN, PASSWORD)
    browser.cookies.clear("127.0.0.1", "/", "sessionid")
    return browser


def _hidden(page: Page) -> dict[str, str]:
    given = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
    return {name: unescape(value) for name, value in given if name != "csrfmiddlewaretoken"}


def test_no_password_travels_with_what_was_sent(hub: Hub) -> None:
    page = _signed_out(hub).post(
        "/account", {"old_password": PASSWORD, "new_password1": "another one", "note": "a b c"}
    )
    assert page.path == "/sign-in"
    assert "another one" not in page.text


def test_what_does_not_exist_is_not_found(hub: Hub, sandbox: Sandbox) -> None:
    name = reported(hub)
    assert act(hub, "incident-no-such-2026-11", "resolve").status == 404
    assert act(hub, name, "explode").status == 404
    assert hub.dana.post(f"/incidents/{name}/actions/999999/act", {}).status == 404


def test_before_pagerduty_has_it_the_page_offers_nothing_there(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "down")
    name = hub.dana.post("/report", report_form(hub)).incident
    text = hub.dana.get(f"/incidents/{name}").text
    assert "actions/acknowledge" not in text
    assert "as soon as PagerDuty has this incident" in text
    page = act(hub, name, "resolve")
    assert (page.status, actions(hub, name)) == (422, [])
    assert "PagerDuty does not have this incident yet" in page.text


# ── the page's own script ─────────────────────────────────────────────────────────────────────────


def parts(browser: Browser, name: str, version: str = "") -> Page:
    """What it is answered; `version` is what it has already."""
    return browser.get(f"/incidents/{name}", **{"HX-Request": "true", "If-None-Match": f'"{version}"'})


def version_of(page: Page) -> str:
    (version,) = re.findall(r"""hx-headers='{"If-None-Match": "\\"(\w+)\\""}'""", page.text)
    return str(version)


def field(name: str, page: Page) -> str:
    """What a form of the page sends along."""
    return str(re.findall(rf'name="{name}" value="([^"]+)"', page.text)[0])


def test_the_page_asks_again_and_is_told_when_nothing_changed(hub: Hub, sandbox: Sandbox, mei: Browser) -> None:
    name = reported(hub)
    hub.rows("UPDATE incidents SET created_at = %s WHERE id = %s", "2026-01-02 03:04:05", name)  # ages stand still

    def unchanged() -> str:
        """The version of the parts, once they stood still between two looks."""
        version = version_of(parts(hub.dana, name))
        return version if parts(hub.dana, name, version).status == 304 else ""

    version = eventually(unchanged)
    theirs = parts(mei, name)
    assert "<html" not in theirs.text
    assert version_of(theirs) != version, "to her it offers to acknowledge first"
    # Its forms are each reader's own, and work.
    token, press = field("csrfmiddlewaretoken", theirs), field("press", theirs)
    assert press != field("press", parts(mei, name))
    assert token not in parts(hub.dana, name).text
    # Signed in once more, in another tab: the page that was open gets a token that holds.
    mei.sign_in("mei.tanaka@example.com", PASSWORD)
    theirs = parts(mei, name, version_of(theirs))
    assert theirs.status == 200
    token = field("csrfmiddlewaretoken", theirs)
    assert mei.post(f"/incidents/{name}/actions/acknowledge", {"press": press}, token=token).status == 200
    eventually(lambda: hub.incident(name)["status"] == "acknowledged")
    changed = parts(hub.dana, name, version)
    assert changed.status == 200
    assert "Acknowledged by Mei Tanaka" in changed.text


def test_the_command_of_one_is_not_shown_as_the_command_of_another(hub: Hub, sandbox: Sandbox, mei: Browser) -> None:
    """What is made for many readers is made apart for those whom it concerns."""
    name = reported(hub)
    mei.post(f"/incidents/{name}/actions/command", {"press": str(uuid4())})
    eventually(lambda: hub.incident(name)["incident_commander_email"] == "mei.tanaka@example.com")
    assert "Take command" in parts(hub.dana, name).text
    assert "Take command" not in parts(mei, name).text
    assert "Take command" in parts(hub.dana, name).text
