"""The database gone, locked or full while responses are under way: nothing is done twice, and it heals by itself."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.crash.relay import Relay
from tests.crash.replicas import all_finished, report_all
from tests.crash.slow_names import WAITS
from tests.crash.test_worker import on_postgresql, on_sqlite
from tests.processes import Browser, Cluster, Hub, Json, Sandbox, eventually, postgresql_binaries, report_form
from tests.test_journal import LONG
from tests.test_trouble import assert_everything_once

Form = dict[str, str]

HEALS_IN = 12.0  # seconds
DISK_FULL_FOR = 10.0  # seconds
PERIODIC = ("GET ", "users.list", "auth.test")


@pytest.fixture
def outage(request: pytest.FixtureRequest) -> float:
    """Seconds. Longer than any patience of the hub's; with --soak, half a minute."""
    return 30.0 if request.config.getoption("--soak", 0) else 8.0


# ── PostgreSQL ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def own_cluster(one_sandbox: Sandbox) -> Iterator[tuple[Cluster, Hub]]:
    """A cluster that may be stopped without harm to other tests, and a prepared hub whose database is in it."""
    if postgresql_binaries() is None:
        pytest.skip("PostgreSQL is not installed on this machine")
    cluster, folder = Cluster(), Path(tempfile.mkdtemp(prefix="ic-own-"))
    hub = Hub(one_sandbox, folder, cluster.new_database())
    hub.prepare()
    yield cluster, hub
    cluster.close()
    shutil.rmtree(folder)


@pytest.fixture
def make_own(own_cluster: tuple[Cluster, Hub], tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    """Make a hub with a fresh database in that cluster. It is not started yet."""
    cluster, prepared = own_cluster
    hubs: list[Hub] = []

    def make(url: str = "") -> Hub:
        folder = tmp_path / f"own-{len(hubs)}"
        shutil.copytree(prepared.folder, folder)
        hubs.append(Hub(prepared.sandbox, folder, url or cluster.new_database(like=prepared.database_url)))
        return hubs[-1]

    yield make
    prepared.sandbox.mend()
    for hub in hubs:
        hub.stop()


def test_a_restart_of_postgresql_under_a_call_does_not_make_the_caller_look_dead(
    make_own: Callable[..., Hub],
    own_cluster: tuple[Cluster, Hub],
    unlimited: Sandbox,
    make_replica: Callable[..., Hub],
) -> None:
    sandbox, caller, cluster = unlimited, make_own(), own_cluster[0]
    other = make_replica(caller)
    caller.start()
    other.start()
    names = []
    for broken in (cluster.restart, lambda: _break_sessions(caller)):
        sandbox.fault("slack", "slow", method="conversations.create", seconds=7, times=2)
        sandbox.fault("pagerduty", "slow", method="POST /incidents", seconds=7, times=2)
        names += report_all([caller], each=2)
        eventually(partial(_called_once_each, sandbox, names))
        broken()
        eventually(lambda: all_finished(caller))
        assert _called_once_each(sandbox, names)
    for name in names:
        assert_everything_once(caller, sandbox, name)


def test_what_was_accepted_is_on_the_disk_of_a_postgresql_that_does_not_wait_for_it(
    make_own: Callable[..., Hub], own_cluster: tuple[Cluster, Hub], unlimited: Sandbox
) -> None:
    hub = make_own()
    with psycopg.connect(hub.database_url, autocommit=True) as session:
        database = sql.Identifier(session.info.dbname)
        session.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(database))
        session.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        session.execute("SELECT pg_reload_conf()")
        hub.start()
        ((written,),) = session.execute("SELECT pg_current_wal_insert_lsn()::text").fetchall()
        (name,) = report_all([hub], each=1)
        ((on_disk,),) = session.execute("SELECT pg_current_wal_flush_lsn() > %s::pg_lsn", [written]).fetchall()
        assert on_disk
        session.execute("ALTER SYSTEM RESET wal_writer_delay")
    hub.finished(name)
    assert_everything_once(hub, unlimited, name)


def test_who_cannot_show_that_it_lives_sends_nothing(make_own: Callable[..., Hub], unlimited: Sandbox) -> None:
    sandbox, hub = unlimited, make_own()
    hub.start()
    with psycopg.connect(hub.database_url, autocommit=True) as session:
        # In the queue for the hub's own lock: once its session breaks, the lock is not to be had.
        ((pid, number),) = session.execute(HOLDERS).fetchall()
        with _waiting_for(hub, number):
            session.execute("SELECT pg_terminate_backend(%s)", [pid])
            eventually(lambda: "shows that this process lives broke" in hub.log)
            (name,) = report_all([hub], each=1)
            time.sleep(3)  # by then it would have been sent, or tried in vain
            page = hub.steps(name)["page"]
            assert (page["state"], page["attempts"]) == ("waiting", 0)
            assert _writes(sandbox) == []
    hub.finished(name)
    assert hub.rows("SELECT name FROM jobs_step WHERE attempts > 0") == []
    assert_everything_once(hub, sandbox, name)


def test_what_was_begun_before_is_not_sent_by_who_cannot_show_that_it_lives(
    make_own: Callable[..., Hub], unlimited: Sandbox
) -> None:
    sandbox, hub = unlimited, make_own()
    hub.start()
    sandbox.fault("slack", "slow", method="conversations.create", seconds=4)
    # More than there are threads for: some channels are begun and wait for one.
    names = report_all([hub], each=24)
    eventually(lambda: len(_writes(sandbox, "POST /incidents")) == len(names))
    with psycopg.connect(hub.database_url, autocommit=True) as session:
        ((pid, number),) = session.execute(HOLDERS).fetchall()
        with _waiting_for(hub, number):
            session.execute("SELECT pg_terminate_backend(%s)", [pid])
            eventually(lambda: "shows that this process lives broke" in hub.log)
            sent = len(_writes(sandbox, "conversations.create"))
            assert 0 < sent < len(names)
            time.sleep(5)  # by then threads were free for the others
            assert len(_writes(sandbox, "conversations.create")) == sent
    sandbox.mend()
    for name in names:
        hub.finished(name)
        assert_everything_once(hub, sandbox, name)


def test_what_was_still_connecting_is_not_sent_by_who_cannot_show_that_it_lives(
    make_own: Callable[..., Hub], unlimited: Sandbox, tmp_path: Path
) -> None:
    """It was asked whether it might be sent before its name was looked up, which took longer than its session lived."""
    sandbox, hub, no_names = unlimited, make_own(), tmp_path / "no-names"
    hub.launcher = ("tests.crash.slow_names", str(no_names))
    hub.start()
    for tool in ("pagerduty", "slack"):  # the connections that it has kept end
        sandbox.fault(tool, "down")
    no_names.touch()
    sandbox.mend()
    names = report_all([hub], each=3)
    eventually(lambda: hub.log.count(WAITS) >= 2 * len(names))
    with psycopg.connect(hub.database_url, autocommit=True) as session:
        ((pid, number),) = session.execute(HOLDERS).fetchall()
        with _waiting_for(hub, number):
            session.execute("SELECT pg_terminate_backend(%s)", [pid])
            eventually(lambda: "shows that this process lives broke" in hub.log)
            no_names.unlink()
            time.sleep(3)  # by then it would have been sent
            assert _writes(sandbox) == []
    for name in names:
        hub.finished(name)
        assert_everything_once(hub, sandbox, name)


@on_postgresql
def test_who_was_cut_off_from_its_database_is_not_locked_out_by_itself(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    """The server goes on with the session that it does not know to be gone, and that has the lock."""
    sandbox, hub = unlimited, make_hub()
    with Relay(hub.database_url) as relay:
        hub.database_url, direct = relay.url, hub.database_url
        hub.start()
        form = report_form(hub)
        relay.cut()
        name = eventually(lambda: hub.dana.post("/report", form).incident)
        hub.database_url = direct
        hub.finished_in_time(name)
        assert_everything_once(hub, sandbox, name)


def test_postgresql_gone_for_a_while(
    make_own: Callable[..., Hub], own_cluster: tuple[Cluster, Hub], unlimited: Sandbox, outage: float
) -> None:
    sandbox, hub, cluster = unlimited, make_own(), own_cluster[0]
    hub.start()
    names, form = _begin_some(hub, sandbox)
    cluster.stop()
    try:
        _hub_stands(hub, sandbox, form, outage, says="database cannot be used")
    finally:
        cluster.start()
    _assert_heals(hub, sandbox, names, form)


HOLDERS = "SELECT pid, (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted"


def _called_once_each(sandbox: Sandbox, names: list[str]) -> bool:
    return len(_writes(sandbox, "conversations.create", "POST /incidents")) == 2 * len(names)


def _break_sessions(hub: Hub) -> None:
    """End the sessions that show who lives, as an administrator or a firewall may."""
    hub.rows(f"SELECT pg_terminate_backend(pid) FROM ({HOLDERS}) AS holders WHERE pid <> pg_backend_pid()")  # noqa: S608


@contextlib.contextmanager
def _waiting_for(hub: Hub, number: int) -> Iterator[None]:
    waiting = subprocess.Popen([sys.executable, "-c", WAIT, hub.database_url, str(number)], stdin=subprocess.PIPE)
    queued = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    eventually(lambda: hub.rows(queued))
    yield
    assert waiting.stdin is not None
    waiting.stdin.close()
    waiting.wait(timeout=10)


WAIT = """
import psycopg, sys
with psycopg.connect(sys.argv[1], autocommit=True) as session:
    session.execute("SELECT pg_advisory_lock(%s)", [int(sys.argv[2])])
    sys.stdin.read()
"""


# ── SQLite ────────────────────────────────────────────────────────────────────────────────────────


@on_sqlite
def test_sqlite_locked_by_another_program_for_a_while(
    make_hub: Callable[..., Hub], unlimited: Sandbox, outage: float
) -> None:
    sandbox, hub = unlimited, make_hub()
    hub.start()
    names, form = _begin_some(hub, sandbox)
    with _begun(hub, "BEGIN IMMEDIATE"):
        _hub_stands(hub, sandbox, form, outage, says="database is locked")
    _assert_heals(hub, sandbox, names, form)


@contextlib.contextmanager
def _begun(hub: Hub, statement: str) -> Iterator[None]:
    """Another program has a transaction open."""
    path = hub.folder / "incident-central.sqlite3"
    with contextlib.closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as other:
        other.execute(statement)
        other.execute("SELECT count(*) FROM incidents")
        yield


# ── a full disk ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of a few megabytes."""
    if os.getuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = Path(tempfile.mkdtemp(prefix="ic-disk-"))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=False).returncode != 0:
        pytest.skip("this machine does not let root mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


@on_sqlite
def test_sqlite_on_a_disk_that_is_full_for_a_while(
    make_hub: Callable[..., Hub], unlimited: Sandbox, small_disk: Path
) -> None:
    sandbox, hub = unlimited, make_hub()
    hub.folder = Path(shutil.copytree(hub.folder, small_disk / "data"))
    try:
        hub.start()
        names, form = _begin_some(hub, sandbox)
        # A backup that is being read, so that what was written is kept and the file beside the database must grow. That
        # file is emptied first: room that an earlier round of it left would be used before the full disk is noticed.
        _empty_log(hub)
        with _begun(hub, "BEGIN"):
            filling = _fill(small_disk)
            _hub_stands(hub, sandbox, form, DISK_FULL_FOR, says="full")
            filling.unlink()
        _assert_heals(hub, sandbox, names, form)
    finally:
        hub.stop()


def test_postgresql_on_a_disk_that_is_full_for_a_while(
    make_own: Callable[..., Hub], own_cluster: tuple[Cluster, Hub], unlimited: Sandbox, small_disk: Path
) -> None:
    """Its tables' disk. When that of its log is full, PostgreSQL stops: see above."""
    cluster, prepared = own_cluster
    shutil.chown(small_disk, "postgres")
    small_disk.chmod(0o700)
    name = cluster.new_database(like=prepared.database_url).rpartition("/")[2]
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as session:
        session.execute(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
        session.execute(f"ALTER DATABASE {name} SET TABLESPACE small")
    sandbox, hub = unlimited, make_own(cluster.url(name))
    hub.start()
    names, form = _begin_some(hub, sandbox)
    filling = _fill(small_disk)
    full = time.time()
    # What still fits into its pages is written, so a part of the work goes on. A report may come by either way.
    meanwhile = hub.dana.post("/report", form).incident
    eventually(lambda: sandbox.page_of(meanwhile), within=5)
    time.sleep(full + DISK_FULL_FOR - time.time())
    assert hub.answers("/healthz")
    assert "No space left on device" in hub.log
    assert len(_writes(sandbox, since=full)) < 150
    filling.unlink()
    _assert_heals(hub, sandbox, names, form)
    hub.stop()
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as session:
        session.execute(f"DROP DATABASE {name}")
        session.execute("DROP TABLESPACE small")


def _empty_log(hub: Hub) -> None:
    """The write-ahead log, by a checkpoint that waits for those who read."""
    path = hub.folder / "incident-central.sqlite3"
    with contextlib.closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as other:
        eventually(lambda: other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)


def _fill(disk: Path) -> Path:
    with contextlib.suppress(OSError), (filling := disk / "filling").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    return filling


# ── what is common to them ────────────────────────────────────────────────────────────────────────


def _begin_some(hub: Hub, sandbox: Sandbox) -> tuple[list[str], Form]:
    """Responses that are in the middle of their calls, and one more report. There is a snapshot of the directory."""
    eventually(lambda: (hub.folder / "snapshot.json").exists())
    sandbox.control("/latency", {"pagerduty": 0.7, "slack": 0.7})
    names = report_all([hub], each=6)
    eventually(lambda: len(_writes(sandbox, "conversations.create")) == 6)
    return names, report_form(hub)


def _hub_stands(hub: Hub, sandbox: Sandbox, form: Form, seconds: float, *, says: str) -> None:
    """For so long the hub cannot write, but it answers, says what it is ready for, and does not keep calling. A report
    pages, and nothing else."""
    until = time.monotonic() + seconds
    eventually(lambda: _quiet(sandbox, since=time.time() - 2))  # what was under way has ended
    began = time.time()
    assert hub.answers("/healthz")
    eventually(lambda: says in _readyz(hub))
    assert _readyz(hub).startswith("ready, but only to page"), hub.log
    name = hub.dana.post("/report", form).incident
    assert LONG.fullmatch(name)
    eventually(lambda: sandbox.page_of(name), within=5)
    while time.monotonic() < until:
        assert hub.answers("/healthz")
        time.sleep(0.2)
    assert [call["method"] for call in _writes(sandbox, since=began)] == ["POST /incidents"]


def _assert_heals(hub: Hub, sandbox: Sandbox, names: list[str], form: Form) -> None:
    """By itself, with the same process. The report that was sent meanwhile is sent once more, and is the same."""
    sandbox.control("/latency", {"pagerduty": 0, "slack": 0})
    healed = time.monotonic()
    eventually(lambda: _readyz(hub) == "ready\n", within=HEALS_IN)
    eventually(lambda: all_finished(hub), within=HEALS_IN)
    print(f"healed after {time.monotonic() - healed:.1f} s")
    names = [*names, hub.dana.post("/report", form).incident]
    for name in names:
        hub.finished_in_time(name)
        assert_everything_once(hub, sandbox, name)
    assert len(sandbox.pages) == len(names)


def _readyz(hub: Hub) -> str:
    return Browser(hub.url).get("/readyz").text


def _quiet(sandbox: Sandbox, *, since: float) -> bool:
    """Nothing that changes anything is under way, or came or ended since then."""
    return all(call["finished_at"] is not None and call["finished_at"] < since for call in _writes(sandbox))


def _writes(sandbox: Sandbox, *methods: str, since: float = 0) -> list[Json]:
    """The calls that change something, or those of these methods."""
    calls = [call for call in sandbox.calls(since=since) if not call["method"].startswith(PERIODIC)]
    return [call for call in calls if not methods or call["method"] in methods]
