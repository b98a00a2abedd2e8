"""A database that is gone: nobody waits for it for long, and everybody knows when it is back.

Whoever answers people uses the database on threads of its own, through `within()`. Where it hangs, those threads hang,
and nobody else.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from typing import Any, TypeVar

from django.db import Error, OperationalError, connection

from incident_central.database import check_writable, release_connection, wrote_within
from incident_central.latest_first import LatestFirst

T = TypeVar("T")

log = logging.getLogger(__name__)

A_SECOND = 1.0  # longest that a report waits for the database, or a probe
THREADS = 16
PAST = {"read": "read", "write": "written"}

_work: LatestFirst[tuple[Future[Any], Callable[[], Any]]] = LatestFirst()
_here = threading.local()  # .is_database_thread


def start() -> None:
    """Start the threads: all of them now, since there may be no more when it counts. Raises RuntimeError."""
    for _ in range(THREADS):
        threading.Thread(target=_use_database, daemon=True).start()
    threading.Thread(target=watch.run, daemon=True).start()


def require_writable() -> None:
    """Raises OperationalError at once where trying to write would only cost time."""
    if not watch.writable:
        raise OperationalError(watch.why)


def within(seconds: float, do: Callable[[], T]) -> T:
    """What `do` returns, which uses the database.

    Raises django.db.Error when the database failed it, or has not answered in so many seconds: then what `do` writes
    may or may not be written later. What had not even begun by then is not begun any more.
    """
    if getattr(_here, "is_database_thread", False):
        return do()
    if not watch.readable:
        raise OperationalError(watch.why)
    future: Future[T] = Future()
    _work.put((future, do))
    try:
        return _result(future, seconds)
    except TookTooLong:
        future.cancel()
        said = f"the database did not answer within {seconds:g} s"
        watch.hangs(said)
        raise OperationalError(said) from None
    except Error:
        watch.suspect()
        raise


def _result(future: Future[T], seconds: float) -> T:
    """Wait, and from half a second on find out whether the database is gone: others shall not wait as long."""
    began = time.monotonic()
    while True:
        try:
            return future.result(timeout=min(0.25, max(0.0, began + seconds - time.monotonic())))
        except TookTooLong:
            waited = time.monotonic() - began
            if waited >= seconds or not watch.readable:
                raise
            if waited > A_SECOND / 2:
                watch.suspect()


def _use_database() -> None:
    _here.is_database_thread = True
    while True:
        future, do = _work.get()
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(do())
            except Exception as error:  # noqa: BLE001  not ours to judge: it is raised where somebody waits for it
                future.set_exception(error)
            finally:
                release_connection()
        del future, do  # a response, perhaps a big one


class Watch:
    """Whether the database can be read and written. From the first suspicion on it is tried twice a second until both
    are so again; before, it is left alone."""

    def __init__(self) -> None:
        self._suspected = threading.Event()
        self._works = {"read": True, "write": True}
        self._trying_since: dict[str, float] = {}
        self.why = "it does not answer"  # the last error that was met

    def suspect(self) -> None:
        """Somebody met an error."""
        self._suspected.set()

    def hangs(self, said: str) -> None:
        """Somebody waited in vain: nobody else shall, until a write goes through. Where writes of others still do, it
        is only busy, and the next one may have more luck."""
        if not wrote_within(A_SECOND):
            self._note("write", False, said)
        self.suspect()

    @property
    def readable(self) -> bool:
        return self._does("read")

    @property
    def writable(self) -> bool:
        return self.readable and self._does("write")

    def run(self) -> None:
        while True:
            self._suspected.wait()
            self._suspected.clear()
            while not (self._try("read", _read) and self._try("write", check_writable)):
                time.sleep(0.5)

    def _does(self, what: str) -> bool:
        since = self._trying_since.get(what)
        hangs = since is not None and time.monotonic() > since + A_SECOND and not wrote_within(A_SECOND)
        return self._works[what] and not hangs

    def _try(self, what: str, do: Callable[[], None]) -> bool:
        self._trying_since[what] = time.monotonic()
        try:
            do()
            self._note(what, True, "it answers")
        except Error as error:
            self._note(what, False, " ".join(str(error).split()))
        finally:
            release_connection()
        del self._trying_since[what]
        return self._works[what]

    def _note(self, what: str, works: bool, why: str) -> None:
        if not works:
            self.why = why
        if works != self._works[what]:
            log.warning("the database can %s be %s: %s", "now" if works else "not", PAST[what], why)
        self._works[what] = works


watch = Watch()


def _read() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")
        cursor.fetchone()
