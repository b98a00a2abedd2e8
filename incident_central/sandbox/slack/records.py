"""What a Slack workspace consists of, as plain records. The rules are in workspace.py and in the methods."""

from __future__ import annotations

from dataclasses import dataclass, field

PUBLIC, PRIVATE, IM, MPIM = "public", "private", "im", "mpim"


@dataclass
class Member:
    """A person, or the user that a bot posts as. `name` is the handle."""

    id: str
    name: str
    real_name: str
    email: str = ""
    title: str = ""
    bot_id: str = ""
    app_id: str = ""
    deleted: bool = False
    is_restricted: bool = False  # a guest in several channels
    is_ultra_restricted: bool = False  # a guest in one channel
    is_admin: bool = False
    updated: int = 0

    @property
    def is_bot(self) -> bool:
        return bool(self.bot_id)

    @property
    def is_guest(self) -> bool:
        return self.is_restricted or self.is_ultra_restricted


@dataclass
class Token:
    """`kind`: "bot" (xoxb), "user" (xoxp) or "app" (xapp). `state`: "" or the error word it earns."""

    secret: str
    kind: str
    user_id: str
    scopes: tuple[str, ...] = ()
    state: str = ""


@dataclass
class Line:
    """A topic or a purpose."""

    value: str = ""
    creator: str = ""
    last_set: int = 0


@dataclass
class Message:
    """`ts` is its key in the channel, a string (fact sheet 5). `extra` holds what only some messages have."""

    ts: str
    user: str
    text: str = ""
    subtype: str = ""
    thread_ts: str = ""
    blocks: list[dict[str, object]] = field(default_factory=list)
    attachments: list[dict[str, object]] = field(default_factory=list)
    metadata: dict[str, object] = field(default_factory=dict)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    edited: dict[str, str] = field(default_factory=dict)
    unfurl_links: bool | None = None
    unfurl_media: bool | None = None
    extra: dict[str, object] = field(default_factory=dict)

    @property
    def is_reply(self) -> bool:
        return self.thread_ts not in ("", self.ts)


@dataclass
class Pin:
    ts: str
    created: int
    created_by: str


@dataclass
class Bookmark:
    id: str
    title: str
    link: str
    emoji: str
    created: int
    updated: int
    updated_by: str


@dataclass
class Channel:
    """A conversation of any kind. `members`, `messages`, `pins` and `bookmarks` keep their order."""

    id: str
    name: str
    kind: str
    created: int
    creator: str
    is_general: bool = False
    is_archived: bool = False
    members: dict[str, None] = field(default_factory=dict)
    # Whom archiving put out: they still know of the channel, even of a private one.
    left_on_archiving: set[str] = field(default_factory=set)
    topic: Line = field(default_factory=Line)
    purpose: Line = field(default_factory=Line)
    previous_names: list[str] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)
    ephemeral: list[tuple[str, Message]] = field(default_factory=list)
    pins: dict[str, Pin] = field(default_factory=dict)
    bookmarks: dict[str, Bookmark] = field(default_factory=dict)

    @property
    def is_direct(self) -> bool:
        return self.kind in (IM, MPIM)

    def is_visible_to(self, user: str) -> bool:
        return self.kind == PUBLIC or user in self.members or user in self.left_on_archiving

    def thread(self, ts: str) -> list[Message]:
        """The replies to a message, oldest first."""
        return [message for message in self.messages.values() if message.is_reply and message.thread_ts == ts]
