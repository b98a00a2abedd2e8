"""Calls to Slack's Web API, each tried once, through the official client.

That one would repeat dropped calls, and a post that is repeated is posted twice. Here a call does it or raises an
IntegrationError that says what failed; trying again belongs to the step that called. HTTP 200 says nothing; `ok` does.
(fact sheet sections 1 and 12)
"""

import itertools
import re
import time
from collections.abc import Iterator, Set
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.request import Request

import httpx2
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from incident_central.integrations.base import BeforeSend, Closed, IntegrationError, ahead, seconds_to_wait
from incident_central.integrations.http import CONNECTIONS, TIMEOUT, ask_before_leaving, network_error, watch

Json = dict[str, Any]

PAGE = 200

TRY_AGAIN = {"service_unavailable", "internal_error", "request_timeout", "fatal_error"}
BAD_TOKEN = {
    "not_authed",
    "invalid_auth",
    "token_revoked",
    "token_expired",
    "account_inactive",
    "not_allowed_token_type",
}
MEANING = {
    "not_in_channel": "the bot is not a member of that channel",
    "channel_not_found": "there is no such channel, or it is private and the bot is not in it",
    "is_archived": "the channel is archived",
    "restricted_action": "the workspace does not let apps do this; its owner can change that in Slack's settings",
    "name_taken": "a channel of that name exists already",
    "user_not_found": "there is no such member, or the account is deactivated",
    "cant_invite": "this member cannot be invited",
    "ura_max_channels": "this guest is in as many channels as guests may be",
    "user_is_restricted": "guests cannot be invited here",
    "too_many_pins": "the channel has as many pins as Slack allows",
    "too_many_bookmarks": "the channel has as many bookmarks as Slack allows",
}


class Calls:
    """Thread-safe."""

    def __init__(self, *, token: str, api_url: str, before_send: BeforeSend) -> None:
        self._closed = Closed("Slack")
        self._before_send = before_send
        self._web = _Web(token, api_url)
        #: What the last answer said that the token may do; None where it did not say. (fact sheet section 1)
        self.scopes: frozenset[str] | None = None
        #: By how many seconds Slack's clock is ahead of ours, as far as its last answer tells.
        self.clock_ahead = 0.0

    def call(
        self, method: str, *, writes: bool = False, allowed: Set[str] | None = frozenset(), **arguments: Any
    ) -> Json:
        """One request. An error in `allowed` is returned instead of raised; None allows every refusal of Slack's."""
        ask_before_leaving(partial(self._closed.check, method), self._before_send)
        asked_at = time.time()
        try:
            response = self._web.api_call(method, **_encoded(method, arguments))
            self._heed(response.headers, asked_at)
            answer = response.data
        except SlackApiError as error:
            self._heed(error.response.headers, asked_at)
            answer = error.response.data
            failure = _failure(error, writes=writes)
            failure.retry_after = seconds_to_wait(_header(error.response.headers, "retry-after"))
            self._closed.heed(method, failure)
            if not failure.permanent or not isinstance(answer, dict):
                raise failure from error
            if allowed is not None and answer["error"] not in allowed:
                raise failure from error
        except (SlackClientError, httpx2.HTTPError, ValueError) as error:
            raise network_error("Slack", error, writes=writes) from error
        if not isinstance(answer, dict) or "ok" not in answer:
            raise IntegrationError("Slack answered something that is not its API's answer.", doubtful=writes)
        return answer

    def pages(self, method: str, key: str, **arguments: Any) -> Iterator[Json]:
        """Rows of a list, read as far as they are asked for."""
        cursor = ""
        while True:
            answer = self.call(method, limit=PAGE, cursor=cursor, **arguments)
            yield from answer[key]
            cursor = next_cursor(answer)
            if not cursor:
                return

    def rows(self, method: str, key: str, *, most: int, **arguments: Any) -> list[Json]:
        """Rows of a list, `most` of them."""
        return list(itertools.islice(self.pages(method, key, **arguments), most))

    def _heed(self, headers: Json, asked_at: float) -> None:
        scopes, date = _header(headers, "x-oauth-scopes"), _header(headers, "date")
        self.scopes = None if scopes is None else frozenset(filter(None, re.split(r"[,\s]+", scopes)))
        try:
            written_at = parsedate_to_datetime(date or "").timestamp()
        except ValueError:
            return
        self.clock_ahead = ahead(written_at, asked_at=asked_at, answered_at=time.time())


class _Web(WebClient):
    """The official client, made to try once and to keep its connections.

    By itself it makes a new one for each call, and reads all certificates anew for it: a handshake, and 23 ms of a
    processor, for each of a dozen calls. (docs/benchmarks.md)
    """

    def __init__(self, token: str, base_url: str) -> None:
        super().__init__(token, base_url=base_url, retry_handlers=[])
        self._kept = httpx2.Client(
            timeout=TIMEOUT,
            event_hooks={"request": [watch]},
            limits=CONNECTIONS,
            trust_env=not base_url.startswith("http://"),
        )

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> Json:
        body: Any = req.data  # bytes
        answer = self._kept.request(req.get_method(), url, content=body, headers=req.headers)
        return {"status": answer.status_code, "headers": answer.headers, "body": answer.text}


def _header(headers: Json, name: str) -> str | None:
    """slack_sdk gives a plain dictionary, so names are in any case. (fact sheet section 1)"""
    found = next((value for key, value in headers.items() if key.lower() == name), None)
    return None if found is None else str(found[0] if isinstance(found, list) else found)


def _encoded(method: str, arguments: dict[str, object]) -> dict[str, Any]:
    """Messages go as JSON; the rest, forms, as slack_sdk's own methods send them."""
    if method in ("chat.postMessage", "chat.update"):
        return {"json": arguments}
    return {"params": {k: int(v) if isinstance(v, bool) else v for k, v in arguments.items() if v != ""}}


def next_cursor(answer: Json) -> str:
    return str((answer.get("response_metadata") or {}).get("next_cursor") or "")


def _failure(error: SlackApiError, *, writes: bool) -> IntegrationError:
    response = error.response
    word = response.data.get("error", "") if isinstance(response.data, dict) else ""
    if response.status_code == 429 or word in ("ratelimited", "rate_limited"):
        return IntegrationError("Slack said 429 Too Many Requests.", code="429")
    if response.status_code >= 500 or word in TRY_AGAIN:
        said = f"Slack said {word or response.status_code}: trouble on its side."
        return IntegrationError(said, code=word or str(response.status_code), doubtful=writes)
    if not word.isidentifier():  # slack_sdk puts the web page of a proxy there, which says nothing of the call
        said = "Slack answered something that is not its API's answer (a proxy, or trouble on its side)."
        return IntegrationError(said, code="unreadable", doubtful=writes)
    return refusal(response.data)


def refusal(answer: Json) -> IntegrationError:
    word = str(answer["error"])
    if word in BAD_TOKEN:
        meaning = "it does not accept our token any more. The administrator must give us a valid one (SLACK_BOT_TOKEN)"
    elif word == "missing_scope":
        needed = answer.get("needed") or "more rights"
        meaning = f"the app lacks the scope {needed}. Add it to the app, then reinstall the app"
    else:
        meaning = MEANING.get(word) or "; ".join((answer.get("response_metadata") or {}).get("messages") or ())
    return IntegrationError(f"Slack said {word}" + (f": {meaning}." if meaning else "."), code=word, permanent=True)
