"""Every method that this stand-in knows: the table of fact sheet 2.

views.*, apps.connections.open and files.* join here as rows, with handlers in files of their own.
"""

from __future__ import annotations

from incident_central.sandbox.slack import account, chat, conversations, marks, membership, reading, users
from incident_central.sandbox.slack.call import Method
from incident_central.sandbox.slack.limits import POSTING, SPECIAL, TIER
from incident_central.sandbox.slack.scopes import (
    HISTORY,
    INVITE,
    JOIN,
    KICK,
    MANAGE,
    NONE,
    OPEN,
    READ,
    SEE_EMAIL,
    TOPIC,
    WITHOUT_A_METHOD,
    everywhere,
    union,
)

CHANNEL = ("channel",)
PINS_WRITE, PINS_READ = everywhere("pins:write"), everywhere("pins:read")
MARKS_WRITE, MARKS_READ = everywhere("bookmarks:write"), everywhere("bookmarks:read")
REACT = everywhere("reactions:write")
WRITE, PEOPLE = everywhere("chat:write"), everywhere("users:read")
NO_ITEM = {"timestamp": "no_item_specified"}

_TABLE = (
    Method("auth.test", account.auth_test, SPECIAL, NONE, reads=True),
    Method("team.info", account.team_info, TIER[3], everywhere("team:read"), reads=True),
    Method("bots.info", account.bots_info, TIER[3], PEOPLE, reads=True),
    Method("users.list", users.listed, TIER[2], PEOPLE, reads=True),
    Method("users.info", users.info, TIER[4], PEOPLE, ("user",), {"user": "user_not_found"}, reads=True),
    Method("users.lookupByEmail", users.lookup_by_email, TIER[3], everywhere(SEE_EMAIL), ("email",), reads=True),
    Method("users.conversations", conversations.of_user, TIER[3], READ, reads=True),
    Method(
        "conversations.create",
        conversations.create,
        TIER[2],
        MANAGE,
        ("name",),
        {"name": "invalid_name_required"},
    ),
    Method("conversations.rename", conversations.rename, TIER[2], MANAGE, ("channel", "name")),
    Method("conversations.setTopic", conversations.set_topic, TIER[2], TOPIC, ("channel", "topic")),
    Method("conversations.setPurpose", conversations.set_purpose, TIER[2], TOPIC, ("channel", "purpose")),
    Method("conversations.archive", conversations.archive, TIER[2], MANAGE, CHANNEL),
    Method("conversations.unarchive", conversations.unarchive, TIER[2], MANAGE, CHANNEL),
    Method("conversations.info", conversations.info, TIER[3], READ, CHANNEL, reads=True),
    Method("conversations.list", conversations.listed, TIER[2], READ, reads=True),
    Method("conversations.members", conversations.members, TIER[4], READ, CHANNEL, reads=True),
    Method("conversations.open", conversations.opened, TIER[3], OPEN),
    Method(
        "conversations.invite",
        membership.invite,
        TIER[3],
        INVITE,
        ("channel", "users"),
        {"users": "no_user"},
    ),
    Method("conversations.join", membership.join, TIER[3], JOIN, CHANNEL),
    Method("conversations.kick", membership.kick, TIER[3], KICK, CHANNEL),
    Method("conversations.leave", membership.leave, TIER[3], MANAGE, CHANNEL),
    Method("conversations.history", reading.history, TIER[3], HISTORY, CHANNEL, reads=True),
    Method("conversations.replies", reading.replies, TIER[3], HISTORY, ("channel", "ts"), reads=True),
    Method("chat.postMessage", chat.post_message, POSTING, WRITE, CHANNEL, limited_by="channel"),
    Method("chat.postEphemeral", chat.post_ephemeral, TIER[4], WRITE, ("channel", "user")),
    Method("chat.update", chat.update, TIER[3], WRITE, ("channel", "ts")),
    Method("chat.delete", chat.delete, TIER[3], WRITE, ("channel", "ts")),
    Method("chat.getPermalink", chat.get_permalink, SPECIAL, NONE, ("channel", "message_ts"), reads=True),
    Method("pins.add", marks.pins_add, TIER[2], PINS_WRITE, ("channel", "timestamp"), NO_ITEM),
    Method("pins.remove", marks.pins_remove, TIER[2], PINS_WRITE, ("channel", "timestamp"), NO_ITEM),
    Method("pins.list", marks.pins_list, TIER[2], PINS_READ, CHANNEL, reads=True),
    Method("bookmarks.add", marks.bookmarks_add, TIER[2], MARKS_WRITE, ("channel_id", "title", "type")),
    Method("bookmarks.edit", marks.bookmarks_edit, TIER[2], MARKS_WRITE, ("channel_id", "bookmark_id")),
    Method("bookmarks.remove", marks.bookmarks_remove, TIER[2], MARKS_WRITE, ("channel_id", "bookmark_id")),
    Method("bookmarks.list", marks.bookmarks_list, TIER[3], MARKS_READ, ("channel_id",), reads=True),
    Method("reactions.add", marks.reactions_add, TIER[3], REACT, ("channel", "timestamp", "name"), NO_ITEM),
    Method("reactions.remove", marks.reactions_remove, TIER[2], REACT, ("channel", "timestamp", "name"), NO_ITEM),
)
METHODS = {method.name: method for method in _TABLE}

ALL_SCOPES = tuple(
    sorted({scope for method in _TABLE for scope in union(method.scopes)} - {"channels:write"} | set(WITHOUT_A_METHOD))
)
