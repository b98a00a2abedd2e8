"""Cursors (fact sheet 1, Pagination): a cursor names the item that the next page starts with."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from incident_central.sandbox.slack.arguments import wrong
from incident_central.sandbox.slack.call import Call
from incident_central.sandbox.slack.errors import SlackError

LARGEST_PAGE = 1000
Item = TypeVar("Item")


def page(
    call: Call,
    items: Sequence[Item],
    *,
    label: str,
    key: Callable[[Item], str],
    default: int,
    largest: int = LARGEST_PAGE,
    strict: bool = True,
) -> tuple[list[Item], str]:
    """One page of items and the cursor of the next ("" at the end).

    A cursor whose item is gone is stale: Slack then answers invalid_cursor, and the reader starts again.
    """
    limit = min(page_size(call, default, strict=strict), largest)
    cursor = call.arguments.text("cursor")
    start = _start(items, _named(label, cursor), key) if cursor else 0
    if call.on("pages") == "short":
        limit = 0 if not cursor and items else max(1, limit // 2)
    end = start + limit
    following = _cursor(label, key(items[end])) if end < len(items) else ""
    return list(items[start:end]), following


def page_size(call: Call, default: int, *, strict: bool) -> int:
    """`limit`, or the default. A size that makes no sense is invalid_limit in the methods that know the word."""
    limit = call.arguments.number("limit") or default
    if strict and not 0 < limit <= LARGEST_PAGE:
        raise SlackError("invalid_limit")
    if limit < 0:
        raise wrong("must be greater than 0 [json-pointer:/limit]")
    return limit


def _cursor(label: str, key: str) -> str:
    return base64.b64encode(f"{label}:{key}".encode()).decode()


def _named(label: str, cursor: str) -> str:
    try:
        said, _, key = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as bad:
        raise SlackError("invalid_cursor") from bad
    if said != label:
        raise SlackError("invalid_cursor")
    return key


def _start(items: Sequence[Item], wanted: str, key: Callable[[Item], str]) -> int:
    for index, item in enumerate(items):
        if key(item) == wanted:
            return index
    raise SlackError("invalid_cursor")
