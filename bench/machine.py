"""What the hub takes of its machine, and what the machine itself is good for."""

import os
import platform
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement

from bench.reporter import Reporter
from bench.stage import ONE, Stage, wait_until
from tests.crash.replicas import Worker
from tests.processes import ROOT, Hub

MEGABYTE = 1_000_000


@dataclass
class Memory:
    """The largest memory of a process while this is entered, in megabytes, looked up four times a second."""

    pid: int
    resident: float = 0.0  # RSS: all its pages, shared ones counted in full
    proportional: float = 0.0  # PSS: shared pages counted by their share
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Memory":
        self._look()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *why: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.25):
            self._look()

    def _look(self) -> None:
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
        self.resident = max(self.resident, kilobytes["Rss"] * 1024 / MEGABYTE)
        self.proportional = max(self.proportional, kilobytes["Pss"] * 1024 / MEGABYTE)


def memory_of(hub: Hub | Worker) -> Memory:
    """Web and worker are one process, unless they run apart."""
    if hub.process is None:
        raise RuntimeError("the hub does not run")
    return Memory(hub.process.pid)


def processor_time(hub: Hub) -> float:
    """Seconds of a processor that the hub has used so far."""
    if hub.process is None:
        raise RuntimeError("the hub does not run")
    ticks = Path(f"/proc/{hub.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def starts(stage: Stage, times: int) -> list[float]:
    """Seconds from starting `serve` to the arrival of the first page request, of a report that is sent as soon as the
    hub listens. Its database is there and the reporter is signed in, as after any restart."""
    with stage.hub() as hub:
        person = Reporter(hub, service=ONE)
        found = []
        for _ in range(times):
            hub.stop()
            found.append(_start(stage, hub, person))
            stage.tidy(hub)
        return found


def _start(stage: Stage, hub: Hub, person: Reporter) -> float:
    began = time.time()
    hub.process = subprocess.Popen(  # noqa: S603  a program of ours
        [sys.executable, "-m", "incident_central", "serve", "--port", str(hub.port)],
        env=hub.environment,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    wait_until(person.connects, every=0.005)
    sent = person.report()
    person.close()
    wait_until(lambda: sent.name in stage.page_calls())
    return stage.page_calls()[sent.name].arrived_at - began


def installed_packages() -> int:
    return len(packages(ROOT / "requirements.txt"))


def packages(lock: Path) -> set[str]:
    """The names of what a lock installs on this machine, by the lock itself."""
    lines = [line.removesuffix("\\") for line in lock.read_text().splitlines()]
    wanted = [Requirement(line) for line in lines if "==" in line and not line.startswith((" ", "#"))]
    return {one.name for one in wanted if one.marker is None or one.marker.evaluate()}


def description() -> dict[str, object]:
    """The kind of machine, and how quiet it was."""
    return {
        "cores": os.cpu_count(),
        "load": [round(one, 2) for one in os.getloadavg()],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "loop_ms": round(_loop() * 1000, 2),
    }


def syncs(folder: Path, times: int = 100) -> list[float]:
    """Seconds that the disk takes to keep 4 kB for good: no commit is faster."""
    found = []
    descriptor = os.open(folder / "sync", os.O_CREAT | os.O_WRONLY, 0o600)
    for _ in range(times):
        os.write(descriptor, bytes(4096))
        began = time.perf_counter()
        os.fdatasync(descriptor)
        found.append(time.perf_counter() - began)
        time.sleep(0.01)
    os.close(descriptor)
    return found


def _loop() -> float:
    """Best of twenty: seconds for adding up a hundred thousand squares, to compare machines by."""
    best = 1.0
    for _ in range(20):
        began = time.perf_counter()
        sum(number * number for number in range(100_000))
        best = min(best, time.perf_counter() - began)
    return best
