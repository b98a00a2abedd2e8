"""Real processes to test against: a sandbox, a hub, a PostgreSQL cluster. On loopback, each ended by its own id."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from http.cookiejar import Cookie, CookieJar
from itertools import cycle
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from incident_central import demo
from incident_central.sandbox import company

ROOT = Path(__file__).parent.parent
PATIENCE = 20.0  # seconds
#: No other test takes our processor.
ALONE = os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1") == "1"
T = TypeVar("T")
Json = dict[str, Any]

ADMIN = "dana.okafor@example.com"
PASSWORD = "correct horse battery"

#: The rows of the periodic work of the doctor and the drills, as a hub that starts makes them.
PERIODIC_WORK = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "incident_central.settings"
django.setup()
from incident_central.doctor import watching
from incident_central.drill import planning
from incident_central.incidents import periodic
watching.begin()
periodic.begin(planning.WORKFLOW)
"""


#: Ports of this test process alone: two that start at once never take the same, and no connection out of this machine
#: is given one while a hub restarts.
_ports = cycle(
    range(first := 20_000 + 1000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 12), first + 1000)
)


def free_port() -> int:
    while True:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port := next(_ports)))
            return port


def eventually(look: Callable[[], T], *, within: float = PATIENCE) -> T:
    """What `look` returns as soon as it is truthy and fails at nothing; the last failure otherwise.

    A row that it takes for granted may not be there yet: a report that waited too long for the database comes into it
    by way of the journal.
    """
    until = time.monotonic() + within
    failure: Exception
    while True:
        try:
            if found := look():
                return found
            failure = AssertionError(f"still {found!r} after {within} s")
        except (AssertionError, LookupError, ValueError) as error:
            failure = error
        if time.monotonic() > until:
            raise failure
        time.sleep(0.03)


def _json(url: str, method: str = "GET", data: Json | None = None) -> Any:
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        text = answer.read()
    return json.loads(text) if text else None


# ── the sandbox ───────────────────────────────────────────────────────────────────────────────────


class Sandbox:
    """A make-believe PagerDuty and Slack in a process of their own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "incident_central.sandbox"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=demo.cleaned(os.environ),
        )
        assert self._process.stdout is not None
        self.addresses: dict[str, str] = json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=15)

    def control(self, path: str, data: Json | None = None, *, method: str = "") -> Any:
        return _json(f"{self.addresses['page']}{path}", method or ("GET" if data is None else "POST"), data)

    def start_over(self) -> None:
        self.control("/reset", {})
        self.control("/calls", method="DELETE")

    def fault(self, provider: str, kind: str, *, method: str = "*", **more: Any) -> str:
        answer = self.control("/faults", {"provider": provider, "kind": kind, "method": method, **more})
        return str(answer["id"])

    def mend(self) -> None:
        self.control("/faults", method="DELETE")

    def switch(self, **switches: str) -> None:
        self.control("/switches", switches)

    def plant(self, provider: str, collection: str, id: str | None = None, **change: Any) -> None:
        self.control("/plant", {"provider": provider, "collection": collection, "id": id, **change})

    def advance(self, seconds: float) -> None:
        self.control("/clock", {"advance": seconds})

    @property
    def state(self) -> Json:
        state: Json = self.control("/state.json")
        return state

    def calls(self, method: str = "", **filters: Any) -> list[Json]:
        query = urllib.parse.urlencode({"method": method, **filters} if method else filters)
        calls: list[Json] = self.control(f"/calls.json?{query}")
        return calls

    @property
    def pages(self) -> list[Json]:
        """PagerDuty's incidents, oldest first."""
        return sorted(self.state["pagerduty"]["incidents"], key=lambda one: one["number"])

    def page_of(self, name: str) -> Json:
        found = [one for one in self.pages if one["key"] == name]
        assert len(found) == 1, f"{len(found)} pages for {name}"
        return found[0]

    def channel_of(self, name: str) -> Json:
        found = [one for one in self.state["slack"]["channels"] if one["name"] == name]
        assert len(found) == 1, f"{len(found)} channels named {name}"
        channel: Json = found[0]
        return channel

    def messages(self, channel: str, marker: str = "") -> list[Json]:
        """The hub's own messages in a channel, those with this marker when one is given."""
        (found,) = [one for one in self.state["slack"]["channels"] if one["name"] == channel]
        ours = [one for one in found["messages"] if one["metadata"].get("event_type") == "incident_central"]
        return [one for one in ours if marker in ("", one["metadata"]["event_payload"]["marker"])]

    def members_of(self, name: str) -> set[str]:
        """Who is in the channel, the bot left out."""
        people = {one["id"]: one["real_name"] for one in self.state["slack"]["members"]}
        bot = self.state["slack"]["bot_user_id"]
        return {people[one] for one in self.channel_of(name)["members"] if one != bot}

    def user_id(self, name: str) -> str:
        """A PagerDuty user's id."""
        return next(str(one["user_id"]) for one in self.state["phones"] if one["name"] == name)

    @property
    def ringing(self) -> set[str]:
        return {phone["name"] for phone in self.state["phones"] if phone["state"] == "ringing"}

    def acknowledge(self, page_id: str, user_id: str) -> None:
        self.control(f"/pagerduty/incidents/{page_id}/acknowledge", {"user": user_id})

    def resolve(self, page_id: str, user_id: str) -> None:
        self.control(f"/pagerduty/incidents/{page_id}/resolve", {"user": user_id})


# ── databases ─────────────────────────────────────────────────────────────────────────────────────


class Cluster:
    """A PostgreSQL server of our own, in a temporary folder, on a free loopback port.

    One that is not durable loses nothing when it is killed, but would if its machine were: tests of other things wait
    less for its disk.
    """

    def __init__(self, *, durable: bool = True) -> None:
        binaries = postgresql_binaries()
        assert binaries is not None
        self.folder = Path(tempfile.mkdtemp(prefix="ic-pg-"))
        # PostgreSQL refuses to run as root.
        self.as_postgres: dict[str, Any] = {"user": "postgres"} if os.getuid() == 0 else {}
        if self.as_postgres:
            shutil.chown(self.folder, "postgres")
        data = str(self.folder / "data")
        self._quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": self.folder, **self.as_postgres}
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"], check=True, **self._quiet
        )
        self.port = free_port()
        where = ["-D", data, "-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder)]
        self._command = [str(binaries / "postgres"), *where, "-c", "max_connections=300"]
        self._command += [] if durable else ["-c", "fsync=off"]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL, **self._quiet)
        eventually(self._answers)

    def stop(self) -> None:
        """At once, as when its machine fails."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=15)

    @property
    def pid(self) -> int:
        return self._process.pid

    def restart(self) -> None:
        self.stop()
        self.start()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def new_database(self, *, like: str = "template1") -> str:
        """The address of a new database, a copy of the one at the address `like`."""
        name, template = f"hub_{uuid4().hex[:12]}", like.rpartition("/")[2]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def moment(value: object) -> datetime:
    """A time as either database gives it."""
    found = datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def postgresql_binaries() -> Path | None:
    folders = [Path(found).resolve().parent for name in ("postgres",) if (found := shutil.which(name))]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders += [Path("/opt/homebrew/bin"), Path("/usr/local/bin")]
    return next((folder for folder in folders if (folder / "postgres").exists() and (folder / "initdb").exists()), None)


# ── the hub ───────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Hub:
    """`incident-central serve` in a process of its own, connected with a sandbox. A restart keeps data and address."""

    sandbox: Sandbox
    folder: Path
    database_url: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    launcher: tuple[str, ...] = ("incident_central",)  # the module that is run, and what it takes before `serve`
    port: int = field(default_factory=lambda: free_port())
    process: subprocess.Popen[str] | None = None
    working_folder: Path = ROOT

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        settings = demo.hub_settings(self.sandbox.addresses, hub_url=self.url, data_dir=self.folder)
        settings |= {"DATABASE_URL": self.database_url} | self.settings
        return demo.cleaned(os.environ) | settings

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "incident_central", *arguments],
            env=self.environment,
            input=stdin,
            text=True,
            capture_output=True,
            cwd=ROOT,
            timeout=60,
        )

    def run(self, *arguments: str, stdin: str = "") -> str:
        """What the command says, which must succeed."""
        done = self.command(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def prepare(self) -> None:
        """A database that is up to date, with an administrator in it; SQLite's is backed up."""
        self.run("manage", "migrate")
        self.make_administrator()
        if not self.database_url:
            self.run("backup")
        subprocess.run([sys.executable, "-c", PERIODIC_WORK], env=self.environment, cwd=ROOT, timeout=60, check=True)
        self.put_off_doctor()

    def make_administrator(self) -> None:
        self.run("manage", "createadmin", ADMIN, "--name", "Dana Okafor", "--password-stdin", stdin=PASSWORD)

    def start(self, *options: str, ready: bool = True) -> None:
        self.begin(*options)
        eventually(lambda: self.answers("/readyz" if ready else "/healthz"))

    def begin(self, *options: str) -> None:
        """Start it, and do not wait until it answers."""
        log = (self.folder / "hub.log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-m", *self.launcher, "serve", "--port", str(self.port), *options],
            env=self.environment,
            stderr=log,
            text=True,
            cwd=self.working_folder,
        )
        log.close()

    def answers(self, path: str) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"the hub ended:\n{self.log}")
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text()

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)

    def rows(self, query: str, *values: object) -> list[Json]:
        """What the database holds; `%s` stands for a value on both databases."""
        if self.database_url:
            with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
                answer = connection.execute(query.encode(), values)
                return answer.fetchall() if answer.description else []
        path = self.folder / "incident-central.sqlite3"
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute(query.replace("%s", "?"), values)]
            connection.commit()
            return rows

    def forget_others(self) -> None:
        """What earlier tests left open is over. Its company is gone, so each would be looked for, and that takes the
        budget of calls, which is whole again."""
        for row in self.rows("SELECT id FROM incidents WHERE status <> 'resolved'"):
            self.rows(  # one by one: the hub locks several in an order of its own
                "UPDATE incidents SET status = 'resolved', resolved_at = CURRENT_TIMESTAMP, stale_since = NULL"
                " WHERE id = %s",
                row["id"],
            )
        self.rows("DELETE FROM incidents_callsleft")

    @contextlib.contextmanager
    def without_database(self) -> Iterator[None]:
        """SQLite cannot be written, since another program holds it; PostgreSQL lets nobody in."""
        if not self.database_url:
            path = self.folder / "incident-central.sqlite3"
            with contextlib.closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                yield
            return
        address, _, name = self.database_url.rpartition("/")
        allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        with psycopg.connect(f"{address}/postgres", autocommit=True) as administrator:
            administrator.execute(allow.format(sql.Identifier(name), False))
            # Again and again: a session that is being opened is not listed at once.
            for _ in range(5):
                administrator.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
                )
                time.sleep(0.05)
            try:
                yield
            finally:
                administrator.execute(allow.format(sql.Identifier(name), True))

    def poll_now(self) -> None:
        """Have the next poll of PagerDuty and its log come at once, instead of within 15 seconds or 30."""
        self._due_now("log")
        self._due_now("poll")

    def put_off_doctor(self) -> None:
        """It does nothing by itself any more, so that tests of other things see only their own calls."""
        self.rows(
            "UPDATE jobs_step SET run_at = '2100-01-01 00:00:00' WHERE state = 'waiting'"
            " AND job_id IN (SELECT id FROM jobs_job WHERE workflow IN ('doctor', 'watch', 'drill-plans') AND key = '')"
        )

    def does(self, *steps: str, well: bool = True) -> None:
        """Have these steps of the periodic work done at once, and wait until they were, or not `well`: failed."""
        for step in steps:
            self._due_now(step)
        for step in steps:
            eventually(partial(self._is_done, step, well=well))

    def _is_done(self, step: str, *, well: bool) -> bool:
        """What _due_now() began has come to an end."""
        (row,) = self.rows(
            "SELECT state, run_at, error FROM jobs_step WHERE name = %s AND job_id IN"
            " (SELECT id FROM jobs_job WHERE key = '')",
            step,
        )
        return row["state"] == "waiting" and not str(row["run_at"]).startswith("2020") and (row["error"] == "") == well

    def read_list_now(self) -> None:
        """Have PagerDuty's open list read at once, and nothing else."""
        self._due_now("poll")

    def read_log_now(self) -> None:
        """Have PagerDuty's log read at once, and nothing else."""
        self._due_now("log")

    def remind_now(self) -> None:
        """Have it looked at once whether somebody has acknowledged."""
        self._due_now("remind")

    def put_off_directory(self) -> None:
        """From now on it is read only when a test says so: what others plant in the same company is not read by chance,
        and found by whoever comes next."""
        put_off = (
            "UPDATE jobs_step SET run_at = '2100-01-01 00:00:00' WHERE name IN ('directory', 'members')"
            " AND state = 'waiting' AND job_id IN (SELECT id FROM jobs_job WHERE key = '') RETURNING id"
        )
        eventually(lambda: len(self.rows(put_off)) == 2)

    def read_directory_now(self) -> None:
        """Have PagerDuty's directory read at once, instead of within a minute."""
        self._due_now("directory")

    def read_members_now(self) -> None:
        """Have Slack's members read at once, instead of within five minutes."""
        self._due_now("members")

    def _due_now(self, step: str) -> None:
        """One that is under way may have read before what is looked for now: it is waited for, and run once more."""
        due = (
            "UPDATE jobs_step SET run_at = '2020-01-01 00:00:00' WHERE name = %s AND state = 'waiting'"
            " AND job_id IN (SELECT id FROM jobs_job WHERE key = '') RETURNING id"
        )
        eventually(lambda: self.rows(due, step))

    def incident(self, name: str) -> Json:
        """Its row; once it is there, since a report may have come by way of the journal."""
        (row,) = eventually(lambda: self.rows("SELECT * FROM incidents WHERE id = %s", name))
        return row

    def steps(self, name: str) -> dict[str, Json]:
        query = """SELECT s.* FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id
                   WHERE j.workflow = 'response' AND j.key = %s"""
        return {row["name"]: row for row in self.rows(query, name)}

    def finished(self, name: str) -> dict[str, Json]:
        """The steps, once none of them has anything left to do."""

        def settled() -> dict[str, Json]:
            steps = self.steps(name)
            left = {step: row["state"] for step, row in steps.items() if row["state"] not in ("done", "off", "by-hand")}
            assert steps, "no steps"
            assert not left, f"{left}: {[row['error'] for row in steps.values() if row['error']]}"
            return steps

        return eventually(settled)

    def finished_in_time(self, name: str) -> dict[str, Json]:
        """As finished(), for an incident that the database does not have yet."""
        eventually(lambda: self.rows("SELECT id FROM incidents WHERE id = %s", name))
        return self.finished(name)

    def service_id(self, name: str) -> str:
        (row,) = self.rows("SELECT id FROM incidents_service WHERE name = %s", name)
        return str(row["id"])

    def priority_id(self, name: str) -> str:
        (row,) = self.rows("SELECT id FROM incidents_priority WHERE name = %s", name)
        return str(row["id"])

    @cached_property
    def dana(self) -> "Browser":
        """The administrator, signed in."""
        browser = Browser(self.url)
        browser.sign_in(ADMIN, PASSWORD)
        return browser


# ── a person with a browser, without the browser ──────────────────────────────────────────────────


@dataclass(frozen=True)
class Page:
    """An answer to a request, redirects followed."""

    status: int
    url: str
    text: str

    @property
    def path(self) -> str:
        return urllib.parse.urlsplit(self.url).path

    def value(self, name: str) -> str:
        """The value of the form's input of that name."""
        found = re.search(rf'<input[^>]*name="{name}"[^>]*value="([^"]*)"', self.text)
        assert found, f"no input {name} in the page"
        return found[1]

    @property
    def incident(self) -> str:
        """The name of the incident whose page this is."""
        found = re.fullmatch(r"/incidents/([^/]+)(/responding)?", self.path)
        assert found, f"{self.status} {self.path}: {self.text[:3000]}"
        return found[1]


class Browser:
    """HTTP with cookies, as a browser without JavaScript would speak it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path: str, **headers: str) -> Page:
        return self._open(urllib.request.Request(f"{self.url}{path}", headers=headers))

    def post(
        self,
        path: str,
        form: Mapping[str, str | list[str]],
        *,
        token: str = "",
        cookies: Mapping[str, str] = {},
        headers: Mapping[str, str] = {},
    ) -> Page:
        """`cookies` and `headers` come on top of those that it has."""
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token or self._token(), **form}, doseq=True).encode()
        for name, value in cookies.items():
            self.cookies.set_cookie(_cookie(name, value))
        return self._open(urllib.request.Request(f"{self.url}{path}", body, {"Origin": self.url, **headers}))

    def send_file(self, path: str, field: str, name: str, content: str | bytes) -> Page:
        """A form with a file in it."""
        border, data = uuid4().hex, content.encode() if isinstance(content, str) else content
        parts = [
            f'--{border}\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{self._token()}\r\n',
            f'--{border}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n',
            f"\r\n--{border}--\r\n",
        ]
        body = parts[0].encode() + parts[1].encode() + data + parts[2].encode()
        headers = {"Origin": self.url, "Content-Type": f"multipart/form-data; boundary={border}"}
        return self._open(urllib.request.Request(f"{self.url}{path}", body, headers))

    def sign_in(self, email: str, password: str) -> Page:
        self.get("/sign-in")
        return self.post("/sign-in", {"email": email, "password": password})

    def _token(self) -> str:
        return next((cookie.value or "" for cookie in self.cookies if cookie.name == "csrftoken"), "")

    def _open(self, request: urllib.request.Request) -> Page:
        try:
            with self._opener.open(request, timeout=30) as answer:
                return Page(answer.status, answer.url, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Page(error.code, error.url, error.read().decode())


def _cookie(name: str, value: str) -> Cookie:
    domain: Json = {"domain": "127.0.0.1", "domain_specified": False, "domain_initial_dot": False}
    path: Json = {"path": "/", "path_specified": True, "port": None, "port_specified": False}
    rest: Json = {"secure": False, "expires": None, "discard": True, "comment": None, "comment_url": None, "rest": {}}
    return Cookie(0, name, value, **domain, **path, **rest)


def report_form(hub: Hub, **more: str) -> dict[str, str]:
    """What Dana sends when she reports that Checkout is broken."""
    return {
        "report_id": str(uuid4()),
        "service": hub.service_id(more.pop("service_name", "Checkout API")),
        "priority": hub.priority_id("P1"),
        "title": "Card payments fail with 502 at checkout",
        "description": "Since about 03:15.",
        "seen": "anyway",
    } | more


__all__ = [
    "ADMIN",
    "PASSWORD",
    "ROOT",
    "Browser",
    "Cluster",
    "Hub",
    "Page",
    "Sandbox",
    "company",
    "eventually",
    "report_form",
]
