"""Slack over its Web API, through the official client.

Each call is one attempt: slack_sdk's own repeating of dropped calls is off, since a post that was repeated is posted
twice. HTTP 200 says nothing; `ok` does. (fact sheet sections 1 and 12)
"""

import itertools
import re
import socket
import time
from collections.abc import Iterator, Sequence, Set
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from incident_central.integrations.base import (
    BeforeSend,
    Channel,
    Closed,
    IntegrationError,
    Member,
    Message,
    SomeMembers,
    ahead,
    seconds_to_wait,
)
from incident_central.integrations.slack import messages

Json = dict[str, Any]

TIMEOUT = 10  # seconds; a call must end well within a step's lease
PAGE = 200
MARKER = "incident_central"

TRY_AGAIN = {"service_unavailable", "internal_error", "request_timeout", "fatal_error"}
BAD_TOKEN = {
    "not_authed",
    "invalid_auth",
    "token_revoked",
    "token_expired",
    "account_inactive",
    "not_allowed_token_type",
}
#: Refusals of an invitation that leave the person where we want them.
INSIDE = {"already_in_channel", "cant_invite_self"}

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


class Slack:
    """A Chat. Thread-safe."""

    def __init__(self, *, token: str, api_url: str, before_send: BeforeSend) -> None:
        self._closed = Closed("Slack")
        self._before_send = before_send
        self._web = WebClient(token, base_url=api_url, timeout=TIMEOUT, retry_handlers=[])
        self._identity: tuple[str, str] | None = None
        #: What the last answer said that the token may do; None where it did not say. (fact sheet section 1)
        self.scopes: frozenset[str] | None = None
        #: By how many seconds Slack's clock is ahead of ours, as far as its last answer tells.
        self.clock_ahead = 0.0

    # ── people ────────────────────────────────────────────────────────────────────────────────────

    def members(self, cursor: str, *, calls: int) -> SomeMembers | None:
        """Everybody but bots, the deactivated included, from `cursor` on, with so many calls at most: Slack takes about
        20 a minute. None where `cursor` leads nowhere any more: then they are read from the beginning. Also learns, in
        passing, who we are in Slack. (fact sheet sections 1 and 4)
        """
        self._who_we_are()
        people: list[Json] = []
        for _ in range(calls):
            answer = self._call("users.list", allowed={"invalid_cursor"}, limit=PAGE, cursor=cursor)
            if not answer["ok"]:
                return None
            people += answer["members"]
            cursor = _next_cursor(answer)
            if not cursor:
                break
        found = (_member(row) for row in people if not row.get("is_bot") and row["id"] != "USLACKBOT")
        return SomeMembers(tuple(found), cursor)

    def member_by_email(self, email: str) -> Member | None:
        """None where nobody has that e-mail, or the account is deactivated: Slack does not tell them apart."""
        answer = self._call("users.lookupByEmail", allowed={"users_not_found"}, email=email)
        return _member(answer["user"]) if answer["ok"] else None

    # ── channels ──────────────────────────────────────────────────────────────────────────────────

    def open_channel(self, name: str) -> Channel | None:
        """A new public channel; None where the name is taken, be it by an archived or an unseen channel.

        After a lost answer look among own_channels() first: a repeat would find its own name taken.
        """
        answer = self._call("conversations.create", writes=True, allowed={"name_taken"}, name=name)
        return self._channel(answer["channel"]) if answer["ok"] else None

    def own_channels(self, names: Sequence[str]) -> list[Channel]:
        """The channels that this app itself made under one of the names, archived ones left out. (fact sheet 0a.1)"""
        bot_user, _ = self._who_we_are()
        rows = self._pages(
            "users.conversations", "channels", types="public_channel,private_channel", exclude_archived=True
        )
        return [self._channel(row) for row in rows if row["name"] in names and row.get("creator") == bot_user]

    def find_channel(self, name: str) -> str | None:
        """The id of a channel that the bot is in, by name."""
        rows = self._pages("users.conversations", "channels", types="public_channel,private_channel")
        return next((str(row["id"]) for row in rows if row["name"] == name), None)

    def invite(self, channel_id: str, member_ids: Sequence[str]) -> dict[str, str]:
        """Invite all at once; who could not be invited, with Slack's word for why. Safe to repeat: being in is fine.

        With `force` one bad member does not keep out the others. Whether Slack then says ok is not documented, so the
        list of errors is read either way. (fact sheet section 3)
        """
        answer = self._call(
            "conversations.invite",
            writes=True,
            allowed=None,
            channel=channel_id,
            users=",".join(member_ids),
            force=True,
        )
        refused = {row["user"]: row["error"] for row in answer.get("errors") or () if row.get("user")}
        if not answer["ok"] and not refused and answer["error"] not in INSIDE:
            raise _refusal(answer)
        return {member: error for member, error in refused.items() if error not in INSIDE}

    def set_topic(self, channel_id: str, topic: str) -> None:
        """At most 250 characters. Safe to repeat."""
        self._call("conversations.setTopic", writes=True, channel=channel_id, topic=messages.cut(topic, 250))

    def archive(self, channel_id: str) -> None:
        """Close the channel. Safe to repeat: a channel that is archived already is fine. (fact sheet section 3)"""
        self._call("conversations.archive", writes=True, allowed={"already_archived"}, channel=channel_id)

    # ── bookmarks, messages, pins ─────────────────────────────────────────────────────────────────

    def bookmarks(self, channel_id: str) -> list[str]:
        """The links that the channel's bookmarks lead to."""
        rows = self._call("bookmarks.list", channel_id=channel_id)["bookmarks"]
        return [row.get("link") or "" for row in rows]

    def add_bookmark(self, channel_id: str, *, title: str, link: str) -> None:
        """Not safe to repeat by itself: look among bookmarks() first."""
        self._call("bookmarks.add", writes=True, channel_id=channel_id, title=title, type="link", link=link)

    def post(self, channel_id: str, message: Message) -> str:
        """Post, and return the message's id (its `ts`). After a lost answer look with find_message() first."""
        told = _content(message) | {"unfurl_links": False, "unfurl_media": False}
        return str(self._call("chat.postMessage", writes=True, channel=channel_id, **told)["ts"])

    def update(self, channel_id: str, message_id: str, message: Message) -> None:
        """Let a message of ours say this instead. Safe to repeat. (fact sheet section 5: nobody is notified)"""
        self._call("chat.update", writes=True, channel=channel_id, ts=message_id, **_content(message))

    def find_message(self, channel_id: str, marker: str, *, since: datetime) -> str | None:
        """The id of our message with this marker. Without include_all_metadata Slack leaves the marker out."""
        rows = self._pages(
            "conversations.history",
            "messages",
            channel=channel_id,
            oldest=f"{since.timestamp() - 900:.6f}",
            include_all_metadata=True,
        )
        for row in rows:
            metadata = row.get("metadata") or {}
            if metadata.get("event_type") == MARKER and metadata.get("event_payload", {}).get("marker") == marker:
                return str(row["ts"])
        return None

    def pin(self, channel_id: str, message_id: str) -> None:
        """Safe to repeat: a message that is pinned already is fine."""
        self._call("pins.add", writes=True, allowed={"already_pinned"}, channel=channel_id, timestamp=message_id)

    # ── for the doctor, which never writes ────────────────────────────────────────────────────────

    def ask(self, method: str, *, allowed: Set[str] = frozenset(), **arguments: Any) -> Json:
        """One answer as Slack gave it. For checks.py alone, which knows Slack's shapes, too."""
        return self._call(method, allowed=allowed, **arguments)

    def rows(self, method: str, key: str, *, most: int, **arguments: Any) -> list[Json]:
        """Rows of a list, `most` of them."""
        return list(itertools.islice(self._pages(method, key, **arguments), most))

    # ── one attempt ───────────────────────────────────────────────────────────────────────────────

    def _who_we_are(self) -> tuple[str, str]:
        """Our user id, and the workspace's address. Asked once."""
        if self._identity is None:
            answer = self._call("auth.test")
            self._identity = (answer["user_id"], answer["url"])
        return self._identity

    def _channel(self, row: Json) -> Channel:
        if self._identity is None:
            url = f"https://slack.com/app_redirect?channel={row['id']}"
        else:
            url = f"{self._identity[1]}archives/{row['id']}"
        return Channel(row["id"], row["name"], url)

    def _pages(self, method: str, key: str, **arguments: Any) -> Iterator[Json]:
        cursor = ""
        while True:
            answer = self._call(method, limit=PAGE, cursor=cursor, **arguments)
            yield from answer[key]
            cursor = _next_cursor(answer)
            if not cursor:
                return

    def _call(
        self, method: str, *, writes: bool = False, allowed: Set[str] | None = frozenset(), **arguments: Any
    ) -> Json:
        """One request. An error in `allowed` is returned instead of raised; None allows every refusal of Slack's."""
        self._closed.check(method)
        self._before_send()
        asked_at = time.time()
        try:
            response = self._web.api_call(method, **_encoded(method, arguments))
            self._heed(response.headers, asked_at)
            answer = response.data
        except SlackApiError as error:
            self._heed(error.response.headers, asked_at)
            answer = error.response.data
            failure = _failure(error, writes=writes)
            if failure.retry_after is not None:
                self._closed.until(method, seconds=failure.retry_after)
            if not failure.permanent or not isinstance(answer, dict):
                raise failure from error
            if allowed is not None and answer["error"] not in allowed:
                raise failure from error
        except (SlackClientError, OSError, ValueError) as error:
            raise _network_error(error, writes=writes) from error
        if not isinstance(answer, dict) or "ok" not in answer:
            raise IntegrationError("Slack answered something that is not its API's answer.", doubtful=writes)
        return answer

    def _heed(self, headers: Json, asked_at: float) -> None:
        scopes, date = _header(headers, "x-oauth-scopes"), _header(headers, "date")
        self.scopes = None if scopes is None else frozenset(filter(None, re.split(r"[,\s]+", scopes)))
        try:
            written_at = parsedate_to_datetime(date or "").timestamp()
        except ValueError:
            return
        self.clock_ahead = ahead(written_at, asked_at=asked_at, answered_at=time.time())


def _header(headers: Json, name: str) -> str | None:
    """slack_sdk gives a plain dictionary, so names are in any case. (fact sheet section 1)"""
    found = next((value for key, value in headers.items() if key.lower() == name), None)
    return None if found is None else str(found[0] if isinstance(found, list) else found)


def _next_cursor(answer: Json) -> str:
    return str((answer.get("response_metadata") or {}).get("next_cursor") or "")


def _content(message: Message) -> Json:
    return {
        "text": messages.fallback(message),
        "blocks": messages.blocks(message),
        "metadata": {"event_type": MARKER, "event_payload": {"marker": message.marker}},
    }


def _encoded(method: str, arguments: dict[str, object]) -> dict[str, Any]:
    """Messages go as JSON; the rest, forms, as slack_sdk's own methods send them."""
    if method in ("chat.postMessage", "chat.update"):
        return {"json": arguments}
    return {"params": {k: int(v) if isinstance(v, bool) else v for k, v in arguments.items() if v != ""}}


def _failure(error: SlackApiError, *, writes: bool) -> IntegrationError:
    response = error.response
    word = response.data.get("error", "") if isinstance(response.data, dict) else ""
    if response.status_code == 429 or word in ("ratelimited", "rate_limited"):
        return IntegrationError(
            "Slack said 429 Too Many Requests.", code="429", retry_after=_retry_after(response.headers)
        )
    if response.status_code >= 500 or word in TRY_AGAIN:
        said = f"Slack said {word or response.status_code}: trouble on its side."
        return IntegrationError(said, code=word or str(response.status_code), doubtful=writes)
    if not word.isidentifier():  # slack_sdk puts the web page of a proxy there, which says nothing of the call
        said = "Slack answered something that is not its API's answer (a proxy, or trouble on its side)."
        return IntegrationError(said, code="unreadable", doubtful=writes)
    return _refusal(response.data)


def _refusal(answer: Json) -> IntegrationError:
    word = str(answer["error"])
    if word in BAD_TOKEN:
        meaning = "it does not accept our token any more. The administrator must give us a valid one (SLACK_BOT_TOKEN)"
    elif word == "missing_scope":
        needed = answer.get("needed") or "more rights"
        meaning = f"the app lacks the scope {needed}. Add it to the app, then reinstall the app"
    else:
        meaning = MEANING.get(word) or "; ".join((answer.get("response_metadata") or {}).get("messages") or ())
    return IntegrationError(f"Slack said {word}" + (f": {meaning}." if meaning else "."), code=word, permanent=True)


def _retry_after(headers: Json) -> float | None:
    return seconds_to_wait(_header(headers, "retry-after"))


def _network_error(error: Exception, *, writes: bool) -> IntegrationError:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, ConnectionRefusedError | socket.gaierror) or (
        isinstance(error, URLError) and isinstance(cause, TimeoutError)
    ):
        return IntegrationError("Slack could not be reached.", code="unreachable")
    if isinstance(cause, TimeoutError):
        return IntegrationError("Slack did not answer in time.", code="timeout", doubtful=writes)
    return IntegrationError("The connection to Slack broke before it answered.", code="broken", doubtful=writes)


def _member(row: Json) -> Member:
    profile = row.get("profile") or {}
    name = profile.get("real_name") or row.get("real_name") or row.get("name") or ""
    guest = "single-channel guest" if row.get("is_ultra_restricted") else "multi-channel guest"
    return Member(
        row["id"],
        name,
        (profile.get("email") or "").lower(),
        deactivated=bool(row.get("deleted")),
        handle=profile.get("display_name") or row.get("name") or "",
        guest=guest if row.get("is_restricted") or row.get("is_ultra_restricted") else "",
    )
