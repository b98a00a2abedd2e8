"""Several processes on one PostgreSQL: killed, frozen, started together, with wrong clocks, behind a pooler."""

import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.crash.replicas import TAKEN_OVER_WITHIN, all_finished, freeze, owner_of, owners, report_all, unfinished, wake
from tests.crash.test_worker import on_postgresql
from tests.processes import Cluster, Hub, Json, Sandbox, eventually, free_port, report_form
from tests.test_trouble import assert_everything_once

pytestmark = on_postgresql

TEN_MINUTES = 600
LEASE = 28  # seconds
LEASE_AND_LOOK = 30  # seconds; a second until somebody looks, and one for a machine that does other things, too
WORD = "incident_central_jobs"  # by which the other one is told to look
#: What is called again and again, whatever is reported: the first call of each kind of periodic work.
PERIODIC = ["GET /incidents", "GET /teams", "users.list"]
REST_OF_IT = [
    *("GET /priorities", "GET /users", "GET /escalation_policies", "GET /services", "GET /oncalls", "auth.test"),
    *("GET /log_entries", "GET /incidents/{id}", "GET /incidents/{id}/log_entries", "GET /webhook_subscriptions"),
]


def test_one_is_killed_and_one_is_frozen_and_every_report_is_answered_once(
    make_hub: Callable[..., Hub], quiet_sandbox: Sandbox, make_replica: Callable[..., Hub]
) -> None:
    """Three replicas, started at the same time; the clocks of two are ten minutes off."""
    sandbox, killed = quiet_sandbox, make_hub()
    sandbox.switch(rate_limits="off")
    killed.sandbox = sandbox
    frozen = make_replica(killed, database_url=f"{killed.database_url}?application_name=frozen", clock=TEN_MINUTES)
    left = make_replica(killed, database_url=f"{killed.database_url}?application_name=left", clock=-TEN_MINUTES)
    killed.rows(SLOW_STARTS)
    began = time.monotonic()
    _start_together([killed, frozen, left])
    jobs = killed.rows("SELECT workflow FROM jobs_job ORDER BY workflow")
    assert [row["workflow"] for row in jobs] == ["doctor", "drill-plans", "pagerduty-sync", "slack-sync", "watch"]
    # On a busy machine the next poll may be due before all of them are ready.
    polled, due = _periodic_calls(sandbox), 1 + int((time.monotonic() - began) / 15)
    assert polled == {"GET /incidents": polled["GET /incidents"], "GET /teams": 1, "users.list": 1}
    assert polled["GET /incidents"] <= due
    for polls in range(polled["GET /incidents"] + 1, polled["GET /incidents"] + 4):
        killed.poll_now()
        killed.rows(f"NOTIFY {WORD}")  # all of them look at the same moment
        eventually(partial(_polled, sandbox, polls))
        time.sleep(1.2)  # by then each of them has looked
        assert _periodic_calls(sandbox)["GET /incidents"] == polls

    # All of these will be answered while their caller is frozen. In the first, another call would follow.
    slow = sandbox.fault("slack", "slow", method="users.lookupByEmail", seconds=15, times=1)
    (halfway,) = report_all([frozen], each=1, service_name="Data Warehouse")
    assert _longest_lease(left) <= LEASE, "though the clock of who took it is ten minutes ahead"
    eventually(lambda: sandbox.calls("users.lookupByEmail"))
    sandbox.control("/latency", {"pagerduty": 8, "slack": 8})
    called = report_all([frozen], each=9)
    assert _longest_lease(left) <= LEASE
    eventually(lambda: len(sandbox.calls("POST /incidents")) == len(sandbox.calls("conversations.create")) == 10)
    owner = owner_of(left, halfway)

    sandbox.control("/latency", {"pagerduty": 4, "slack": 4})
    *others, held = report_all([killed] * 10 + [frozen], each=1)
    with psycopg.connect(left.database_url) as session:
        # It is frozen in the middle of a transaction, too.
        session.execute("LOCK TABLE jobs_job IN EXCLUSIVE MODE")
        eventually(lambda: _sessions(left, "wait_event_type = 'Lock'"))
        # What was reported to one may be done by another.
        dead = eventually(lambda: owners(left).keys() - {owner} - _owners_within(left, "left"))
        killed.kill()
        freeze(frozen)
        stopped = time.monotonic()
    try:
        assert len(owners(left)) >= 2
        assert len(unfinished(left)) >= 20
        under_way = owners(left)[owner]
        assert under_way >= len(called)
        eventually(lambda: _sessions(left, "state = 'idle in transaction'"))
        # Who is dead for certain is replaced at once; who may live still has until its lease ends.
        eventually(lambda: not dead & owners(left).keys(), within=stopped + TAKEN_OVER_WITHIN - time.monotonic())
        sandbox.control("/latency", {"pagerduty": 0, "slack": 0})
        eventually(lambda: unfinished(left) == {halfway, held, *called}, within=15)
        eventually(lambda: not _sessions(left, "state = 'idle in transaction'"), within=15)
        eventually(lambda: owner not in owners(left), within=40)
        assert 20 < time.monotonic() - stopped < LEASE_AND_LOOK
        eventually(lambda: all_finished(left))
    finally:
        sandbox.control(f"/faults/{slow}", method="DELETE")
        woken = time.time()
        wake(frozen)
    # Those that it wanted to write down when it was frozen, too.
    eventually(lambda: len(re.findall("taken over: outcome dropped|outcome not written", frozen.log)) >= under_way)
    eventually(lambda: frozen.answers("/readyz"))
    assert {call["method"] for call in sandbox.calls(since=woken)} <= {*PERIODIC, *REST_OF_IT}, "nothing of a response"
    for name in (*others, *called, held):
        assert_everything_once(left, sandbox, name)
    assert len(sandbox.messages(halfway)) == 2, "the summary, and who is missing"
    assert len(sandbox.pages) == 21

    # News is news, whoever's clock says that it is older than what was read before.
    frozen.stop()
    for name in called:
        sandbox.acknowledge(sandbox.page_of(name)["id"], sandbox.user_id("Mei Tanaka"))
    left.poll_now()
    eventually(lambda: {left.incident(name)["status"] for name in called} == {"acknowledged"})


#: Each of those that start together has looked for the periodic work, and found none, before another has written it.
SLOW_STARTS = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2); RETURN NEW; END';
    CREATE TRIGGER slow BEFORE INSERT ON jobs_job FOR EACH ROW
        WHEN (NEW.workflow <> 'response') EXECUTE FUNCTION slow()
"""


def test_who_was_taken_over_while_it_was_frozen_for_moments_sends_and_writes_nothing_more(
    make_hub: Callable[..., Hub], unlimited: Sandbox, make_replica: Callable[..., Hub]
) -> None:
    """The session that showed that it lives broke meanwhile. It wakes while its successor is still looking, has its
    lock again at once, and its leases would not have been over yet."""
    sandbox, frozen = unlimited, make_hub()
    left = make_replica(frozen)
    _start_together([frozen, left])

    # Its leases have just been renewed.
    sandbox.fault("slack", "slow", method="conversations.setTopic", seconds=9, times=1)
    (renewing,) = report_all([frozen], each=1)
    began = eventually(lambda: left.steps(renewing)["topic"]["lease_until"])
    eventually(lambda: left.steps(renewing)["topic"]["lease_until"] != began)

    # In the midst of a step of several calls, and of calls that have got through.
    slow = sandbox.fault("slack", "slow", method="users.lookupByEmail", seconds=9, times=1)
    (halfway,) = report_all([frozen], each=1, service_name="Data Warehouse")
    eventually(lambda: sandbox.calls("users.lookupByEmail"))
    eventually(lambda: _states(left, halfway) == {"done": 10, "running": 1, "queued": 1})
    owner = owner_of(left, halfway)
    sandbox.fault("pagerduty", "late", method="POST /incidents", seconds=6)
    sandbox.fault("slack", "late", method="conversations.create", seconds=6)
    names = report_all([frozen], each=3)
    eventually(lambda: len(sandbox.calls("POST /incidents")) == len(sandbox.calls("conversations.create")) == 5)
    sandbox.fault("pagerduty", "slow", method="GET /incidents", seconds=8)
    sandbox.fault("slack", "slow", method="users.conversations", seconds=8)
    freeze(frozen)
    try:
        left.rows("SELECT pg_terminate_backend(%s)", _holder(left, owner))
        eventually(lambda: owner not in owners(left), within=TAKEN_OVER_WITHIN)
    finally:
        wake(frozen)
    # Once it sends what is its own again, what was taken over gets its answer, and would go on.
    (fresh,) = report_all([frozen], each=1)
    eventually(lambda: sandbox.page_of(fresh))
    sandbox.control(f"/faults/{slow}", method="DELETE")
    dropped = [f"{step} of {name}" for name in names for step in ("page", "open_channel")] + [
        f"find_missing of {halfway}"
    ]
    eventually(lambda: all(f"{one} was taken over: outcome dropped" in frozen.log for one in dropped))
    assert {_states(left, name)["looking"] for name in names} == {2}
    sandbox.mend()
    eventually(lambda: all_finished(left))
    for name in (*names, renewing, fresh):
        assert_everything_once(left, sandbox, name)
    assert len(sandbox.calls("conversations.history")) == 1, "who is missing was looked for twice"


def test_a_lock_that_is_free_for_a_moment_makes_nobody_look_dead(
    make_hub: Callable[..., Hub], unlimited: Sandbox, make_replica: Callable[..., Hub]
) -> None:
    sandbox, caller = unlimited, make_hub()
    other = make_replica(caller)
    _start_together([caller, other])
    for _ in range(5):
        sandbox.fault("slack", "slow", method="conversations.create", seconds=5, times=1)
        (name,) = report_all([caller], each=1)
        eventually(partial(sandbox.page_of, name))
        eventually(partial(_only_the_channel_is_under_way, other, name))
        owner = owner_of(other, name)
        eventually(partial(_holder, other, owner))
        free_for = _break_for_a_moment(caller, other, owner)
        eventually(lambda: all_finished(other))
        assert_everything_once(other, sandbox, name)
        if free_for < 0.5:  # else this machine was too busy to make it a moment
            assert other.steps(name)["open_channel"]["fence"] == 1
            return
    raise AssertionError("this machine is too busy")


def _only_the_channel_is_under_way(hub: Hub, name: str) -> bool:
    return [step for step, row in hub.steps(name).items() if row["state"] == "running"] == ["open_channel"]


def _break_for_a_moment(caller: Hub, other: Hub, owner: str) -> float:
    """End the session that shows that the caller lives, and have the other one look. Seconds until it shows again."""
    before = _holder(other, owner)
    freeze(caller)
    try:
        other.rows("SELECT pg_terminate_backend(%s)", before)
        broken = time.monotonic()
        other.rows(f"NOTIFY {WORD}")
        time.sleep(0.2)
    finally:
        wake(caller)
    eventually(lambda: _holder(other, owner) not in (None, before))
    return time.monotonic() - broken


def _holder(hub: Hub, owner: str) -> int | None:
    """The session that shows that this owner lives."""
    number = "((classid::bigint << 32) | objid::bigint)"
    query = f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND {number} = %s"  # noqa: S608
    return next((int(row["pid"]) for row in hub.rows(query, int(owner.removeprefix("lock-")))), None)


def _owners_within(hub: Hub, application_name: str) -> set[str]:
    """Those that this replica's sessions show to live."""
    query = """SELECT (classid::bigint << 32) | objid::bigint AS number FROM pg_locks JOIN pg_stat_activity USING (pid)
               WHERE locktype = 'advisory' AND granted AND application_name = %s"""
    return {f"lock-{row['number']}" for row in hub.rows(query, application_name)}


def _states(hub: Hub, name: str) -> Counter[str]:
    return Counter(str(row["state"]) for row in hub.steps(name).values())


def _longest_lease(hub: Hub) -> float:
    """Seconds, by the database's clock."""
    told = "max(extract(epoch FROM lease_until - clock_timestamp()))"
    (row,) = hub.rows(f"SELECT {told} AS longest FROM jobs_step WHERE state IN ('running', 'looking')")  # noqa: S608
    return float(row["longest"])


def _sessions(hub: Hub, which: str) -> list[Json]:
    """The frozen replica's sessions of this kind."""
    return hub.rows(f"SELECT pid FROM pg_stat_activity WHERE application_name = 'frozen' AND {which}")  # noqa: S608


@pytest.fixture
def pooler(cluster: Cluster, tmp_path: Path) -> Iterator[int]:
    """A PgBouncer in transaction mode in front of the cluster; its port."""
    if (program := shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")) is None:
        pytest.skip("PgBouncer is not installed on this machine")
    port, folder = free_port(), cluster.folder / f"pooler-{tmp_path.name}"
    folder.mkdir()
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"""[databases]
        * = host=127.0.0.1 port={cluster.port}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = trust
        auth_file = {folder}/users
        pool_mode = transaction
        default_pool_size = 10
        max_client_conn = 200
        """.replace("\n        ", "\n")
    )
    process = subprocess.Popen([program, "-q", str(folder / "pgbouncer.ini")], **cluster.as_postgres)
    yield port
    process.terminate()
    process.wait(timeout=10)


def test_behind_a_transaction_pooler_the_lease_alone_decides(
    make_hub: Callable[..., Hub], unlimited: Sandbox, make_replica: Callable[..., Hub], pooler: int
) -> None:
    sandbox, direct = unlimited, make_hub()
    url = f"postgresql://postgres@127.0.0.1:{pooler}/{direct.database_url.rpartition('/')[2]}"
    killed = make_replica(direct, database_url=url)
    left = make_replica(direct, database_url=url)
    # One that needs no pooler must not take those behind it for dead either.
    _start_together([killed, left, direct])

    # Neither takes the other for dead, though it may be handed the very session that took the other's lock.
    sandbox.fault("slack", "slow", method="conversations.create", seconds=6, times=1)
    (slow,) = report_all([killed], each=1)
    eventually(lambda: all_finished(direct))
    assert direct.steps(slow)["open_channel"]["fence"] == 1

    sandbox.control("/latency", {"pagerduty": 0.5, "slack": 0.5})
    names = report_all([killed], each=5)
    owner = owner_of(direct, names[0])
    killed.kill()
    stopped = time.monotonic()
    assert owners(direct)[owner] >= 5
    sandbox.control("/latency", {"pagerduty": 0, "slack": 0})
    others = report_all([left, direct], each=2)
    eventually(lambda: unfinished(direct) == set(names), within=10)
    eventually(lambda: owner not in owners(direct), within=40)
    assert 20 < time.monotonic() - stopped < LEASE_AND_LOOK
    eventually(lambda: all_finished(direct))
    for name in [slow, *names, *others]:
        assert_everything_once(direct, sandbox, name)


def test_steps_that_end_at_the_same_time_start_what_waited_for_both(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    """The page, and the look for who is missing, which finds nobody and so writes nothing else. While that is being
    committed, which takes seconds here, neither sees the end of the other, nor do the page's followers, unless they
    wait for it."""
    sandbox, hub = unlimited, make_hub()
    hub.start()
    page = sandbox.fault("pagerduty", "late", method="POST /incidents", seconds=60)
    invitation = sandbox.fault("slack", "late", method="conversations.invite", seconds=60)
    names = report_all([hub], each=3)
    eventually(lambda: len(sandbox.calls("conversations.invite")) == len(sandbox.calls("POST /incidents")) == 3)
    hub.rows(SLOW_COMMITS)
    sandbox.control(f"/faults/{invitation}", method="DELETE")
    eventually(lambda: len(hub.rows("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")) == 3)
    sandbox.control(f"/faults/{page}", method="DELETE")
    eventually(lambda: all_finished(hub))
    assert len(sandbox.pages) == len(names)


SLOW_COMMITS = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN PERFORM pg_sleep(2.5); RETURN NULL; END$$;
    CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON jobs_step DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        WHEN (NEW.name = 'find_missing' AND NEW.state = 'done') EXECUTE FUNCTION slow()
"""


def test_done_by_hand_in_the_moment_in_which_it_starts_it_is_done_once_and_known(
    make_hub: Callable[..., Hub], unlimited: Sandbox
) -> None:
    """Somebody presses at the summary while the steps that follow the channel are being started."""
    sandbox, hub = unlimited, make_hub()
    hub.start()
    hub.rows(STARTS_SLOWLY)
    name = hub.dana.post("/report", report_form(hub)).incident
    eventually(lambda: hub.rows("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
    hub.dana.post(f"/incidents/{name}/steps/summary", {"done": "by-hand"})
    hub.finished_in_time(name)
    assert "outcome dropped" not in hub.log, "what opened the channel has started the summary, too"
    assert hub.steps(name)["summary"]["by_hand"] == "Dana Okafor"
    assert_everything_once(hub, sandbox, name)


STARTS_SLOWLY = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.7); RETURN NEW; END';
    CREATE TRIGGER slow BEFORE UPDATE ON jobs_step FOR EACH ROW
        WHEN (NEW.name = 'invite' AND OLD.state = 'queued' AND NEW.state = 'running') EXECUTE FUNCTION slow()
"""


def _start_together(hubs: list[Hub]) -> None:
    for hub in hubs:
        hub.begin()
    for hub in hubs:
        eventually(partial(hub.answers, "/readyz"))


def _polled(sandbox: Sandbox, times: int) -> bool:
    return _periodic_calls(sandbox)["GET /incidents"] >= times


def _periodic_calls(sandbox: Sandbox) -> Counter[str]:
    return Counter(call["method"] for call in sandbox.calls() if call["method"] in PERIODIC)
