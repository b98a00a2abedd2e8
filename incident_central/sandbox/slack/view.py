"""The chat as people in it see it, for the sandbox's page, and as data for /state.json.

`channels(workspace)` gives one dict a channel, the one with the newest message first:

    id, name          "C0…", "incident-brave-otter-2026-11" (a direct message is named by its people)
    kind              "public", "private", "im" or "mpim"
    archived          bool
    topic, purpose    as paragraphs (below)
    members           [{id, name, initials, is_bot}]
    bookmarks         [{title, link, emoji}]
    messages          newest last:
        ts, time, at      its key, "03:22" in the company's time zone, ISO 8601
        author, initials  "Ana Ribeiro", "AR"
        is_bot            whether an app wrote it
        is_system         one of Slack's own: somebody joined, the topic was set
        is_reply          belongs to the thread of an earlier message
        seen_only_by      a name, for an ephemeral message; else ""
        pinned, edited    bool
        card              bool, made of blocks
        paragraphs        what it says
        hints             the same, for small print (context blocks)
        facts             [{label, value}] from section fields "*Label*\\nvalue"; value is lines
        buttons           [{text, href, style, action_id, value}]; href "" for one that acts
        reactions         [{name, count}]

A paragraph is a list of lines, a line a list of spans {text, href, styles}; styles are of "bold", "italic",
"strike", "code", "mention". All of it is plain text to be escaped by the page; href is "", http, https or mailto.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from incident_central.sandbox.company import TIME_ZONE
from incident_central.sandbox.slack.mrkdwn import Paragraph, paragraphs, plain
from incident_central.sandbox.slack.records import Channel, Member, Message
from incident_central.sandbox.slack.workspace import Workspace

Shown = dict[str, Any]
Render = Callable[[str], list[Paragraph]]


def channels(workspace: Workspace, *, most: int | None = None, chosen: str = "") -> list[Shown]:
    """The channels, the one with the newest message first; at most so many, and the chosen one in any case."""
    with workspace.lock:
        zone = _zone()
        newest = sorted(
            workspace.channels.values(), key=lambda channel: next(reversed(channel.messages), ""), reverse=True
        )
        shown = newest[:most] + [channel for channel in newest[len(newest[:most]) :] if channel.id == chosen]
        return [_channel(workspace, channel, zone) for channel in shown]


def as_json(workspace: Workspace) -> dict[str, object]:
    """The whole state. Secrets of tokens are left out, all but the beginning."""
    with workspace.lock:
        return {
            "id": workspace.id,
            "name": workspace.name,
            "url": workspace.url,
            "bot_user_id": workspace.bot.id,
            "members": [asdict(member) for member in workspace.members.values()],
            "channels": [_as_json(channel) for channel in workspace.channels.values()],
            "tokens": [
                {"begins": token.secret[:5], "kind": token.kind, "scopes": token.scopes, "state": token.state}
                for token in workspace.tokens.values()
            ],
        }


def _zone() -> tzinfo:
    try:
        return ZoneInfo(TIME_ZONE)
    except ZoneInfoNotFoundError:  # a system without time zone data
        return UTC


def _channel(workspace: Workspace, channel: Channel, zone: tzinfo) -> Shown:
    people = [workspace.members[user] for user in channel.members if user in workspace.members]
    messages = [_message(workspace, channel, message, zone) for message in channel.messages.values()]
    for user, message in channel.ephemeral:
        shown = _message(workspace, channel, message, zone)
        messages.append(shown | {"seen_only_by": _name(workspace, user)})
    return {
        "id": channel.id,
        "name": channel.name or ", ".join(member.real_name for member in people),
        "kind": channel.kind,
        "archived": channel.is_archived,
        "topic": _markup(workspace)(channel.topic.value),
        "purpose": _markup(workspace)(channel.purpose.value),
        "members": [_person(member) for member in people],
        "bookmarks": [
            {"title": each.title, "link": each.link, "emoji": each.emoji} for each in channel.bookmarks.values()
        ],
        "messages": sorted(messages, key=lambda message: str(message["ts"])),
    }


def _person(member: Member) -> Shown:
    return {
        "id": member.id,
        "name": member.real_name,
        "initials": _initials(member.real_name),
        "is_bot": member.is_bot,
    }


def _message(workspace: Workspace, channel: Channel, message: Message, zone: tzinfo) -> Shown:
    member = workspace.members.get(message.user)
    author = str(message.extra.get("username") or _name(workspace, message.user))
    at = datetime.fromtimestamp(float(message.ts), zone)
    shown: Shown = {
        "ts": message.ts,
        "time": at.strftime("%H:%M"),
        "at": at.isoformat(timespec="seconds"),
        "author": author,
        "initials": _initials(author),
        "is_bot": member is not None and member.is_bot,
        "is_system": message.subtype.startswith(("channel_", "group_")),
        "is_reply": message.is_reply,
        "seen_only_by": "",
        "pinned": message.ts in channel.pins,
        "edited": bool(message.edited),
        "card": bool(message.blocks),
        "paragraphs": [],
        "hints": [],
        "facts": [],
        "buttons": [],
        "reactions": [{"name": name, "count": len(users)} for name, users in message.reactions.items()],
    }
    render = _markup(workspace)
    if message.blocks:
        for block in message.blocks:
            _show_block(shown, block, render)
    else:
        shown["paragraphs"] += render(message.text)
    for attachment in message.attachments:
        text = attachment.get("text") or attachment.get("fallback")
        shown["paragraphs"] += render(text) if isinstance(text, str) else []
    return shown


def _show_block(shown: Shown, block: Shown, render: Render) -> None:
    """Add what one block shows. Blocks were checked when they came in, except for the rarer kinds."""
    kind = block.get("type")
    if kind == "header":
        for paragraph in _text(block["text"], render):
            for line in paragraph:
                for span in line:
                    span["styles"].append("bold")
            shown["paragraphs"].append(paragraph)
    elif kind == "section":
        if "text" in block:
            shown["paragraphs"] += _text(block["text"], render)
        for field in block.get("fields", []):
            shown["facts"].append(_fact(field, render))
        _show_elements(shown, [block["accessory"]] if "accessory" in block else [], render)
    elif kind == "context":
        for element in block["elements"]:
            if element["type"] in ("mrkdwn", "plain_text"):
                shown["hints"] += _text(element, render)
    elif kind == "actions":
        _show_elements(shown, block["elements"], render)
    elif kind == "image":
        shown["hints"] += plain(str(block["alt_text"]))
    elif kind == "markdown" and isinstance(block.get("text"), str):
        shown["paragraphs"] += render(block["text"])
    elif kind == "rich_text":
        shown["paragraphs"] += plain(_rich_text(block.get("elements")))


def _show_elements(shown: Shown, elements: list[Shown], render: Render) -> None:
    for element in elements:
        if element["type"] == "button":
            url = str(element.get("url") or "")
            shown["buttons"].append(
                {
                    "text": element["text"]["text"],
                    "href": url if url.startswith(("http://", "https://")) else "",
                    "style": element.get("style", ""),
                    "action_id": element.get("action_id", ""),
                    "value": element.get("value", ""),
                }
            )


def _text(text: Shown, render: Render) -> list[Paragraph]:
    return plain(text["text"]) if text["type"] == "plain_text" else render(text["text"])


def _fact(field: Shown, render: Render) -> Shown:
    label, _, value = str(field["text"]).partition("\n")
    values = _text({"type": field["type"], "text": value}, render)
    return {"label": label.strip("*: "), "value": [line for paragraph in values for line in paragraph]}


def _rich_text(element: object) -> str:
    """All the text in a rich_text structure, a line for each of its parts."""
    if isinstance(element, list):
        return "\n".join(filter(None, map(_rich_text, element)))
    if not isinstance(element, dict):
        return ""
    if isinstance(element.get("text"), str):
        return str(element["text"])
    parts = element.get("elements")
    return "".join(map(_rich_text, parts)) if isinstance(parts, list) else ""


def _markup(workspace: Workspace) -> Render:
    def name_of(record_id: str) -> str:
        channel = workspace.channels.get(record_id)
        if channel is not None:
            return f"#{channel.name}" if channel.kind == "public" else "a private channel"
        return "@" + _name(workspace, record_id)

    return lambda text: paragraphs(text, name_of=name_of)


def _name(workspace: Workspace, user: str) -> str:
    member = workspace.members.get(user)
    return member.real_name if member else user


def _initials(name: str) -> str:
    words = name.split()
    return "".join(word[0] for word in (words[0], words[-1]))[: len(words)].upper() if words else "?"


def _as_json(channel: Channel) -> dict[str, object]:
    # Shallow copies: as deep as anything here is changed in place, and quick for thousands of channels.
    return vars(channel) | {
        "members": list(channel.members),
        "left_on_archiving": sorted(channel.left_on_archiving),
        "topic": vars(channel.topic),
        "purpose": vars(channel.purpose),
        "previous_names": list(channel.previous_names),
        "messages": [_message_as_json(message) for message in channel.messages.values()],
        "ephemeral": [{"user": user, "message": _message_as_json(message)} for user, message in channel.ephemeral],
        "pins": [vars(pin) for pin in channel.pins.values()],
        "bookmarks": [dict(vars(bookmark)) for bookmark in channel.bookmarks.values()],
    }


def _message_as_json(message: Message) -> dict[str, object]:
    reactions = {name: list(users) for name, users in message.reactions.items()}
    return vars(message) | {"reactions": reactions}
