"""What stands between a provider's port and its API: the log of calls, the faults and the latency."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate

from incident_central.sandbox.calls import Call, Calls
from incident_central.sandbox.clock import Clock
from incident_central.sandbox.faults import (
    ANSWER_LOST_HANG,
    DOWN,
    DRIP,
    GATEWAY_TIMEOUT,
    HTML,
    HTML_200,
    HUNG,
    LATE,
    RESET,
    SLOW,
    TRUNCATED,
    WORDED,
    Fault,
    Faults,
)
from incident_central.sandbox.server import Api, Request, Response, answered


@dataclass
class Latency:
    """Constant extra seconds a call, by provider, and a new connection: for benchmarks."""

    pagerduty: float = 0.0
    slack: float = 0.0
    connect: float = 0.0

    def of(self, provider: str) -> float:
        return {"pagerduty": self.pagerduty, "slack": self.slack}[provider]


class Lost(Exception):
    """The connection is reset without an answer; with `part`, it is closed after that much of the answer."""

    def __init__(self, part: Response | None = None) -> None:
        super().__init__("answer lost")
        self.part = part


@dataclass
class Gate:
    """Answers one provider's calls, as far as the faults let it."""

    api: Api
    clock: Clock
    calls: Calls
    faults: Faults
    latency: Latency

    def answer(self, request: Request, client_left: Callable[[], bool]) -> Response:
        """As answered by the clock of the sandbox. Raises Lost where no whole answer goes out."""
        response = self._answer(request, client_left)
        response.headers.setdefault("Date", formatdate(self.clock.now(), usegmt=True))
        return response

    def _answer(self, request: Request, client_left: Callable[[], bool]) -> Response:
        """Log the call, let a fault have its way, do the work."""
        method = self.api.method_of(request)
        call = self.calls.add(
            provider=self.api.name,
            method=method,
            http_method=request.method,
            path=request.path,
            query=request.query,
            headers=request.headers,
            body=request.body,
            port=request.port,
            arrived_at=request.arrived_at,
        )
        fault = self.faults.pick(
            provider=self.api.name, method=method, reads=self.api.only_reads(request), now=self.clock.now()
        )
        if delay := self.latency.of(self.api.name):
            time.sleep(delay)
        try:
            if fault is None:
                return self._work(request, call)
            call.fault = fault.kind
            return self._faulty(request, call, fault, client_left)
        finally:
            call.finished_at = time.time()

    def _faulty(self, request: Request, call: Call, fault: Fault, client_left: Callable[[], bool]) -> Response:
        if fault.kind in WORDED:
            response = self.api.fault_response(fault.kind, fault)
            return _noted(call, replace(response, status=fault.status) if fault.kind == HTML else response)
        if fault.kind == HTML_200:
            return _noted(call, replace(self.api.fault_response(HTML, fault), status=200))
        if fault.kind in (DOWN, RESET):
            raise Lost
        if fault.kind == HUNG:
            _hold(fault, client_left)
            raise Lost
        if fault.kind == SLOW:
            fault.lifted.wait(fault.seconds)
            return self._work(request, call)
        # What is left are the kinds that do the work.
        response = self._work(request, call)
        if fault.kind == LATE:
            fault.lifted.wait(fault.seconds)
            return response
        if fault.kind == DRIP:
            return replace(response, after_each_byte=lambda: fault.lifted.wait(fault.seconds))
        if fault.kind == GATEWAY_TIMEOUT:
            return replace(self.api.fault_response(HTML, fault), status=504)
        if fault.kind == TRUNCATED:
            raise Lost(part=response)
        if fault.kind == ANSWER_LOST_HANG:
            _hold(fault, client_left)
        raise Lost

    def _work(self, request: Request, call: Call) -> Response:
        return _noted(call, answered(self.api.handle, request))


def _hold(fault: Fault, client_left: Callable[[], bool]) -> None:
    """Keep silent until the fault is lifted or the client has left."""
    while not fault.lifted.wait(0.25):
        if client_left():
            return


def _noted(call: Call, response: Response) -> Response:
    """Write the status and the provider's own error word into the log."""
    call.status = response.status
    try:
        data = json.loads(response.body)
    except ValueError:
        return response
    error = data.get("error") if isinstance(data, dict) else None
    if isinstance(error, dict):
        call.error = ": ".join([str(error.get("message")), *map(str, error.get("errors") or [])])
    elif error is not None:
        call.error = str(error)
    return response
