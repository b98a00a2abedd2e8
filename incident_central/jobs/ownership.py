"""Whose work it is, and which owners are dead for certain."""

import fcntl
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection

from incident_central.database import is_free, take_lock

log = logging.getLogger(__name__)

WORD = "incident_central_jobs"
# An owner's name says whether a lock shows that it lives. Where none does, only its lease decides.
LOCK, LEASE = "lock-", "lease-"
#: For so many seconds a lock has been free: by then, one who lives has taken it again.
BELIEVED_AFTER = 0.6


class FolderOwnership:
    """SQLite: one process holds a lock on the data folder; whoever else owned anything is dead.

    Raises BlockingIOError when another process holds it, and any other OSError where the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.owner, self.session, self.decides_in = f"{LEASE}{secrets.randbits(63)}", 1, 1.0
        self._file = (folder / "lock").open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._alone_since = time.monotonic()

    def dead(self, owners: Iterable[str]) -> dict[str, float]:
        """Those that are dead for certain, and for how many seconds at least."""
        return {owner: time.monotonic() - self._alone_since for owner in owners if owner != self.owner}

    def keep(self, heard: Callable[[], None]) -> None:
        """The open file is enough, and nobody else writes steps."""


class SessionOwnership:
    """PostgreSQL: a session of each process holds an advisory lock by its owner's number; one that is free means dead.

    A session may break while its process lives, as when PostgreSQL restarts. So a free lock is believed only after a
    while; the process takes its lock again at once, in the next `session`. As long as that is 0 it must not send, and
    after each change it must find out first whether its steps are still its own: it may have been frozen meanwhile.

    Behind a transaction pooler such a lock says nothing, and then only the lease decides. A pooler shows itself: the
    process id that it gave at connecting is not the one that the server answers with.
    """

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._connect = partial(psycopg.connect, **parameters, autocommit=True)
        self._number = secrets.randbits(63)
        with self._connect() as session:
            shown = session.execute("SELECT pg_backend_pid()").fetchone() == (session.info.backend_pid,)
        self.owner, self.session, self.decides_in = f"{LOCK if shown else LEASE}{self._number}", int(not shown), 1.0
        self._free_since: dict[str, float] = {}

    def dead(self, owners: Iterable[str]) -> dict[str, float]:
        """Those that are dead for certain, and for how many seconds at least. `decides_in` says when to ask again."""
        others = {one: int(one.removeprefix(LOCK)) for one in owners if one.startswith(LOCK) and one != self.owner}
        self._free_since = {one: self._free_since.get(one, time.monotonic()) for one, n in others.items() if is_free(n)}
        free_for = {owner: time.monotonic() - since for owner, since in self._free_since.items()}
        self.decides_in = min((BELIEVED_AFTER - s for s in free_for.values() if s < BELIEVED_AFTER), default=1.0)
        return {owner: seconds for owner, seconds in free_for.items() if seconds >= BELIEVED_AFTER}

    def keep(self, heard: Callable[[], None]) -> None:
        """Hold the lock as long as the process lives, and call `heard` when one that runs no steps wrote one. Behind a
        transaction pooler nothing is held or heard; there the lease and the runner's own ticks must do."""
        former: list[int] = []
        while self.owner.startswith(LOCK):
            try:
                with self._connect() as session:
                    take_lock(session, self._number, former=former)
                    session.execute(f"LISTEN {WORD}")
                    self.session = time.monotonic_ns()
                    heard()
                    for _ in session.notifies():
                        heard()
            except (psycopg.Error, OSError) as error:
                if self.session:
                    log.warning("the session that shows that this process lives broke: %s", error)
            self.session = 0
            time.sleep(0.1)


Ownership = FolderOwnership | SessionOwnership


@cache
def make_ownership() -> Ownership:
    """This process's for the configured database, kept once it is had. On SQLite the lock is beside it."""
    if connection.vendor == "sqlite":
        return FolderOwnership(Path(connection.settings_dict["NAME"]).parent)
    return SessionOwnership(connection.get_connection_params())
