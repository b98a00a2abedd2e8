"""HTTP/1.1 on one loopback port: keep-alive, one thread a connection, able to refuse and to reset."""

from __future__ import annotations

import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from incident_central.sandbox.gate import Latency, Lost
from incident_central.sandbox.server import Headers, Request, Response

LARGEST_BODY = 5 * 1024 * 1024

# Answers a request; the second argument tells whether the client has hung up meanwhile. May raise Lost.
Answer = Callable[[Request, Callable[[], bool]], Response]


class Listener:
    """One port on 127.0.0.1. It can stop listening for a while and come back on the same port.

    Raises OSError when the port is taken.
    """

    def __init__(self, answer: Answer, *, port: int = 0, latency: Latency | None = None) -> None:
        self.answer = answer
        self.latency = latency or Latency()
        if port:
            _check_free(port)
        # Bound but never listening: keeps the port ours, and connections refused, while no server is open.
        self._placeholder = _bound_socket(port)
        self.port: int = self._placeholder.getsockname()[1]
        self._server: _Server | None = None
        self._changing = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        with self._changing:
            if self._server is None:
                self._server = _Server(self)
                threading.Thread(
                    target=self._server.serve_forever, args=(0.05,), name=f"port {self.port}", daemon=True
                ).start()

    def refuse(self) -> None:
        """Nobody listens any more; connections that are open end."""
        with self._changing:
            if self._server is not None:
                self._server.shutdown()
                self._server.server_close()
                self._server.end_connections()
                self._server = None

    def close(self) -> None:
        self.refuse()
        self._placeholder.close()


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, listener: Listener) -> None:
        super().__init__(("127.0.0.1", listener.port), _Connection, bind_and_activate=False)
        self.socket.close()
        self.socket = _bound_socket(listener.port)
        self.listener = listener
        self._connections: set[socket.socket] = set()
        self.server_activate()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.discard(request)

    def end_connections(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it ended by itself meanwhile

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that leaves is nothing to report; anything else is a bug of the sandbox and must be seen.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        if delay := self.server.listener.latency.connect:
            time.sleep(delay)

    def parse_request(self) -> bool:
        self.arrived_at = time.time()
        return super().parse_request()

    def do_any(self) -> None:
        if "Transfer-Encoding" in self.headers or int(self.headers.get("Content-Length") or 0) > LARGEST_BODY:
            self.close_connection = True
            self._send(Response(413))
            return
        target = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=unquote(target.path),
            query=parse_qs(target.query, keep_blank_values=True),
            headers=Headers(dict(self.headers.items())),
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            port=self.client_address[1],
            arrived_at=self.arrived_at,
        )
        try:
            self._send(self.server.listener.answer(request, self._client_left))
        except Lost as lost:
            self.close_connection = True
            if lost.part is None:
                self._reset()
            else:
                self.connection.sendall(_wire(lost.part)[: -max(1, len(lost.part.body) // 2)])

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_any

    def _send(self, response: Response) -> None:
        wire = _wire(response)
        wire = wire if self.command != "HEAD" else wire[: -len(response.body) or None]
        if response.after_each_byte is None:
            self.connection.sendall(wire)
            return
        for byte in wire:
            self.connection.sendall(bytes([byte]))
            response.after_each_byte()

    def _client_left(self) -> bool:
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        try:
            return bool(poll.poll(0)) and not self.connection.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return True

    def _reset(self) -> None:
        """End the connection with a TCP reset, as a crashed proxy or a firewall does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # close() would wait for the file objects that BaseHTTPRequestHandler made of this socket.
        socket.close(self.connection.detach())

    def log_message(self, format: str, *args: object) -> None:
        pass  # calls.py keeps the log


def _wire(response: Response) -> bytes:
    headers = {
        "Date": formatdate(usegmt=True),
        **response.headers,
        "Content-Length": str(len(response.body)),
    }
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + response.body


def _check_free(port: int) -> None:
    """Without SO_REUSEPORT, or two sandboxes would share one port and each answer some of the calls."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def _bound_socket(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound
