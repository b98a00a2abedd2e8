"""Everything that takes part: the sandbox, a hub on a fresh database, the original, and what each of them saw."""

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from bench.reporter import OriginalReporter
from tests.crash.replicas import Worker
from tests.processes import ROOT, Cluster, Hub, Sandbox, eventually, postgresql_binaries

PAGERDUTY, SLACK = 0.25, 0.15  # seconds a call
ONE, TEN = "One on call", "Ten on call"  # services by how many people their policy pages
PATIENCE = 120.0  # seconds for anything that must come by itself


@contextmanager
def open_stage(*, postgresql: bool = True) -> Iterator["Stage"]:
    """A stage that is taken down again, with PostgreSQL where this machine has it."""
    with ExitStack() as taken_down:
        folder = Path(taken_down.enter_context(tempfile.TemporaryDirectory(prefix="ic-bench-")))
        cluster = Cluster() if postgresql and postgresql_binaries() is not None else None
        if cluster is not None:
            taken_down.callback(cluster.close)
        sandbox = Sandbox()
        taken_down.callback(sandbox.close)
        yield Stage(folder, sandbox, cluster=cluster)


class Stage:
    """A sandbox whose company has services with one and with ten people on call, and databases made ready for hubs."""

    def __init__(self, folder: Path, sandbox: Sandbox, *, cluster: Cluster | None) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self._cluster = cluster
        self._made = 0
        self._service_ids: dict[str, str] = {}
        self.sandbox.control("/reset", {"scale": {"people": 40}})
        crew = [user for user in self.sandbox.state["pagerduty"]["users"] if user["name"].startswith("Robin Example")]
        for service, people in ((ONE, 1), (TEN, 10)):
            self._plant_service(service, [user["id"] for user in crew[:people]])
        self._templates = {"sqlite": self._prepared("")}
        if cluster is not None:
            self._templates["postgresql"] = self._prepared(cluster.new_database())

    @property
    def has_postgresql(self) -> bool:
        return "postgresql" in self._templates

    def new_hub(self, database: str = "sqlite") -> Hub:
        """A hub with a fresh database that knows the company, not started."""
        template = self._templates[database]
        self._made += 1
        folder = self.folder / f"hub-{self._made}"
        shutil.copytree(template.folder, folder)
        url = self._cluster.new_database(like=template.database_url) if self._cluster and template.database_url else ""
        return Hub(self.sandbox, folder, url)

    @contextmanager
    def hub(self, database: str = "sqlite") -> Iterator[Hub]:
        """A running hub with Dana signed in."""
        hub = self.new_hub(database)
        try:
            hub.start()
            _ = hub.dana
            yield hub
        finally:
            self.at_ease()
            hub.stop()

    @contextmanager
    def web_and_worker(self) -> Iterator[tuple[Hub, Worker]]:
        """The same on PostgreSQL in two processes: one answers, and one works."""
        web = self.new_hub("postgresql")
        worker = Worker(web, web.folder / "worker.log")
        try:
            web.start("--no-worker")
            _ = web.dana
            yield web, worker
        finally:
            self.at_ease()
            web.stop()
            worker.stop()

    @contextmanager
    def original(self) -> Iterator[OriginalReporter]:
        """The original, running, and somebody who reports to it."""
        addresses = ["--pagerduty", self.sandbox.addresses["pagerduty"], "--slack", self.sandbox.addresses["slack"]]
        process = subprocess.Popen(  # noqa: S603  a program of ours
            [sys.executable, "-m", "bench.original", *addresses], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        try:
            line = process.stdout.readline() if process.stdout else ""
            reporter = OriginalReporter(json.loads(line)["port"], service_id=self._service_ids[ONE])
            yield reporter
            reporter.close()
        finally:
            process.terminate()
            process.wait(timeout=15)

    def latencies(self, *, pagerduty: float = PAGERDUTY, slack: float = SLACK, connect: float = 0.0) -> None:
        self.sandbox.control("/latency", {"pagerduty": pagerduty, "slack": slack, "connect": connect})

    def limits(self, choice: str) -> None:
        """PagerDuty's and Slack's rate limits: on or off."""
        self.sandbox.switch(rate_limits=choice)

    def at_ease(self) -> None:
        """Nothing hangs, nothing is slow, nothing is limited."""
        self.sandbox.mend()
        self.limits("off")
        self.latencies(pagerduty=0, slack=0)

    def tidy(self, hub: Hub) -> None:
        """Have everything finished, resolved, archived and forgotten, so that what comes next meets a quiet company.

        Forgotten first: a hundred incidents that are resolved in the same second would be read for some minutes.
        """
        self.at_ease()
        with Rows(hub) as rows:
            eventually(lambda: rows.unsettled() == 0, within=PATIENCE)
            eventually(rows.forget, within=PATIENCE)
        state = self.sandbox.state
        someone = state["pagerduty"]["users"][0]["id"]
        for incident in state["pagerduty"]["incidents"]:
            if incident["status"] != "resolved":
                self.sandbox.resolve(incident["id"], someone)
        for channel in state["slack"]["channels"]:
            if channel["name"].startswith("incident-") and not channel["is_archived"]:
                self.sandbox.plant("slack", "channels", channel["id"], set={"is_archived": True})
        self.sandbox.control("/calls", method="DELETE")

    def page_calls(self) -> dict[str, "PageCall"]:
        """By incident, the page requests that arrived since the sandbox's log was last emptied."""
        found: dict[str, PageCall] = {}
        for call in self.sandbox.calls("POST /incidents"):
            key = call["body"]["incident"]["incident_key"]
            accepted_at = call["finished_at"] if call["status"] == 201 else None
            first = found.get(key)
            if first is None:
                found[key] = PageCall(call["arrived_at"], accepted_at)
            elif first.accepted_at is None:
                found[key] = PageCall(first.arrived_at, accepted_at)
        return found

    def _plant_service(self, name: str, people: list[str]) -> None:
        state = self.sandbox.state["pagerduty"]
        like = {service["name"]: service for service in state["services"]}["Checkout API"]
        rule = {"id": f"P{name.upper().replace(' ', '')}"[:7], "minutes": 30, "target_ids": people}
        policy = self._planted("policies", name=name, team_ids=[], rules=[rule])
        given = {"description": "", "policy_id": policy, "team_ids": like["team_ids"], "created_at": like["created_at"]}
        self._service_ids[name] = self._planted("services", name=name, **given)

    def _planted(self, collection: str, **create: Any) -> str:
        answer = self.sandbox.control("/plant", {"provider": "pagerduty", "collection": collection, "create": create})
        return str(answer["id"])

    def _prepared(self, database_url: str) -> Hub:
        """A hub that was started once, has read the company's directory, and was stopped."""
        folder = Path(tempfile.mkdtemp(dir=self.folder, prefix="template-"))
        hub = Hub(self.sandbox, folder, database_url)
        hub.prepare()
        self.at_ease()
        hub.start()
        eventually(lambda: hub.rows("SELECT 1 FROM incidents_member LIMIT 1"), within=PATIENCE)
        hub.stop()
        return hub


@dataclass(frozen=True)
class PageCall:
    """When the first request to page arrived at PagerDuty, and when one was answered with success."""

    arrived_at: float
    accepted_at: float | None


class Rows:
    """A kept connection to the hub's database: what another process sees in it."""

    def __init__(self, hub: Hub) -> None:
        self._sqlite: sqlite3.Connection | None = None
        self._postgresql: psycopg.Connection | None = None
        if hub.database_url:
            self._postgresql = psycopg.connect(hub.database_url, autocommit=True)
        else:
            path = hub.folder / "incident-central.sqlite3"
            self._sqlite = sqlite3.connect(path, timeout=10, isolation_level=None)

    def __enter__(self) -> "Rows":
        return self

    def __exit__(self, *why: object) -> None:
        if self._sqlite is not None:
            self._sqlite.close()
        if self._postgresql is not None:
            self._postgresql.close()

    def linked(self, name: str) -> bool:
        return bool(self._number("SELECT count(slack_channel_url) FROM incidents WHERE id = %s", name))

    def paged(self, name: str) -> bool:
        return bool(self._number("SELECT count(pagerduty_id) FROM incidents WHERE id = %s", name))

    def settled(self, name: str) -> bool:
        return self._number(f"{_UNSETTLED} AND j.key = %s", name) == 0

    def unsettled(self) -> int:
        """Steps of responses that still have something to do."""
        return self._number(_UNSETTLED)

    def forget(self) -> bool:
        """All incidents, and what was done for them. False when the hub's own writing was in the way: then once more.

        In one transaction, and the incidents before what hangs on them: their locks hold off what the hub still
        wants to write, and what it wrote just before is there to be deleted. Foreign keys are checked at the end.
        """
        if self._postgresql is not None:
            try:
                with self._postgresql.transaction():
                    for query in _FORGET:
                        self._postgresql.execute(query)
            except psycopg.errors.DeadlockDetected:
                return False
        elif self._sqlite is not None:
            for query in ("BEGIN IMMEDIATE", *_FORGET, "COMMIT"):
                self._sqlite.execute(query)
        return True

    def unpaged(self) -> int:
        return self._number("SELECT count(*) FROM incidents WHERE pagerduty_id IS NULL")

    def channels(self) -> int:
        return self._number("SELECT count(slack_channel_id) FROM incidents")

    def _number(self, query: str, *values: str) -> int:
        row: tuple[int, ...] | None = None
        if self._postgresql is not None:
            row = self._postgresql.execute(query, values).fetchone()
        elif self._sqlite is not None:
            row = self._sqlite.execute(query.replace("%s", "?"), values).fetchone()
        return row[0] if row else 0


_FORGET: tuple[LiteralString, ...] = (
    "DELETE FROM jobs_job WHERE workflow IN ('response', 'news', 'action')",
    "DELETE FROM jobs_step WHERE job_id NOT IN (SELECT id FROM jobs_job)",
    "DELETE FROM incidents",
    "DELETE FROM incidents_timelineentry",
    "DELETE FROM incidents_responder",
    "DELETE FROM incidents_action",
)
_UNSETTLED = """SELECT count(*) FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id
                WHERE j.workflow = 'response' AND s.state NOT IN ('done', 'off', 'by-hand')"""


def wait_until(done: Callable[[], bool], *, within: float = PATIENCE, every: float = 0.002) -> float:
    """The moment at which `done()` was first true. Raises TimeoutError."""
    until = time.monotonic() + within
    while not done():
        if time.monotonic() > until:
            raise TimeoutError(f"not done within {within:.0f} s")
        time.sleep(every)
    return time.time()
