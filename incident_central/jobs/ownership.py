"""Whose work it is, and which owners are dead for certain."""

import fcntl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import psycopg
from django.db import connection

WORD = "incident_central_jobs"


class AlreadyRunning(Exception):
    """Another process works on the same SQLite folder."""


class Ownership(Protocol):
    """Tells which owners are dead for certain, so that their work is taken over at once and not after its lease."""

    owner: str

    def is_dead(self, owner: str) -> bool: ...
    def listen(self, heard: Callable[[], None]) -> None: ...
    def close(self) -> None: ...


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

    def close(self) -> None:
        self._file.close()


class AdvisoryOwnership:
    """PostgreSQL: each process holds a session advisory lock on its owner id; a lock that is free means dead.

    Behind a transaction pooler such a lock says nothing, and then only the lease decides. A pooler shows itself: the
    process id that it gave at connecting is not the one that the server answers with.
    """

    def __init__(self, conninfo: dict[str, object]) -> None:
        self.owner = uuid4().hex
        self._conninfo = conninfo
        self._lock = threading.Lock()
        self._connection: psycopg.Connection | None = None
        self._connect()

    def is_dead(self, owner: str) -> bool:
        if owner == self.owner:
            return False
        with self._lock:
            try:
                session = self._connection or self._connect()
                if session is None:
                    return False
                row = session.execute("SELECT pg_try_advisory_lock(%s)", [_lock_key(owner)]).fetchone()
                if row and row[0]:
                    session.execute("SELECT pg_advisory_unlock(%s)", [_lock_key(owner)])
                    return True
            except psycopg.Error:
                self.close()
        return False

    def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` when a process that runs no steps of its own wrote one, until the connection breaks. Behind a
        transaction pooler nothing is heard; there the runner's own ticks must do."""
        try:
            with psycopg.connect(**self._conninfo, autocommit=True) as session:  # type: ignore[arg-type]
                session.execute(f"LISTEN {WORD}")
                for _ in session.notifies():
                    heard()
        except psycopg.Error:
            return

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> psycopg.Connection | None:
        session = psycopg.connect(**self._conninfo, autocommit=True)  # type: ignore[arg-type]
        row = session.execute("SELECT pg_backend_pid()").fetchone()
        if row is None or row[0] != session.info.backend_pid:
            session.close()
            return None
        session.execute("SELECT pg_advisory_lock(%s)", [_lock_key(self.owner)])
        self._connection = session
        return session


def _lock_key(owner: str) -> int:
    """63 bits of the owner's random id: advisory locks are named by a signed 64-bit number."""
    return int(owner[:16], 16) >> 1


def make_ownership(data_dir: Path) -> Ownership:
    """The ownership for the configured database; `data_dir` holds the lock file on SQLite."""
    if connection.vendor == "sqlite":
        return FolderOwnership(data_dir)
    params = dict(connection.get_connection_params())
    return AdvisoryOwnership({key: params[key] for key in _CONNINFO if params.get(key)})


_CONNINFO = ("host", "port", "dbname", "user", "password", "sslmode", "sslrootcert", "sslcert", "sslkey")
