"""What every contender runs: the steps of a small response, each of them one call over HTTP. Standard library only,
since it is imported in the environment of each library."""

import threading
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Protocol

THREADS = 48  # calls that a contender may have under way at once: the lanes of the hub together
FOLLOWING = ("invite", "topic", "bookmark", "summary")
ADDED = "announce"  # the step that version 2 of the code has and version 1 has not


def graph(version: int) -> dict[str, tuple[str, ...]]:
    """The steps, and what each waits for."""
    following = FOLLOWING if version == 1 else (*FOLLOWING, ADDED)
    return {"page": (), "channel": (), **dict.fromkeys(following, ("channel",)), "note": ("page", "channel")}


@dataclass(frozen=True)
class Setting:
    """Where a contender's process works. `executor` is its own among replicas and the same after a restart."""

    database: str  # sqlite:////path or postgresql://…
    executor: str
    version: int
    standin: int  # port

    @property
    def sqlite(self) -> str:
        """The file of the SQLite database, or nothing."""
        return self.database.removeprefix("sqlite:///") if self.database.startswith("sqlite:") else ""


class Contender(Protocol):
    """One library, used as its documentation recommends."""

    def start(self) -> None:
        """Go on with what was left, and take new work."""

    def submit(self, key: str) -> None:
        """Begin a response; durable when this returns."""

    def running(self, key: str) -> list[str]:
        """The steps of a response whose call is under way, as the library tells anybody who asks."""

    def unfinished(self) -> int:
        """How many steps or responses are not done yet by the library's own account."""

    def rescue(self) -> None:
        """Take over what a dead replica left, where the library does that only when told; else nothing."""


class Outside:
    """The calls. A connection is kept for each thread, as any HTTP client does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._local = threading.local()

    def call(self, key: str, step: str, *, doubtful: bool) -> None:
        """Make a step's call; where an earlier one may have got through, ask first. Safe to repeat with `doubtful`."""
        if not (doubtful and self.got_through(key, step)):
            self._request("POST", key, step)

    def got_through(self, key: str, step: str) -> bool:
        return self._request("GET", key, step) == 200

    def _request(self, method: str, key: str, step: str) -> int:
        if not hasattr(self._local, "connection"):
            self._local.connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection: HTTPConnection = self._local.connection
        try:
            connection.request(method, "/", headers={"Idempotency-Key": f"{key}/{step}"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, HTTPException):
            connection.close()
            raise
        return answer.status
