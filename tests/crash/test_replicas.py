"""Several processes on one PostgreSQL: killed, frozen, started together, with wrong clocks, behind a pooler."""

import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from incident_central import demo
from tests.crash.replicas import another, freeze, owner_of, owners, report_all, unfinished, wake
from tests.crash.test_worker import on_postgresql
from tests.processes import Cluster, Hub, Sandbox, eventually
from tests.test_trouble import assert_everything_once

pytestmark = on_postgresql

TEN_MINUTES = 600
#: What is called again and again, whatever is reported: the first call of each kind of periodic work.
PERIODIC = ["GET /incidents", "GET /teams", "users.list"]
REST_OF_IT = ["GET /priorities", "GET /users", "GET /escalation_policies", "GET /services", "GET /oncalls", "auth.test"]


def test_one_is_killed_and_one_is_frozen_and_every_report_is_answered_once(
    make_hub: Callable[..., Hub], unlimited: Sandbox, tmp_path: Path
) -> None:
    """Three replicas, started at the same time; the clocks of two are ten minutes off."""
    sandbox, killed = unlimited, make_hub()
    frozen = another(killed, tmp_path / "frozen", clock=TEN_MINUTES)
    left = another(killed, tmp_path / "left", clock=-TEN_MINUTES)
    _start_together([killed, frozen, left])
    assert _periodic_calls(sandbox) == {"GET /incidents": 1, "GET /teams": 1, "users.list": 1}
    for polls in (2, 3, 4):
        killed.poll_now()
        eventually(partial(_polled, sandbox, polls))

    sandbox.control("/latency", {"pagerduty": 0.5, "slack": 0.5})
    # Frozen while Slack answers whom it does not know, and before that is said in the channel.
    slow = sandbox.fault("slack", "slow", method="users.lookupByEmail", seconds=6, times=1)
    (halfway,) = report_all([frozen], each=1, service_name="Data Warehouse")
    eventually(lambda: sandbox.calls("users.lookupByEmail"))
    names = report_all([killed, frozen], each=10)
    owner = owner_of(left, halfway)
    killed.kill()
    freeze(frozen)
    stopped = time.monotonic()
    try:
        assert len(owners(left)) >= 2
        assert len(unfinished(left)) >= 20
        # Who is dead for certain is replaced at once; who may live still has until its lease ends.
        eventually(lambda: set(owners(left)) == {owner}, within=15)
        assert len(unfinished(left)) >= 10
        sandbox.control("/latency", {"pagerduty": 0, "slack": 0})
        eventually(lambda: owner not in owners(left), within=40)
        assert 20 < time.monotonic() - stopped < 31
        eventually(lambda: not unfinished(left))
    finally:
        sandbox.control(f"/faults/{slow}", method="DELETE")
        woken = time.time()
        wake(frozen)
    eventually(lambda: "was taken over: outcome dropped" in frozen.log)
    eventually(lambda: frozen.answers("/readyz"))
    time.sleep(1)
    assert {call["method"] for call in sandbox.calls(since=woken)} <= {*PERIODIC, *REST_OF_IT}, "nothing of a response"
    for name in names:
        assert_everything_once(left, sandbox, name)
    assert len(sandbox.messages(halfway)) == 2, "the summary, and who is missing"
    assert len(sandbox.pages) == 21


@pytest.fixture
def pooler(cluster: Cluster, tmp_path: Path) -> Iterator[int]:
    """A PgBouncer in transaction mode in front of the cluster; its port."""
    if (program := shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")) is None:
        pytest.skip("PgBouncer is not installed on this machine")
    port, folder = demo._free_port(), cluster.folder / f"pooler-{tmp_path.name}"
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
    make_hub: Callable[..., Hub], unlimited: Sandbox, tmp_path: Path, pooler: int
) -> None:
    sandbox, direct = unlimited, make_hub()
    url = f"postgresql://postgres@127.0.0.1:{pooler}/{direct.database_url.rpartition('/')[2]}"
    killed = another(direct, tmp_path / "killed", database_url=url)
    left = another(direct, tmp_path / "left", database_url=url)
    # One that needs no pooler must not take those behind it for dead either.
    _start_together([killed, left, direct])

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
    assert 20 < time.monotonic() - stopped < 31
    eventually(lambda: not unfinished(direct))
    for name in names + others:
        assert_everything_once(direct, sandbox, name)


def _start_together(hubs: list[Hub]) -> None:
    for hub in hubs:
        hub.begin()
    for hub in hubs:
        eventually(partial(hub.answers, "/readyz"))


def _polled(sandbox: Sandbox, times: int) -> bool:
    return _periodic_calls(sandbox)["GET /incidents"] == times


def _periodic_calls(sandbox: Sandbox) -> Counter[str]:
    return Counter(call["method"] for call in sandbox.calls() if call["method"] in PERIODIC)
