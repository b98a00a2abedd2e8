"""PagerDuty and Slack fail in every way they can, many responses under way: each report is answered once all the same.

What one call alone may meet is in tests/test_trouble.py.
"""

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.clocks import put_ahead, put_right
from tests.crash.account import assert_each_once
from tests.crash.lives import Lives
from tests.crash.replicas import all_finished, report_all
from tests.crash.slow_names import WAITS
from tests.crash.test_worker import on_postgresql, on_sqlite
from tests.pagerduty import act, ask, subscribe
from tests.processes import Hub, Json, Sandbox, eventually
from tests.test_trouble import assert_everything_once, report

CREATE = "conversations.create"
WRITES = {
    "POST /incidents",
    "POST /incidents/{id}/notes",
    "bookmarks.add",
    "chat.postMessage",
    "conversations.create",
    "conversations.invite",
    "conversations.setTopic",
    "pins.add",
}


# ── many at once ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["answer-lost", "truncated", "gateway-timeout", "answer-lost-hang", "reset"])
def test_every_second_write_is_in_doubt(make_hub: Callable[..., Hub], unlimited: Sandbox, kind: str) -> None:
    """Done and not told, or, with "reset", not done at all: only a look tells which."""
    sandbox, hub = unlimited, make_hub()
    hub.start()
    # One that hangs holds its response up for ten seconds, so there are fewer of those.
    times = 1 if kind == "answer-lost-hang" else 5
    for method in WRITES:
        sandbox.fault("*", kind, method=method, every=2, times=times)
    names = report_all([hub], each=10)
    eventually(lambda: all_finished(hub), within=90)
    assert_each_once(hub, sandbox, names)
    assert Counter(call["method"] for call in sandbox.calls() if call["fault"]) == dict.fromkeys(WRITES, times)


def test_one_call_in_ten_fails_in_one_way_or_another(make_hub: Callable[..., Hub], unlimited: Sandbox) -> None:
    sandbox, hub = unlimited, make_hub()
    hub.start()
    kinds = ["500", "429", "429-bare", "html", "html-200", "truncated", "gateway-timeout", "reset"]
    for kind in kinds:
        sandbox.fault("*", kind, every=9 * len(kinds), seconds=2)
    began = time.time()
    names = report_all([hub], each=25)
    eventually(lambda: all_finished(hub), within=90)
    sandbox.mend()
    assert_each_once(hub, sandbox, names)
    calls = sandbox.calls(since=began)
    failed = [call for call in calls if call["fault"]]
    assert {call["fault"] for call in failed} == set(kinds)
    assert len(failed) > 0.07 * len(calls)
    for refused in (call for call in failed if call["fault"] == "429"):
        told = refused["finished_at"]
        early = [one for one in calls if _same(one, refused) and told < one["arrived_at"] < told + 2]
        assert not [one for one in early if one["method"] in WRITES and _same_again(one, refused)]
        # Of another step, one that had left already when the refusal was read may still arrive.
        assert not [one for one in early if one["arrived_at"] > told + ON_ITS_WAY]


#: Seconds that a call is under way at most, on a busy machine, to a sandbox that answers at once.
ON_ITS_WAY = 0.1


def _same(one: Json, other: Json) -> bool:
    return (one["provider"], one["method"]) == (other["provider"], other["method"])


def _same_again(one: Json, other: Json) -> bool:
    return (one["path"], one["body"]) == (other["path"], other["body"])


SLACK_THREADS = 16


@pytest.mark.parametrize("method", ["conversations.create", "chat.postMessage"])
def test_slack_hangs_under_twenty_reports_and_every_page_leaves_at_once(
    make_hub: Callable[..., Hub], unlimited: Sandbox, method: str
) -> None:
    """More calls hang than Slack has threads, or the database connections: the first of each response, for which the
    database is not asked, or such as follow."""
    sandbox, hub = unlimited, make_hub()
    hub.start()
    sandbox.fault("slack", "hung", method=method)
    names = report_all([hub], each=20)
    eventually(lambda: len(sandbox.calls(method)) >= SLACK_THREADS)
    names += report_all([hub], each=1)
    eventually(lambda: len(sandbox.pages) == 21)
    assert not [call for call in sandbox.calls(method) if call["finished_at"]], "none has timed out yet"
    assert hub.answers("/readyz")
    sandbox.mend()
    eventually(lambda: all_finished(hub), within=60)
    assert_each_once(hub, sandbox, names)


@on_sqlite
def test_what_is_still_connecting_when_slack_limits_us_does_not_leave_before_its_retry_after(
    make_hub: Callable[..., Hub], unlimited: Sandbox, tmp_path: Path
) -> None:
    """Connections that are there are taken by the first calls; those that need a new one wait for its name."""
    sandbox, hub, no_names = unlimited, make_hub(), tmp_path / "no-names"
    hub.launcher = ("tests.crash.slow_names", str(no_names))
    hub.start()
    eventually(lambda: sandbox.calls("users.list"))
    sandbox.control("/latency", {"slack": 1.5})
    sandbox.fault("slack", "429", method="conversations.create", seconds=6, times=1)
    no_names.touch()
    names = report_all([hub], each=14)
    eventually(lambda: hub.rows("SELECT id FROM jobs_step WHERE name = 'open_channel' AND error LIKE '%429%'"))
    told = time.time()
    assert hub.log.count(WAITS) >= 8
    no_names.unlink()
    sandbox.control("/latency", {"slack": 0})
    eventually(lambda: all_finished(hub), within=40)
    calls = sandbox.calls("conversations.create")
    (refused,) = (call for call in calls if call["status"] == 429)
    assert not [call for call in calls if told < call["arrived_at"] < refused["finished_at"] + 6]
    assert_each_once(hub, sandbox, names)


def test_who_was_phoned_while_every_thread_was_taken_is_not_paged(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    """The last page is as good as under way, and waits for one of those that hang."""
    sandbox, hub = unlimited, make_hub()
    hub.start()
    sandbox.fault("pagerduty", "hung", method="POST /incidents")
    for _ in range(6):  # all at once, some would go by way of the journal, which has threads of its own
        report_all([hub], each=4)
    eventually(lambda: len(sandbox.calls("POST /incidents")) == 24)
    last = report(hub)
    hub.dana.post(f"/incidents/{last}/steps/page", {"done": "by-hand"})
    time.sleep(0.5)  # what was claimed a moment ago is not read again
    sandbox.mend()
    assert hub.finished(last)["page"]["state"] == "by-hand"
    eventually(lambda: all_finished(hub), within=60)
    assert last not in {page["key"] for page in sandbox.pages}
    assert len(sandbox.pages) == 24


# ── the page in doubt ─────────────────────────────────────────────────────────────────────────────


def test_while_look_ups_fail_it_pages_again_after_half_a_minute_and_not_before(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    sandbox.fault("pagerduty", "500", method="GET /incidents")
    open_one = _page_in_doubt(hub, sandbox, "answer-lost")
    resolved = _page_in_doubt(hub, sandbox, "answer-lost")
    never = _page_in_doubt(hub, sandbox, "reset")
    sandbox.resolve(sandbox.page_of(resolved)["id"], sandbox.user_id("Mei Tanaka"))

    posts = {name: eventually(partial(_twice, sandbox, name), within=60) for name in (open_one, resolved, never)}
    for first, second, *_ in posts.values():
        assert second["arrived_at"] > first["finished_at"] + 30
    assert posts[open_one][1]["status"] == 400, "PagerDuty refuses a second one while the first is open"
    assert posts[never][1]["status"] == 201, "a possible second page beats none"
    _, second_page = [page for page in sandbox.pages if page["key"] == resolved]  # the one case that we name
    eventually(lambda: hub.steps(never)["page"]["state"] == "done")

    sandbox.mend()
    for name in (open_one, never):
        hub.finished(name)
        assert_everything_once(hub, sandbox, name)
    hub.finished(resolved)
    assert hub.incident(resolved)["pagerduty_id"] == second_page["id"]


def _page_in_doubt(hub: Hub, sandbox: Sandbox, kind: str) -> str:
    sandbox.fault("pagerduty", kind, method="POST /incidents", times=1)
    name = report(hub)
    eventually(lambda: hub.steps(name)["page"]["doubtful_since"])
    return name


def _twice(sandbox: Sandbox, name: str) -> list[Json]:
    """The calls that paged for it, once there are two."""
    calls = [one for one in sandbox.calls("POST /incidents") if one["body"]["incident"]["incident_key"] == name]
    assert len([one for one in calls if one["finished_at"]]) >= 2
    return calls


def test_a_page_of_our_key_from_before_the_report_is_not_taken_for_ours(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    """It is of an incident that a database had which was lost: a name may be drawn again."""
    hub = make_hub()
    hub.start()
    lookups = sandbox.fault("pagerduty", "500", method="GET /incidents")
    name = _page_in_doubt(hub, sandbox, "reset")
    service = {"id": hub.service_id("Checkout API"), "type": "service_reference"}
    page = {"type": "incident", "title": "Long over", "service": service, "incident_key": name}
    former = ask(sandbox, "/incidents", {"incident": page})["incident"]["id"]
    sandbox.resolve(former, sandbox.user_id("Mei Tanaka"))
    sandbox.plant("pagerduty", "incidents", former, set={"created_at": time.time() - 2 * 24 * 3600})
    sandbox.control(f"/faults/{lookups}", method="DELETE")
    hub.finished(name)
    (ours,) = [one["id"] for one in sandbox.pages if one["key"] == name and one["id"] != former]
    assert hub.incident(name)["pagerduty_id"] == ours


def test_pages_that_are_not_listed_for_ten_seconds_are_refused_and_found(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    sandbox, hub = unlimited, make_hub()
    hub.start()
    sandbox.control("/switches", {"pagerduty": {"listed_after": "10"}})
    sandbox.fault("pagerduty", "answer-lost", method="POST /incidents", times=5)
    names = report_all([hub], each=5)
    eventually(lambda: all_finished(hub), within=60)
    assert_each_once(hub, sandbox, names)
    assert {call["error"].partition(":")[0] for call in sandbox.calls("POST /incidents") if call["status"] == 400} == {
        "Arguments Caused Error"
    }


def test_what_may_have_got_through_is_looked_for_though_it_was_not_found_before(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    """The page is made and not listed yet, the second try is refused for a while, and somebody resolves the page."""
    sandbox, hub = unlimited, make_hub()
    hub.start()
    sandbox.control("/switches", {"pagerduty": {"listed_after": "10"}})
    sandbox.fault("pagerduty", "answer-lost", method="POST /incidents", times=1)
    name = report(hub)
    page = eventually(lambda: sandbox.page_of(name))
    sandbox.fault("pagerduty", "429", method="POST /incidents", times=1, seconds=12)
    eventually(lambda: [one for one in sandbox.calls("POST /incidents") if one["status"] == 429])
    sandbox.resolve(page["id"], sandbox.user_id("Mei Tanaka"))
    hub.finished_in_time(name)
    assert [one["id"] for one in sandbox.pages if one["key"] == name] == [page["id"]]
    assert hub.incident(name)["pagerduty_id"] == page["id"]


def test_where_it_may_not_be_looked_for_a_page_leaves_after_half_a_minute(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    sandbox, hub = unlimited, make_hub()
    hub.start()
    sandbox.fault("pagerduty", "429", method="GET /incidents", seconds=100)
    sandbox.fault("pagerduty", "reset", method="POST /incidents", times=1)
    name = report(hub)
    eventually(lambda: sandbox.page_of(name), within=45)
    assert len(sandbox.calls("POST /incidents")) == 2


def test_the_time_in_which_nobody_looked_for_a_page_does_not_count(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    looks_fail = sandbox.fault("pagerduty", "500", method="GET /incidents")
    name = _page_in_doubt(hub, sandbox, "answer-lost")
    sandbox.resolve(sandbox.page_of(name)["id"], sandbox.user_id("Mei Tanaka"))  # or PagerDuty would refuse another
    hub.kill()
    # As if it had been down for years, and was killed between two looks.
    ours = "name = 'page' AND job_id IN (SELECT id FROM jobs_job WHERE key = %s)"
    was_waiting = "state = 'waiting', owner = '', lease_until = NULL, doubtful_since = %s, run_at = %s"
    hub.rows(f"UPDATE jobs_step SET {was_waiting} WHERE {ours}", "2020-01-01 00:00:00", "2020-01-01 00:00:05", name)  # noqa: S608
    looked = len(sandbox.calls("GET /incidents"))

    hub.start()
    eventually(lambda: len(sandbox.calls("GET /incidents")) >= looked + 6)
    assert len(sandbox.calls("POST /incidents")) == 1
    sandbox.control(f"/faults/{looks_fail}", method="DELETE")
    hub.finished(name)
    assert len([page for page in sandbox.pages if page["key"] == name]) == 1


@on_postgresql
def test_a_clock_that_is_set_back_puts_nothing_to_sleep(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub()
    with psycopg.connect(hub.database_url, autocommit=True) as session:
        put_ahead(session, "1 hour")
        hub.start()
        sandbox.fault("slack", "500", method="conversations.create")
        names = [report(hub) for _ in range(2)]
        eventually(lambda: all(hub.steps(name)["open_channel"]["attempts"] for name in names))
        waits, abandoned = names
        # Its owner has no lock that could show that it is dead, so only its lease does.
        taken = """UPDATE jobs_step SET state = 'running', owner = 'lease-1', run_at = NULL,
                       lease_until = clock_timestamp() + interval '28 s'
                   WHERE state = 'waiting' AND name = 'open_channel'
                     AND job_id IN (SELECT id FROM jobs_job WHERE key = %s) RETURNING id"""
        eventually(lambda: hub.rows(taken, abandoned))
        put_right(session)
    sandbox.mend()
    hub.finished(waits)
    eventually(lambda: hub.finished(abandoned), within=45)
    for name in names:
        assert_everything_once(hub, sandbox, name)
    # Nor is what PagerDuty says now taken for older than what it said an hour ahead.
    sandbox.acknowledge(sandbox.page_of(waits)["id"], sandbox.user_id("Mei Tanaka"))
    eventually(lambda: hub.incident(waits)["status"] == "acknowledged", within=25)


@on_postgresql
def test_a_clock_that_is_set_back_while_it_is_down_puts_nothing_to_sleep(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    with psycopg.connect(hub.database_url, autocommit=True) as session:
        put_ahead(session, "1 hour")
        hub.start()
        sandbox.fault("slack", "500", method="conversations.create")
        name = report(hub)
        eventually(lambda: hub.steps(name)["open_channel"]["attempts"])
        eventually(
            lambda: hub.rows("SELECT id FROM jobs_step WHERE name = 'poll' AND finished_at > now() + interval '50 min'")
        )
        hub.stop()
        put_right(session)
    sandbox.mend()
    hub.start()
    hub.finished(name)
    assert_everything_once(hub, sandbox, name)


def test_an_answer_that_comes_late_does_not_undo_what_was_read_meanwhile(hub: Hub, sandbox: Sandbox) -> None:
    late = sandbox.fault("pagerduty", "late", method="POST /incidents", seconds=8)
    name = report(hub)
    page = eventually(lambda: sandbox.page_of(name))
    sandbox.acknowledge(page["id"], sandbox.user_id("Mei Tanaka"))
    hub.poll_now()
    eventually(lambda: hub.incident(name)["status"] == "acknowledged", within=7)
    assert hub.steps(name)["page"]["state"] == "running"
    sandbox.control(f"/faults/{late}", method="DELETE")
    hub.finished(name)
    assert hub.incident(name)["status"] == "acknowledged"
    # Nor was it undone for a moment, until PagerDuty was read again.
    told = hub.rows("SELECT text FROM incidents_timelineentry WHERE incident_id = %s", name)
    assert [one["text"] for one in told if one["text"].startswith(("No longer", "Reopened"))] == []
    assert_everything_once(hub, sandbox, name)


def test_a_page_unsent_for_four_hours_asks_a_person_first(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "down", method="POST /incidents")
    name = report(hub)
    step = eventually(lambda: (step := hub.steps(name)["page"])["attempts"] and step)
    begun, asks = (datetime.fromisoformat(str(at)) for at in (hub.incident(name)["created_at"], step["ask_at"]))
    assert 0 <= (asks - begun).total_seconds() - 4 * 3600 < 10
    past, ours = "2020-01-01 00:00:00", "SELECT id FROM jobs_job WHERE key = %s"
    hub.rows(f"UPDATE jobs_step SET ask_at = %s WHERE name = 'page' AND job_id IN ({ours})", past, name)  # noqa: S608
    eventually(lambda: hub.steps(name)["page"]["state"] == "failed")
    assert "Press Retry if it is." in hub.steps(name)["page"]["error"]
    sandbox.mend()
    assert [page for page in sandbox.pages if page["key"] == name] == []
    hub.dana.post(f"/incidents/{name}/steps/page", {})
    hub.finished(name)
    assert_everything_once(hub, sandbox, name)


# ── Slack in doubt ────────────────────────────────────────────────────────────────────────────────


def test_somebody_elses_channel_is_not_taken_for_ours(hub: Hub, sandbox: Sandbox) -> None:
    """Ours was not made, the bot is in theirs, and it bears our name."""
    sandbox.fault("slack", "reset", method="conversations.create", times=1)
    lookups = sandbox.fault("slack", "500", method="users.conversations")
    name = report(hub)
    eventually(lambda: hub.steps(name)["open_channel"]["doubtful_since"])
    bot = sandbox.state["slack"]["bot_user_id"]
    sandbox.plant("slack", "channels", create={"name": name, "members": [bot]})
    sandbox.control(f"/faults/{lookups}", method="DELETE")
    hub.finished(name)
    assert hub.incident(name)["slack_channel_name"] == f"{name}-2"
    assert sandbox.messages(name) == []


def test_a_channel_that_another_incident_has_by_now_is_not_taken_for_ours(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    """It was ours, and nobody knew: somebody has said that it is another's."""
    hub = make_hub()
    hub.start()
    sandbox.fault("slack", "answer-lost", method="conversations.create", times=1)
    lookups = sandbox.fault("slack", "500", method="users.conversations")
    name = report(hub)
    eventually(lambda: hub.steps(name)["open_channel"]["doubtful_since"])
    other = report(hub)
    hub.finished(other)
    channel = sandbox.channel_of(name)["id"]
    hub.rows("UPDATE incidents SET slack_channel_id = %s WHERE id = %s", channel, other)
    sandbox.control(f"/faults/{lookups}", method="DELETE")
    hub.finished(name)
    assert hub.incident(name)["slack_channel_name"] == f"{name}-2"
    assert hub.incident(name)["slack_channel_id"] != channel


def test_who_is_missing_is_named_once_though_the_answer_was_lost(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "answer-lost", method="chat.postMessage", times=3)
    name = report(hub, service_name="Data Warehouse")
    hub.finished(name)
    assert len([one for one in sandbox.messages(name) if "should be here" in one["text"]]) == 1
    assert len(sandbox.messages(name)) == 2
    assert len(sandbox.messages("incidents", f"{name}/announcement")) == 1


def test_a_call_that_arrives_after_its_sender_died_is_waited_for(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    """Not found at the first look, since it is still on its way."""
    sandbox, hub = unlimited, make_hub()
    hub.start()
    hub.kill()
    on_their_way = [
        (sandbox.fault("slack", "slow", method=method, times=times, seconds=60), method, times, look)
        for method, times, look in (
            ("conversations.create", 3, "users.conversations"),
            ("chat.postMessage", 6, "conversations.history"),
        )
    ]
    with Lives(hub) as lives:
        lives.begin()
        names = report_all([hub], each=3)
        for fault, method, times, look in on_their_way:
            eventually(lambda: len(sandbox.calls(method)) == times)  # noqa: B023  it is called at once
            lives.kill()
            looked = len(sandbox.calls(look))
            lives.begin()
            eventually(lambda: len(sandbox.calls(look)) >= looked + times)  # noqa: B023
            sandbox.control(f"/faults/{fault}", method="DELETE")
        eventually(lambda: all_finished(hub))
    assert_each_once(hub, sandbox, names)


def test_a_channel_whose_call_never_arrives_is_opened_by_the_next_life_at_once(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    """And that call is let in afterwards, when its name is taken."""
    sandbox, hub = unlimited, make_hub()
    name, on_its_way = _killed_while_it_opens_a_channel(hub, sandbox)
    hub.start()
    eventually(lambda: hub.incident(name)["slack_channel_id"])
    lost, opened = sandbox.calls(CREATE)
    looks = [call for call in sandbox.calls("users.conversations") if lost["id"] < call["id"] < opened["id"]]
    assert len(looks) == 1, "it does not wait for what may be on its way, and look again"
    sandbox.control(f"/faults/{on_its_way}", method="DELETE")
    hub.finished(name)
    eventually(lambda: [call["status"] for call in sandbox.calls(CREATE)] == [200, 200])
    assert_everything_once(hub, sandbox, name)


def test_a_name_that_an_earlier_call_takes_just_after_the_look_is_ours(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    sandbox, hub = unlimited, make_hub()
    name, on_its_way = _killed_while_it_opens_a_channel(hub, sandbox)
    looked = sandbox.fault("slack", "late", method="users.conversations", times=1, seconds=60)
    hub.start(ready=False)
    eventually(lambda: [call for call in sandbox.calls("users.conversations") if call["status"]])
    sandbox.control(f"/faults/{on_its_way}", method="DELETE")
    eventually(lambda: sandbox.calls(CREATE)[0]["finished_at"])
    sandbox.control(f"/faults/{looked}", method="DELETE")  # now it is answered
    hub.finished(name)
    assert len(sandbox.calls(CREATE)) == 2
    assert hub.incident(name)["slack_channel_name"] == name
    assert_everything_once(hub, sandbox, name)


def _killed_while_it_opens_a_channel(hub: Hub, sandbox: Sandbox) -> tuple[str, str]:
    """The incident's name, and the fault that keeps its call on its way until it is lifted."""
    hub.start()
    on_its_way = sandbox.fault("slack", "slow", method=CREATE, times=1, seconds=60)
    name = report(hub)
    eventually(lambda: sandbox.calls(CREATE))
    hub.kill()
    return name, on_its_way


def test_a_step_may_take_longer_than_a_process_may_be_frozen(make_hub: Callable[..., Hub], unlimited: Sandbox) -> None:
    """Three calls of eight seconds each."""
    sandbox, hub = unlimited, make_hub()
    hub.start()
    for method in ("users.lookupByEmail", "conversations.history", "chat.postMessage"):
        sandbox.fault("slack", "slow", method=method, seconds=8)
    name = report(hub, service_name="Data Warehouse")
    eventually(lambda: hub.steps(name)["find_missing"]["state"] == "done", within=40)
    assert hub.steps(name)["find_missing"]["attempts"] == 0
    assert len(sandbox.messages(name)) == 2


# ── asked to wait ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("step", "provider", "method"),
    [("page", "pagerduty", "POST /incidents"), ("open_channel", "slack", "conversations.create")],
    ids=["page", "open_channel"],
)
def test_what_it_was_told_to_wait_for_is_remembered_over_a_restart(
    make_hub: Callable[..., Hub], sandbox: Sandbox, step: str, provider: str, method: str
) -> None:
    hub = make_hub()
    hub.start()
    sandbox.fault(provider, "429", method=method, times=1, seconds=7)
    name = report(hub)
    eventually(lambda: hub.steps(name)[step]["attempts"])
    hub.kill()
    hub.start()
    hub.finished(name)
    refused, made = sandbox.calls(method)
    assert made["arrived_at"] >= refused["finished_at"] + 7
    assert_everything_once(hub, sandbox, name)


def test_told_to_wait_while_it_looks_for_a_page_it_does_not_look_sooner_after_a_restart(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    eventually(lambda: _polls_no_more(hub))  # it asks by the same call, and would be told in the page's place
    limited = sandbox.fault("pagerduty", "429", method="GET /incidents", seconds=9)
    name = _page_in_doubt(hub, sandbox, "answer-lost")
    eventually(lambda: _looks(sandbox, name) and hub.steps(name)["page"]["state"] == "waiting")
    hub.kill()
    (refused,) = _looks(sandbox, name)
    sandbox.control(f"/faults/{limited}", method="DELETE")
    hub.start()
    hub.finished(name)
    assert _looks(sandbox, name)[1]["arrived_at"] >= refused["finished_at"] + 9
    assert_everything_once(hub, sandbox, name)


def _polls_no_more(hub: Hub) -> bool:
    """Nor when a page fails: what has failed itself keeps its time."""
    later = "2100-01-01 00:00:00"
    hub.rows("UPDATE jobs_step SET run_at = %s, attempts = 1 WHERE name = 'poll' AND state = 'waiting'", later)
    return bool(hub.rows("SELECT 1 FROM jobs_step WHERE name = 'poll' AND state = 'waiting' AND run_at = %s", later))


def _looks(sandbox: Sandbox, name: str) -> list[Json]:
    return [call for call in sandbox.calls("GET /incidents") if name in str(call["query"])]


def test_told_to_wait_before_it_reads_an_incident_it_does_so_whatever_it_hears_after_a_restart(
    make_hub: Callable[..., Hub], quiet_sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.sandbox = sandbox = quiet_sandbox  # another hub would read the incident, too
    hub.start()
    subscribe(hub, sandbox)
    name = report(hub)
    hub.finished(name)
    eventually(lambda: hub.incident(name)["stale_since"] is None)
    page, method = sandbox.page_of(name), "GET /incidents/{id}"
    sandbox.fault("pagerduty", "429", method=method, times=1, seconds=12)
    act(sandbox, page["id"], "note", "Mei Tanaka", content="First")
    (refused,) = eventually(lambda: [call for call in sandbox.calls(method) if call["status"] == 429])
    told_to = "SELECT run_at FROM jobs_step WHERE name = 'changed' AND attempts = 1 AND state = 'waiting'"
    (until,) = eventually(lambda: hub.rows(told_to))
    act(sandbox, page["id"], "note", "Mei Tanaka", content="Second")
    eventually(lambda: len(hub.rows("SELECT id FROM incidents_webhook")) > 1)
    time.sleep(1)  # it is not tried in vain, since what is under way when it is killed is tried at once
    assert hub.rows(told_to) == [until]
    hub.kill()
    hub.start()
    act(sandbox, page["id"], "note", "Mei Tanaka", content="Third")
    again = eventually(lambda: [call for call in sandbox.calls(method) if call["id"] > refused["id"]], within=30)
    assert again[0]["arrived_at"] >= refused["finished_at"] + 12
    eventually(lambda: "Third" in hub.dana.get(f"/incidents/{name}").text)


def test_told_to_wait_by_a_poll_that_read_one_incident_nobody_reads_it_sooner_after_a_restart(
    make_hub: Callable[..., Hub], quiet_sandbox: Sandbox
) -> None:
    """The poll itself went well: it has read the list."""
    hub = make_hub()
    hub.sandbox = sandbox = quiet_sandbox
    hub.start()
    name = report(hub)
    hub.finished(name)
    eventually(lambda: hub.incident(name)["stale_since"] is None)
    hub.rows("UPDATE jobs_step SET run_at = '2100-01-01 00:00:00' WHERE name = 'log' AND state = 'waiting'")
    page, method = sandbox.page_of(name), "GET /incidents/{id}"
    sandbox.fault("pagerduty", "429", method=method, times=1, seconds=12)
    act(sandbox, page["id"], "resolve", "Mei Tanaka")
    hub.does("poll")
    (refused,) = [call for call in sandbox.calls(method) if call["status"] == 429]
    hub.kill()
    hub.start()
    hub.does("poll")
    assert hub.incident(name)["status"] == "triggered"
    again = eventually(lambda: [call for call in sandbox.calls(method) if call["id"] > refused["id"]], within=30)
    assert again[0]["arrived_at"] >= refused["finished_at"] + 12
    eventually(lambda: hub.incident(name)["status"] == "resolved")
