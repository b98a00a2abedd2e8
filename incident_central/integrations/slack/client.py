"""What we ask of Slack, call by call. How a call is made is in calls.py."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from incident_central.integrations.base import CLOCKS_DIFFER, BeforeSend, Channel, Member, Message, SomeMembers
from incident_central.integrations.slack import messages
from incident_central.integrations.slack.calls import PAGE, Calls, next_cursor, refusal

Json = dict[str, Any]

MARKER = "incident_central"

#: Refusals of an invitation that leave the person where we want them.
INSIDE = {"already_in_channel", "cant_invite_self"}


class Slack(Calls):
    """A Chat. Thread-safe."""

    def __init__(self, *, token: str, api_url: str, before_send: BeforeSend) -> None:
        super().__init__(token=token, api_url=api_url, before_send=before_send)
        self._identity: tuple[str, str] | None = None

    # ── people ────────────────────────────────────────────────────────────────────────────────────

    def members(self, cursor: str, *, calls: int) -> SomeMembers | None:
        """Everybody but bots, the deactivated included, from `cursor` on, with so many calls at most: Slack takes about
        20 a minute. None where `cursor` leads nowhere any more: then they are read from the beginning. Also learns, in
        passing, who we are in Slack. (fact sheet sections 1 and 4)
        """
        self._who_we_are()
        people: list[Json] = []
        for _ in range(calls):
            answer = self.call("users.list", allowed={"invalid_cursor"}, limit=PAGE, cursor=cursor)
            if not answer["ok"]:
                return None
            people += answer["members"]
            cursor = next_cursor(answer)
            if not cursor:
                break
        found = (_member(row) for row in people if not row.get("is_bot") and row["id"] != "USLACKBOT")
        return SomeMembers(tuple(found), cursor)

    def member_by_email(self, email: str) -> Member | None:
        """None where nobody has that e-mail, or the account is deactivated: Slack does not tell them apart."""
        answer = self.call("users.lookupByEmail", allowed={"users_not_found"}, email=email)
        return _member(answer["user"]) if answer["ok"] else None

    # ── channels ──────────────────────────────────────────────────────────────────────────────────

    def open_channel(self, name: str) -> Channel | None:
        """A new public channel; None where the name is taken, be it by an archived or an unseen channel.

        After a lost answer look among own_channels() first: a repeat would find its own name taken.
        """
        answer = self.call("conversations.create", writes=True, allowed={"name_taken"}, name=name)
        return self._channel(answer["channel"]) if answer["ok"] else None

    def own_channels(self, names: Sequence[str]) -> list[Channel]:
        """The channels that this app itself made under one of the names, archived ones left out. (fact sheet 0a.1)"""
        bot_user, _ = self._who_we_are()
        rows = self.pages(
            "users.conversations", "channels", types="public_channel,private_channel", exclude_archived=True
        )
        return [self._channel(row) for row in rows if row["name"] in names and row.get("creator") == bot_user]

    def find_channel(self, name: str) -> str | None:
        """The id of a channel that the bot is in, by name."""
        rows = self.pages("users.conversations", "channels", types="public_channel,private_channel")
        return next((str(row["id"]) for row in rows if row["name"] == name), None)

    def invite(self, channel_id: str, member_ids: Sequence[str]) -> dict[str, str]:
        """Invite all at once; who could not be invited, with Slack's word for why. Safe to repeat: being in is fine.

        With `force` one bad member does not keep out the others. Whether Slack then says ok is not documented, so the
        list of errors is read either way. (fact sheet section 3)
        """
        answer = self.call(
            "conversations.invite",
            writes=True,
            allowed=None,
            channel=channel_id,
            users=",".join(member_ids),
            force=True,
        )
        refused = {row["user"]: row["error"] for row in answer.get("errors") or () if row.get("user")}
        if not answer["ok"] and not refused and answer["error"] not in INSIDE:
            raise refusal(answer)
        return {member: error for member, error in refused.items() if error not in INSIDE}

    def set_topic(self, channel_id: str, topic: str) -> None:
        """At most 250 characters. Safe to repeat."""
        self.call("conversations.setTopic", writes=True, channel=channel_id, topic=messages.cut(topic, 250))

    def archive(self, channel_id: str) -> None:
        """Close the channel. Safe to repeat: a channel that is archived already is fine. (fact sheet section 3)"""
        self.call("conversations.archive", writes=True, allowed={"already_archived"}, channel=channel_id)

    # ── bookmarks, messages, pins ─────────────────────────────────────────────────────────────────

    def bookmarks(self, channel_id: str) -> list[str]:
        """The links that the channel's bookmarks lead to."""
        rows = self.call("bookmarks.list", channel_id=channel_id)["bookmarks"]
        return [row.get("link") or "" for row in rows]

    def add_bookmark(self, channel_id: str, *, title: str, link: str) -> None:
        """Not safe to repeat by itself: look among bookmarks() first."""
        self.call("bookmarks.add", writes=True, channel_id=channel_id, title=title, type="link", link=link)

    def post(self, channel_id: str, message: Message) -> str:
        """Post, and return the message's id (its `ts`). After a lost answer look with find_message() first."""
        told = _content(message) | {"unfurl_links": False, "unfurl_media": False}
        return str(self.call("chat.postMessage", writes=True, channel=channel_id, **told)["ts"])

    def update(self, channel_id: str, message_id: str, message: Message) -> None:
        """Let a message of ours say this instead. Safe to repeat. (fact sheet section 5: nobody is notified)"""
        self.call("chat.update", writes=True, channel=channel_id, ts=message_id, **_content(message))

    def find_message(self, channel_id: str, marker: str, *, since: datetime) -> str | None:
        """The id of our message with this marker. Without include_all_metadata Slack leaves the marker out."""
        rows = self.pages(
            "conversations.history",
            "messages",
            channel=channel_id,
            oldest=f"{(since - CLOCKS_DIFFER).timestamp():.6f}",
            include_all_metadata=True,
        )
        for row in rows:
            metadata = row.get("metadata") or {}
            if metadata.get("event_type") == MARKER and metadata.get("event_payload", {}).get("marker") == marker:
                return str(row["ts"])
        return None

    def pin(self, channel_id: str, message_id: str) -> None:
        """Safe to repeat: a message that is pinned already is fine."""
        self.call("pins.add", writes=True, allowed={"already_pinned"}, channel=channel_id, timestamp=message_id)

    def _who_we_are(self) -> tuple[str, str]:
        """Our user id, and the workspace's address. Asked once."""
        if self._identity is None:
            answer = self.call("auth.test")
            self._identity = (answer["user_id"], answer["url"])
        return self._identity

    def _channel(self, row: Json) -> Channel:
        if self._identity is None:
            url = f"https://slack.com/app_redirect?channel={row['id']}"
        else:
            url = f"{self._identity[1]}archives/{row['id']}"
        return Channel(row["id"], row["name"], url)


def _content(message: Message) -> Json:
    return {
        "text": messages.fallback(message),
        "blocks": messages.blocks(message),
        "metadata": {"event_type": MARKER, "event_payload": {"marker": message.marker}},
    }


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
