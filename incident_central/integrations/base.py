"""The boundary to the tools outside: what a pager and a chat must do for us, and the words that cross the line.

Only frozen dataclasses cross it, never a vendor's dictionary and never a row of ours. Every call does it or raises
IntegrationError; every write says in its docstring what makes a repeat safe.

    CallFailed (code, permanent, doubtful, retry_after: incident_central/outside.py)
        IntegrationError
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from incident_central.outside import CallFailed


class IntegrationError(CallFailed):
    """A call to another tool failed; `str()` of it says whose word it is."""


#: Called just before each request leaves. It may raise to keep it from leaving.
BeforeSend = Callable[[], None]


#: A tool that asks for longer than this is misunderstood, or stands behind something that is broken: a page must not
#: wait for a day because a gateway's maintenance page says so.
LONGEST_WAIT = 900.0  # seconds


def seconds_to_wait(text: object) -> float | None:
    """What a Retry-After header says, if it makes sense: LONGEST_WAIT at most."""
    try:
        seconds = float(str(text))
    except ValueError:
        return None
    return min(max(0.0, seconds), LONGEST_WAIT) if math.isfinite(seconds) else None


def ahead(date: float, *, asked_at: float, answered_at: float) -> float:
    """By how many seconds the clock that wrote a Date header is ahead of ours; 0 where they may agree.

    All are epoch seconds; a Date has whole ones, and was written at some time between asking and answer.
    """
    if date > answered_at:
        return date - answered_at
    return min(0.0, date + 1 - asked_at)


class Closed:
    """Keeps calls of one kind back until the moment that the tool named in a Retry-After: not one leaves before."""

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._until: dict[str, tuple[float, str]] = {}  # and the tool's own word for why
        self._lock = threading.Lock()

    def heed(self, call: str, failure: IntegrationError) -> None:
        """What it said of when to come back, if it said so."""
        if failure.retry_after is None:
            return
        with self._lock:
            until = (time.monotonic() + failure.retry_after, failure.code)
            self._until[call] = max(self._until.get(call, (0.0, "")), until)

    def holds_back(self) -> bool:
        """Whether calls of any kind are to wait."""
        with self._lock:
            return any(until > time.monotonic() for until, _ in self._until.values())

    def check(self, call: str) -> None:
        """Raises IntegrationError while `call` is to wait."""
        with self._lock:
            until, code = self._until.get(call, (0.0, ""))
        if (left := until - time.monotonic()) > 0:
            said = f"{self._tool} asked us to wait with calls of this kind, for {math.ceil(left)} s more."
            raise IntegrationError(said, code=code, retry_after=left)


# ── what a pager knows ────────────────────────────────────────────────────────────────────────────


#: By so much, at most, the clocks of this machine, its database and the other tools are taken to differ.
CLOCKS_DIFFER = timedelta(days=1)


@dataclass(frozen=True)
class Reference:
    """Something named by id, with the name it had when it was read."""

    id: str
    name: str


@dataclass(frozen=True)
class Team:
    id: str
    name: str


@dataclass(frozen=True)
class Priority:
    """Priorities come from most to least severe."""

    id: str
    name: str
    description: str


@dataclass(frozen=True)
class Phone:
    label: str
    number: str


@dataclass(frozen=True)
class PagerUser:
    id: str
    name: str
    email: str
    url: str
    phones: tuple[Phone, ...] = ()


@dataclass(frozen=True)
class Level:
    """One level of an escalation policy: who is tried, and after how many minutes without an answer the next is."""

    minutes: int
    targets: tuple[Reference, ...]


@dataclass(frozen=True)
class EscalationPolicy:
    id: str
    name: str
    url: str
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class PagerService:
    """`status` is PagerDuty's: active, warning, critical (all three usable), maintenance, disabled."""

    id: str
    name: str
    description: str
    status: str
    url: str
    escalation_policy: Reference | None
    teams: tuple[Reference, ...]


@dataclass(frozen=True)
class OnCall:
    """Somebody is on call at a level of a policy from `start` to `end`; None means always."""

    escalation_policy_id: str
    level: int
    user: Reference
    schedule: Reference | None
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class PageRequest:
    """`key` is what makes a repeat safe: the pager refuses a second open page with the same one. With `only_person_id`
    it rings this one person, and never anybody after them."""

    key: str
    service_id: str
    title: str
    details: str
    priority_id: str | None
    only_person_id: str | None = None


@dataclass(frozen=True)
class Page:
    """The pager's record for an incident of ours, as it is now."""

    id: str
    key: str
    number: int
    url: str
    status: str  # triggered, acknowledged, resolved
    title: str
    service_id: str
    priority_id: str | None
    created_at: datetime
    assigned: tuple[Reference, ...]
    acknowledged_at: datetime | None
    acknowledged_by: tuple[Reference, ...]
    resolved_at: datetime | None
    urgency: str  # high, low
    service: Reference
    priority: Reference | None
    escalation_policy_id: str | None
    assigned_by_hand: bool  # to people by name: nobody else is paged after them
    status_changed_at: datetime
    status_changed_by: str  # the id of who or what did
    updated_at: datetime
    merged_into: Reference | None  # the page that this one was resolved for


@dataclass(frozen=True)
class Change:
    """A field of a page that got another value; both as people read them."""

    field: str
    old: str
    new: str


@dataclass(frozen=True)
class LogEntry:
    """One thing that the pager says happened to a page.

    `kind` is PagerDuty's type without its end (fact sheet section 7, Log entries); there may be kinds that nobody
    knows yet, and for those `summary` has to do.
    """

    id: str
    page_id: str
    kind: str
    at: datetime
    summary: str
    actor: str  # a person's name; empty for what happened by itself
    actor_id: str  # that person's, or of the service or integration that did it
    machine: str  # name of the service or integration whose doing it was; empty for a person's
    channel: str  # how it came: website, mobile, api, timeout, …
    people: tuple[Reference, ...]  # whom it is about
    text: str  # what somebody wrote
    changes: tuple[Change, ...]
    seconds: int | None  # of a snooze
    notified_by: str  # push, phone, sms, email
    sources: tuple[Reference, ...]  # pages that were merged into this one
    page: Page | None = None  # what was triggered, as it is now; where that was asked for


@dataclass(frozen=True)
class Subscription:
    """Where webhooks go. `secret` is known when it has just been made, and never again."""

    id: str
    url: str
    active: bool  # false: switched off by somebody
    given_up: bool  # switched off by the pager itself, after too many that nobody took
    secret: str = ""

    @property
    def enabled(self) -> bool:
        return self.active and not self.given_up


class Pager(Protocol):
    """What we ask of a pager. All times are aware datetimes."""

    def teams(self) -> list[Team]: ...
    def priorities(self) -> list[Priority]: ...
    def users(self) -> list[PagerUser]: ...
    def escalation_policies(self) -> list[EscalationPolicy]: ...
    def services(self) -> list[PagerService]: ...
    def on_calls(
        self, *, since: datetime, until: datetime, policy_ids: Sequence[str] | None = None
    ) -> list[OnCall]: ...
    def page(self, request: PageRequest) -> Page: ...
    def find_page(self, key: str, *, service_id: str, since: datetime) -> Page | None: ...
    def read_page(self, page_id: str) -> Page: ...
    def open_pages(self) -> list[Page]: ...
    def resolved_lately(self) -> list[Page]: ...
    def add_note(self, page_id: str, text: str) -> None: ...
    def notes(self, page_id: str) -> list[str]: ...
    def log_entries(
        self, *, since: datetime, until: datetime | None, most: int, with_pages: bool
    ) -> tuple[list[LogEntry], int]: ...
    def log_of(self, page_id: str, *, since: datetime | None) -> list[LogEntry]: ...
    def now(self) -> datetime: ...
    def seconds_to_spare_it(self) -> float: ...
    def is_told_to_wait(self) -> bool: ...
    def subscriptions(self) -> list[Subscription]: ...
    def subscribe(self, url: str) -> Subscription: ...
    def enable(self, subscription: Subscription) -> None: ...
    def unsubscribe(self, subscription_id: str) -> None: ...
    def send_test(self, subscription_id: str) -> None: ...
    def acknowledge(self, page_id: str) -> Page: ...
    def resolve(self, page_id: str) -> Page: ...
    def escalate(self, page_id: str, *, level: int) -> Page: ...
    def reassign(self, page_id: str, *, user_id: str) -> Page: ...
    def delegate(self, page_id: str, *, policy_id: str) -> Page: ...
    def move(self, page_id: str, *, service_id: str, policy_id: str) -> Page: ...
    def change_priority(self, page_id: str, *, priority_id: str) -> Page: ...
    def snooze(self, page_id: str, *, seconds: int) -> Page: ...
    def ask_for_help(
        self, page_id: str, *, message: str, user_ids: Sequence[str], policy_ids: Sequence[str]
    ) -> None: ...
    def help_asked(self, page_id: str) -> list[str]: ...


# ── what a chat knows ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Member:
    """`email` is empty where the chat does not show it to us; `guest` says which kind of guest, and is mostly empty."""

    id: str
    name: str
    email: str
    deactivated: bool = False
    handle: str = ""
    guest: str = ""


@dataclass(frozen=True)
class SomeMembers:
    """A part of all members. `cursor` is where the next part begins; empty in the last one."""

    members: tuple[Member, ...]
    cursor: str


@dataclass(frozen=True)
class Channel:
    id: str
    name: str
    url: str


@dataclass(frozen=True)
class Link:
    text: str
    url: str


@dataclass(frozen=True)
class Message:
    """What is to be posted, as plain text: the chat's client escapes it. `marker` is what the message is found by."""

    marker: str
    title: str = ""
    paragraphs: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    links: tuple[Link, ...] = ()
    mentions: tuple[str, ...] = ()  # ids of members whom it is to reach


class Chat(Protocol):
    """What we ask of a chat."""

    def members(self, cursor: str, *, calls: int) -> SomeMembers | None: ...
    def member_by_email(self, email: str) -> Member | None: ...
    def open_channel(self, name: str) -> Channel | None: ...
    def own_channels(self, names: Sequence[str]) -> list[Channel]: ...
    def invite(self, channel_id: str, member_ids: Sequence[str]) -> dict[str, str]: ...
    def set_topic(self, channel_id: str, topic: str) -> None: ...
    def add_bookmark(self, channel_id: str, *, title: str, link: str) -> None: ...
    def bookmarks(self, channel_id: str) -> list[str]: ...
    def find_channel(self, name: str) -> str | None: ...
    def post(self, channel_id: str, message: Message) -> str: ...
    def update(self, channel_id: str, message_id: str, message: Message) -> None: ...
    def find_message(self, channel_id: str, marker: str, *, since: datetime) -> str | None: ...
    def pin(self, channel_id: str, message_id: str) -> None: ...
    def archive(self, channel_id: str) -> None: ...
