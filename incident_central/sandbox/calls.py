"""The log of every call received, for tests and for people who want to see what the hub sends."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from urllib.parse import parse_qs

KEPT_CALLS = 200_000
# Never Authorization: the log is shown to whoever opens the page.
SHOWN_HEADERS = ("From", "Content-Type", "Accept", "User-Agent", "Idempotency-Key")


@dataclass
class Call:
    """One call. `finished_at` stays None while it hangs; `status` stays None when no answer was sent. What came over
    one kept connection has the same `port`: the client's end of it."""

    id: int
    provider: str
    method: str
    http_method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: object
    port: int
    arrived_at: float
    finished_at: float | None = None
    status: int | None = None
    error: str | None = None
    fault: str | None = None


class Calls:
    """The last calls, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self._count = 0

    def add(
        self,
        *,
        provider: str,
        method: str,
        http_method: str,
        path: str,
        query: dict[str, list[str]],
        headers: Mapping[str, str],
        body: bytes,
        port: int,
        arrived_at: float,
    ) -> Call:
        shown = {name: headers[name] for name in SHOWN_HEADERS if name in headers}
        read = readable_body(body, headers.get("Content-Type") or "")
        with self._lock:
            self._count += 1
            call = Call(self._count, provider, method, http_method, path, query, shown, read, port, arrived_at)
            self._calls.append(call)
        return call

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()

    def as_json(
        self, *, provider: str | None = None, method: str | None = None, since: float = 0.0
    ) -> list[dict[str, object]]:
        """The calls that arrived at or after `since` (epoch seconds), of one provider or method if given."""
        with self._lock:
            calls = [call for call in self._calls if call.arrived_at >= since]
        return [asdict(call) for call in calls if provider in (None, call.provider) and method in (None, call.method)]


def readable_body(body: bytes, content_type: str) -> object:
    """JSON and forms decoded, everything else as text; a secret token in a form is left out."""
    if not body:
        return None
    text = body.decode("utf-8", "replace")
    if content_type.startswith("application/json"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    if content_type.startswith("application/x-www-form-urlencoded"):
        fields = parse_qs(text, keep_blank_values=True)
        return {name: values[-1] for name, values in fields.items() if name != "token"}
    return text
