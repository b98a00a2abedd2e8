"""Out of files, threads or memory: it does what it can, recovers, loses nothing, and ends rather than limp."""

import contextlib
import http.client
import os
import resource
import signal
import socket
import time
import urllib.parse
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.crash.replicas import all_finished, report_all
from tests.processes import Hub, Page, Sandbox, eventually, report_form
from tests.test_trouble import assert_everything_once

STARVED = "tests.crash.starved"


# ── files ─────────────────────────────────────────────────────────────────────────────────────────


def test_no_file_can_be_opened_for_a_while(make_hub: Callable[..., Hub], unlimited: Sandbox) -> None:
    sandbox, hub = unlimited, make_hub()
    hub.start()
    eventually(lambda: (hub.folder / "snapshot.json").exists())
    open_tab, form = Tab(hub), report_form(hub)
    sandbox.control("/latency", {"pagerduty": 0.7, "slack": 0.7})
    names = report_all([hub], each=5)
    before = _limit(hub, resource.RLIMIT_NOFILE, _first_free_file(hub))
    began, busy = time.monotonic(), _processor_time(hub)
    with socket.create_connection(("127.0.0.1", hub.port)):  # somebody waits to be let in
        answer = open_tab.post("/report", form)
        time.sleep(5)
        assert hub.process is not None
        assert hub.process.poll() is None
        assert _processor_time(hub) - busy < 0.5 * (time.monotonic() - began)
        assert len(hub.log.splitlines()) < 300
    sandbox.control("/latency", {"pagerduty": 0, "slack": 0})
    _limit(hub, resource.RLIMIT_NOFILE, before)

    eventually(lambda: hub.answers("/readyz"))
    if answer.status == 303:
        names.append(answer.incident)
    else:
        assert "Your report may not have been sent" in answer.text
        assert "+1 555 0100" in answer.text, "whom to phone"
    for name in names:
        hub.finished_in_time(name)
    assert {page["key"] for page in sandbox.pages} == {*names}
    # Sent again it is the same; one that was refused is taken now.
    names = [*{*names, hub.dana.post("/report", form).incident}]
    for name in names:
        hub.finished_in_time(name)
        assert_everything_once(hub, sandbox, name)
    assert len(sandbox.pages) == len(names)


class Tab:
    """A connection of Dana's browser that is open already."""

    def __init__(self, hub: Hub) -> None:
        self._cookies = {cookie.name: cookie.value or "" for cookie in hub.dana.cookies}
        self._origin = hub.url
        self._connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=30)
        self._connection.connect()

    def post(self, path: str, form: dict[str, str]) -> Page:
        """The answer itself: a redirect is not followed."""
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": self._cookies["csrftoken"], **form})
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Cookie": cookies, "Origin": self._origin, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", path, body, headers)
        answer = self._connection.getresponse()
        return Page(answer.status, answer.headers.get("Location", path), answer.read().decode())


# ── threads ───────────────────────────────────────────────────────────────────────────────────────


def test_no_thread_can_be_started_any_more(make_hub: Callable[..., Hub], unlimited: Sandbox) -> None:
    """None is missed: all were started before anybody reported anything."""
    sandbox, hub = unlimited, make_hub()
    hub.launcher = (STARVED, "nothing=0")
    hub.start()
    _signal(hub, signal.SIGUSR1)
    names = report_all([hub], each=5)
    eventually(lambda: all_finished(hub))
    for name in names:
        assert_everything_once(hub, sandbox, name)


def test_a_thread_that_dies_takes_the_process_with_it(make_hub: Callable[..., Hub], unlimited: Sandbox) -> None:
    """A hub that answers and does not work would be worse than one that is started anew."""
    sandbox, hub = unlimited, make_hub()
    hub.launcher = (STARVED, "nothing=0")
    hub.start()
    sandbox.control("/latency", {"pagerduty": 0.5, "slack": 0.5})
    names = report_all([hub], each=3)
    _signal(hub, signal.SIGUSR2)
    assert hub.process is not None
    assert hub.process.wait(timeout=10) == 70
    assert "died, so this process ends: have it started anew" in hub.log
    hub.start()
    eventually(lambda: all_finished(hub))
    for name in names:
        assert_everything_once(hub, sandbox, name)


# ── memory ────────────────────────────────────────────────────────────────────────────────────────


def test_no_memory_can_be_had_for_a_while(make_hub: Callable[..., Hub], unlimited: Sandbox) -> None:
    """It goes on with what it has; where that is not possible it ends and is started anew."""
    sandbox, hub = unlimited, make_hub()
    hub.start()
    form = report_form(hub, description="All of it is gone. " * 1000)
    sandbox.control("/latency", {"pagerduty": 0.3, "slack": 0.3})
    names = report_all([hub], each=3)
    assert hub.process is not None
    before = _limit(hub, resource.RLIMIT_AS, _addressed(hub))
    for _ in range(20):
        with contextlib.suppress(OSError, http.client.HTTPException):  # where it ends
            hub.dana.post("/report", form)
    time.sleep(2)
    if hub.process.poll() is None:
        _limit(hub, resource.RLIMIT_AS, before)
    else:
        assert hub.process.returncode == 70, hub.log
        hub.start()
    sandbox.control("/latency", {"pagerduty": 0, "slack": 0})
    names.append(hub.dana.post("/report", form).incident)
    eventually(lambda: all_finished(hub))
    for name in names:
        assert_everything_once(hub, sandbox, name)
    assert len(sandbox.pages) == len(names)


# ── too little to begin with ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lack", "told"),
    [
        ("files=256", "this process may open 256 files, and needs up to 640. Raise it with ulimit -n."),
        ("threads=40", "Allow this process more of them (ulimit -u, the container's pids limit) or memory."),
        ("memory=400", "Allow this process more of them (ulimit -u, the container's pids limit) or memory."),
    ],
    ids=["files", "threads", "memory"],
)
def test_with_too_little_it_does_not_start_and_says_what_is_missing(
    make_hub: Callable[..., Hub], lack: str, told: str
) -> None:
    hub = make_hub()
    hub.launcher = (STARVED, lack)
    hub.begin()
    assert hub.process is not None
    assert hub.process.wait(timeout=20) == 2, hub.log
    assert told in hub.log


def _signal(hub: Hub, number: signal.Signals) -> None:
    assert hub.process is not None
    os.kill(hub.process.pid, number)


def _limit(hub: Hub, what: int, number: int) -> int:
    """Set the limit of the running process; what it was."""
    assert hub.process is not None
    before, most = resource.prlimit(hub.process.pid, what)
    resource.prlimit(hub.process.pid, what, (number, most))
    return before


def _proc(hub: Hub, name: str) -> Path:
    assert hub.process is not None
    return Path(f"/proc/{hub.process.pid}/{name}")


def _first_free_file(hub: Hub) -> int:
    """As a limit it leaves none: numbers that were given back lie below others that are in use."""
    taken = {int(number) for number in os.listdir(_proc(hub, "fd"))}
    return next(number for number in count() if number not in taken)


def _processor_time(hub: Hub) -> float:
    """Seconds that the process has kept a processor busy."""
    columns = _proc(hub, "stat").read_text().rpartition(")")[2].split()
    return (int(columns[11]) + int(columns[12])) / os.sysconf("SC_CLK_TCK")


def _addressed(hub: Hub) -> int:
    """Bytes of address space."""
    return int(_proc(hub, "statm").read_text().split()[0]) * resource.getpagesize()
