"""Writing to the database. What differs between SQLite and PostgreSQL for a writer is here alone."""

import sqlite3
import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
from django.db import OperationalError, connection
from django.db.transaction import atomic
from django.utils import timezone

PATIENCE = 5.0  # seconds
#: How each transaction on PostgreSQL begins. A process that is frozen in one keeps its locks for 5 s, which is far less
#: than its leases; those of its threads that wait for them give up before, or each would get them in turn and keep them
#: as long. And what is committed is on the disk, also where the server is set up to answer sooner.
AT_BEGIN = """SELECT clock_timestamp(), set_config('lock_timeout', '3s', true),
                     set_config('idle_in_transaction_session_timeout', '5s', true),
                     CASE WHEN current_setting('synchronous_commit') = 'off'
                          THEN set_config('synchronous_commit', 'on', true) END"""

_wrote_at = 0.0  # time.monotonic()


class _Turns:
    """One writer at a time; who is urgent is next. (A threading.Lock is anybody's who comes just as it is released.)"""

    def __init__(self) -> None:
        lock = threading.Lock()
        self._urgent_may = threading.Condition(lock)
        self._others_may = threading.Condition(lock)
        self._urgent = 0  # that wait
        self._taken = False

    @contextmanager
    def one(self, *, urgent: bool) -> Iterator[None]:
        """Raises OperationalError when it has not come in PATIENCE seconds."""
        may = self._urgent_may if urgent else self._others_may
        with may:
            self._urgent += urgent
            try:
                came = may.wait_for(lambda: not self._taken and (urgent or not self._urgent), PATIENCE)
            finally:
                self._urgent -= urgent  # or all others would wait for one that is not there
            if not came:
                raise OperationalError("database is locked: others have been waiting to write for too long")
            self._taken = True
        try:
            yield
        finally:
            with may:
                self._taken = False
                (self._urgent_may if self._urgent else self._others_may).notify()


_turns = _Turns()


@contextmanager
def transaction(*, urgent: bool = False) -> Iterator[datetime]:
    """One transaction for a write, and now() as it began. On SQLite, writers of this process wait for each other here
    instead of polling the file's lock; what is urgent waits for the one that writes, and for none of the others that
    wait.

    Raises OperationalError when the others have not done in PATIENCE seconds: somebody else holds the file, and nobody
    shall wait for all those before them to find that out.
    """
    global _wrote_at
    if connection.vendor == "sqlite":
        with _turns.one(urgent=urgent), atomic(durable=True):
            yield now()
    else:
        with atomic(durable=True):
            cursor = connection.cursor()
            cursor.execute(AT_BEGIN)
            yield cursor.fetchone()[0]
    _wrote_at = time.monotonic()


def why_unusable(error: Exception) -> str:
    """What the database, or the way to it, said. The pool says only that it waited, so it is asked without."""
    from psycopg_pool import PoolTimeout  # SQLite does without

    if isinstance(error.__cause__, PoolTimeout):
        try:
            psycopg.connect(**connection.get_connection_params()).close()
        except psycopg.Error as said:
            error = said
    return " ".join(str(error).split())


def wrote_within(seconds: float) -> bool:
    """Whether this process wrote something so lately: then the database is there, however busy it is."""
    return time.monotonic() < _wrote_at + seconds


def now() -> datetime:
    """The time by the clock that all processes share, which is the database's. This machine's own may be wrong."""
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row: tuple[datetime] = cursor.fetchone()
        return row[0]


def state() -> Hashable:
    """The same as before where nobody wrote anything meanwhile: what was made of the rows then still holds.

    To be asked for before they are read.
    """
    if connection.vendor == "sqlite":
        return _onlooker.state()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {state_column()}")
        row: tuple[str] = cursor.fetchone()
        return state_told(row[0])


def state_column() -> str:
    """For a query that is made before all others, to read the state along; state_told() makes one of it.

    On PostgreSQL equal snapshots see the same. (postgresql.org/docs/current/functions-info.html)
    """
    return "NULL" if connection.vendor == "sqlite" else "pg_current_snapshot()::text"


def state_told(told: str | None) -> Hashable:
    """To be asked for before anything but that query."""
    return state() if told is None else told


class _Onlooker:
    """A connection to SQLite that never writes. It is told of all that others commit, where each thread's own would
    only be told what other threads do; so all threads know the same state, and share what was made in it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def state(self) -> Hashable:
        """Nothing is equal to it where SQLite does not tell. (sqlite.org/pragma.html#pragma_data_version)"""
        with self._lock:
            try:
                if self._connection is None:
                    name = connection.settings_dict["NAME"]
                    self._connection = sqlite3.connect(name, timeout=0, isolation_level=None, check_same_thread=False)
                version: tuple[int] = self._connection.execute("PRAGMA data_version").fetchone()
                return version
            except sqlite3.Error:
                return object()


_onlooker = _Onlooker()


def check_writable() -> None:
    """Raise OperationalError unless a write is kept now."""
    # Nobody reads the time at which a migration was applied. Written unchanged, it would not reach SQLite's disk.
    with transaction(urgent=True), connection.cursor() as cursor:
        cursor.execute("UPDATE django_migrations SET applied = CURRENT_TIMESTAMP WHERE name = '0001_initial'")


# ── PostgreSQL's advisory locks ───────────────────────────────────────────────────────────────────


def take_lock(session: psycopg.Connection[Any], number: int, *, former: list[int]) -> None:
    """Wait for the lock, and hold it as long as the session lasts.

    The server may go on for hours with a session that was cut off on its way, and with its locks: the `former` ones,
    by their process ids, that may have this lock for us are ended. (Whoever else has got such an id by now has not the
    lock.) From now on this session is one of them.
    """
    session.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks"
        " WHERE locktype = 'advisory' AND pid = ANY(%s) AND classid::bigint = %s AND objid::bigint = %s",
        [former, number >> 32, number % 2**32],
    )
    former.append(session.info.backend_pid)  # before: it may get the lock, and be cut off before we hear of it
    session.execute("SELECT pg_advisory_lock(%s)", [number])
    del former[:-1]


def is_free(number: int) -> bool:
    """Whether no session holds that lock now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        taken: tuple[bool] = cursor.fetchone()
        return taken[0]


def release_connection() -> None:
    """Give this thread's connection back to the pool before a long wait. SQLite's costs nothing to keep."""
    if connection.vendor != "sqlite" and not connection.in_atomic_block:
        connection.close()
