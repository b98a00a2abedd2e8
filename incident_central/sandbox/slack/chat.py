"""chat.*: posting, changing and deleting messages (fact sheet 5)."""

from __future__ import annotations

from incident_central.sandbox.slack import shapes
from incident_central.sandbox.slack.arguments import wrong
from incident_central.sandbox.slack.blocks import Json, checked_blocks
from incident_central.sandbox.slack.call import Answer, Call
from incident_central.sandbox.slack.errors import SlackError
from incident_central.sandbox.slack.mrkdwn import stored
from incident_central.sandbox.slack.records import PUBLIC, Channel, Message
from incident_central.sandbox.slack.scopes import POST_ANYWHERE, POST_UNDER_ANOTHER_NAME

LONGEST_TEXT = 40_000
LONGEST_UPDATED_TEXT = 4_000
LONGEST_MARKDOWN = 12_000
MOST_ATTACHMENTS = 100
POSTED_AS = ("username", "icon_emoji", "icon_url")


def post_message(call: Call) -> Answer:
    message = _message(call)
    channel = _destination(call)
    message.thread_ts = _thread(call, channel)
    if message.thread_ts and call.arguments.flag("reply_broadcast"):
        message.subtype = "thread_broadcast"
    message.ts = call.workspace.next_ts()
    call.workspace.post(channel, message)
    return {
        "channel": channel.id,
        "ts": message.ts,
        "message": shapes.message(call.workspace, message, metadata=True),
    }


def post_ephemeral(call: Call) -> Answer:
    """Only `user` sees it; it is no message of the channel, so its time stamp leads nowhere."""
    message = _message(call)
    channel = _destination(call)
    if len(message.text) > LONGEST_TEXT:
        raise SlackError("msg_too_long")
    user = call.arguments.text("user")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    message.ts = call.workspace.next_ts()
    channel.ephemeral.append((user, message))
    return {"message_ts": message.ts}


def update(call: Call) -> Answer:
    """Only the caller's own messages. Metadata left out stays (fact sheet 5)."""
    channel = call.channel()
    message = call.message(channel, "ts")
    if channel.is_archived:
        raise SlackError("is_inactive")
    if message.user != call.caller.id or _is_slacks_own(message):
        raise SlackError("cant_update_message")
    if len(call.arguments.text("text")) > LONGEST_UPDATED_TEXT:
        raise SlackError("msg_too_long")
    new = _message(call)
    if "blocks" in call.arguments or call.on("update_without_blocks") == "removes them":
        message.blocks = new.blocks
    if "text" in call.arguments or "markdown_text" in call.arguments:
        message.text = new.text
    if "attachments" in call.arguments:
        message.attachments = new.attachments
    message.metadata = new.metadata or message.metadata
    message.edited = {"user": call.caller.id, "ts": call.workspace.next_ts()}
    return {
        "channel": channel.id,
        "ts": message.ts,
        "text": message.text,
        "message": shapes.message(call.workspace, message, metadata=True),
    }


def delete(call: Call) -> Answer:
    channel = call.channel()
    message = call.message(channel, "ts")
    if message.user != call.caller.id or _is_slacks_own(message):
        raise SlackError("cant_delete_message")
    call.workspace.delete(channel, message)
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(call: Call) -> Answer:
    channel = call.workspace.channel(call.arguments.text("channel"), seen_by=call.caller.id)
    message = call.message(channel, "message_ts")
    return {"channel": channel.id, "permalink": shapes.permalink(call.workspace, channel, message)}


def _message(call: Call) -> Message:
    """The message that the arguments describe, not yet placed anywhere."""
    given = call.arguments
    text, markdown = given.text("text"), given.text("markdown_text")
    if markdown and (text or "blocks" in given):
        raise SlackError("markdown_text_conflict")
    if len(markdown) > LONGEST_MARKDOWN:
        raise wrong(f"must be less than {LONGEST_MARKDOWN + 1} characters [json-pointer:/markdown_text]")
    limit = call.on("block_text_limit")
    blocks = checked_blocks(
        given.structure("blocks", error="invalid_blocks_format"),
        text_limit=None if limit == "none" else int(limit),
    )
    attachments = _attachments(call)
    text = text or markdown
    if not text.strip() and not blocks and not attachments:
        raise SlackError("no_text")
    if len(text) > LONGEST_TEXT:
        call.warnings.append("message_truncated")
        text = text[:LONGEST_TEXT]
    if blocks and not text.strip():
        call.warnings.append("missing_text_in_message")
    return Message(
        ts="",
        user=call.caller.id,
        text=text if given.text("parse") == "none" else stored(text),
        subtype="bot_message" if _posted_as(call) else "",
        blocks=blocks,
        attachments=attachments,
        metadata=_metadata(call),
        unfurl_links=given.flag("unfurl_links") if "unfurl_links" in given else None,
        unfurl_media=given.flag("unfurl_media") if "unfurl_media" in given else None,
        extra=_posted_as(call),
    )


def _attachments(call: Call) -> list[Json]:
    attachments = call.arguments.structure("attachments", error="invalid_arguments") or []
    if not isinstance(attachments, list) or not all(isinstance(each, dict) for each in attachments):
        raise wrong("must provide a list of objects [json-pointer:/attachments]")
    if len(attachments) > MOST_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    return attachments


def _metadata(call: Call) -> Json:
    metadata = call.arguments.structure("metadata", error="invalid_metadata_format")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise SlackError("invalid_metadata_format")
    if not isinstance(metadata.get("event_type"), str) or not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_schema")
    return {"event_type": metadata["event_type"], "event_payload": metadata["event_payload"]}


def _posted_as(call: Call) -> Json:
    """Another name or icon than the app's own."""
    asked: Json = {name: call.arguments.text(name) for name in POSTED_AS if call.arguments.text(name)}
    if asked and call.on("customize_scope") == "needed":
        call.require_scope(POST_UNDER_ANOTHER_NAME)
    return asked


def _destination(call: Call) -> Channel:
    """By id, by #name (unreliable at Slack), or a person's id for a direct message."""
    workspace, named = call.workspace, call.arguments.text("channel")
    member = workspace.members.get(named)
    if member is not None and not member.deleted and member is not call.caller:
        mine = workspace.channels_of(call.caller.id)
        open_ones = (each for each in mine if each.is_direct and set(each.members) == {call.caller.id, named})
        return next(open_ones, None) or workspace.open_direct(call.caller, [named])
    channel = workspace.channel(_id_of(call, named), seen_by=call.caller.id)
    if channel.is_archived:
        raise SlackError("is_archived")
    may_post = call.caller.id in channel.members or (channel.kind == PUBLIC and call.has_scope(POST_ANYWHERE))
    if not may_post:
        raise SlackError("not_in_channel")
    return channel


def _id_of(call: Call, named: str) -> str:
    workspace, name = call.workspace, named.removeprefix("#")
    if named in workspace.channels or not name:
        return named
    found = (each for each in workspace.channels.values() if each.name == name)
    return next((each.id for each in found if each.is_visible_to(call.caller.id)), named)


def _thread(call: Call, channel: Channel) -> str:
    thread_ts = call.arguments.text("thread_ts")
    if not thread_ts:
        return ""
    parent = channel.messages.get(thread_ts)
    if parent is None or _is_slacks_own(parent):
        raise SlackError("cannot_reply_to_message")
    # A reply to a reply belongs to the same thread.
    parent = channel.messages.get(parent.thread_ts, parent)
    parent.thread_ts = parent.ts
    return parent.ts


def _is_slacks_own(message: Message) -> bool:
    return message.subtype.startswith(("channel_", "group_"))
