"""Slack's Web API: https://slack.com/api/METHOD, as slack_sdk and everybody else calls it (fact sheet 1)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from incident_central.sandbox.clock import Clock
from incident_central.sandbox.company import NAME, PEOPLE, SLACK_TOKEN, Person
from incident_central.sandbox.faults import Fault
from incident_central.sandbox.server import Request, Response
from incident_central.sandbox.slack import view
from incident_central.sandbox.slack.arguments import Arguments, read
from incident_central.sandbox.slack.call import Answer, Call, Method, check_scopes, missing_scope
from incident_central.sandbox.slack.errors import SlackError
from incident_central.sandbox.slack.limits import DISTRIBUTED_APP_READING, Rate
from incident_central.sandbox.slack.methods import METHODS
from incident_central.sandbox.slack.opening import opened_workspace
from incident_central.sandbox.slack.people import write
from incident_central.sandbox.slack.planting import plant
from incident_central.sandbox.slack.records import Token
from incident_central.sandbox.slack.scopes import union

ROOT = "/api/"


class SlackApi:
    """One workspace behind one address. `workspace` holds the state."""

    name = "slack"

    def __init__(
        self, *, clock: Clock, page_url: str, workspace: str = NAME, people: Iterable[Person] = PEOPLE
    ) -> None:
        """`page_url`: where the state page is; channel links lead to its /slack/archives/CHANNEL."""
        url = page_url.rstrip("/") + "/slack/"
        self.workspace = opened_workspace(clock=clock, name=workspace, url=url, people=people)
        self.switches = self.workspace.switches

    def method_of(self, request: Request) -> str:
        return request.path.removeprefix(ROOT)

    def only_reads(self, request: Request) -> bool:
        method = METHODS.get(self.method_of(request))
        return method is not None and method.reads

    def handle(self, request: Request) -> Response:
        """Answer one call. HTTP 200 for nearly everything: the answer's `ok` says whether it went well."""
        if not request.path.startswith(ROOT):
            return Response(404, b"<!doctype html><title>Page not found</title>", {"Content-Type": "text/html"})
        if request.method not in ("GET", "POST"):
            return Response.json(
                {"ok": False, "error": "invalid_http_method"}, status=405, headers={"Allow": "GET, POST"}
            )
        method = METHODS.get(self.method_of(request))
        if method is None:
            unknown = {"ok": False, "error": "unknown_method", "req_method": self.method_of(request)[:100]}
            return Response.json(unknown)
        with self.workspace.lock:
            return self._answer(method, request)

    def fault_response(self, kind: str, fault: Fault) -> Response:
        """How Slack words a failure that was asked for."""
        if kind == "429":
            return _too_many_requests(fault.seconds)
        if kind == "429-bare":
            return Response(429, b"Too many requests", {"Content-Type": "text/plain"})
        if kind == "503":
            headers = {"Retry-After": str(max(1, math.ceil(fault.seconds)))}
            return Response.json({"ok": False, "error": "service_unavailable"}, status=503, headers=headers)
        if kind == "html":
            page = b"<!doctype html><title>Slack</title><h1>Something went wrong on our side</h1>"
            return Response(502, page, {"Content-Type": "text/html; charset=utf-8"})
        if kind == "missing-scope":
            return Response.json(self._without_scope(fault).as_json())
        if kind == "unauthorized":
            return Response.json({"ok": False, "error": "invalid_auth"})
        return Response.json({"ok": False, "error": "internal_error"}, status=500)

    def as_json(self) -> dict[str, object]:
        return view.as_json(self.workspace)

    def plant(
        self, *, collection: str, record_id: str | None, values: dict[str, object] | None, delete: bool
    ) -> dict[str, object] | None:
        """See planting.plant."""
        return plant(self.workspace, collection=collection, record_id=record_id, values=values, delete=delete)

    def person_writes(self, *, channel_id: str, user_id: str, text: str) -> None:
        """See people.write."""
        write(self.workspace, channel_id=channel_id, user_id=user_id, text=text)

    def _without_scope(self, fault: Fault) -> SlackError:
        """As if the app had been installed without `needed`, or else without what the method needs."""
        held = self.workspace.tokens[SLACK_TOKEN]
        method = METHODS.get(fault.method)
        needed = fault.needed or next(iter(union(method.scopes)) if method else iter(()), "")
        return missing_scope(needed, replace(held, scopes=tuple(s for s in held.scopes if s != needed)))

    def _answer(self, method: Method, request: Request) -> Response:
        token: Token | None = None
        warnings: list[str] = []
        try:
            arguments, secret, warnings = read(request)
            token = self._token(secret)
            rate = self._rate(method)
            key = f"{method.name} {arguments.text(method.limited_by)}" if method.limited_by else method.name
            wait = self.workspace.limits.wait(key, rate, now=self.workspace.clock.now())
            if wait and self.switches["rate_limits"] == "on":
                return _too_many_requests(wait)
            check_scopes(method, token)
            _check_required(method, arguments)
            answer: Answer = {"ok": True} | method.handler(Call(method, self.workspace, token, arguments, warnings))
        except SlackError as refused:
            answer = refused.as_json()
        return Response.json(_with_warnings(answer, warnings), headers=self._headers(method, token))

    def _token(self, secret: str) -> Token:
        if not secret:
            raise SlackError("not_authed")
        token = self.workspace.tokens.get(secret)
        if token is None:
            raise SlackError("invalid_auth")
        if token.state:
            raise SlackError(token.state)
        if token.kind == "app":
            raise SlackError("not_allowed_token_type")
        if self.workspace.members[token.user_id].deleted:
            raise SlackError("account_inactive")
        return token

    def _rate(self, method: Method) -> Rate:
        reading = method.name in ("conversations.history", "conversations.replies")
        if reading and self.switches["history_limit"] == "distributed app":
            return DISTRIBUTED_APP_READING
        return method.rate

    def _headers(self, method: Method, token: Token | None) -> dict[str, str]:
        headers = {"Cache-Control": "private, no-cache, no-store, must-revalidate", "Vary": "Accept-Encoding"}
        if token is not None and self.switches["scopes_header"] == "sent":
            headers["x-oauth-scopes"] = ",".join(token.scopes)
            headers["x-accepted-oauth-scopes"] = ",".join(union(method.scopes))
        return headers


def _check_required(method: Method, arguments: Arguments) -> None:
    lacking = [name for name in method.required if name not in arguments]
    for name in lacking:
        if name in method.missing:
            raise SlackError(method.missing[name])
    if lacking:
        messages = [f"missing required field: {name}" for name in lacking]
        raise SlackError("invalid_arguments", messages=messages)


def _with_warnings(answer: Answer, warnings: list[str]) -> Answer:
    if not warnings:
        return answer
    held = answer.get("response_metadata")
    metadata = (held if isinstance(held, dict) else {}) | {"warnings": warnings}
    return answer | {"warning": ",".join(warnings), "response_metadata": metadata}


def _too_many_requests(seconds: float) -> Response:
    headers = {"Retry-After": str(max(1, math.ceil(seconds)))}
    return Response.json({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
