"""The control routes on the page's port: state, log of calls, faults, clock, switches, planting.

Bodies are JSON, or the forms of the state page, which lead back to it. It answers only what is asked of it by
its own loopback address and, from a browser, by its own page: a stranger's page cannot press its buttons.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from incident_central.sandbox import page
from incident_central.sandbox.failures import fault_of
from incident_central.sandbox.faults import Fault
from incident_central.sandbox.pagerduty import phones
from incident_central.sandbox.server import Refused, Request, Response, answered

if TYPE_CHECKING:
    from incident_central.sandbox.process import Sandbox

Given = dict[str, Any]
NUMBERS = ("every", "times", "seconds", "until", "status")
MOST_IN_A_FLOOD = 20_000


class Control:
    """Answers everything on the page's port. `Refused` and ValueError become an answer with their words."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Response]]] = [
            (method, re.compile(pattern), handler)
            for method, pattern, handler in (
                ("GET", r"/", self._page),
                ("GET", r"/static/([a-z-]+\.(?:css|js))", self._static),
                ("GET", r"/pagerduty/.*|/slack/archives/.*", self._to_page),
                ("GET", r"/state\.json", self._state),
                ("GET", r"/calls\.json", self._list_calls),
                ("DELETE", r"/calls", self._forget_calls),
                ("GET", r"/faults", self._list_faults),
                ("POST", r"/faults", self._add_fault),
                ("DELETE", r"/faults", self._remove_faults),
                ("DELETE", r"/faults/(\w+)", self._remove_fault),
                ("POST", r"/faults/(\w+)/remove", self._remove_fault),
                ("POST", r"/clock", self._advance_clock),
                ("POST", r"/reset", self._start_over),
                ("GET", r"/switches", self._list_switches),
                ("POST", r"/switches", self._set_switches),
                ("POST", r"/latency", self._set_latency),
                ("POST", r"/theme", self._set_theme),
                ("POST", r"/plant", self._plant),
                ("POST", r"/pagerduty/incidents", self._open_incident),
                ("POST", r"/pagerduty/incidents/(\w+)/(\w+)", self._press),
                ("GET", r"/deliveries\.json", self._list_deliveries),
                ("POST", r"/webhooks/flood", self._flood),
                ("POST", r"/webhooks/(\w+)/(ping|enable|disable)", self._tend),
                ("POST", r"/slack/channels/(\w+)/messages", self._write),
            )
        ]

    def answer(self, request: Request) -> Response:
        return answered(self._answer, request)

    def _answer(self, request: Request) -> Response:
        self._check_asker(request)
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(request.path)
            if match and request.method in (method, "HEAD" if method == "GET" else method):
                return self._answer_with(handler, request, match.groups())
        raise _told(404, f"There is no {request.method} {request.path} here.")

    def _answer_with(self, handler: Callable[..., Response], request: Request, parts: tuple[str, ...]) -> Response:
        try:
            if request.method in ("GET", "HEAD"):
                return handler(request, *parts)
            given, is_form = read_body(request)
            response = handler(given, *parts)
        except (ValueError, TypeError) as wrong:
            raise _told(400, str(wrong)) from None
        self.sandbox.heed_faults()
        if is_form:
            return Response(303, headers={**response.headers, "Location": _back(given.get("back"))})
        return response

    def _check_asker(self, request: Request) -> None:
        """Only our own address, and from a browser only our own page (DNS rebinding, cross-site forms)."""
        port = self.sandbox.page_listener.port
        ours = {f"127.0.0.1:{port}", f"localhost:{port}"}
        origin = request.headers.get("Origin")
        if request.headers.get("Host") not in ours:
            raise _told(403, "The sandbox answers only at its own loopback address.")
        if origin is not None and origin not in {f"http://{host}" for host in ours}:
            raise _told(403, "The sandbox answers only its own page.")

    # ── the page ──

    def _page(self, request: Request) -> Response:
        return page.shown(self.sandbox, request)

    def _static(self, request: Request, name: str) -> Response:
        return page.static(name)

    def _to_page(self, request: Request) -> Response:
        """Where html_url and channel links lead: the part of the page that shows the thing."""
        parts = request.path.strip("/").split("/")
        place = f"/?channel={parts[2]}#slack" if parts[0] == "slack" else "/#phones"
        return Response(302, headers={"Location": place})

    def _set_theme(self, given: Given) -> Response:
        """The same cookie as the hub's: on one machine both look alike."""
        theme = given.get("theme")
        if theme not in page.THEMES:
            raise ValueError(f"Choose one of: {', '.join(page.THEMES)}.")
        return Response(204, headers={"Set-Cookie": f"theme={theme}; Path=/; SameSite=Lax; Max-Age=31536000"})

    # ── what is there ──

    def _state(self, request: Request) -> Response:
        sandbox = self.sandbox
        return Response.json(
            {
                "clock": {"now": sandbox.clock.now(), "offset": sandbox.clock.offset},
                "phones": [asdict(phone) for phone in phones.phones(sandbox.pagerduty.account)],
                "pagerduty": sandbox.pagerduty.as_json(),
                "slack": sandbox.slack.as_json(),
                "faults": [fault.as_json() for fault in sandbox.faults.all()],
                "switches": {api.name: api.switches.as_json() for api in sandbox.apis},
                "latency": asdict(sandbox.latency),
            }
        )

    def _list_calls(self, request: Request) -> Response:
        def one(name: str) -> str | None:
            values = request.query.get(name)
            return values[0] if values else None

        calls = self.sandbox.calls.as_json(
            provider=one("provider"), method=one("method"), since=float(one("since") or 0)
        )
        return Response.json(calls)

    def _forget_calls(self, given: Given) -> Response:
        self.sandbox.calls.clear()
        return Response.json({})

    # ── what goes wrong ──

    def _list_faults(self, request: Request) -> Response:
        return Response.json([fault.as_json() for fault in self.sandbox.faults.all()])

    def _add_fault(self, given: Given) -> Response:
        if "failure" in given:
            return Response.json({"id": self.sandbox.faults.add(fault_of(str(given["failure"]))).id}, status=201)
        values = {name: value for name, value in given.items() if name != "back"}
        for name in NUMBERS:
            if isinstance(values.get(name), str):
                values[name] = float(values[name]) if name in ("seconds", "until") else int(values[name])
        try:
            fault = self.sandbox.faults.add(Fault(**values))
        except TypeError:
            raise ValueError(f"A fault has no such field, or needs provider and kind: {sorted(values)}.") from None
        return Response.json({"id": fault.id}, status=201)

    def _remove_faults(self, given: Given) -> Response:
        self.sandbox.faults.clear()
        return Response.json({})

    def _remove_fault(self, given: Given, fault_id: str) -> Response:
        if not self.sandbox.faults.remove(fault_id):
            raise _told(404, f"No fault {fault_id} is on.")
        return Response.json({})

    def _set_latency(self, given: Given) -> Response:
        for name, seconds in given.items():
            if name not in ("pagerduty", "slack", "connect") or not 0 <= float(seconds) <= 600:
                raise ValueError("Give pagerduty, slack or connect, in seconds of 0 to 600.")
            setattr(self.sandbox.latency, name, float(seconds))
        return Response.json(asdict(self.sandbox.latency))

    # ── what happens ──

    def _advance_clock(self, given: Given) -> Response:
        """By seconds, or "next-escalation": until the next phone rings because nobody answered."""
        seconds = given.get("advance", 0)
        if seconds == "next-escalation":
            due = phones.next_ring(self.sandbox.pagerduty.account)
            seconds = max(0.0, due - self.sandbox.clock.now()) if due is not None else 0
        self.sandbox.clock.advance(float(seconds))
        return Response.json({"now": self.sandbox.clock.now(), "offset": self.sandbox.clock.offset})

    def _start_over(self, given: Given) -> Response:
        scale = dict(given.get("scale") or {})
        self.sandbox.start_over(services=int(scale.get("services", 0)), people=int(scale.get("people", 0)))
        return Response.json({})

    def _list_switches(self, request: Request) -> Response:
        return Response.json({api.name: api.switches.as_json() for api in self.sandbox.apis})

    def _set_switches(self, given: Given) -> Response:
        """By name for whichever provider has it, or {"pagerduty": {…}} for one alone."""
        for api in self.sandbox.apis:
            for name, choice in (given.get(api.name) or {}).items():
                api.switches.set(name, str(choice))
        for name, choice in given.items():
            holders = [api for api in self.sandbox.apis if name in api.switches]
            if not holders and name not in ("pagerduty", "slack"):
                raise ValueError(f"No switch is named {name!r}: see GET /switches.")
            for api in holders:
                api.switches.set(name, str(choice))
        return Response.json({api.name: api.switches.as_json() for api in self.sandbox.apis})

    def _plant(self, given: Given) -> Response:
        api = next((api for api in self.sandbox.apis if api.name == given.get("provider")), None)
        if api is None:
            raise ValueError('Give "provider": "pagerduty" or "slack".')
        record = api.plant(
            collection=str(given.get("collection")),
            record_id=given.get("id"),
            values=given.get("set", given.get("create")),
            delete=bool(given.get("delete")),
        )
        return Response.json(record)

    def _press(self, given: Given, incident_id: str, action: str) -> Response:
        self.sandbox.pagerduty.press(incident_id, action, given)
        return Response.json({})

    def _open_incident(self, given: Given) -> Response:
        return Response.json({"id": self.sandbox.pagerduty.open_incident(given)}, status=201)

    def _flood(self, given: Given) -> Response:
        """`count` webhooks, at once or spread over `seconds`."""
        count, seconds = int(given.get("count", 100)), float(given.get("seconds", 0))
        if not 1 <= count <= MOST_IN_A_FLOOD or not 0 <= seconds <= 3600:
            raise ValueError(f"count is 1 to {MOST_IN_A_FLOOD}, seconds 0 to 3600.")
        self.sandbox.pagerduty.flood(count, seconds)
        return Response.json({})

    def _tend(self, given: Given, subscription_id: str, action: str) -> Response:
        self.sandbox.pagerduty.tend(subscription_id, action)
        return Response.json({})

    def _list_deliveries(self, request: Request) -> Response:
        """All, or those with this `state`, `event_type`, `incident_id` or `subscription_id`."""
        wanted = {name: values[-1] for name, values in request.query.items()}
        deliveries = self.sandbox.pagerduty.deliveries(whole=True)
        return Response.json(
            [one for one in deliveries if all(one.get(name) == value for name, value in wanted.items())]
        )

    def _write(self, given: Given, channel_id: str) -> Response:
        text, user_id = str(given.get("text") or ""), str(given.get("user"))
        self.sandbox.slack.person_writes(channel_id=channel_id, user_id=user_id, text=text)
        return Response.json({})


def read_body(request: Request) -> tuple[Given, bool]:
    """What a body gives, and whether it came from a form."""
    if (request.headers.get("Content-Type") or "").startswith("application/x-www-form-urlencoded"):
        fields = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[-1] for name, values in fields.items()}, True
    if not request.body:
        return {}, False
    try:
        given = json.loads(request.body)
    except ValueError:
        raise _told(400, "The body is not JSON.") from None
    if not isinstance(given, dict):
        raise _told(400, "The body is not a JSON object.")
    return given, False


def _told(status: int, why: str) -> Refused:
    return Refused(Response.json({"error": why}, status=status))


def _back(channel_id: object) -> str:
    channel = re.fullmatch(r"\w+", str(channel_id or ""))
    return f"/?channel={channel[0]}#slack" if channel else "/"
