"""conversations.history and replies: what was said (fact sheet 0a.2 and 6)."""

from __future__ import annotations

import re

from incident_central.sandbox.slack import shapes
from incident_central.sandbox.slack.call import Answer, Call
from incident_central.sandbox.slack.errors import SlackError
from incident_central.sandbox.slack.paging import LARGEST_PAGE, page
from incident_central.sandbox.slack.records import PUBLIC, Channel, Message

DISTRIBUTED_APP_PAGE = 15


def history(call: Call) -> Answer:
    """The channel's messages, newest first, without the replies in threads."""
    channel = _readable(call)
    shown = [
        message
        for message in channel.messages.values()
        if not message.is_reply or message.subtype == "thread_broadcast"
    ]
    wanted = _in_time(call, shown)
    wanted.reverse()
    return _answer(call, channel, wanted) | {
        "pin_count": len(channel.pins),
        "channel_actions_ts": None,
        "channel_actions_count": 0,
    }


def replies(call: Call) -> Answer:
    """A message and the replies to it, oldest first. `ts` may also be that of a reply."""
    channel = _readable(call)
    message = channel.messages.get(call.arguments.text("ts"))
    if message is None:
        raise SlackError("thread_not_found")
    parent = channel.messages.get(message.thread_ts, message)
    # The parent always comes first, whatever `oldest` says.
    return _answer(call, channel, [parent, *_in_time(call, channel.thread(parent.ts))])


def instant(ts: str) -> tuple[int, int]:
    """A time stamp as something to compare; never a float, which has not enough digits."""
    seconds, _, micros = ts.partition(".")
    return int(seconds), int(micros.ljust(6, "0")[:6])


def is_ts(text: str) -> bool:
    return re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text, re.ASCII) is not None


def _readable(call: Call) -> Channel:
    """Raises not_in_channel: a bot reads only where it is, and so nothing that was archived."""
    channel = call.channel()
    only_members = call.caller.is_bot or channel.kind != PUBLIC
    if only_members and call.caller.id not in channel.members:
        raise SlackError("not_in_channel")
    return channel


def _in_time(call: Call, messages: list[Message]) -> list[Message]:
    oldest, latest = _bound(call, "oldest", "0"), _bound(call, "latest", "999999999999")
    edges = (oldest, latest) if call.arguments.flag("inclusive") else ()
    return [message for message in messages if oldest < instant(message.ts) < latest or instant(message.ts) in edges]


def _bound(call: Call, argument: str, default: str) -> tuple[int, int]:
    text = call.arguments.text(argument) or default
    if not is_ts(text):
        raise SlackError(f"invalid_ts_{argument}")
    return instant(text)


def _answer(call: Call, channel: Channel, messages: list[Message]) -> Answer:
    cut = call.on("history_limit") == "distributed app"
    chosen, cursor = page(
        call,
        messages,
        label="next_ts",
        key=lambda message: message.ts,
        default=DISTRIBUTED_APP_PAGE if cut else 100,
        largest=DISTRIBUTED_APP_PAGE if cut else LARGEST_PAGE,
        strict=False,
    )
    metadata = call.arguments.flag("include_all_metadata")
    answer: Answer = {
        "messages": [shapes.message_in(call.workspace, channel, each, metadata=metadata) for each in chosen],
        "has_more": bool(cursor),
    }
    return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})
