"""Whoever presses the button: Dana with the form open and a connection to the hub, and the same for the original."""

import json
import re
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from tests.processes import Hub, report_form

PATIENCE = 60.0  # seconds for an answer


@dataclass(frozen=True)
class Sent:
    """A report. Times are seconds of this machine's clock: the one that the sandbox stamps arrivals with."""

    name: str
    at: float  # just before the first byte was sent
    answered_at: float  # the hub had accepted it and said where to go on
    shown_at: float  # that page was there, too


class Reporter:
    """Sends reports one after another over one kept connection, as an open browser does. Not for several threads."""

    def __init__(self, hub: Hub, *, service: str) -> None:
        cookies = {cookie.name: str(cookie.value) for cookie in hub.dana.cookies}
        self._form = report_form(hub, service_name=service) | {"csrfmiddlewaretoken": cookies["csrftoken"]}
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        self._headers = {"Cookie": cookie, "Origin": hub.url, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection = HTTPConnection("127.0.0.1", hub.port, timeout=PATIENCE)

    def open_form(self, *, anyway: bool = False) -> None:
        """Open the form, which lists what is open on the service: a report that has seen it is accepted at once.

        What is reported while it is open is not on it, so where many report at once they press “Report anyway”.
        """
        page = self._ask("GET", f"/report?service={self._form['service']}")
        found = re.search(r'name="seen" value="([^"]*)"', page.text)
        if found is None:
            raise RuntimeError(f"the form does not say what is open: {page.status}")
        self._form["seen"] = "anyway" if anyway else found[1]

    def report(self) -> Sent:
        """Send a report and open the page that the answer leads to. Raises RuntimeError where it was not accepted."""
        body = urlencode(self._form | {"report_id": str(uuid4())})
        if self._connection.sock is None:
            self._connection.connect()
        at = time.time()
        answer = self._ask("POST", "/report", body)
        answered_at = time.time()
        found = re.fullmatch(r"/incidents/([^/]+)/responding", answer.location)
        if found is None:
            raise RuntimeError(f"a report was not accepted: {answer.status} {answer.location}")
        self._ask("GET", answer.location)
        return Sent(found[1], at, answered_at, time.time())

    def connects(self) -> bool:
        """Whether the hub listens."""
        try:
            self._connection.connect()
        except ConnectionRefusedError:
            return False
        return True

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: str | None = None) -> "_Answer":
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        return _Answer(answer.status, answer.headers.get("Location", ""), answer.read().decode())


@dataclass(frozen=True)
class _Answer:
    status: int
    location: str
    text: str


@dataclass(frozen=True)
class OriginalSent:
    """A report to the original, which answers when everything is done."""

    name: str
    at: float
    linked_at: float
    done_at: float


class OriginalReporter:
    """Sends reports to the re-enacted original over one kept connection."""

    def __init__(self, port: int, *, service_id: str) -> None:
        self._body = json.dumps({"service_id": service_id, "title": "Card payments fail with 502 at checkout"})
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def report(self) -> OriginalSent:
        if self._connection.sock is None:
            self._connection.connect()
        at = time.time()
        self._connection.request("POST", "/report", self._body, {"Content-Type": "application/json"})
        answer: dict[str, Any] = json.loads(self._connection.getresponse().read())
        return OriginalSent(at=at, **answer)

    def close(self) -> None:
        self._connection.close()
