"""`incident-central serve`, made to die by kill -9 at an exact place: what the tests of kills run instead of it.

Reads a line from standard input for each life: the place where it dies, or nothing. Forks a process for it that serves,
and writes that process's id. Importing is done once, so the next life begins at once.

A place is `WHAT CALL`, such as `answered chat.postMessage`, and is armed by SIGUSR1:

    leaves      the request is about to leave
    left        it has left, and nothing of the answer was read
    answered    the answer was read
    recording   what came of it is about to be committed
    recorded    it has been committed

`recording report` and `recorded report` are the commit that accepts a report. Nothing of Incident Central is replaced:
what is watched are the sockets below its clients, and Django's commit.
"""

import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import django
from django.db.backends.base.base import BaseDatabaseWrapper

REQUEST = re.compile(rb"(GET|POST) (/[^ ?]*)\S* HTTP/1\.1\r\n")

_dies_at = ""
_armed = False


class Thread(threading.local):
    """What one thread's last call was: sent and not yet answered, or answered and what came of it not yet committed."""

    sent = ""
    answered = ""


_thread = Thread()


def main() -> None:
    watch_sockets()
    watch_commits()
    os.environ["DJANGO_SETTINGS_MODULE"] = "incident_central.settings"
    django.setup()
    from incident_central.serve import serve

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            live(line.strip(), lambda: serve(host="127.0.0.1", port=int(sys.argv[1])))
        print(child, flush=True)
        os.waitpid(child, 0)


def live(dies_at: str, serve: Callable[[], int]) -> None:
    global _dies_at
    _dies_at = dies_at
    signal.signal(signal.SIGUSR1, arm)
    os._exit(serve())


def arm(number: int, frame: FrameType | None) -> None:
    global _armed
    _armed = True


def reach(place: str) -> None:
    if _armed and place == _dies_at:
        os.kill(os.getpid(), signal.SIGKILL)


def watch_sockets() -> None:
    def sends(real: Callable[..., Any]) -> Callable[..., Any]:
        def send(self: socket.socket, data: bytes, *rest: Any) -> Any:
            if request := REQUEST.match(bytes(data[:500])):
                call = name_of(request[1].decode(), request[2].decode())
                reach(f"leaves {call}")
                _thread.sent = call
            return real(self, data, *rest)

        return send

    def receives(real: Callable[..., Any]) -> Callable[..., Any]:
        def receive(self: socket.socket, *arguments: Any) -> Any:
            if call := _thread.sent:
                reach(f"left {call}")
            received = real(self, *arguments)
            if call:
                _thread.sent, _thread.answered = "", call
                reach(f"answered {call}")
            return received

        return receive

    for name in ("send", "sendall"):
        setattr(socket.socket, name, sends(getattr(socket.socket, name)))
    for name in ("recv", "recv_into"):
        setattr(socket.socket, name, receives(getattr(socket.socket, name)))


def name_of(verb: str, path: str) -> str:
    """As the sandbox names calls: chat.postMessage, POST /incidents/{id}/notes."""
    if path.startswith("/api/"):
        return path.removeprefix("/api/")
    return f"{verb} {re.sub(r'/[A-Z0-9]{6,}', '/{id}', path)}"


def watch_commits() -> None:
    from incident_central import outage

    real = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]

    def commit(self: BaseDatabaseWrapper) -> None:
        # A report's commit is the only one for a browser after which something is started.
        is_report = bool(self.run_on_commit) and hasattr(outage._here, "is_database_thread")
        call = "report" if is_report else _thread.answered
        reach(f"recording {call}")
        real(self)
        _thread.answered = ""
        reach(f"recorded {call}")

    BaseDatabaseWrapper._commit = commit  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
