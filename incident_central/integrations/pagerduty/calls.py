"""Calls to PagerDuty's REST API v2, each tried once, through the official client.

That one would repeat a POST whose answer was lost and wait for ever on a 429. Here a call does it or raises an
IntegrationError that says what failed; trying again belongs to the step that called.
"""

import itertools
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar

import httpx2
import pagerduty

from incident_central.integrations.base import BeforeSend, Closed, IntegrationError, ahead, seconds_to_wait
from incident_central.integrations.http import CONNECTIONS, TIMEOUT, ask_before_leaving, network_error, watch

T = TypeVar("T")
Json = dict[str, Any]

DUPLICATE = "matching dedup key already exists"
INVALID_PRIORITY = "1020"
ACCOUNT_EXPIRED = "2012"
#: Below this part of PagerDuty's limit, what is left is for paging.
KEPT_FOR_PAGING = 0.1


class Calls:
    """Thread-safe.

    Ids go where a path has {}: without them it names the kind of call, and kinds are what is limited.
    """

    def __init__(self, *, api_key: str, from_email: str, api_url: str, before_send: BeforeSend) -> None:
        self._closed = Closed("PagerDuty")
        self._before_send = before_send
        self._spare_until = 0.0
        #: What the last answer said of PagerDuty's limit: requests left, and how many there are a minute.
        self.limit: tuple[float, float] | None = None
        #: By how many seconds PagerDuty's clock is ahead of ours, as far as its last answer tells.
        self.clock_ahead = 0.0
        self._client = _Client(
            api_key,
            default_from=from_email,
            base_url=api_url,
            event_hooks={
                "request": [watch, _note_time],
                "response": [self._heed_limit, self._heed_clock],
            },
            limits=CONNECTIONS,
            trust_env=not api_url.startswith("http://"),
        )

    def rows(
        self, path: str, *ids: str, absent: tuple[str, ...] = (), most: int | None = None, **params: object
    ) -> list[Json]:
        """Every page of a list, or `most` of it; nothing where PagerDuty answers with one of the statuses in
        `absent`."""

        def read() -> list[Json]:
            given = {name: value for name, value in params.items() if value is not None}
            return list(itertools.islice(self._client.iter_all(path.format(*ids), params=given), most))

        try:
            return self._once(f"GET {path}", read, writes=False)
        except IntegrationError as error:
            if error.code in absent:
                return []
            raise

    def row(self, path: str, *ids: str) -> Json:
        """One answer as PagerDuty has it."""
        return self.shaped(path, *ids, shape=lambda answer: answer)

    def shaped(self, path: str, *ids: str, shape: Callable[[Json], T]) -> T:
        """One answer, as what `shape` makes of it. What it cannot make anything of cannot be read, either."""
        return self._once(f"GET {path}", lambda: shape(self._client.jget(path.format(*ids))), writes=False)

    def write(self, path: str, *ids: str, body: Json, method: str = "POST") -> Json:
        """Whether a repeat is safe is the caller's to say."""
        send = self._client.jpost if method == "POST" else self._client.jput
        return self._once(f"{method} {path}", lambda: send(path.format(*ids), json=body), writes=True)

    def press(self, path: str, *ids: str, method: str = "POST") -> None:
        """A write without a body, and whose answer says nothing more."""

        def press() -> None:
            response = self._client.request(method, path.format(*ids))
            if not response.is_success:
                raise pagerduty.HttpError(f"{method} {path}", response)

        self._once(f"{method} {path}", press, writes=True)

    def _once(self, call: str, request: Callable[[], T], *, writes: bool) -> T:
        ask_before_leaving(partial(self._closed.check, call), self._before_send)
        try:
            return request()
        except pagerduty.Error as error:
            if error.response is None:
                raise network_error("PagerDuty", error.__cause__, writes=writes) from error
            failure = _error(error.response, writes=writes)
            failure.retry_after = _retry_after(error.response)
            self._closed.heed(call, failure)
            raise failure from error
        except (ValueError, KeyError, TypeError, AttributeError, pagerduty.UrlError) as error:
            said = "PagerDuty answered something that is not its API's answer (a proxy, or trouble on its side)."
            raise IntegrationError(said, code="unreadable", doubtful=writes) from error

    def seconds_to_spare_it(self) -> float:
        """How long to leave PagerDuty alone, unless it is to page: as long as hardly any requests are left to us.

        (`ratelimit-remaining`, `ratelimit-limit` and `ratelimit-reset` of the last answer; fact sheet section 4)
        """
        return max(0.0, self._spare_until - time.monotonic())

    def is_told_to_wait(self) -> bool:
        """Whether calls of some kind are to wait until a moment that PagerDuty named."""
        return self._closed.holds_back() or self.seconds_to_spare_it() > 0

    def now(self) -> datetime:
        """The time by PagerDuty's clock, as far as its last answer tells."""
        return datetime.now(UTC) + timedelta(seconds=self.clock_ahead)

    def _heed_limit(self, response: httpx2.Response) -> None:
        names = ("ratelimit-remaining", "ratelimit-limit", "ratelimit-reset")
        remaining, limit, reset = (seconds_to_wait(response.headers.get(name)) for name in names)
        if remaining is None or limit is None or reset is None:
            return
        self.limit = (remaining, limit)
        if remaining < limit * KEPT_FOR_PAGING:
            self._spare_until = time.monotonic() + reset

    def _heed_clock(self, response: httpx2.Response) -> None:
        """Its Date, in whole seconds, was written at some time between our asking and its answer's arrival."""
        try:
            date = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
        except ValueError:
            return
        self.clock_ahead = ahead(date, asked_at=response.request.extensions["asked_at"], answered_at=time.time())


class _Client(pagerduty.RestApiV2Client):
    """The official client, made to try once, and able to talk to a sandbox over plain http on this machine.

    That an address is https or loopback has been checked where the setting was read. (fact sheet sections 0.8 and 10)
    """

    max_network_attempts = 0
    max_http_attempts = -1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout = TIMEOUT  # type: ignore[assignment]  # the constructor ignores it; a Timeout is passed on as it is
        self.retry = {429: 1}  # with max_http_attempts: return the 429 instead of sleeping on it

    @property
    def url(self) -> str:
        return str(self._url)

    @url.setter
    def url(self, value: str) -> None:
        self._url = value


def _note_time(request: httpx2.Request) -> None:
    request.extensions["asked_at"] = time.time()


def _error(response: httpx2.Response, *, writes: bool) -> IntegrationError:
    """What PagerDuty said, in a sentence. Its error bodies come in several shapes. (fact sheet section 5)"""
    status, code, detail = response.status_code, str(response.status_code), ""
    answer = _answer(response)
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, str):
        detail = error
    elif isinstance(error, dict):
        code = str(error.get("code") or code)
        detail = ", ".join([str(error.get("message") or ""), *_texts(error.get("errors"))]).strip(", ")
    said = f"PagerDuty said {status} {response.reason_phrase}" + (f": {detail}." if detail else ".")
    if response.is_success:
        return IntegrationError(
            "PagerDuty answered something that is not its API's answer.", code="unreadable", doubtful=writes
        )
    if status == 429:
        return IntegrationError(said, code="429")
    if status >= 500 or status == 408:
        return IntegrationError(said, code=code, doubtful=writes)
    if not _is_pagerdutys(response, answer):
        said = (
            f"Something between us and PagerDuty answered in its place ({status} {response.reason_phrase}), such as a "
            "proxy. If that goes on, ask whoever looks after the network."
        )
        return IntegrationError(said, code="unreadable", doubtful=writes)
    if DUPLICATE in detail:
        return IntegrationError("PagerDuty has this page already; looking for it.", code="duplicate", doubtful=True)
    if status == 401:
        said = "PagerDuty refused our API key (401). Its administrator must give us a valid one (PAGERDUTY_API_KEY)."
    if status in (401, 402, 403, 404) and code != ACCOUNT_EXPIRED:
        code = str(status)
    return IntegrationError(said, code=code, permanent=True)


def _answer(response: httpx2.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None


def _is_pagerdutys(response: httpx2.Response, answer: object) -> bool:
    """Whether a refusal is PagerDuty's own word: in JSON, without a body, or, of a key, in plain text. It never leads
    elsewhere, and asks nobody to sign in at a proxy."""
    if response.status_code < 400 or response.status_code == 407:
        return False
    in_text = response.status_code == 401 and "html" not in response.headers.get("Content-Type", "")
    return isinstance(answer, dict) or in_text or not response.content


def _texts(errors: object) -> Iterable[str]:
    if isinstance(errors, str):
        return [errors]
    if isinstance(errors, dict):
        return [f"{name} {text}" for name, text in errors.items()]
    return [str(error) for error in errors] if isinstance(errors, list) else []


def _retry_after(response: httpx2.Response) -> float | None:
    """What any failure may say. PagerDuty itself documents none; its 429 says when its limit is over. (section 4)"""
    told = seconds_to_wait(response.headers.get("retry-after"))
    if told is None and response.status_code == 429:
        return seconds_to_wait(response.headers.get("ratelimit-reset"))
    return told
