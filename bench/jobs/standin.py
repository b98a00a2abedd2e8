"""The tool that all contenders call: takes as long as it is told, and keeps the moment at which each call arrived."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread


@dataclass
class Calls:
    """All calls with one key. A call has got through when it arrived, whether or not its answer is heard."""

    arrived: list[float] = field(default_factory=list)  # seconds of this machine's clock
    answered: list[float] = field(default_factory=list)


class StandIn:
    def __init__(self) -> None:
        self.latency = 0.0  # seconds a call and a look
        self.held: set[str] = set()  # steps whose calls are not answered as long as they are in here
        self.calls: dict[str, Calls] = {}
        self.number = 0
        self.found = 0  # looks that found that a call had got through
        self.lock = Lock()
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                key = self.headers["Idempotency-Key"]
                with standin.lock:
                    standin.number += 1
                    standin.calls.setdefault(key, Calls()).arrived.append(time.time())
                while key.rpartition("/")[2] in standin.held:
                    time.sleep(0.01)
                self._answer(200)
                standin.calls[key].answered.append(time.time())

            def do_GET(self) -> None:
                found = self.headers["Idempotency-Key"] in standin.calls
                with standin.lock:
                    standin.found += found
                self._answer(200 if found else 404)

            def _answer(self, status: int) -> None:
                time.sleep(standin.latency)
                self.wfile.write(f"HTTP/1.1 {status} .\r\nContent-Length: 0\r\n\r\n".encode())

            def log_message(self, format: str, *values: object) -> None: ...

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, request: object, address: object) -> None:
                """Whoever asked was killed."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def arrived(self, key: str, steps: Iterable[str]) -> bool:
        return all(f"{key}/{step}" in self.calls for step in steps)

    def first(self, key: str) -> float:
        """When the first call of a response arrived."""
        return min(calls.arrived[0] for name, calls in list(self.calls.items()) if name.startswith(f"{key}/"))

    def last(self, wanted: Iterable[str]) -> float:
        """When the last of these calls had got through, and been answered where somebody was there to hear it."""
        return max(max(self.calls[name].arrived[0], *self.calls[name].answered[:1]) for name in wanted)

    def missing(self, wanted: Iterable[str]) -> int:
        return sum(name not in self.calls for name in wanted)

    def repeated(self, wanted: Iterable[str]) -> int:
        """Calls that were made although an earlier one with their key had got through."""
        return sum(len(self.calls[name].arrived) - 1 for name in wanted if name in self.calls)

    def wait(self, done: Callable[[], bool], *, quiet: float, each: Callable[[], None] = lambda: None) -> bool:
        """Whether it was done before no call had come for `quiet` seconds. Calls `each` every now and then."""
        seen, until = self.number, time.monotonic() + quiet
        while not done():
            if self.number != seen:
                seen, until = self.number, time.monotonic() + quiet
            if time.monotonic() > until:
                return False
            each()
            time.sleep(0.01)
        return True
