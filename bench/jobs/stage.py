"""The contestants, their environments, databases and processes."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from bench.jobs.standin import StandIn
from bench.jobs.workload import Setting, graph
from incident_central import demo
from tests.processes import ROOT, Cluster, postgresql_binaries

LOCKS = Path(__file__).parent


@dataclass(frozen=True)
class Contestant:
    library: str  # the part of with_….py after with_
    database: str

    def __str__(self) -> str:
        return f"{self.library} on {self.database}"


CONTESTANTS = [
    Contestant("ours", "SQLite"),
    Contestant("dbos", "SQLite"),
    Contestant("huey", "SQLite"),
    Contestant("ours", "PostgreSQL"),
    Contestant("dbos", "PostgreSQL"),
    Contestant("procrastinate", "PostgreSQL"),
]


def interpreter(library: str) -> Path:
    """The Python of a library's own environment, which is made or renewed where its lock has changed."""
    if library == "ours":
        return Path(sys.executable)
    folder, lock = Path(sys.prefix) / "bench" / library, LOCKS / f"{library}.txt"
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != lock.read_text():
        print(f"Installing {library} …", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        options = ["--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([python, "-m", "pip", "install", *options, "-r", lock], check=True)  # noqa: S603
        stamp.write_text(lock.read_text())
    return python


class Server(Cluster):
    """PostgreSQL, which stops at once even while somebody connects to it again and again."""

    def stop(self) -> None:
        self._process.send_signal(signal.SIGQUIT)
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        while self._process.poll() is None:
            # Whoever connects now is refused by a process of its own, and PostgreSQL waits up to a minute for that one.
            for child in children.read_text().split() if children.exists() else ():
                with suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
            time.sleep(0.02)


@contextmanager
def open_stage(libraries: set[str]) -> Iterator["Stage"]:
    """Everything that is needed to have these compete, taken down again at the end."""
    pythons = {library: interpreter(library) for library in sorted(libraries)}
    with ExitStack() as taken_down:
        folder = Path(taken_down.enter_context(tempfile.TemporaryDirectory(prefix="ic-bench-")))
        standin = StandIn()
        taken_down.callback(standin.close)
        cluster = Server() if postgresql_binaries() is not None else None
        if cluster is not None:
            taken_down.callback(cluster.close)
        yield Stage(folder, standin, cluster, pythons)


@dataclass
class Stage:
    folder: Path
    standin: StandIn
    cluster: Cluster | None
    pythons: dict[str, Path]
    _number: Iterator[int] = field(default_factory=count)

    @property
    def contestants(self) -> list[Contestant]:
        found = [one for one in CONTESTANTS if one.library in self.pythons]
        return [one for one in found if one.database == "SQLite" or self.cluster is not None]

    def new_keys(self, number: int) -> list[str]:
        return [f"response-{next(self._number)}" for _ in range(number)]

    def new_database(self, contestant: Contestant) -> str:
        if contestant.database == "PostgreSQL" and self.cluster is not None:
            return self.cluster.new_database()
        folder = self.folder / f"data-{next(self._number)}"
        folder.mkdir()
        return f"sqlite:///{folder / 'incident-central.sqlite3'}"

    def database_gone(self, seconds: float) -> float:
        """Stop PostgreSQL and start it again after this long. Returns when it answered again."""
        if self.cluster is not None:
            self.cluster.stop()
            time.sleep(seconds)
            self.cluster.start()
        return time.time()

    @contextmanager
    def team(self, contestant: Contestant) -> Iterator["Team"]:
        """A contestant's processes on a new database. The first one is running."""
        team = Team(self, contestant, self.new_database(contestant))
        try:
            team.start()
            yield team
        finally:
            for member in team.members.values():
                member.kill()


class Team:
    """The processes of one contestant that share a database, by their executor's name."""

    def __init__(self, stage: Stage, contestant: Contestant, database: str) -> None:
        self._stage = stage
        self._contestant = contestant
        self._database = database
        self.members: dict[str, Member] = {}
        self.version = 1

    def start(self, executor: str = "a") -> "Member":
        setting = Setting(self._database, executor, self.version, self._stage.standin.port)
        log = self._stage.folder / f"{self._contestant}.log"
        self.members[executor] = Member(
            self._contestant.library, self._stage.pythons[self._contestant.library], setting, log
        )
        return self.members[executor]

    def supervise(self) -> None:
        """Start anew who ended by itself, as systemd or a container's policy would."""
        for executor, member in list(self.members.items()):
            if member.process.poll() is not None and not member.killed:
                self.start(executor)

    def unfinished(self) -> int:
        """By the account of who is still there. Raises Empty."""
        living = next(member for member in self.members.values() if not member.killed)
        return int(living.ask("unfinished"))

    def calls(self, keys: list[str]) -> list[str]:
        """The keys of all calls that these responses consist of, in the version that began them."""
        return [f"{key}/{step}" for key in keys for step in graph(1)]


class Member:
    """A process that runs a contender. It is ready when this returns."""

    def __init__(self, library: str, python: Path, setting: Setting, log: Path) -> None:
        url = "" if setting.sqlite else setting.database
        folder = str(Path(setting.sqlite).parent) if setting.sqlite else str(log.parent / setting.executor)
        hub = {"DJANGO_SETTINGS_MODULE": "incident_central.settings", "DATABASE_URL": url, "DATA_DIR": folder}
        self.killed = False
        self.accepted: set[str] = set()
        self._answers: SimpleQueue[Any] = SimpleQueue()
        with log.open("a") as file:
            self.process = subprocess.Popen(  # noqa: S603  a program of ours
                [python, "-m", "bench.jobs.process", library, json.dumps(asdict(setting))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                cwd=ROOT,
                env=demo.cleaned(os.environ) | hub,
            )
        Thread(target=self._listen, daemon=True).start()
        if self._answers.get(timeout=60) != "ready":
            raise RuntimeError(f"{library} did not start: {log.read_text()[-2000:]}")

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            answer = json.loads(line)
            if key := answer.get("accepted"):
                self.accepted.add(key)
            else:
                self._answers.put(answer["answer"])
        self._answers.put(None)

    def submit(self, keys: list[str], *, wait: bool = False) -> None:
        """Have it begin these responses, and see that it accepted them where this `wait`s."""
        for key in keys:
            self._tell("submit", key)
        until = time.monotonic() + 60
        while wait and not self.accepted.issuperset(keys):
            if time.monotonic() > until:
                raise TimeoutError("not accepted")
            time.sleep(0.002)

    def ask(self, word: str, key: str = "") -> Any:
        """Its answer. Raises Empty where there is none, since it cannot say or has ended."""
        self._tell(word, key)
        return self._answers.get(timeout=10)

    def rescue(self) -> None:
        self._tell("rescue", "")

    def _tell(self, word: str, key: str) -> None:
        print(json.dumps([word, key]), file=self.process.stdin, flush=True)

    def kill(self) -> None:
        """kill -9."""
        self.killed = True
        self.process.kill()
        self.process.wait()
