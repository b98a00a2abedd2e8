"""Reports while the database hangs, or when nobody knows whether it has taken one."""

import os
import re
import signal
import statistics
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

import psycopg
import pytest

from tests.crash.lives import Lives
from tests.crash.relay import Relay
from tests.crash.test_worker import on_postgresql, on_sqlite
from tests.pagerduty import ask
from tests.processes import ADMIN, ROOT, Cluster, Hub, Sandbox, eventually, report_form
from tests.test_journal import LONG, PAGED_WITHIN, noted_or_not, paged_at, started, telling, with_snapshot
from tests.test_trouble import assert_everything_once

SLOT, SLOTS = 96 * 1024, 100  # of the journal
SHORT = re.compile(r"incident-[a-z]+-[a-z]+-\d{4}-\d\d")


@pytest.mark.parametrize("how", ["done", "undone", "late", "done-unnoted"])
def test_a_commit_whose_outcome_nobody_knows_pages_once_under_the_same_name(
    make_hub: Callable[..., Hub], unlimited: Sandbox, how: str
) -> None:
    """Unnoted: the disk does not take its name, either."""
    sandbox, hub = unlimited, _in_doubt(make_hub, how.removesuffix("-unnoted"), noted=not how.endswith("-unnoted"))
    form, sent = report_form(hub), time.time()
    name = hub.dana.post("/report", form).incident
    assert SHORT.fullmatch(name)
    assert paged_at(sandbox, name) - sent < PAGED_WITHIN, "before the late commit"
    hub.finished_in_time(name)
    time.sleep(1)
    hub.finished_in_time(name)
    assert_everything_once(hub, sandbox, name)
    assert [row["id"] for row in hub.rows("SELECT id FROM incidents")] == [name]
    assert [page["key"] for page in sandbox.pages] == [name]


def test_a_late_commit_does_not_page_again_what_was_resolved_meanwhile(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    sandbox, hub = unlimited, _in_doubt(make_hub, "late")
    name = hub.dana.post("/report", report_form(hub)).incident
    page = eventually(lambda: sandbox.page_of(name))
    sandbox.resolve(page["id"], sandbox.user_id("Mei Tanaka"))
    hub.finished_in_time(name)
    eventually(lambda: hub.incident(name)["status"] == "resolved")
    assert [one["key"] for one in sandbox.pages] == [name]


def test_what_is_committed_when_it_was_just_left_to_the_journal_is_sent_once(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    """It waited for others until little of its second was left: the commit by itself did not take long."""
    sandbox, hub = unlimited, _in_doubt(make_hub, "slowly")
    with ThreadPoolExecutor(1) as clicks:
        with _held(hub):
            sent = clicks.submit(hub.dana.post, "/report", report_form(hub))
            time.sleep(0.7)
        name = sent.result().incident
    hub.finished_in_time(name)
    assert_everything_once(hub, sandbox, name)
    assert len(sandbox.calls("POST /incidents")) == 1, "the second would have been refused, as far as we know"


@noted_or_not
def test_sent_again_while_its_page_is_under_way_it_is_the_same(
    make_hub: Callable[..., Hub], unlimited: Sandbox, noted: bool
) -> None:
    """The database works again, and does not have it yet."""
    sandbox, hub = unlimited, _in_doubt(make_hub, "undone", noted=noted)
    form = report_form(hub)
    sandbox.fault("pagerduty", "slow", method="POST /incidents", seconds=4, times=1)
    name = hub.dana.post("/report", form).incident
    assert hub.dana.post("/report", form).incident == name
    hub.finished_in_time(name)
    assert_everything_once(hub, sandbox, name)
    assert len(sandbox.calls("POST /incidents")) == 1


@pytest.mark.parametrize("held", [1.1, 1.2, 1.3])
def test_sent_twice_while_the_database_is_slow_it_is_one(
    make_hub: Callable[..., Hub], unlimited: Sandbox, held: float
) -> None:
    """The first waits for too long, and goes to the journal; for the second, sent later, the database comes in time."""
    sandbox, hub = unlimited, started(make_hub)
    form = report_form(hub)
    with ThreadPoolExecutor(2) as clicks:
        with _held(hub):
            began = time.monotonic()
            first = clicks.submit(hub.dana.post, "/report", form)
            time.sleep(0.4)
            second = clicks.submit(hub.dana.post, "/report", form)
            time.sleep(began + held - time.monotonic())
        name = first.result().incident
        assert second.result().incident == name
    hub.finished_in_time(name)
    assert_everything_once(hub, sandbox, name)
    assert [page["key"] for page in sandbox.pages] == [name]
    assert [row["id"] for row in hub.rows("SELECT id FROM incidents")] == [name]


@contextmanager
def _held(hub: Hub) -> Iterator[None]:
    """Nobody can write an incident."""
    if not hub.database_url:
        with hub.without_database():
            yield
        return
    with psycopg.connect(hub.database_url) as other:
        other.execute("LOCK TABLE incidents IN EXCLUSIVE MODE")
        yield


def test_what_another_may_have_paged_meanwhile_is_looked_for_however_certainly_we_have_not(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    """PagerDuty has us wait for longer than our claim to the report lasts; another replica pages it then."""
    sandbox, hub = unlimited, started(make_hub)
    form = report_form(hub)
    sandbox.fault("pagerduty", "429", method="POST /incidents", times=1, seconds=17)
    with hub.without_database():
        name = hub.dana.post("/report", form).incident
        eventually(lambda: sandbox.calls("POST /incidents"))
        service = {"id": form["service"], "type": "service_reference"}
        page = {"type": "incident", "title": "Payments fail", "service": service, "incident_key": name}
        paged = ask(sandbox, "/incidents", {"incident": page})["incident"]
        sandbox.resolve(paged["id"], sandbox.user_id("Mei Tanaka"))
        eventually(lambda: f"{name} was paged from the journal" in hub.log, within=30)
    assert [one["id"] for one in sandbox.pages] == [paged["id"]]
    hub.finished_in_time(name)


@on_postgresql
@pytest.mark.parametrize("resolved", [False, True])
def test_a_neighbour_knows_what_went_to_the_journal(
    make_hub: Callable[..., Hub], unlimited: Sandbox, resolved: bool
) -> None:
    """Of two processes that share a folder one cannot reach the database, and the other gets the report again."""
    sandbox, hub = unlimited, make_hub(SECRET_KEY="the same for both, as it should be")
    with Relay(hub.database_url) as relay:
        cut_off = Hub(sandbox, hub.folder, relay.url, hub.settings | {"BASE_URL": hub.url})
        for one in (hub, cut_off):
            with_snapshot(one)
        form = report_form(hub)
        relay.close()
        name = cut_off.dana.post("/report", form).incident
        assert LONG.fullmatch(name)
        page = eventually(lambda: sandbox.page_of(name))
        if resolved:
            sandbox.resolve(page["id"], sandbox.user_id("Mei Tanaka"))
        other = hub.dana.post("/report", form | {"title": "Something else is broken"})
        assert other.status == 409, "sent before, in other words"
        assert hub.dana.post("/report", form).incident == name
        hub.finished_in_time(name)
        cut_off.kill()
    assert [one["key"] for one in sandbox.pages] == [name]
    assert len(hub.rows("SELECT id FROM incidents")) == 1


@noted_or_not
def test_sent_again_after_a_restart_it_is_the_same(
    make_hub: Callable[..., Hub], unlimited: Sandbox, noted: bool
) -> None:
    """It was paged, killed before it could answer, and resolved meanwhile."""
    sandbox, hub = unlimited, started(make_hub, noted=noted)
    form = report_form(hub)
    with hub.without_database():
        name = hub.dana.post("/report", form).incident
        page = eventually(lambda: sandbox.page_of(name))
        hub.kill()
        sandbox.resolve(page["id"], sandbox.user_id("Mei Tanaka"))
        hub.start(ready=False)
        assert hub.dana.post("/report", form).incident == name
        telling(hub, name, "is being paged")
    hub.finished_in_time(name)
    assert [one["key"] for one in sandbox.pages] == [name]


@pytest.mark.parametrize("meanwhile", ["open", "resolved"])
def test_killed_and_sent_again_while_the_database_is_gone_it_is_the_same(
    make_hub: Callable[..., Hub], unlimited: Sandbox, meanwhile: str
) -> None:
    """The database has it, and nobody can ask it."""
    sandbox, hub = unlimited, started(make_hub)
    form = report_form(hub)
    name = hub.dana.post("/report", form).incident
    page = eventually(lambda: sandbox.page_of(name))
    hub.kill()
    if meanwhile == "resolved":
        sandbox.resolve(page["id"], sandbox.user_id("Mei Tanaka"))
    with hub.without_database():
        hub.start(ready=False)
        different = hub.dana.post("/report", form | {"title": "Something else"})
        assert different.status == 409
        assert f'may have been paged as <b class="mono">{name}</b>' in different.text
        assert hub.dana.post("/report", form).incident == name
        telling(hub, name, "is being paged")
    hub.finished_in_time(name)
    assert_everything_once(hub, sandbox, name)
    assert [row["id"] for row in hub.rows("SELECT id FROM incidents")] == [name]
    assert [one["key"] for one in sandbox.pages] == [name]


def test_killed_before_it_was_written_and_sent_again_while_the_database_is_gone_it_is_paged(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    sandbox, hub = unlimited, started(make_hub)
    form = report_form(hub)
    hub.kill()
    with Lives(hub) as lives:
        lives.begin("recording report")
        lives.arm()
        with suppress(OSError, HTTPException):
            hub.dana.post("/report", form)
        assert lives.dies(within=20)
    assert sandbox.pages == []
    with hub.without_database():
        hub.start(ready=False)
        name = hub.dana.post("/report", form).incident
        eventually(lambda: sandbox.page_of(name))
    hub.finished_in_time(name)
    assert_everything_once(hub, sandbox, name)
    assert [row["id"] for row in hub.rows("SELECT id FROM incidents")] == [name]


def _in_doubt(make_hub: Callable[..., Hub], how: str, *, noted: bool = True) -> Hub:
    hub = make_hub()
    if not noted:
        (hub.folder / "drafts-1").mkdir()
    hub.launcher = ("tests.crash.uncertain", how)
    return with_snapshot(hub)


@on_postgresql
def test_a_report_pages_a_second_later_though_the_database_hangs(
    make_hub: Callable[..., Hub], unlimited: Sandbox, cluster: Cluster
) -> None:
    sandbox, hub = unlimited, started(make_hub)
    form = report_form(hub)
    with _hanging(cluster):
        sent = time.time()
        name = hub.dana.post("/report", form).incident
        assert paged_at(sandbox, name) - sent < PAGED_WITHIN
    hub.finished_in_time(name)
    assert_everything_once(hub, sandbox, name)


@on_postgresql
def test_a_database_that_hangs_holds_up_no_report_and_no_page_of_ours(
    make_hub: Callable[..., Hub], unlimited: Sandbox, cluster: Cluster
) -> None:
    """Its connections stay open and nothing comes: the worst way to be gone, while many look at pages."""
    sandbox, hub = unlimited, started(make_hub)
    forms = [report_form(hub) for _ in range(3)]
    with _hanging(cluster), ThreadPoolExecutor(24) as others:
        looking = [others.submit(hub.dana.get, path) for path in ("/", "/nope") * 12]
        began = time.monotonic()
        names = [hub.dana.post("/report", form).incident for form in forms]
        eventually(lambda: {page["key"] for page in sandbox.pages} == set(names), within=5)
        assert time.monotonic() - began < 8, "others who look at pages do not take all the threads"
        assert {one.result().status for one in looking} <= {404, 500}
        print(f"three pages after {time.monotonic() - began:.1f} s")
        assert hub.dana.get("/").status == 500
        assert "Report an incident" in hub.dana.get("/").text
        assert hub.answers("/healthz")
        assert hub.dana.get("/readyz").text.startswith("ready, but only to page: reports go to the journal.")
    for name in names:
        hub.finished_in_time(name)
        assert_everything_once(hub, sandbox, name)
    assert len(sandbox.pages) == 3
    eventually(lambda: hub.dana.get("/readyz").text == "ready\n")


@on_postgresql
def test_whoever_was_told_that_nothing_may_have_been_sent_pages_nobody_later(
    make_hub: Callable[..., Hub], unlimited: Sandbox, cluster: Cluster
) -> None:
    """The database hangs and the journal is full: the report is being taken when its reporter is told to phone."""
    sandbox, hub = unlimited, make_hub()
    text = b"{}"
    slot = struct.pack(">II", len(text), zlib.crc32(text)) + text
    (hub.folder / "journal-1-1").write_bytes(slot.ljust(SLOT, b"\0") * SLOTS)
    with_snapshot(hub)
    form = report_form(hub)
    with _hanging(cluster):
        told = hub.dana.post("/report", form)
        assert told.status == 500
        assert "Your report may not have been sent" in told.text
    eventually(lambda: hub.dana.get("/readyz").text == "ready\n")
    time.sleep(2)
    assert hub.rows("SELECT id FROM incidents") == []
    name = hub.dana.post("/report", form).incident
    hub.finished_in_time(name)
    assert_everything_once(hub, sandbox, name)
    assert len(sandbox.pages) == 1


@contextmanager
def _hanging(cluster: Cluster) -> Iterator[None]:
    """All of PostgreSQL's processes are stopped, and go on later."""
    with psycopg.connect(cluster.url("postgres")) as session:
        rows = session.execute("SELECT pid FROM pg_stat_activity").fetchall()
    pids = [cluster.pid, *(pid for (pid,) in rows)]
    for pid in pids:
        with suppress(ProcessLookupError):  # its session has ended meanwhile
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@on_postgresql
def test_a_report_that_two_replicas_took_without_the_database_is_one(
    make_hub: Callable[..., Hub], unlimited: Sandbox, make_replica: Callable[..., Hub]
) -> None:
    """The first was killed before it could answer, so the browser sent it again, to the other."""
    sandbox, first = unlimited, make_hub(SECRET_KEY="the same for all replicas, as it should be")
    other = make_replica(first)
    for hub in (first, other):
        with_snapshot(hub)
    form = report_form(first)
    with first.without_database():
        names = [hub.dana.post("/report", form).incident for hub in (first, other)]
        assert LONG.fullmatch(names[0])
        assert names[0] == names[1]
        for hub in (first, other):
            telling(hub, names[0], "Reported. Mei Tanaka is being paged.")
        first.kill()
    other.finished_in_time(names[0])
    first.start()
    assert_everything_once(other, sandbox, names[0])
    eventually(lambda: "was brought into the database" in first.log)
    assert len(other.rows("SELECT id FROM incidents")) == len(sandbox.pages) == 1


@on_postgresql
def test_what_a_neighbour_had_accepted_before_it_died_is_paged(
    make_hub: Callable[..., Hub], unlimited: Sandbox, make_replica: Callable[..., Hub]
) -> None:
    """Two processes share a folder. One of them takes a report and is not started again."""
    sandbox, left = unlimited, started(make_hub)
    killed = make_replica(left)
    killed.folder = left.folder
    killed.start()
    killed.dana.get("/")
    form = report_form(left)
    sandbox.fault("pagerduty", "down")
    with left.without_database():
        name = killed.dana.post("/report", form).incident
        killed.kill()
        sandbox.mend()
        eventually(lambda: sandbox.page_of(name))
    left.finished_in_time(name)
    assert_everything_once(left, sandbox, name)


@on_postgresql
def test_a_folder_that_nobody_chose_may_not_last_so_no_report_is_taken_there(
    make_hub: Callable[..., Hub], unlimited: Sandbox, tmp_path: Path
) -> None:
    sandbox, hub = unlimited, make_hub(DATA_DIR="")
    hub.working_folder = tmp_path
    hub.start()
    assert "DATA_DIR is not set: while the database is gone, no report pages." in hub.log
    form = report_form(hub)
    hub.dana.get("/")
    with hub.without_database():
        answer = hub.dana.post("/report", form)
        assert answer.status == 500
        assert "Your report may not have been sent" in answer.text
        assert hub.dana.get("/readyz").status == 503
    assert sandbox.pages == []


@pytest.mark.parametrize("how", ["once", "on"])
def test_what_the_disk_failed_to_keep_pages_nobody_after_they_have_phoned(
    make_hub: Callable[..., Hub], unlimited: Sandbox, how: str
) -> None:
    """All of the report was written, and could not be flushed. On: for a while it cannot be taken back, either."""
    sandbox, hub = unlimited, started(make_hub)
    hub.stop()
    hub.launcher = ("tests.crash.failing_disk", how)
    form, journal = report_form(hub), hub.folder / "journal-1-1"
    with hub.without_database():
        hub.start(ready=False)
        assert hub.process is not None
        os.kill(hub.process.pid, signal.SIGUSR1)
        told = hub.dana.post("/report", form)
        assert told.status == 500
        assert "Your report may not have been sent" in told.text
        assert "the journal does not take a report" in hub.log
        if how == "on":
            assert journal.read_bytes()[:8] != bytes(8)
            os.kill(hub.process.pid, signal.SIGUSR2)
            eventually(lambda: journal.read_bytes()[:8] == bytes(8))
        hub.kill()
        hub.launcher = ("incident_central",)
        hub.start(ready=False)
        time.sleep(3)
        assert sandbox.pages == []
        name = hub.dana.post("/report", form).incident
        eventually(lambda: sandbox.page_of(name))
    hub.finished_in_time(name)
    assert_everything_once(hub, sandbox, name)
    assert [row["id"] for row in hub.rows("SELECT id FROM incidents")] == [name]


@on_postgresql
def test_written_anew_and_sent_to_another_replica_both_are_reported(
    make_hub: Callable[..., Hub], make_replica: Callable[..., Hub], unlimited: Sandbox
) -> None:
    """One of them cannot reach the database, and the other has a folder of its own."""
    sandbox, hub = unlimited, make_hub()
    hub.start()
    with Relay(hub.database_url) as relay:
        cut_off = with_snapshot(make_replica(hub, database_url=relay.url))
        form = report_form(hub)
        relay.is_open = False
        relay.cut()
        first = cut_off.dana.post("/report", form).incident
        second = hub.dana.post("/report", form | {"title": "Something else is broken"}).incident
        assert first != second
        relay.is_open = True
        titles = {form["title"], "Something else is broken"}
        eventually(lambda: {row["title"] for row in hub.rows("SELECT title FROM incidents")} == titles, within=60)
        for name in (first, second):
            hub.finished_in_time(name)
    assert sorted(one["key"] for one in sandbox.pages) == sorted([first, second])


@on_postgresql
@pytest.mark.parametrize(
    ("service", "fault"),
    [("Checkout API", ""), ("Identity", ""), ("Identity", "reset"), ("Identity", "429")],
    ids=["same", "another", "another-in-doubt", "another-later"],
)
def test_written_anew_and_sent_to_another_replica_while_neither_reaches_the_database_both_wordings_are_there(
    make_hub: Callable[..., Hub], make_replica: Callable[..., Hub], unlimited: Sandbox, service: str, fault: str
) -> None:
    """They have one name, so there is one page of one service, or, after a doubtful call, of any. The second wording is
    in the timeline, once."""
    sandbox, hub = unlimited, make_hub()
    with Relay(hub.database_url) as one, Relay(hub.database_url) as another:
        first, second = (with_snapshot(make_replica(hub, database_url=relay.url)) for relay in (one, another))
        form = report_form(hub)
        anew = form | {"title": "Nobody can sign in", "description": "503", "service": hub.service_id(service)}
        for relay in (one, another):
            relay.is_open = False
            relay.cut()
        name = first.dana.post("/report", form).incident
        page = eventually(lambda: sandbox.page_of(name))
        if fault:
            sandbox.fault("pagerduty", fault, method="POST /incidents", times=1, seconds=10)
        assert second.dana.post("/report", anew).incident == name
        eventually(lambda: "paged from the journal" in second.log)
        one.is_open = True
        first.finished_in_time(name)
        _brought_in_twice(second, another)
    (row,) = hub.rows("SELECT * FROM incidents")
    assert (row["id"], row["title"], row["pagerduty_id"]) == (name, form["title"], page["id"])
    told = "SELECT * FROM incidents_timelineentry WHERE incident_id = %s AND text LIKE %s"
    (entry,) = hub.rows(told, name, "%Nobody can sign in%")
    assert entry["at"] < hub.rows(told, name, "Brought into the database%")[0]["at"]
    assert "503" in entry["body"]
    others = [found for found in sandbox.pages if found["id"] != page["id"]]
    assert len(others) == (service == "Identity" and fault != "reset")
    for other in others:
        assert other["key"] == name
        assert f"It was paged by itself: PagerDuty incident #{other['number']} on Identity" in entry["body"]
    assert ("Identity was not paged for it." in entry["body"]) == (fault == "reset")
    assert ("Service: Identity" in entry["body"]) == (service == "Identity")


@on_postgresql
def test_sent_again_to_a_replica_that_could_not_know_of_it_the_second_page_is_told_once(
    make_hub: Callable[..., Hub], make_replica: Callable[..., Hub], unlimited: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    with Relay(hub.database_url) as relay:
        cut_off = with_snapshot(make_replica(hub, database_url=relay.url))
        form = report_form(hub)
        name = hub.dana.post("/report", form).incident
        hub.finished_in_time(name)
        relay.is_open = False
        relay.cut()
        second = cut_off.dana.post("/report", form).incident
        eventually(lambda: f"{second} was paged from the journal" in cut_off.log)
        _brought_in_twice(cut_off, relay)
    told = "SELECT text FROM incidents_timelineentry WHERE incident_id = %s AND text LIKE %s"
    assert len(hub.rows(told, name, f"%paged a second time as {second}")) == 1


def _brought_in_twice(cut_off: Hub, relay: Relay) -> None:
    """It reaches the database again, and is killed just before what is in the database is taken out of its journal."""
    journal = cut_off.folder / "journal-1-1"
    kept = journal.read_bytes()
    relay.is_open = True
    eventually(lambda: "was brought into the database" in cut_off.log)
    cut_off.kill()
    journal.write_bytes(kept)
    cut_off.start()
    eventually(lambda: cut_off.log.count("was brought into the database") == 2)


@on_postgresql
@pytest.mark.parametrize(("seconds", "accepted"), [(1.6, True), (14, False)])
def test_without_a_journal_a_busy_database_is_waited_for_and_nobody_is_paged_after_they_have_phoned(
    make_hub: Callable[..., Hub], unlimited: Sandbox, seconds: float, accepted: bool
) -> None:
    sandbox, hub = unlimited, make_hub(DATA_DIR="")
    hub.start()
    form = report_form(hub)
    hub.dana.get("/")
    with ThreadPoolExecutor(1) as reporter:
        with _held(hub):
            answer = reporter.submit(hub.dana.post, "/report", form)
            time.sleep(seconds)
        page = answer.result()
    if accepted:
        hub.finished_in_time(page.incident)
    else:
        assert page.status == 500
        time.sleep(3)
        assert hub.rows("SELECT id FROM incidents") == []
    assert len(sandbox.pages) == accepted


# ── while it is only busy ─────────────────────────────────────────────────────────────────────────


def test_a_database_that_is_busy_takes_some_and_the_journal_the_others(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    """Eighty reports by twenty people at once."""
    hub = started(make_hub)
    forms = [report_form(hub) for _ in range(80)]
    with ThreadPoolExecutor(20) as people:
        names = list(people.map(lambda form: hub.dana.post("/report", form).incident, forms))
    assert len(set(names)) == 80
    eventually(lambda: {page["key"] for page in unlimited.pages} == set(names), within=60)
    assert len(unlimited.pages) == 80
    eventually(lambda: len(hub.rows("SELECT id FROM incidents")) == 80, within=60)


@on_postgresql
def test_a_database_that_is_only_busy_is_not_taken_for_gone(make_hub: Callable[..., Hub], unlimited: Sandbox) -> None:
    """One report waits for too long, and goes to the journal; those that others send meanwhile are written."""
    sandbox, hub = unlimited, started(make_hub)
    hub.rows(WAITS)
    with ThreadPoolExecutor(1) as another:
        waits = another.submit(hub.dana.post, "/report", report_form(hub, title="Waits"))
        others = []
        while not waits.done():
            others.append(hub.dana.post("/report", report_form(hub)).incident)
    assert LONG.fullmatch(waits.result().incident)
    assert any(SHORT.fullmatch(name) for name in others)
    for name in (waits.result().incident, *others):
        hub.finished_in_time(name)
    assert len(sandbox.pages) == 1 + len(others)
    assert "can not be written" not in hub.log


WAITS = """
    CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2); RETURN NEW; END';
    CREATE TRIGGER waits BEFORE INSERT ON incidents FOR EACH ROW WHEN (NEW.title = 'Waits') EXECUTE FUNCTION waits()
"""


@on_sqlite
def test_a_report_is_written_before_others_that_wait_to_write(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    """SQLite has one writer at a time. Twenty others of the process want to be it, without pause."""
    hub = started(make_hub)
    arguments = [ADMIN, hub.service_id("Checkout API"), hub.priority_id("P1")]
    hub.stop()
    script = [sys.executable, "-c", REPORTS_AMONG_WRITERS, *arguments]
    told = subprocess.run(script, env=hub.environment, cwd=ROOT, text=True, capture_output=True, timeout=60)
    assert told.returncode == 0, told.stderr
    assert statistics.median(map(int, told.stdout.split())) <= 3, told.stdout
    assert len(hub.rows("SELECT id FROM incidents")) == 5


#: Says of each report how many others were written between its arrival and its end.
REPORTS_AMONG_WRITERS = """
import os, sys, threading, time, uuid, django
from contextlib import suppress
os.environ["DJANGO_SETTINGS_MODULE"] = "incident_central.settings"
django.setup()
from django.db import OperationalError
from incident_central.database import transaction
from incident_central.incidents.reporting import Report, report_incident
written = 0
def write():
    global written
    while True:
        with suppress(OperationalError), transaction():  # who waited for too long tries again
            time.sleep(0.15)
            written += 1
email, service, priority = sys.argv[1:]
for _ in range(20):
    threading.Thread(target=write, daemon=True).start()
for _ in range(5):
    before = written
    report_incident(Report(uuid.uuid4(), "user:1", "Dana Okafor", email, "cli", service, priority, "Payments fail"))
    print(written - before, flush=True)
os._exit(0)
"""


@on_postgresql
def test_with_a_full_journal_and_a_busy_database_a_report_waits_for_the_database(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    hub = started(make_hub, SLACK_BOT_TOKEN="")
    forms = [report_form(hub) for _ in range(101)]

    def send(form: dict[str, str]) -> str:
        return hub.dana.post("/report", form).incident

    with psycopg.connect(hub.database_url) as other, ThreadPoolExecutor(16) as people:
        other.execute("LOCK TABLE incidents IN SHARE ROW EXCLUSIVE MODE")
        names = list(people.map(send, forms[:100]))
        assert all(LONG.fullmatch(name) for name in names)
        last = people.submit(send, forms[100])
        time.sleep(1.5)  # it has found the journal full
        other.rollback()
        names.append(last.result())
    assert SHORT.fullmatch(names[-1]), "nobody has it in a journal: it is paged without a look"
    eventually(lambda: {page["key"] for page in unlimited.pages} == set(names), within=60)
    eventually(lambda: {row["id"] for row in hub.rows("SELECT id FROM incidents")} == set(names), within=60)
    assert len(unlimited.pages) == 101
