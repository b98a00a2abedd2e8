"""Somebody who receives webhooks: a real HTTP server on this machine that keeps what comes and answers as told."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)["event"]
        return event

    @property
    def type(self) -> str:
        return str(self.event["event_type"])

    def signatures(self) -> list[str]:
        return self.headers["X-PagerDuty-Signature"].split(",")

    def signed_with(self, secret: str) -> str:
        return f"v1={hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()}"


class Receiver:
    """`answer` gives the status for what comes; None lets the sender wait until the end."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Callable[[Received], int | None] = lambda received: 202
        self.closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received = Received(self.path, dict(self.headers.items()), body)
                status = receiver.answer(received)
                receiver.received.append(received)
                if status is None:
                    receiver.closing.wait(30)
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256  # or a flood waits for connections to be tried again

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/pagerduty"

    @property
    def types(self) -> list[str]:
        return [received.type for received in list(self.received)]

    @contextmanager
    def listening(self) -> Iterator[Receiver]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()
