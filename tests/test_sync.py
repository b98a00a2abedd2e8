"""What PagerDuty knows is what the hub shows, however its news arrive."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.error import HTTPError
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests import history
from tests.clocks import put_ahead
from tests.pagerduty import act, ask, edit, incident, log_of, subscribe
from tests.processes import Hub, Json, Sandbox, company, eventually, report_form


def reported(hub: Hub, sandbox: Sandbox, **more: str) -> tuple[str, str]:
    name = hub.dana.post("/report", report_form(hub, **more)).incident
    hub.finished(name)
    return name, str(sandbox.page_of(name)["id"])


def timeline(hub: Hub, name: str) -> list[Json]:
    """Oldest first."""
    return hub.rows("SELECT * FROM incidents_timelineentry WHERE incident_id = %s ORDER BY at, id", name)


def texts(hub: Hub, name: str) -> list[str]:
    return [row["text"] for row in timeline(hub, name)]


def shown(hub: Hub, name: str, *wanted: str) -> str:
    """The incident's page, once all of these are in it."""

    def page() -> str:
        text = hub.dana.get(f"/incidents/{name}").text
        assert [one for one in wanted if one not in text] == []
        return text

    hub.poll_now()
    return eventually(page)


def moment(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    text = str(value)
    return datetime.fromisoformat(text if "+" in text or text.endswith("Z") else f"{text}+00:00")


# ── whatever happens, in whatever order it is heard of ────────────────────────────────────────────

ACTIONS: dict[str, dict[str, str]] = {
    "acknowledge": {},
    "unacknowledge": {},
    "escalate": {},
    "resolve": {},
    "reopen": {},
    "note": {"content": "Looking"},
    "update": {"message": "We are on it"},
    "priority": {"priority": "P3"},
    "edit": {"title": "Cards fail at checkout"},
    "reassign": {"to": "Oskar Lindqvist"},
    "delegate": {"to": "Data"},
    "move": {"to": "Search"},
    "ask": {"to": "Jonas Weber", "message": "Come"},
    "join": {"user": "Jonas Weber"},
    "decline": {"user": "Jonas Weber"},
    "snooze": {"seconds": "120"},
    "merge": {},
    "wait": {},
}
#: After so long whoever is paged is passed over, and a snooze is over.
NOBODY_DOES_ANYTHING = 5 * 60 + 1
FAULTS: list[dict[str, Any]] = [
    {"kind": "doubled"},
    {"kind": "delayed", "seconds": 0.3},
    {"kind": "shuffled", "seconds": 0.3},
    {"kind": "lost", "every": 2},
    {"kind": "wrong-signature", "every": 3},
]


def told(hub: Hub, name: str) -> Json:
    """What the hub says of an incident that PagerDuty can be asked about, too."""
    row = hub.incident(name)
    (priority,) = hub.rows("SELECT name FROM incidents_priority WHERE id = %s", row["priority_id"]) or [{"name": None}]
    entries = [one for one in timeline(hub, name) if one["source"] == "pagerduty" and one["kind"] != "step"]
    alone = [one for one in entries if _seen_alone(one, entries)]
    assert len({one["at"] for one in alone}) == len(alone), "seen once, and told twice"
    entries = [one for one in entries if one not in alone]
    return {
        "status": row["status"],
        "title": row["title"],
        "urgency": row["urgency"],
        "service": row["service_id"],
        "policy": row["policy_id"],
        "priority": priority["name"],
        "resolved_at": moment(row["resolved_at"]),
        "log": sorted((str(one["log_entry_id"]), moment(one["at"])) for one in entries),
    }


def _seen_alone(one: Json, entries: list[Json]) -> bool:
    """Whoever is given what was acknowledged is paged. PagerDuty's log says that it was assigned and no more, so that
    it was triggered again stays as it was seen."""
    logged = "".join(other["facts"] for other in entries if other["log_entry_id"] and other["at"] == one["at"])
    is_made_up = not one["log_entry_id"] and one["facts"].strip() == "status:triggered"
    return is_made_up and "paging:goes on" in logged and "status:triggered" not in logged


def true(sandbox: Sandbox, page: str) -> Json:
    found = incident(sandbox, page)
    return {
        "status": found["status"],
        "title": found["title"],
        "urgency": found["urgency"],
        "service": found["service"]["id"],
        "policy": found["escalation_policy"]["id"],
        "priority": found["priority"] and found["priority"]["summary"],
        "resolved_at": moment(found["resolved_at"]),
        "log": sorted((one["id"], moment(one["created_at"])) for one in log_of(sandbox, page)),
    }


def has_it(hub: Hub, name: str) -> Json:
    """What the hub says of who has an incident. Who had it when it was resolved PagerDuty does not keep; how far it
    was escalated is told by who is assigned, until somebody acknowledges."""
    row = hub.incident(name)
    never_acknowledged = row["status"] == "triggered" and row["acknowledged_at"] is None
    assigned = json.loads(row["assigned"]) if isinstance(row["assigned"], str) else row["assigned"]
    return {
        "assigned": None if row["status"] == "resolved" else assigned,
        "acknowledged_by": row["acknowledged_by"],
        "first acknowledged": moment(row["acknowledged_at"]),
        "level": row["escalation_level"] if never_acknowledged else None,
        "merged into": row["merged_into"],
    }


def truly_has_it(sandbox: Sandbox, page: str) -> Json:
    """The same as PagerDuty knows it, of an incident on which nobody acted from here."""
    found, log = incident(sandbox, page), sorted(log_of(sandbox, page), key=lambda one: str(one["created_at"]))
    acknowledged = [one for one in log if one["type"].startswith("acknowledge")]
    has_it_now = ", ".join(one["acknowledger"]["summary"] for one in found["acknowledgements"])
    had_it_last = acknowledged[-1]["agent"]["summary"] if acknowledged else ""
    (kept,) = [one for one in sandbox.pages if one["id"] == page]
    by_policy = found["assigned_via"] == "escalation_policy"
    never_acknowledged = found["status"] == "triggered" and not acknowledged
    return {
        "assigned": None
        if found["status"] == "resolved"
        else [one["assignee"]["summary"] for one in found["assignments"]],
        "acknowledged_by": had_it_last if found["status"] == "resolved" else has_it_now,
        "first acknowledged": moment(acknowledged[0]["created_at"]) if acknowledged else None,
        "level": kept["level"] if never_acknowledged and by_policy else None,
        "merged into": ((found["resolve_reason"] or {}).get("incident") or {}).get("summary", ""),
    }


def test_the_end_is_pagerdutys_truth_whatever_arrives_doubled_late_shuffled_or_not_at_all(
    hub: Hub, sandbox: Sandbox
) -> None:
    subscribe(hub, sandbox)
    sandbox.switch(merging_api_incidents="accepted")

    # Without shrinking: a failure is as long as it takes to wait in vain.
    @settings(
        max_examples=10,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @example(actions=["acknowledge", "snooze", "wait", "resolve"], faults=[{"kind": "lost", "every": 2}], polls={1})
    @example(actions=["escalate", "wait", "merge"], faults=[{"kind": "doubled"}], polls=set())
    @example(actions=["ask", "join", "decline", "reassign", "move"], faults=[FAULTS[2]], polls={2})
    @given(
        actions=st.lists(st.sampled_from(sorted(ACTIONS)), min_size=1, max_size=10),
        faults=st.lists(st.sampled_from(FAULTS), max_size=2),
        polls=st.sets(st.integers(0, 10)),
    )
    def check(actions: list[str], faults: list[dict[str, Any]], polls: set[int]) -> None:
        sandbox.mend()
        name, page = reported(hub, sandbox)
        hub.does("log")  # up to now: tests before may have been ahead
        for fault in faults:
            sandbox.control("/faults", {"provider": "webhooks", **fault})
        into = sandbox.control("/pagerduty/incidents", {"service": "Search", "title": "All of it fails"})["id"]
        for place, action in enumerate(actions):
            with contextlib.suppress(HTTPError):  # PagerDuty lets nobody escalate what is resolved
                if action == "wait":
                    sandbox.advance(NOBODY_DOES_ANYTHING)
                else:
                    act(sandbox, page, action, **ACTIONS[action] | ({"into": into} if action == "merge" else {}))
            if place in polls:
                hub.poll_now()
        hub.poll_now()
        truth = true(sandbox, page) | truly_has_it(sandbox, page)
        eventually(lambda: _same(told(hub, name) | has_it(hub, name), truth) and not hub.incident(name)["stale_since"])

    check()


def _same(ours: Json, theirs: Json) -> bool:
    assert ours == theirs
    return True


def test_a_log_that_tells_late_leaves_nothing_out_and_nothing_twice(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.switch(unlisted_log_entries="left out", logged_after="2", log_order="oldest first")
    name, page = reported(hub, sandbox)
    act(sandbox, page, "acknowledge")
    shown(hub, name, "Acknowledged by Mei Tanaka")  # seen before its log tells of it
    act(sandbox, page, "resolve")
    act(sandbox, page, "edit", title="Cards fail")
    shown(hub, name, "Resolved", "Title changed from", "Cards fail")
    act(sandbox, page, "reopen")
    shown(hub, name, "Reopened")
    sandbox.switch(logged_after="0")
    hub.poll_now()

    def once() -> bool:
        found = [text.split(" by ")[0] for text in texts(hub, name)]
        assert [found.count(one) for one in ("Acknowledged", "Resolved")] == [1, 1]
        assert len([one for one in found if one.startswith("Reopened")]) == 1
        assert len([one for one in found if one.startswith("Title changed")]) == 1
        logged = {row["log_entry_id"] for row in timeline(hub, name)}
        assert {one["id"] for one in log_of(sandbox, page)} <= logged
        return True

    eventually(once)


def test_what_the_log_told_first_is_not_told_again_when_it_is_seen(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    eventually(lambda: hub.incident(name)["whole_log_read"])
    act(sandbox, page, "acknowledge")
    act(sandbox, page, "edit", title="Cards fail")
    hub.read_log_now()
    eventually(lambda: [text for text in texts(hub, name) if text.startswith("Title changed")])
    hub.poll_now()
    eventually(lambda: hub.incident(name)["title"] == "Cards fail")
    found = [text.split()[0] for text in texts(hub, name)]
    assert (found.count("Acknowledged"), found.count("Title")) == (1, 1)


@pytest.mark.parametrize("first", ["list", "log"])
def test_what_was_changed_long_before_anybody_could_read_it_is_told_once(
    hub: Hub, sandbox: Sandbox, first: str
) -> None:
    name, page = reported(hub, sandbox)
    eventually(lambda: hub.incident(name)["whole_log_read"] and not hub.incident(name)["stale_since"])
    hub.does("log")  # up to now: tests before may have been ahead
    act(sandbox, page, "move", to="Search")
    act(sandbox, page, "priority", priority="P3")
    act(sandbox, page, "edit", title="Quite another thing fails")
    for _ in range(3):  # whoever is paged changes meanwhile, so PagerDuty says that all of it was changed just now
        sandbox.advance(5 * 60 + 1)
    if first == "log":
        hub.read_log_now()
        eventually(lambda: [text for text in texts(hub, name) if text.startswith("Title changed")])
    hub.read_list_now()
    eventually(lambda: hub.incident(name)["title"] == "Quite another thing fails")
    hub.read_log_now()
    eventually(lambda: _same(told(hub, name), true(sandbox, page)))
    begin = [text.split()[0] for text in texts(hub, name)]
    assert [begin.count(one) for one in ("Moved", "Priority", "Title")] == [1, 1, 1]


# ── in words ──────────────────────────────────────────────────────────────────────────────────────


def test_everything_that_people_do_in_pagerduty_is_told_in_words(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    act(sandbox, page, "escalate")
    act(sandbox, page, "acknowledge", "Oskar Lindqvist")
    act(sandbox, page, "snooze", "Oskar Lindqvist", seconds=5400)
    act(sandbox, page, "unacknowledge", "Oskar Lindqvist")
    act(sandbox, page, "reassign", "Oskar Lindqvist", to="Priya Nair")
    act(sandbox, page, "move", "Priya Nair", to="Search")
    act(sandbox, page, "delegate", "Priya Nair", to="Data")
    act(sandbox, page, "priority", "Priya Nair", priority="P4")
    act(sandbox, page, "edit", "Priya Nair", title="Search fails", urgency="low")
    act(sandbox, page, "note", "Priya Nair", content="Not payments:\nsearch")
    act(sandbox, page, "update", "Priya Nair", message="Search is slow")
    act(sandbox, page, "ask", "Priya Nair", to="Jonas Weber", message="Please look")
    act(sandbox, page, "join", "Jonas Weber")
    act(sandbox, page, "resolve", "Ana Costa")
    act(sandbox, page, "reopen", "Ana Costa")
    text = shown(hub, name, "Reopened by Ana Costa", '<h1 dir="auto">Search fails</h1>', ">Triggered</span>")
    for words in (
        "Opened in PagerDuty by Incident Central",
        "Assigned to Mei Tanaka",
        "Mei Tanaka paged by",
        "Escalated to Oskar Lindqvist by Mei Tanaka",
        "Acknowledged by Oskar Lindqvist in PagerDuty’s app",
        "Snoozed for 1 h 30 min by Oskar Lindqvist",
        "No longer acknowledged by Oskar Lindqvist",
        "Assigned to Priya Nair by Oskar Lindqvist",
        "Moved from Checkout API to Search by Priya Nair",
        "Handed to another escalation policy by Priya Nair",
        "Priority changed from P1 to P4 by Priya Nair",
        "Title changed from “Card payments fail with 502 at checkout” to “Search fails” by Priya Nair",
        "Urgency changed from high to low by Priya Nair",
        "Note by Priya Nair",
        "Not payments:\nsearch",
        "Status update by Priya Nair",
        "Search is slow",
        "Jonas Weber asked to help by Priya Nair",
        "Jonas Weber joined",
        "Resolved by Ana Costa",
    ):
        assert words in text, words
    row = hub.incident(name)
    assert (row["title"], row["urgency"], row["status"]) == ("Search fails", "low", "triggered")
    assert row["service_id"] == hub.service_id("Search")


def test_what_the_log_seldom_tells_is_told_in_words_and_what_nobody_knows_in_its_own(
    hub: Hub, sandbox: Sandbox
) -> None:
    name, page = reported(hub, sandbox)
    act(sandbox, page, "log", "", type="reach_ack_limit", summary="Acknowledgement limit reached")
    act(sandbox, page, "log", "", type="reach_trigger_limit", summary="Trigger limit reached")
    fields = [
        {"id": "PFIELD1", "name": "serial_number", "namespace": "incidents", "value": 4711, "old_value": None},
        {"id": "PFIELD2", "name": "priority", "namespace": "incidents", "value": ["gold", "red"], "old_value": "none"},
    ]
    changed = {"changeset": {"customer_fields": fields}}
    act(sandbox, page, "log", "Priya Nair", type="custom_field_value_change", summary="2 fields", channel=changed)
    act(sandbox, page, "log", "Priya Nair", type="custom_field_value_change", summary="A field was emptied")
    act(sandbox, page, "log", "Priya Nair", type="tea_break", summary="Kettle on")
    act(sandbox, page, "log", "", type="tea_is_ready")
    shown(
        hub,
        name,
        "Acknowledged as often as PagerDuty allows",
        "Triggered as often as PagerDuty allows",
        "Custom field serial_number changed from none to 4711 and custom field priority changed from none to gold, red"
        " by Priya Nair",
        "A field was emptied by Priya Nair",
        "Kettle on by Priya Nair",
        "Tea is ready",
    )
    kinds = {row["text"].split()[0]: row["kind"] for row in timeline(hub, name)}
    assert (kinds["Custom"], kinds["A"], kinds["Kettle"]) == ("change", "change", "status")
    row = hub.incident(name)
    assert row["priority_id"] == hub.priority_id("P1"), "a field of that name is not the incident's priority"
    assert row["status"] == "triggered"


def test_times_are_pagerdutys_own(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    sandbox.advance(137)
    act(sandbox, page, "acknowledge")
    sandbox.advance(600)
    act(sandbox, page, "resolve")
    shown(hub, name, "Resolved by Mei Tanaka", ">Resolved</span>")
    kept = {row["text"].split()[0]: moment(row["at"]) for row in timeline(hub, name)}
    logged = {one["type"].split("_")[0]: moment(one["created_at"]) for one in log_of(sandbox, page)}
    row = hub.incident(name)
    assert kept["Acknowledged"] == logged["acknowledge"] == moment(row["acknowledged_at"])
    assert kept["Resolved"] == logged["resolve"] == moment(row["resolved_at"])
    assert row["acknowledged_by"] == "Mei Tanaka"


def test_what_happens_by_itself_says_so(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    sandbox.advance(5 * 60 + 1)
    shown(hub, name, "Escalated to Oskar Lindqvist: nobody had acknowledged in time", "level 2 of 3 reached")
    service = incident(sandbox, page)["service"]["id"]
    act(sandbox, page, "acknowledge", "Oskar Lindqvist")
    sandbox.plant("pagerduty", "services", service, set={"auto_resolve_timeout": 60})
    act(sandbox, page, "resolve", "Oskar Lindqvist")
    act(sandbox, page, "reopen", "Oskar Lindqvist")
    sandbox.advance(61)
    shown(hub, name, "Resolved by PagerDuty: it was open for longer than the service allows", ">Resolved</span>")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Resolved by its monitoring (Checkout API)"),
        ({"integration": "Datadog"}, "Resolved by its monitoring (Datadog)"),
        ({"channel": "email"}, "Resolved by its monitoring (Checkout API)"),
        ({"channel": "nagios", "integration": "Icinga"}, "Resolved by its monitoring (Icinga)"),
    ],
)
def test_what_monitoring_resolves_is_told_as_its_doing(
    hub: Hub, sandbox: Sandbox, given: dict[str, str], words: str
) -> None:
    name, page = reported(hub, sandbox)
    act(sandbox, page, "resolve", "", **given)
    text = shown(hub, name, words, ">Resolved</span>")
    assert "open for longer" not in text
    told = eventually(lambda: [one["text"] for one in sandbox.messages(name) if one["text"].startswith("Resolved")])
    assert len(told) == 1
    assert told[0].startswith("Resolved. "), "the channel and the reporter hear nothing of a time-out, either"


def test_what_dana_resolved_before_is_not_hers_when_monitoring_resolves_it_again(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    hub.dana.post(f"/incidents/{name}/actions/resolve", {"press": str(uuid4())})
    eventually(lambda: incident(sandbox, page)["status"] == "resolved")
    act(sandbox, page, "reopen")
    act(sandbox, page, "resolve", "")
    shown(hub, name, "Resolved by Dana Okafor", "Resolved by its monitoring (Checkout API)")


def test_an_acknowledgement_that_runs_out_is_told(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox, service_name="Data Warehouse")
    act(sandbox, page, "acknowledge", "Ana Costa")
    shown(hub, name, "Acknowledged by Ana Costa")
    sandbox.advance(1801)
    shown(hub, name, "No longer acknowledged: the time for it ran out", "Nobody has acknowledged it.")


def test_one_that_is_merged_into_another_says_into_which(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.switch(merging_api_incidents="accepted")
    one, page = reported(hub, sandbox)
    other, into = reported(hub, sandbox, title="All payments fail")
    act(sandbox, page, "merge", into=into)
    shown(hub, one, "Resolved", "merged into", "All payments fail")
    shown(hub, other, "Merged “Card payments fail with 502 at checkout” into this incident by Mei Tanaka")


def test_a_change_to_a_resolved_incident_arrives_without_any_webhook(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    act(sandbox, page, "resolve")
    shown(hub, name, "Resolved by Mei Tanaka")
    act(sandbox, page, "note", content="It was the pool")
    act(sandbox, page, "priority", priority="P5")
    shown(hub, name, "It was the pool", "Priority changed from P1 to P5")
    eventually(lambda: hub.incident(name)["priority_id"] == hub.priority_id("P5"))


# ── how often PagerDuty is asked ──────────────────────────────────────────────────────────────────


def test_a_hub_that_was_away_reads_what_it_missed(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.start()
    name, page = reported(hub, sandbox)
    hub.read_log_now()
    eventually(lambda: hub.rows("SELECT * FROM incidents_readupto WHERE name = 'log'"))
    hub.stop()
    act(sandbox, page, "acknowledge")
    for number in range(130):
        act(sandbox, page, "note", content=f"Note {number}")
    act(sandbox, page, "resolve")
    hub.start()
    hub.poll_now()
    wanted = {one["id"] for one in ask(sandbox, f"/incidents/{page}/log_entries", limit=100)["log_entries"]}
    eventually(lambda: wanted <= {row["log_entry_id"] for row in timeline(hub, name)})
    assert len([text for text in texts(hub, name) if text.startswith("Note by")]) == 131  # one is our own


@pytest.mark.parametrize("order", ["newest first", "oldest first"])
def test_a_log_that_is_too_much_to_be_read_at_once_is_caught_up_with_in_few_calls(
    make_hub: Callable[..., Hub], quiet_sandbox: Sandbox, order: str
) -> None:
    sandbox, hub = quiet_sandbox, make_hub()
    hub.sandbox = sandbox
    sandbox.switch(log_order=order)
    hub.start()
    name, page = reported(hub, sandbox)
    act(sandbox, page, "acknowledge")
    hub.read_log_now()
    eventually(lambda: hub.rows("SELECT * FROM incidents_readupto WHERE name = 'log'"))
    hub.stop()
    with ThreadPoolExecutor(8) as pool:
        for notes in (50, 1200, 50):  # it is quiet for a while, then comes a storm, then it is quiet again
            list(pool.map(lambda number: act(sandbox, page, "note", content=f"Note {number}"), range(notes)))
            sandbox.advance(300)
    sandbox.control("/calls", method="DELETE")
    hub.start()
    hub.read_log_now()
    wanted = {one["id"] for one in all_of_log(sandbox, page)}
    eventually(lambda: wanted <= {row["log_entry_id"] for row in timeline(hub, name)}, within=60)
    eventually(lambda: hub.incident(name)["status"] == "acknowledged")
    assert len([text for text in texts(hub, name) if text.startswith("Note by")]) == 1301  # one is our own
    assert len(sandbox.calls("GET /log_entries")) < 60


def test_a_storm_of_this_minute_is_read_as_far_as_few_calls_tell_and_for_good_when_it_is_over(
    make_hub: Callable[..., Hub], quiet_sandbox: Sandbox
) -> None:
    sandbox, hub = quiet_sandbox, make_hub()
    hub.sandbox = sandbox
    hub.start()
    name, page = reported(hub, sandbox)
    act(sandbox, page, "acknowledge")
    hub.does("log")
    hub.stop()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: act(sandbox, page, "note", content=f"Note {number}"), range(1200)))
    sandbox.control("/calls", method="DELETE")
    hub.start()
    for _ in range(3):
        hub.does("log")
    assert len(sandbox.calls("GET /log_entries")) <= 4 * 5, "it may have been read once by itself"
    assert len([text for text in texts(hub, name) if text.startswith("Note by")]) >= 500
    sandbox.advance(300)
    hub.read_log_now()
    wanted = {one["id"] for one in all_of_log(sandbox, page)}
    eventually(lambda: wanted <= {row["log_entry_id"] for row in timeline(hub, name)}, within=60)


def all_of_log(sandbox: Sandbox, page: str) -> list[Json]:
    found: list[Json] = []
    while True:
        part = ask(sandbox, f"/incidents/{page}/log_entries", limit=100, offset=len(found))
        found += part["log_entries"]
        if not part["more"]:
            return found


def test_what_was_resolved_together_is_read_as_a_list(make_hub: Callable[..., Hub], quiet_sandbox: Sandbox) -> None:
    sandbox, hub = quiet_sandbox, make_hub()
    hub.sandbox = sandbox
    hub.start()
    names = [reported(hub, sandbox, title=f"Search is down {number}")[0] for number in range(4)]
    eventually(lambda: not hub.rows("SELECT id FROM incidents WHERE stale_since IS NOT NULL"))
    eventually(lambda: all_put_off(hub))
    hub.stop()
    for name in names:
        act(sandbox, sandbox.page_of(name)["id"], "resolve")
    before = len(sandbox.calls("GET /incidents/{id}"))
    hub.start()
    hub.read_list_now()
    eventually(lambda: all(hub.incident(name)["status"] == "resolved" for name in names))
    assert len(sandbox.calls("GET /incidents/{id}")) == before


def test_when_pagerduty_is_nearly_full_only_pages_go_out(make_hub: Callable[..., Hub], quiet_sandbox: Sandbox) -> None:
    sandbox, hub = quiet_sandbox, make_hub()
    hub.sandbox = sandbox
    hub.start()
    reported(hub, sandbox)
    # Somebody else uses up what there is, of the few calls of one kind that are allowed.
    sandbox.switch(oncalls_limit="6")
    for _ in range(5):
        ask(sandbox, "/oncalls", key=company.PAGERDUTY_KEY)
    hub.read_directory_now()
    eventually(lambda: len(sandbox.calls("GET /oncalls")) >= 7)
    hub.poll_now()
    eventually(lambda: hub.rows("SELECT id FROM jobs_step WHERE name = 'poll' AND error LIKE '%%for paging%%'"))
    before = len(sandbox.calls("POST /incidents"))
    name = hub.dana.post("/report", report_form(hub, title="Search is down")).incident
    eventually(lambda: hub.incident(name)["pagerduty_id"])
    assert len(sandbox.calls("POST /incidents")) == before + 1


def test_one_that_cannot_be_read_keeps_nobody_from_what_is_known(hub: Hub, sandbox: Sandbox) -> None:
    one, first = reported(hub, sandbox)
    other, second = reported(hub, sandbox)
    hub.poll_now()
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    sandbox.plant("pagerduty", "incidents", first, delete=True)  # it leaves the list, and is read by itself
    act(sandbox, second, "acknowledge")
    hub.does("poll")
    assert hub.incident(other)["status"] == "acknowledged"
    assert (hub.incident(one)["status"], hub.incident(one)["missing_at"]) == ("triggered", None)


def test_one_that_cannot_be_read_lets_others_go_first(make_hub: Callable[..., Hub], quiet_sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.sandbox = sandbox = quiet_sandbox  # another hub's calls would have the faults of this one's
    hub.start()
    for _ in range(2):
        reported(hub, sandbox)
    stale = "SELECT id FROM incidents WHERE stale_since IS NOT NULL"
    eventually(lambda: not hub.rows(stale))
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}", every=2)
    hub.rows("UPDATE incidents SET stale_since = %s", "2026-01-01 00:00:00")
    hub.does("changed")
    assert len(hub.rows(stale)) == 1, "what was read is kept"
    sandbox.mend()
    eventually(lambda: not hub.rows(stale), within=45)


def test_more_people_on_call_than_one_list_tells_are_all_known(
    make_hub: Callable[..., Hub], quiet_sandbox: Sandbox
) -> None:
    """A list ends at its 10,000th row, and whoever comes after it would count as nobody."""
    sandbox, hub = quiet_sandbox, make_hub()
    sandbox.switch(rate_limits="off")
    ten = [{"id": one["id"], "type": "user_reference"} for one in sandbox.state["pagerduty"]["users"]][:10]
    rules = [{"escalation_delay_in_minutes": 5, "targets": ten}] * 3
    with ThreadPoolExecutor(8) as pool:
        for number in range(340):
            policy = {"type": "escalation_policy", "name": f"Team {number}", "escalation_rules": rules}
            pool.submit(ask, sandbox, "/escalation_policies", {"escalation_policy": policy})
    hub.sandbox = sandbox
    hub.start()
    known = """SELECT count(*) AS n FROM incidents_oncall
               WHERE policy_id IN (SELECT id FROM incidents_escalationpolicy WHERE name LIKE 'Team %%')"""
    eventually(lambda: hub.rows(known)[0]["n"] == 340 * 30, within=60)


def test_a_long_open_list_is_read_the_less_often(make_hub: Callable[..., Hub], quiet_sandbox: Sandbox) -> None:
    sandbox, hub = quiet_sandbox, make_hub()
    sandbox.switch(rate_limits="off")
    hub.sandbox = sandbox
    hub.start()
    name, page = reported(hub, sandbox)
    service = {"id": incident(sandbox, page)["service"]["id"], "type": "service_reference"}
    with ThreadPoolExecutor(8) as pool:
        for number in range(401):
            about = {"type": "incident", "title": f"Disk {number} is full", "service": service}
            pool.submit(ask, sandbox, "/incidents", {"incident": about})
    hub.does("poll")
    (poll,) = hub.rows("SELECT run_at, finished_at FROM jobs_step WHERE name = 'poll'")
    run_at, finished_at = (datetime.fromisoformat(str(poll[name])) for name in ("run_at", "finished_at"))
    assert 24 < (run_at - finished_at).total_seconds() < 26, "five calls, twelve a minute"

    # What the log tells is not left to that list.
    act(sandbox, page, "acknowledge")
    hub.does("log")
    eventually(lambda: hub.incident(name)["status"] == "acknowledged", within=8)


def test_the_budget_of_calls_is_one_whichever_process_polls_and_whatever_is_killed(
    make_hub: Callable[..., Hub], quiet_sandbox: Sandbox
) -> None:
    sandbox, hub = quiet_sandbox, make_hub()
    hub.sandbox = sandbox
    hub.start()
    hub.does("directory")
    services, priorities = [hub.service_id("Search")], [hub.priority_id(f"P{n}") for n in range(1, 6)]
    hub.stop()
    long_ago = history.incidents(200, services=services, priorities=priorities, now=datetime.now(UTC))
    history.write(hub, islice(long_ago, history.OPEN, None))
    hub.rows("UPDATE incidents SET stale_since = %s", "2026-01-01 00:00:00")
    began = time.monotonic()
    for _ in range(3):
        hub.start()
        for _ in range(10):
            hub.does("changed")
        hub.kill()
    used = 2 * len(sandbox.calls("GET /incidents/{id}"))  # one of two each: what is not there has no log to be read
    assert used > 70, "what there is is used"
    assert used <= 75 + 75 / 60 * (time.monotonic() - began)


def test_pages_ask_pagerduty_nothing_however_many_look(make_hub: Callable[..., Hub], quiet_sandbox: Sandbox) -> None:
    sandbox, hub = quiet_sandbox, make_hub()
    hub.sandbox = sandbox
    hub.start()
    name, _ = reported(hub, sandbox)
    eventually(lambda: not hub.incident(name)["stale_since"])
    eventually(lambda: all_put_off(hub))
    before = len(sandbox.calls())
    for _ in range(10):
        hub.dana.get(f"/incidents/{name}")
        hub.dana.get("/")
    assert len(sandbox.calls()) == before


def all_put_off(hub: Hub) -> bool:
    """No step runs any more, and none will."""
    late = "2100-01-01 00:00:00"
    hub.rows("UPDATE jobs_step SET run_at = %s WHERE state = 'waiting'", late)
    soon = "SELECT id FROM jobs_step WHERE state IN ('running', 'looking') OR (state = 'waiting' AND run_at < %s)"
    return not hub.rows(soon, late)


def test_what_pagerduty_did_not_have_for_a_moment_is_followed_again(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)
    page = sandbox.page_of(name)["id"]
    hub.rows("UPDATE incidents SET missing_at = CURRENT_TIMESTAMP WHERE id = %s", name)  # as after a 404
    hub.does("poll")
    act(sandbox, page, "resolve")
    hub.does("poll")
    assert hub.incident(name)["status"] == "resolved"


def test_where_everything_is_refused_for_a_while_nothing_is_hidden(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    name, page = reported(hub, sandbox)
    eventually(lambda: hub.incident(name)["stale_since"] is None)
    sandbox.fault("pagerduty", "missing-scope")  # 403
    hub.does("poll", well=False)
    hub.rows("UPDATE incidents SET stale_since = %s", "2026-01-01 00:00:00")
    hub.does("changed", well=False)
    row = hub.incident(name)
    assert (row["missing_at"], bool(row["stale_since"])) == (None, True)
    act(sandbox, page, "resolve")
    sandbox.mend()
    eventually(lambda: hub.incident(name)["status"] == "resolved", within=30)


def test_one_that_was_missing_is_read_when_something_is_heard_of_it(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    subscribe(hub, sandbox)
    hub.rows("UPDATE jobs_step SET run_at = '2100-01-01 00:00:00' WHERE name = 'poll' AND state = 'waiting'")
    hub.rows("UPDATE incidents SET missing_at = CURRENT_TIMESTAMP WHERE id = %s", name)
    act(sandbox, page, "acknowledge")
    eventually(lambda: hub.incident(name)["status"] == "acknowledged")
    assert hub.incident(name)["missing_at"] is None
    hub.does("poll")


def test_an_acknowledgement_by_nobody_that_pagerduty_can_name_is_one(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    name, page = reported(hub, sandbox)
    sandbox.control("/switches", {"pagerduty": {"odd_rows": "people"}})
    act(sandbox, page, "acknowledge")
    hub.does("poll", "log")
    assert hub.incident(name)["status"] == "acknowledged"
    sandbox.control("/switches", {"pagerduty": {"odd_rows": "none"}})


def test_a_row_that_cannot_be_understood_keeps_nothing_else_from_being_read(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    odd, first = reported(hub, sandbox)
    other, second = reported(hub, sandbox)
    hub.does("poll", "log", "changed")
    sandbox.control("/switches", {"pagerduty": {"odd_rows": "rows"}})
    act(sandbox, first, "acknowledge")
    act(sandbox, second, "note", content="It was the logs")
    edit(sandbox, second, title="Disk full")
    hub.does("poll", "log")
    assert hub.incident(other)["title"] == "Disk full"
    assert (hub.incident(odd)["status"], hub.incident(odd)["missing_at"]) == ("triggered", None)
    assert "cannot be understood" in hub.log
    sandbox.control("/switches", {"pagerduty": {"odd_rows": "none"}})
    hub.does("poll", "log")
    assert hub.incident(odd)["status"] == "acknowledged"
    assert "It was the logs" in hub.dana.get(f"/incidents/{other}").text


def test_one_that_cannot_be_read_delays_no_webhook_of_another(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.start()
    odd, first = reported(hub, sandbox)
    other, second = reported(hub, sandbox)
    subscribe(hub, sandbox)
    hub.does("poll", "log", "changed")
    sandbox.control("/switches", {"pagerduty": {"odd_rows": "rows"}})
    act(sandbox, first, "acknowledge")
    time.sleep(8)  # it is tried again meanwhile, and later each time
    hub.rows("UPDATE jobs_step SET run_at = '2100-01-01 00:00:00' WHERE name IN ('poll', 'log') AND state = 'waiting'")
    act(sandbox, second, "resolve")
    eventually(lambda: hub.incident(other)["status"] == "resolved", within=4)
    sandbox.control("/switches", {"pagerduty": {"odd_rows": "none"}})
    hub.does("poll")
    assert hub.incident(odd)["status"] == "acknowledged"


def test_what_pagerduty_does_not_show_any_more_says_so_reminds_nobody_and_is_over_when_somebody_says_so(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    name, page = reported(hub, sandbox)
    sandbox.plant("pagerduty", "incidents", page, set={"status_changed_at": time.time() - 301})
    hub.does("poll", "log", "changed")
    sandbox.plant("pagerduty", "incidents", page, delete=True)
    hub.does("poll")
    for _ in range(2):  # asked again, it says so no second time
        hub.rows("UPDATE incidents SET stale_since = %s", "2026-01-01 00:00:00")
        hub.does("changed", "remind")
    text = hub.dana.get(f"/incidents/{name}").text
    assert "<strong>PagerDuty has not shown this incident to Incident Central since" in text
    assert "Nobody has acknowledged" not in text
    assert '<td data-col="who">PagerDuty does not show it</td>' in hub.dana.get("/").text
    assert texts(hub, name).count("PagerDuty does not show it any more") == 1
    assert hub.incident(name)["reminded_of"] is None
    assert "phone whoever is on call" in text
    assert "Reported. PagerDuty does not show it any more." in hub.dana.get(f"/incidents/{name}/responding").text
    hub.rows("UPDATE incidents SET status = 'acknowledged', acknowledged_by = 'Mei Tanaka' WHERE id = %s", name)
    assert '<td data-col="who">Mei Tanaka</td>' in hub.dana.get("/").text
    hub.dana.post(f"/incidents/{name}/actions/resolve", {"press": str(uuid4())})
    eventually(lambda: hub.incident(name)["status"] == "resolved")
    assert texts(hub, name)[-1] == "Resolved by Dana Okafor"
    query = "SELECT s.state FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id WHERE j.workflow = 'action'"
    eventually(lambda: {row["state"] for row in hub.rows(query)} <= {"done", "off"})
    assert "PagerDuty has not shown" not in hub.dana.get(f"/incidents/{name}").text


def test_what_pagerduty_shows_again_is_as_pagerduty_says(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    hub.does("poll", "log", "changed")
    limited = sandbox.fault("pagerduty", "missing-scope", method="GET /incidents/{id}")
    hub.rows("UPDATE incidents SET stale_since = '2026-01-01 00:00:00' WHERE id = %s", name)
    hub.does("changed")
    assert hub.incident(name)["missing_at"]
    sandbox.control(f"/faults/{limited}", method="DELETE")
    hub.rows("UPDATE incidents SET status = 'resolved', resolved_at = CURRENT_TIMESTAMP WHERE id = %s", name)
    hub.does("poll")
    assert (hub.incident(name)["status"], hub.incident(name)["missing_at"]) == ("triggered", None)
    assert texts(hub, name).count("PagerDuty shows it again") == 1
    # Where nothing was said before, nothing is said now: as of one that an earlier Incident Central did not find.
    hub.rows("UPDATE incidents SET missing_at = CURRENT_TIMESTAMP WHERE id = %s", name)
    hub.does("poll")
    assert texts(hub, name).count("PagerDuty shows it again") == 1
    hub.rows("UPDATE incidents SET missing_at = CURRENT_TIMESTAMP WHERE id = %s", name)
    hub.dana.post(f"/incidents/{name}/actions/resolve", {"press": str(uuid4())})
    eventually(lambda: incident(sandbox, page)["status"] == "resolved")
    eventually(lambda: hub.incident(name)["status"] == "resolved")


def test_a_list_that_comes_late_shows_nothing_that_is_missing_by_now(
    make_hub: Callable[..., Hub], quiet_sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.sandbox = sandbox = quiet_sandbox  # another hub's calls would have the faults of this one's
    hub.start()
    name, page = reported(hub, sandbox)
    hub.does("poll", "log", "changed")
    polls = len(sandbox.calls("GET /incidents"))
    sandbox.fault("pagerduty", "late", method="GET /incidents", seconds=5, times=1)
    hub.poll_now()
    eventually(lambda: len(sandbox.calls("GET /incidents")) > polls)
    sandbox.plant("pagerduty", "incidents", page, delete=True)
    hub.rows("UPDATE incidents SET stale_since = '2026-01-01 00:00:00' WHERE id = %s", name)
    hub.does("changed")
    eventually(lambda: hub.incident(name)["missing_at"], within=4)  # one that was ending may have been waited for
    eventually(lambda: not hub.rows("SELECT 1 FROM jobs_step WHERE name = 'poll' AND state <> 'waiting'"))
    assert sandbox.calls("GET /incidents")[polls]["finished_at"]
    assert hub.incident(name)["missing_at"]
    assert "PagerDuty shows it again" not in texts(hub, name)


def test_whoever_acknowledged_on_a_higher_level_has_reached_it(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    assert hub.incident(name)["escalation_level"] == 1
    edit(sandbox, page, escalation_level=2)
    act(sandbox, page, "acknowledge", "Oskar Lindqvist")
    hub.does("poll")
    assert hub.incident(name)["escalation_level"] == 2


@pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="session")
def test_who_pressed_keeps_their_name_though_pagerdutys_clock_is_behind(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    with psycopg.connect(hub.database_url, autocommit=True) as session:
        put_ahead(session, "5 minutes")
    hub.start()
    name, _ = reported(hub, sandbox)
    faults = [sandbox.fault("pagerduty", "500", method=f"GET {one}log_entries") for one in ("/", "/incidents/{id}/")]
    hub.dana.post(f"/incidents/{name}/actions/acknowledge", {"press": str(uuid4())})
    eventually(lambda: hub.incident(name)["status"] == "acknowledged")
    for one in faults:
        sandbox.control(f"/faults/{one}", method="DELETE")
    logged = "SELECT text FROM incidents_timelineentry WHERE log_entry_id IS NOT NULL AND text LIKE 'Acknowledged by%%'"
    eventually(lambda: hub.rows(logged), within=40)
    assert [row["text"] for row in hub.rows(logged)] == ["Acknowledged by Dana Okafor"]


def test_when_its_log_alone_does_not_answer_the_pages_say_how_old_they_are(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)
    sandbox.fault("pagerduty", "500", method="GET /log_entries")
    hub.does("log", well=False)
    told = "may not be here yet."
    assert told not in hub.dana.get("/").text, "that may happen, and is soon made up for"
    hub.rows("UPDATE jobs_step SET finished_at = '2020-01-01 00:00:00' WHERE name = 'log'")
    eventually(lambda: told in hub.dana.get("/").text)
    assert told in hub.dana.get(f"/incidents/{name}").text
    sandbox.mend()
    hub.does("log")
    eventually(lambda: told not in hub.dana.get("/").text)


def test_edits_by_the_api_are_shown(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    edit(sandbox, page, title="Renamed by a script", priority=None)
    shown(hub, name, "Renamed by a script", "Priority changed from P1 to none")
