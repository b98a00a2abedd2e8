"""How calls to PagerDuty and Slack travel: whether they may leave, for how long, over which connections, and what it
means where one fails."""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import httpx2

from incident_central.integrations.base import BeforeSend, IntegrationError

#: Connecting, and each read or write, in seconds.
TIMEOUT = httpx2.Timeout(9, connect=4)
#: Seconds from a request's first byte to the last of its answer, however slowly they go: a call that leaves in the
#: first part of a step's lease ends within it.
ANSWERED_WITHIN = 12.0
#: Kept open: a new TLS handshake costs more than all our own work.
CONNECTIONS = httpx2.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=90)

# Of this thread's call.
_asked: ContextVar[tuple[BeforeSend, ...]] = ContextVar("asked")
_answered_by: ContextVar[float] = ContextVar("answered_by")


def ask_before_leaving(*asked: BeforeSend) -> None:
    """Ask them at once, and again just before each request of this thread's call leaves."""
    _asked.set(asked)
    _ask_all()
    _begin()


def watch(request: httpx2.Request) -> None:
    """A client's hook for its requests."""
    request.extensions["trace"] = _on_its_way


def _on_its_way(event: str, info: Mapping[str, Any]) -> None:
    if event.endswith(("connect_tcp.complete", "start_tls.complete")):
        _end_in_time(info["return_value"])
    if event.endswith("send_request_headers.started"):
        # The connection stands, and nothing has left: to look up its name, to connect and TLS may have taken any time.
        _ask_all()
        _begin()


def _end_in_time(stream: Any) -> None:
    """A time-out begins anew with each read and write, so an answer that drips would never be late."""
    read, write = stream.read, stream.write

    def left(timeout: float) -> float:
        return min(timeout, max(_answered_by.get() - time.monotonic(), 0.001))  # 0 is no time-out for a socket

    stream.read = lambda max_bytes, timeout: read(max_bytes, timeout=left(timeout))
    stream.write = lambda buffer, timeout: write(buffer, timeout=left(timeout))


def _ask_all() -> None:
    for ask in _asked.get():
        ask()


def _begin() -> None:
    _answered_by.set(time.monotonic() + ANSWERED_WITHIN)


def network_error(tool: str, cause: BaseException | None, *, writes: bool) -> IntegrationError:
    """What became of a call that got no answer. A write that may have arrived is doubtful."""
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return IntegrationError(f"{tool} could not be reached.", code="unreachable")
    if isinstance(cause, httpx2.TimeoutException):
        return IntegrationError(f"{tool} did not answer in time.", code="timeout", doubtful=writes)
    return IntegrationError(f"The connection to {tool} broke before it answered.", code="broken", doubtful=writes)
