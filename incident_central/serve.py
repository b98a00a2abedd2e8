"""`incident-central serve`: web and work in one process; on PostgreSQL the two may be apart, and be several.

Django must have been set up before this is imported.
"""

import errno
import gc
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from waitress.server import TcpWSGIServer, create_server

from incident_central import outage
from incident_central.database import why_unusable
from incident_central.doctor import running, telling, watching
from incident_central.drill import drilling, making, planning
from incident_central.incidents import acting, news, periodic, response, sync
from incident_central.incidents.reporting import missing_settings
from incident_central.incidents.standby import Standby
from incident_central.jobs.ownership import make_ownership
from incident_central.jobs.runner import Runner
from incident_central.proxies import behind
from incident_central.start import CannotStart
from incident_central.web import errors

log = logging.getLogger(__name__)

CONNECTIONS = 400  # open tabs among them; beyond that a browser waits
WEB_THREADS = 12
#: Threads by lane. A page waits for nobody: neither for Slack nor for the reading of lists.
LANES = {"page": 24, "pagerduty": 6, "slack": 16, "sync": 3, "changed": 1, "doctor": 3, "watch": 1}
#: Open files that everything together may need: connections of browsers, calls, the database by each thread.
FILES = 640

_runners: list[Runner] = []  # one at most: the work may begin late


def serve(*, host: str, port: int, worker: bool = True) -> int:
    """Answer browsers until SIGINT or SIGTERM, and run the steps too unless `worker` is False. Raises CannotStart."""
    listener = _listen(host, port)
    _raise_limits()
    standby = _stand_in()
    _begin(_start_work if worker else _leave_work_to_others, standby)
    _say_what_is_missing()
    errors.load()
    server = _server(listener)
    _settle_in()
    signal.signal(signal.SIGTERM, _end)
    address, port = listener.getsockname()[:2]
    _say(f"Incident Central answers at http://{f'[{address}]' if ':' in address else address}:{port}")
    server.run()
    _stop_work()
    return 0


def work() -> int:
    """Run the steps until SIGINT or SIGTERM, beside processes that `serve --no-worker`. Raises CannotStart."""
    _refuse_sqlite()
    _raise_limits()
    _start_work()
    _say_what_is_missing()
    _settle_in()
    _say("The worker is working.")
    signal.signal(signal.SIGTERM, _end)
    try:
        while True:
            time.sleep(1)  # a signal of which the system told another thread wakes nobody
    except (KeyboardInterrupt, SystemExit):
        _stop_work()
    return 0


def _settle_in() -> None:
    """What has been loaded stays: looking through it for garbage would hold up a page for a tenth of a second now and
    then."""
    gc.freeze()


def _stop_work() -> None:
    for runner in _runners:
        runner.stop()


class _DatabaseGone(CannotStart):
    """It cannot be used now."""


def _stand_in() -> Standby | None:
    """What takes reports while the database is gone, started; None where that is not possible."""
    try:
        outage.start()
        if missing_settings():
            return None
        if not settings.DATA_DIR_LASTS:
            _say(
                "DATA_DIR is not set: while the database is gone, no report pages. Set it to a folder that outlives a "
                "restart. See docs/setup/3-database.md."
            )
            return None
        settings.DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        standby = Standby(settings.DATA_DIR)
        standby.start()
    except OSError as error:
        _say(f"{settings.DATA_DIR}: {error.strerror or error}: while the database is gone, no report pages.")
        return None
    except RuntimeError as error:
        raise _no_more_threads(error) from None
    return standby


def _begin(work: Callable[[], None], standby: Standby | None) -> None:
    """Begin the work; later, when the database is gone and reports can page without it. Raises CannotStart."""
    try:
        work()
    except _DatabaseGone as reason:
        if standby is None or standby.snapshot() is None:
            raise
        _say(f"{reason} Until then, reports page from the journal.")
        outage.watch.suspect()
        threading.Thread(target=_keep_trying, args=[work, standby], daemon=True).start()
    else:
        if standby is not None:
            standby.use_database()


def _keep_trying(work: Callable[[], None], standby: Standby) -> None:
    while True:
        time.sleep(1)
        try:
            work()
        except _DatabaseGone:
            continue
        except CannotStart as reason:
            _say(f"incident-central: {reason}")
            os._exit(2)
        standby.use_database()
        _say("The database can be used: everything works.")
        return


def _start_work() -> None:
    try:
        ownership = make_ownership()
    except OSError as error:  # of SQLite's folder
        folder = Path(connection.settings_dict["NAME"]).parent
        if not isinstance(error, BlockingIOError):
            raise CannotStart(f"{folder}: {error.strerror}. Check DATA_DIR or DATABASE_URL.") from None
        raise CannotStart(
            f"another Incident Central works on {folder}. Stop it, give this one a DATA_DIR of its own, or use "
            "PostgreSQL (DATABASE_URL), where several work together."
        ) from None
    except (Error, psycopg.Error) as error:
        raise _cannot_use_database(error) from None
    try:
        _migrate()
        sync.begin_periodic_work()
        watching.begin()
        periodic.begin(planning.WORKFLOW)
        incidents = [response.RESPONSE, news.NEWS, acting.ACTION, *sync.periodic_work()]
        doctor = [running.WORKFLOW, watching.WORKFLOW, telling.WORKFLOW]
        workflows = [*incidents, *doctor, making.WORKFLOW, drilling.WORKFLOW, planning.WORKFLOW]
        runner = Runner(workflows, ownership=ownership, lanes=LANES)
        runner.start()
    except (Error, psycopg.Error) as error:
        raise _cannot_use_database(error) from None
    except RuntimeError as error:
        raise _no_more_threads(error) from None
    _runners.append(runner)


def _leave_work_to_others() -> None:
    _refuse_sqlite()
    try:
        _migrate()
    except (Error, psycopg.Error) as error:
        raise _cannot_use_database(error) from None


def _refuse_sqlite() -> None:
    if connection.vendor == "sqlite":
        raise CannotStart(
            "SQLite belongs to one process, which answers and works. Run `incident-central serve` alone, or use "
            "PostgreSQL (DATABASE_URL) to have the two apart."
        )


def _cannot_use_database(error: Exception) -> _DatabaseGone:
    return _DatabaseGone(
        f"the database cannot be used ({why_unusable(error)}). Check DATABASE_URL, and that it is running."
    )


def _no_more_threads(error: Exception) -> CannotStart:
    return CannotStart(f"{error}. Allow this process more of them (ulimit -u, the container's pids limit) or memory.")


def _raise_limits() -> None:
    """Take as many open files as are needed, and end where a thread of ours dies instead of limping without."""
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < FILES:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, most))
        except ValueError:
            said = f"this process may open {most} files, and needs up to {FILES}. Raise it with ulimit -n."
            raise CannotStart(said) from None
    threading.excepthook = _end_instead_of_limping


def _end_instead_of_limping(died: threading.ExceptHookArgs) -> None:
    """What a thread of ours did, nobody would do any more; a supervisor starts the process anew."""
    try:
        name = died.thread.name if died.thread else "?"
        exception = died.exc_value or died.exc_type()
        log.critical("the thread %s died, so this process ends: have it started anew", name, exc_info=exception)
    finally:
        os._exit(70)


def _say_what_is_missing() -> None:
    for name in missing_settings():
        _say(f"{name} is not set: nobody can be paged, so no report is accepted. See docs/setup/1-pagerduty.md.")
    if not settings.SLACK_BOT_TOKEN:
        _say(
            "SLACK_BOT_TOKEN is not set: reports page and are recorded, but open no channel. See docs/setup/2-slack.md."
        )


class _Listener(socket.socket):
    """Where files have run out, it waits a moment instead of being asked again at once, and again."""

    def accept(self) -> tuple[socket.socket, Any]:
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                raise
            log.error("nobody can connect for the moment: %s", error.strerror)
            time.sleep(0.5)
            raise BlockingIOError(errno.EAGAIN, "later") from None


def _server(listener: socket.socket) -> TcpWSGIServer:
    try:
        return create_server(
            behind(settings.TRUSTED_PROXIES, WSGIHandler()),
            sockets=[listener],
            threads=WEB_THREADS,
            connection_limit=CONNECTIONS,
            ident=None,  # nobody needs to know what answers
            clear_untrusted_proxy_headers=False,  # behind() does
            asyncore_use_poll=True,
        )
    except RuntimeError as error:
        raise _no_more_threads(error) from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=1024)
        return _Listener(fileno=listener.detach())
    except OSError as error:
        why = str(error.strerror).partition(" (")[0]  # Python adds the address once more
        raise CannotStart(f"cannot listen on {host} port {port}: {why}. Choose another with --port.") from None


def _migrate() -> None:
    """SQLite is brought up to date by itself; a PostgreSQL database is its administrator's to change."""
    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return
    if connection.vendor != "sqlite":
        raise CannotStart("the database is not up to date. Run `incident-central manage migrate`, then start again.")
    call_command("migrate", verbosity=0, interactive=False)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
