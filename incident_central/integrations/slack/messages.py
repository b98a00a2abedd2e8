"""A Message as Slack takes it. Text of people goes into plain-text blocks, where Slack reads no markup.

(fact sheet section 5: 50 blocks, header 150, section text 3000, 10 fields of 2000 characters)
"""

from collections.abc import Iterable

from incident_central.integrations.base import Link, Message

Block = dict[str, object]


def escape(text: str) -> str:
    """For the few places where markup is read: nobody is pinged by `<!channel>` in somebody's text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fallback(message: Message) -> str:
    """What notifications and screen readers say."""
    said = cut(escape("\n".join(filter(None, [message.title, *message.paragraphs]))), 3000)
    return " ".join(filter(None, [said, _mentions(message)]))


def _mentions(message: Message) -> str:
    """Slack notifies these members. (fact sheet section 5)"""
    return " ".join(f"<@{member}>" for member in message.mentions)


def blocks(message: Message) -> list[Block]:
    return [*_blocks(message)]


def _blocks(message: Message) -> Iterable[Block]:
    if message.title:
        yield {"type": "header", "text": _plain(message.title, 150)}
    for paragraph in filter(None, message.paragraphs):
        yield {"type": "section", "text": _plain(paragraph, 3000)}
    if message.mentions:
        yield {"type": "section", "text": {"type": "mrkdwn", "text": _mentions(message)}}
    if message.facts:
        yield {"type": "section", "fields": [_fact(name, value) for name, value in message.facts[:10]]}
    if message.links:
        yield {"type": "context", "elements": [{"type": "mrkdwn", "text": _link(link)} for link in message.links[:10]]}


def _plain(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": cut(text, limit), "emoji": False}


def _fact(name: str, value: str) -> Block:
    return {"type": "mrkdwn", "text": cut(f"*{escape(name)}*\n{escape(value)}", 2000)}


def _link(link: Link) -> str:
    return f"<{escape(link.url)}|{escape(link.text)}>"


def cut(text: str, limit: int) -> str:
    """At most `limit` characters; what is cut off shows as “…”."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
