"""Whose work it is, and which owners are dead for certain."""

import fcntl
import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from django.db import connection

WORD = "incident_central_jobs"
BELIEVED_AFTER = 10.0  # seconds; the others notice a broken session at once, and try every second to have another


class AlreadyRunning(Exception):
    """Another process works on the same SQLite folder."""


class FolderOwnership:
    """SQLite: one process holds a lock on the data folder; whoever else owned anything is dead.

    Raises AlreadyRunning when another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self.owner = uuid4().hex
        self._file = (folder / "lock").open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise AlreadyRunning(str(folder)) from None

    def is_dead(self, owner: str) -> bool:
        return owner != self.owner

    def listen(self, heard: Callable[[], None]) -> None:
        """Nobody else writes jobs for us."""


class AdvisoryOwnership:
    """PostgreSQL: each process holds a session advisory lock on its owner id; a lock that is free means dead.

    A session may break while its process lives, as when PostgreSQL restarts. Then every process takes its lock again as
    soon as it can, and believes no free lock until the others had time to do the same.

    Behind a transaction pooler such a lock says nothing, and then only the lease decides. A pooler shows itself: the
    process id that it gave at connecting is not the one that the server answers with.
    """

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.owner = uuid4().hex
        self._parameters = parameters
        self._believes_from = 0.0
        self._session = self._connect()

    def is_dead(self, owner: str) -> bool:
        if owner == self.owner or self._session is None or time.monotonic() < self._believes_from:
            return False
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_lock_key(owner)])
            return bool(cursor.fetchone() == (True,))

    def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` when a process that runs no steps of its own wrote one, until the session breaks; then have
        another one. Behind a transaction pooler nothing is heard; there the runner's own ticks must do."""
        try:
            for _ in self._session.notifies() if self._session else ():
                heard()
        except psycopg.Error:
            self._believes_from = math.inf
            with suppress(psycopg.Error):
                self._session = self._connect()
                self._believes_from = time.monotonic() + BELIEVED_AFTER

    def _connect(self) -> psycopg.Connection | None:
        session = psycopg.connect(**self._parameters, autocommit=True)
        if session.execute("SELECT pg_backend_pid()").fetchone() != (session.info.backend_pid,):
            session.close()
            return None
        session.execute("SELECT pg_advisory_lock(%s)", [_lock_key(self.owner)])
        session.execute(f"LISTEN {WORD}")
        return session


def _lock_key(owner: str) -> int:
    """63 bits of the owner's random id: advisory locks are named by a signed 64-bit number."""
    return int(owner[:16], 16) >> 1


Ownership = FolderOwnership | AdvisoryOwnership


def make_ownership(data_dir: Path) -> Ownership:
    """The ownership for the configured database; `data_dir` holds the lock file on SQLite."""
    if connection.vendor == "sqlite":
        return FolderOwnership(data_dir)
    return AdvisoryOwnership(connection.get_connection_params())
