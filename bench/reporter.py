"""Whoever presses the button: Dana with the form open and a connection to the hub, and the same for the original."""

import json
import re
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
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
        form = report_form(hub, service_name=service)
        self._form = form | {"csrfmiddlewaretoken": cookies["csrftoken"]}
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        self._headers = {"Cookie": cookie, "Origin": hub.url, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection = HTTPConnection("127.0.0.1", hub.port, timeout=PATIENCE)

    def report(self) -> Sent:
        """Send a report and open the page that the answer leads to. Raises RuntimeError where it was not accepted."""
        body = urlencode(self._form | {"report_id": str(uuid4())})
        if self._connection.sock is None:
            self._connection.connect()
        at = time.time()
        answer = self._ask("POST", "/report", body)
        answered_at = time.time()
        where = answer.headers.get("Location", "")
        found = re.fullmatch(r"/incidents/([^/]+)/responding", where)
        if found is None:
            raise RuntimeError(f"a report was not accepted: {answer.status} {where}")
        self._ask("GET", where)
        return Sent(found[1], at, answered_at, time.time())

    def get_ready(self) -> None:
        """Open the connection and have the form's page made once, as it was for whoever fills it in."""
        self._ask("GET", "/report")

    def connects(self) -> bool:
        """Whether the hub listens."""
        try:
            self._connection.connect()
        except ConnectionRefusedError:
            return False
        return True

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: str | None = None) -> HTTPResponse:
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer


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
