"""What stands outside: a watcher that hears heartbeats, and a mail server. On loopback, ended by whoever made them."""

import asyncio
import contextlib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "hub@example.com", "p@ss/word?"


@dataclass
class Watcher:
    """Counts what it is asked for, and answers with `status`."""

    status: int = 200
    heard: list[str] = field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def watcher() -> Iterator[Watcher]:
    found = Watcher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.heard.append(self.path)
            self.send_response(found.status)
            if found.status in (301, 302, 307):
                self.send_header("Location", f"{found.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class MailServer:
    """Takes mail from who signs in; what it took is in `taken`, and for whom. `refuses`: its reply to all mail."""

    port: int = 0
    refuses: str = ""
    hangs_up: bool = False  # after it has taken a message, instead of saying so
    taken: list[tuple[EmailMessage, list[str]]] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuses:
            return self.refuses
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.taken.append((message, list(envelope.rcpt_tos)))
        if self.hangs_up:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return "250 OK"

    def signs_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and data == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=False)


@contextlib.contextmanager
def mail_server(certificate: Path, *, tls_from_the_start: bool = False) -> Iterator[MailServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    found = MailServer()
    options: dict[str, Any] = {"authenticator": found.signs_in, "port": 0}
    if tls_from_the_start:
        options |= {"ssl_context": context, "auth_require_tls": False}  # it does not know that there is TLS already
    else:
        options |= {"tls_context": context, "require_starttls": True, "auth_required": True}
    controller = _Controller(found, hostname="127.0.0.1", **options)
    controller.start()
    found.port = controller.port
    yield found
    controller.stop()


class _Controller(Controller):
    def _trigger_server(self) -> None:
        """A free port was asked for: by now it is known which."""
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


def make_certificate(folder: Path) -> Path:
    """For localhost, signed by itself, with its key in the same file."""
    file = folder / "mail-server.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(file), "-out", str(folder / "only.pem")),
        ],
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + (folder / "only.pem").read_text())
    return file
