"""One Slack workspace: its people, channels and messages, and everything that can happen to them.

All changes go through the methods here, so that events (Events API, socket mode) have one place to start from.
Every reader and writer holds `lock`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading

from incident_central.sandbox.clock import Clock
from incident_central.sandbox.slack.errors import SlackError
from incident_central.sandbox.slack.limits import Limits
from incident_central.sandbox.slack.mrkdwn import escaped
from incident_central.sandbox.slack.open_questions import SLACK_SWITCHES
from incident_central.sandbox.slack.records import (
    IM,
    MPIM,
    PRIVATE,
    Bookmark,
    Channel,
    Line,
    Member,
    Message,
    Pin,
    Token,
)
from incident_central.sandbox.switches import Switches

LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def slack_id(letter: str, seed: str) -> str:
    """An id like Slack's, the same for the same seed: U0…, C0…, B0…"""
    number = int.from_bytes(hashlib.sha256(f"{letter}{seed}".encode()).digest()[:8], "big")
    digits = ""
    while len(digits) < 9:
        number, digit = divmod(number, len(LETTERS))
        digits += LETTERS[digit]
    return f"{letter}0{digits}"


class Workspace:
    """The state. `bot` is the member that our app posts as, `installer` who installed the app."""

    def __init__(
        self, *, clock: Clock, name: str, url: str, members: list[Member], bot: Member, installer: Member
    ) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.name = name
        self.domain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        self.url = url
        self.id = slack_id("T", self.domain)
        self.bot = bot
        self.installer = installer
        self.switches = Switches(SLACK_SWITCHES)
        self.limits = Limits()
        self.members = {member.id: member for member in members}
        self.tokens: dict[str, Token] = {}
        self.channels: dict[str, Channel] = {}
        self._last_ts = 0

    @property
    def now(self) -> int:
        return int(self.clock.now())

    def next_ts(self) -> str:
        """A time stamp that no message has yet: microseconds, always growing."""
        self._last_ts = max(self._last_ts + 1, int(self.clock.now() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def channel(self, channel_id: str, *, seen_by: str) -> Channel:
        """The channel, if this user can see it. Raises SlackError("channel_not_found")."""
        channel = self.channels.get(channel_id)
        if channel is None or not channel.is_visible_to(seen_by):
            raise SlackError("channel_not_found")
        return channel

    def channels_of(self, user: str) -> list[Channel]:
        return [channel for channel in self.channels.values() if user in channel.members]

    def check_name_is_free(self, name: str) -> None:
        """Raises SlackError("name_taken"), also for archived and unseen private channels (fact sheet 3)."""
        for channel in self.channels.values():
            if channel.name != name or channel.is_direct:
                continue
            if self.switches["unseen_private_names"] == "free" and not channel.is_visible_to(self.bot.id):
                continue
            raise SlackError("name_taken")

    def open_channel(self, name: str, *, kind: str, creator: Member) -> Channel:
        """A new public or private channel with its creator in it."""
        named = self.installer if creator is self.bot and self.switches["channel_creator"] == "installer" else creator
        channel = self._new_channel("C", name, kind=kind, creator=named)
        self.join(channel, creator)
        return channel

    def open_direct(self, member: Member, others: list[str]) -> Channel:
        """A new direct message between a member and one or several others."""
        people = [member.id, *others]
        if len(others) == 1:
            channel = self._new_channel("D", "", kind=IM, creator=member)
        else:
            name = "mpdm-" + "--".join(self.members[user].name for user in people) + "-1"
            channel = self._new_channel("G", name, kind=MPIM, creator=member)
        channel.members.update(dict.fromkeys(people))
        return channel

    def _new_channel(self, letter: str, name: str, *, kind: str, creator: Member) -> Channel:
        channel_id = slack_id(letter, secrets.token_hex(8))
        channel = Channel(id=channel_id, name=name, kind=kind, created=self.now, creator=creator.id)
        self.channels[channel.id] = channel
        return channel

    def join(self, channel: Channel, member: Member, *, inviter: str = "") -> None:
        """Put a member into a channel; everybody there sees it."""
        channel.members[member.id] = None
        if not channel.is_direct:
            extra: dict[str, object] = {"inviter": inviter} if inviter else {}
            self.note(channel, member.id, "join", f"<@{member.id}> has joined the channel", **extra)

    def leave(self, channel: Channel, member: Member) -> None:
        channel.members.pop(member.id, None)
        if not channel.is_direct:
            self.note(channel, member.id, "leave", f"<@{member.id}> has left the channel")

    def set_topic(self, channel: Channel, topic: str, *, by: str) -> None:
        value = escaped(topic) if self.switches["topic_escaping"] == "escaped" else topic
        channel.topic = Line(value, by, self.now)
        if self.switches["topic_messages"] == "posted":
            self.note(channel, by, "topic", f"set the channel topic: {value}", topic=value)

    def set_purpose(self, channel: Channel, purpose: str, *, by: str) -> None:
        channel.purpose = Line(escaped(purpose), by, self.now)
        self.note(channel, by, "purpose", f"set the channel description: {escaped(purpose)}", purpose=purpose)

    def rename(self, channel: Channel, name: str, *, by: str) -> None:
        old = channel.name
        channel.previous_names.insert(0, old)
        channel.name = name
        text = f'has renamed the channel from "{old}" to "{name}"'
        self.note(channel, by, "name", text, old_name=old, name=name)

    def archive(self, channel: Channel, *, by: str) -> None:
        """Close a channel. Bots leave it, and so can neither read it nor open it again (fact sheet 3)."""
        self.note(channel, by, "archive", "archived the channel", members=list(channel.members))
        channel.is_archived = True
        for user in list(channel.members):
            if self.members[user].is_bot:
                del channel.members[user]
                channel.left_on_archiving.add(user)

    def unarchive(self, channel: Channel, *, by: str) -> None:
        channel.is_archived = False
        channel.left_on_archiving.clear()
        channel.members[by] = None
        self.note(channel, by, "unarchive", "un-archived the channel")

    def note(self, channel: Channel, user: str, happening: str, text: str, **extra: object) -> None:
        """One of Slack's own messages: channel_join, channel_topic, … (group_… in private channels)."""
        subtype = f"{'group' if channel.kind == PRIVATE else 'channel'}_{happening}"
        self.post(channel, Message(ts=self.next_ts(), user=user, text=text, subtype=subtype, extra=dict(extra)))

    def post(self, channel: Channel, message: Message) -> None:
        channel.messages[message.ts] = message

    def delete(self, channel: Channel, message: Message) -> None:
        del channel.messages[message.ts]
        channel.pins.pop(message.ts, None)

    def pin(self, channel: Channel, message: Message, *, by: str) -> None:
        channel.pins[message.ts] = Pin(message.ts, self.now, by)

    def unpin(self, channel: Channel, message: Message) -> None:
        del channel.pins[message.ts]

    def add_bookmark(self, channel: Channel, *, title: str, link: str, emoji: str, by: str) -> Bookmark:
        bookmark = Bookmark(
            id=slack_id("Bk", secrets.token_hex(8)),
            title=title,
            link=link,
            emoji=emoji,
            created=self.now,
            updated=0,
            updated_by=by,
        )
        channel.bookmarks[bookmark.id] = bookmark
        return bookmark
