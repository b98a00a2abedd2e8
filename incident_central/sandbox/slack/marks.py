"""pins.*, bookmarks.* and reactions.*: what people leave on channels and messages (fact sheet 5)."""

from __future__ import annotations

import re

from incident_central.sandbox.slack import shapes
from incident_central.sandbox.slack.arguments import wrong
from incident_central.sandbox.slack.call import Answer, Call
from incident_central.sandbox.slack.errors import SlackError
from incident_central.sandbox.slack.reading import is_ts
from incident_central.sandbox.slack.records import Bookmark, Channel, Message

MOST_BOOKMARKS = 100
LONGEST_TITLE, LONGEST_LINK = 256, 2048


def pins_add(call: Call) -> Answer:
    channel, message = _item(call)
    if message.subtype.startswith(("channel_", "group_")):
        raise SlackError("not_pinnable")
    if message.ts in channel.pins:
        raise SlackError("already_pinned")
    if call.on("pin_limit") != "none" and len(channel.pins) >= int(call.on("pin_limit")):
        raise SlackError("too_many_pins")
    call.workspace.pin(channel, message, by=call.caller.id)
    return {}


def pins_remove(call: Call) -> Answer:
    channel, message = _item(call)
    if message.ts not in channel.pins:
        raise SlackError("no_pin")
    call.workspace.unpin(channel, message)
    return {}


def pins_list(call: Call) -> Answer:
    channel = _joined(call, "channel")
    pins = sorted(channel.pins.values(), key=lambda pin: pin.created, reverse=True)
    return {"items": [shapes.pin(call.workspace, channel, pin) for pin in pins]}


def bookmarks_add(call: Call) -> Answer:
    """Not idempotent: the same one twice is two (fact sheet 5)."""
    channel = _joined(call, "channel_id")
    if call.arguments.text("type") != "link":
        raise SlackError("invalid_bookmark_type")
    title, link, emoji = _title(call), _link(call), _emoji(call)
    if len(channel.bookmarks) >= MOST_BOOKMARKS:
        raise SlackError("too_many_bookmarks")
    bookmark = call.workspace.add_bookmark(channel, title=title, link=link, emoji=emoji, by=call.caller.id)
    return {"bookmark": shapes.bookmark(call.workspace, channel, bookmark)}


def bookmarks_edit(call: Call) -> Answer:
    channel, bookmark = _bookmark(call)
    if "title" in call.arguments:
        bookmark.title = _title(call)
    if "link" in call.arguments:
        bookmark.link = _link(call)
    if "emoji" in call.arguments:
        bookmark.emoji = _emoji(call)
    bookmark.updated, bookmark.updated_by = call.workspace.now, call.caller.id
    return {"bookmark": shapes.bookmark(call.workspace, channel, bookmark)}


def bookmarks_remove(call: Call) -> Answer:
    channel, bookmark = _bookmark(call)
    del channel.bookmarks[bookmark.id]
    return {}


def bookmarks_list(call: Call) -> Answer:
    channel = _joined(call, "channel_id")
    bookmarks = channel.bookmarks.values()
    return {"bookmarks": [shapes.bookmark(call.workspace, channel, bookmark) for bookmark in bookmarks]}


def reactions_add(call: Call) -> Answer:
    name, message = _reaction(call)
    users = message.reactions.setdefault(name, [])
    if call.caller.id in users:
        raise SlackError("already_reacted")
    users.append(call.caller.id)
    return {}


def reactions_remove(call: Call) -> Answer:
    name, message = _reaction(call)
    users = message.reactions.get(name, [])
    if call.caller.id not in users:
        raise SlackError("no_reaction")
    users.remove(call.caller.id)
    if not users:
        del message.reactions[name]
    return {}


def _item(call: Call) -> tuple[Channel, Message]:
    """The message named by channel and time stamp, in a channel that the caller is in."""
    channel = _joined(call, "channel")
    if not call.arguments.text("timestamp"):
        raise SlackError("no_item_specified")
    if not is_ts(call.arguments.text("timestamp")):
        raise SlackError("bad_timestamp")
    return channel, call.message(channel, "timestamp")


def _joined(call: Call, argument: str) -> Channel:
    """Slack lists no word for a channel that the caller is not in: to it such a channel is not there."""
    channel = call.workspace.channel(call.arguments.text(argument), seen_by=call.caller.id)
    if call.caller.id not in channel.members:
        words = {"pins.add": "not_in_channel", "bookmarks.add": "permission_denied"}
        raise SlackError(words.get(call.method.name, "channel_not_found"))
    return channel


def _title(call: Call) -> str:
    title = call.arguments.text("title")
    if not 0 < len(title) <= LONGEST_TITLE:
        raise wrong(f"must be 1 to {LONGEST_TITLE} characters [json-pointer:/title]")
    return title


def _link(call: Call) -> str:
    link = call.arguments.text("link")
    if not re.match(r"https?://[^\s/]", link) or len(link) > LONGEST_LINK:
        raise SlackError("invalid_link")
    return link


def _emoji(call: Call) -> str:
    emoji = call.arguments.text("emoji")
    if emoji and not re.fullmatch(r":[\w+'-]+:", emoji, re.ASCII):
        raise SlackError("invalid_emoji")
    return emoji


def _bookmark(call: Call) -> tuple[Channel, Bookmark]:
    channel = _joined(call, "channel_id")
    bookmark = channel.bookmarks.get(call.arguments.text("bookmark_id"))
    if bookmark is None:
        raise SlackError("not_found")
    return channel, bookmark


def _reaction(call: Call) -> tuple[str, Message]:
    channel, message = _item(call)
    if channel.is_archived:
        raise SlackError("is_archived")
    name = call.arguments.text("name")
    if not re.fullmatch(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?", name):
        raise SlackError("invalid_name")
    return name, message
