"""Records as Slack's JSON (fact sheet 3 to 5; fields beyond those from the examples in the reference)."""

from __future__ import annotations

from typing import Any

from incident_central.sandbox.slack.records import (
    IM,
    MPIM,
    PRIVATE,
    PUBLIC,
    Bookmark,
    Channel,
    Line,
    Member,
    Message,
    Pin,
)
from incident_central.sandbox.slack.workspace import Workspace

Shape = dict[str, Any]


def channel(workspace: Workspace, record: Channel, *, viewer: str, membership: bool = True) -> Shape:
    """A conversation as this user sees it. users.conversations leaves `is_member` out (`membership`)."""
    if record.kind == IM:
        return _direct(record, viewer)
    shape: Shape = {
        "id": record.id,
        "name": record.name,
        "is_channel": record.kind == PUBLIC,
        "is_group": record.kind == PRIVATE,
        "is_im": False,
        "is_mpim": record.kind == MPIM,
        "is_private": record.kind != PUBLIC,
        "created": record.created,
        "creator": record.creator,
        "is_archived": record.is_archived,
        "is_general": record.is_general,
        "unlinked": 0,
        "name_normalized": record.name,
        "is_shared": False,
        "is_org_shared": False,
        "is_ext_shared": False,
        "is_pending_ext_shared": False,
        "pending_shared": [],
        "context_team_id": workspace.id,
        "updated": record.created * 1000,
        "parent_conversation": None,
        "shared_team_ids": [workspace.id],
        "topic": line(record.topic),
        "purpose": line(record.purpose),
        "previous_names": list(record.previous_names),
    }
    if membership:
        shape["is_member"] = viewer in record.members
    return shape


def _direct(record: Channel, viewer: str) -> Shape:
    others = [user for user in record.members if user != viewer]
    return {
        "id": record.id,
        "created": record.created,
        "is_archived": record.is_archived,
        "is_im": True,
        "is_org_shared": False,
        "user": others[0] if others else viewer,
        "is_user_deleted": False,
        "is_open": True,
        "priority": 0,
    }


def line(record: Line) -> Shape:
    return {"value": record.value, "creator": record.creator, "last_set": record.last_set}


def member(workspace: Workspace, record: Member, *, with_email: bool) -> Shape:
    """A user. The profile's e-mail only with users:read.email."""
    shape: Shape = {
        "id": record.id,
        "team_id": workspace.id,
        "name": record.name,
        "deleted": record.deleted,
        "profile": _profile(workspace, record, with_email=with_email),
        "is_bot": record.is_bot or (record.id == "USLACKBOT" and workspace.switches["slackbot_is_bot"] == "yes"),
        "is_app_user": False,
        "updated": record.updated,
    }
    if record.deleted:
        return shape
    return shape | {
        "color": "9f69e7",
        "real_name": record.real_name,
        "tz": "Europe/Lisbon",
        "tz_label": "Western European Time",
        "tz_offset": 0,
        "is_admin": record.is_admin,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": record.is_restricted,
        "is_ultra_restricted": record.is_ultra_restricted,
        "is_email_confirmed": True,
        "who_can_share_contact_card": "EVERYONE",
    }


def _profile(workspace: Workspace, record: Member, *, with_email: bool) -> Shape:
    first, _, last = record.real_name.partition(" ")
    image = f"{workspace.url}avatars/{record.id}"
    profile: Shape = {
        "title": record.title,
        "phone": "",
        "skype": "",
        "real_name": record.real_name,
        "real_name_normalized": record.real_name,
        "display_name": record.name if not record.is_bot else "",
        "display_name_normalized": record.name if not record.is_bot else "",
        "status_text": "",
        "status_emoji": "",
        "avatar_hash": record.id.lower()[:12],
        "first_name": first,
        "last_name": last,
        **{f"image_{size}": f"{image}-{size}.png" for size in (24, 32, 48, 72, 192, 512)},
        "team": workspace.id,
    }
    if with_email and record.email:
        profile["email"] = record.email
    if record.is_bot:
        profile |= {"api_app_id": record.app_id, "bot_id": record.bot_id, "always_active": True}
    return profile


def bot(record: Member) -> Shape:
    return {
        "id": record.bot_id,
        "deleted": record.deleted,
        "name": record.real_name,
        "updated": record.updated,
        "app_id": record.app_id,
        "user_id": record.id,
        "icons": {"image_36": "", "image_48": "", "image_72": ""},
    }


def message(workspace: Workspace, record: Message, *, metadata: bool = False) -> Shape:
    """A message; its metadata only where it was asked for (fact sheet 0a.2)."""
    author = workspace.members.get(record.user)
    shape: Shape = {"type": "message"}
    if record.subtype:
        shape["subtype"] = record.subtype
    shape |= {"user": record.user, "text": record.text, "ts": record.ts, "team": workspace.id}
    if author is not None and author.is_bot and not record.subtype.startswith(("channel_", "group_")):
        profile = bot(author) | {"team_id": workspace.id}
        shape |= {"bot_id": author.bot_id, "app_id": author.app_id, "bot_profile": profile}
    if record.blocks:
        shape["blocks"] = record.blocks
    if record.attachments:
        shape["attachments"] = record.attachments
    if record.thread_ts:
        shape["thread_ts"] = record.thread_ts
    if record.reactions:
        shape["reactions"] = [
            {"name": name, "users": users, "count": len(users)} for name, users in record.reactions.items()
        ]
    if record.edited:
        shape["edited"] = record.edited
    if metadata and record.metadata:
        shape["metadata"] = record.metadata
    return shape | record.extra


def message_in(workspace: Workspace, record: Channel, each: Message, *, metadata: bool = False) -> Shape:
    """A message as the channel's history shows it: with its thread's counts and its pin."""
    shape = message(workspace, each, metadata=metadata)
    if each.is_reply:
        parent = record.messages.get(each.thread_ts)
        return shape | ({"parent_user_id": parent.user} if parent else {})
    replies = record.thread(each.ts) if each.thread_ts else []
    if replies:
        users = list(dict.fromkeys(reply.user for reply in replies))
        shape |= {
            "reply_count": len(replies),
            "reply_users_count": len(users),
            "latest_reply": replies[-1].ts,
            "reply_users": users,
            "is_locked": False,
            "subscribed": False,
        }
    if each.ts in record.pins:
        shape |= {
            "pinned_to": [record.id],
            "pinned_info": {"channel": record.id, "pinned_ts": record.pins[each.ts].created},
        }
    return shape


def permalink(workspace: Workspace, record: Channel, each: Message) -> str:
    link = f"{workspace.url}archives/{record.id}/p{each.ts.replace('.', '')}"
    return f"{link}?thread_ts={each.thread_ts}&cid={record.id}" if each.is_reply else link


def pin(workspace: Workspace, record: Channel, each: Pin) -> Shape:
    pinned = record.messages[each.ts]
    return {
        "type": "message",
        "channel": record.id,
        "created": each.created,
        "created_by": each.created_by,
        "message": message(workspace, pinned)
        | {"permalink": permalink(workspace, record, pinned), "pinned_to": [record.id]},
    }


def bookmark(workspace: Workspace, record: Channel, each: Bookmark) -> Shape:
    return {
        "id": each.id,
        "channel_id": record.id,
        "title": each.title,
        "link": each.link,
        "emoji": each.emoji,
        "icon_url": None,
        "type": "link",
        "entity_id": None,
        "date_created": each.created,
        "date_updated": each.updated,
        "rank": "g",
        "last_updated_by_user_id": each.updated_by,
        "last_updated_by_team_id": workspace.id,
        "shortcut_id": None,
        "app_id": None,
    }
