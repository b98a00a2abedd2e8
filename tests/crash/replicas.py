"""Several processes of one hub on one PostgreSQL database, and what they have under way."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.processes import ALONE, ROOT, Hub, eventually, report_form

SHIFTED = "tests.crash.shifted"
#: Seconds in which the work of one that is dead for certain is taken over: its lock must have been free for 0.6 s, it
#: may take one more until somebody looks, and the rest is for the machine. Beside other tests it may be some more, and
#: still nothing that waits for the lease to end.
TAKEN_OVER_WITHIN = 3.0 if ALONE else 8.0


def another(hub: Hub, folder: Path, *, database_url: str = "", clock: int = 0) -> Hub:
    """A replica with a folder and a port of its own, not started. `clock`: by how many seconds its clock is off."""
    folder.mkdir()
    settings = hub.settings | {"BASE_URL": hub.url}
    launcher = (SHIFTED, str(clock)) if clock else ("incident_central",)
    return Hub(hub.sandbox, folder, database_url or hub.database_url, settings, launcher)


class Worker:
    """`incident-central worker` beside a hub, in a process of its own."""

    def __init__(self, hub: Hub, log: Path) -> None:
        self._log = log
        with log.open("a") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "incident_central", "worker"], env=hub.environment, stderr=file, cwd=ROOT
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=20)


def freeze(hub: Hub) -> None:
    assert hub.process is not None
    os.kill(hub.process.pid, signal.SIGSTOP)


def wake(hub: Hub) -> None:
    if hub.process is not None and hub.process.poll() is None:
        os.kill(hub.process.pid, signal.SIGCONT)


def report_all(hubs: list[Hub], *, each: int, **form: str) -> list[str]:
    """Reports to each of the hubs, all at the same time; the names of the incidents."""
    forms = [(hub.dana, report_form(hub, **form)) for hub in hubs for _ in range(each)]
    with ThreadPoolExecutor(len(forms)) as threads:
        names = [page.incident for page in threads.map(lambda one: one[0].post("/report", one[1]), forms)]
    # On a very busy machine some come by way of the journal.
    eventually(lambda: in_the_database(hubs[0], names))
    return names


def in_the_database(hub: Hub, names: Iterable[str]) -> bool:
    return {*names} <= {row["id"] for row in hub.rows("SELECT id FROM incidents")}


def owners(hub: Hub) -> dict[str, int]:
    """How many steps of responses each owner has under way."""
    query = """SELECT s.owner, count(*) AS steps FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id
               WHERE j.workflow = 'response' AND s.state IN ('running', 'looking') GROUP BY s.owner"""
    return {str(row["owner"]): int(row["steps"]) for row in hub.rows(query)}


def owner_of(hub: Hub, name: str) -> str:
    """Who has a step of this incident's response under way."""
    (owner,) = {row["owner"] for row in hub.steps(name).values() if row["state"] in ("running", "looking")}
    return str(owner)


def all_finished(hub: Hub) -> bool:
    query = """SELECT j.key, s.name, s.state, s.owner, s.error FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id
               WHERE j.workflow = 'response' AND s.state NOT IN ('done', 'off', 'by-hand')"""
    left = hub.rows(query)
    assert not left, left
    return True


def unfinished(hub: Hub) -> set[str]:
    """The incidents whose response has steps left."""
    query = """SELECT DISTINCT j.key FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id
               WHERE j.workflow = 'response' AND s.state NOT IN ('done', 'off', 'by-hand')"""
    return {str(row["key"]) for row in hub.rows(query)}
