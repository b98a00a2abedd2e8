"""`incident-central worker` beside `serve --no-worker`: who answers does not page, and who pages does not answer."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.replicas import TAKEN_OVER_WITHIN, Worker, all_finished, owners, report_all
from tests.processes import Hub, Sandbox, eventually
from tests.test_trouble import assert_everything_once, report

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="session")
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True, scope="session")


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[[Hub], Worker]]:
    workers: list[Worker] = []

    def start(hub: Hub) -> Worker:
        workers.append(Worker(hub, tmp_path / f"worker-{len(workers)}.log"))
        eventually(lambda: "The worker is working." in workers[-1].log)
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop()


@on_postgresql
def test_the_web_answers_and_whichever_worker_lives_pages(
    make_hub: Callable[..., Hub], unlimited: Sandbox, start_worker: Callable[[Hub], Worker]
) -> None:
    sandbox, web = unlimited, make_hub()
    web.start("--no-worker", ready=False)
    worker = start_worker(web)
    eventually(lambda: web.answers("/readyz"))

    # Told by the web at once, and not found at the next look, which would be half a second later in the middle.
    assert statistics.median(_seconds_to_page(web, sandbox) for _ in range(9)) < 0.35

    # What the one has read of the directory the other shows, too, though it keeps it in memory.
    search = web.service_id("Search")
    for status in ("disabled", "active"):
        sandbox.plant("pagerduty", "services", search, set={"status": status})
        web.read_directory_now()
        is_disabled = status == "disabled"
        eventually(lambda: ("Search (disabled in PagerDuty)" in web.dana.get("/report").text) == is_disabled)  # noqa: B023

    # Killed with much under way: the other takes over at once, and not when leases run out.
    sandbox.control("/latency", {"pagerduty": 0.4, "slack": 0.4})
    names = report_all([web], each=1)
    (killed,) = eventually(lambda: owners(web))
    other = start_worker(web)
    names += report_all([web], each=8)
    eventually(lambda: len(owners(web)) == 2)
    worker.kill()
    stopped = time.monotonic()
    eventually(lambda: killed not in owners(web), within=TAKEN_OVER_WITHIN)
    eventually(lambda: all_finished(web), within=stopped + 15 - time.monotonic())
    sandbox.control("/latency", {"pagerduty": 0, "slack": 0})
    for name in names:
        assert_everything_once(web, sandbox, name)

    # Asked to end, it lets go of nothing that it has begun.
    sandbox.control("/latency", {"pagerduty": 0.4, "slack": 0.4})
    name = report(web)
    eventually(lambda: owners(web))
    assert other.stop() == 0
    assert owners(web) == {}

    # Without any worker a report is taken all the same, and waits for the next one.
    late = report(web)
    assert web.steps(late)["page"]["state"] == "waiting"
    web.rows("UPDATE jobs_step SET run_at = '2020-01-01 00:00:00' WHERE name = 'poll'")  # long past its time
    eventually(lambda: "Nobody works here, so nobody is paged" in web.dana.get("/").text)
    start_worker(web)
    sandbox.control("/latency", {"pagerduty": 0, "slack": 0})
    for waited in (name, late):
        web.finished(waited)
        assert_everything_once(web, sandbox, waited)


@on_postgresql
def test_how_long_nobody_has_acknowledged_is_told_by_pagerdutys_clock_which_the_web_never_asked(
    make_hub: Callable[..., Hub], sandbox: Sandbox, start_worker: Callable[[Hub], Worker]
) -> None:
    sandbox.advance(600)
    web = make_hub()
    web.start("--no-worker", ready=False)
    start_worker(web)
    name = report(web)
    web.finished(name)
    changed_at = time.time() + 600 - 301
    sandbox.plant("pagerduty", "incidents", web.incident(name)["pagerduty_id"], set={"status_changed_at": changed_at})
    web.poll_now()
    eventually(lambda: "<strong>Nobody has acknowledged for 5 min.</strong>" in web.dana.get(f"/incidents/{name}").text)


def _seconds_to_page(web: Hub, sandbox: Sandbox) -> float:
    name = report(web)
    reported = float(web.incident(name)["created_at"].timestamp())
    paged = float(eventually(lambda: sandbox.page_of(name))["created_at"])
    web.finished(name)  # the next one shall not meet what is left of this one
    return paged - reported


@on_sqlite
@pytest.mark.parametrize("command", [["worker"], ["serve", "--no-worker", "--port", "0"]])
def test_on_sqlite_one_process_does_both_and_others_are_refused(
    make_hub: Callable[..., Hub], command: list[str]
) -> None:
    refused = make_hub().command(*command)
    assert refused.returncode == 2
    assert refused.stderr == (
        "incident-central: SQLite belongs to one process, which answers and works. Run `incident-central serve` alone, "
        "or use PostgreSQL (DATABASE_URL) to have the two apart.\n"
    )
