"""Block Kit as Slack checks it before it takes a message (fact sheet 5, Limits)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from incident_central.sandbox.slack.errors import SlackError

Json = dict[str, object]

MOST_BLOCKS = 50
# Checked in the methods below; the others are taken as they come.
CHECKED = ("section", "header", "context", "actions", "image", "input")
UNCHECKED = ("divider", "rich_text", "markdown", "video", "file", "table", "context_actions", "call")
ELEMENTS = (
    *("button", "image", "overflow", "checkboxes", "radio_buttons", "datepicker", "timepicker", "datetimepicker"),
    *("plain_text_input", "email_text_input", "number_input", "url_text_input", "rich_text_input", "file_input"),
    *("static_select", "external_select", "users_select", "conversations_select", "channels_select"),
    *("multi_static_select", "multi_external_select", "multi_users_select", "multi_conversations_select"),
    *("multi_channels_select", "workflow_button", "plain_text", "mrkdwn"),
)
TEXT_LIMITS = {"value": 2000, "url": 3000, "action_id": 255, "alt_text": 2000, "image_url": 3000}


def checked_blocks(given: object, *, text_limit: int | None) -> list[Json]:
    """The blocks, each with a block_id as Slack gives it one.

    Raises SlackError: invalid_blocks_format, invalid_blocks (with what is wrong where), msg_blocks_too_long.
    """
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(block, dict) for block in given):
        raise SlackError("invalid_blocks_format")
    problems = list(_problems(given))
    if problems:
        raise SlackError("invalid_blocks", messages=problems)
    if text_limit is not None and text_length(given) > text_limit:
        raise SlackError("msg_blocks_too_long")
    return [{"block_id": secrets.token_urlsafe(4)} | block for block in given]


def text_length(value: object) -> int:
    """Characters of text in a structure, however deep."""
    if isinstance(value, dict):
        own = len(value["text"]) if isinstance(value.get("text"), str) else 0
        return own + sum(text_length(part) for part in value.values())
    return sum(text_length(part) for part in value) if isinstance(value, list) else 0


def _problems(blocks: list[Json]) -> Iterator[str]:
    if len(blocks) > MOST_BLOCKS:
        yield f"no more than {MOST_BLOCKS} items allowed [json-pointer:/blocks]"
    block_ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(block_ids) != len({str(block_id) for block_id in block_ids}):
        yield "block_id must be unique [json-pointer:/blocks]"
    for number, block in enumerate(blocks):
        where = f"/blocks/{number}"
        yield from _string(block, "block_id", 255, where)
        kind = block.get("type")
        if kind in CHECKED:
            yield from _BLOCK_CHECKS[str(kind)](block, where)
        elif kind not in UNCHECKED:
            yield f"unsupported type: {kind} [json-pointer:{where}/type]"


def _section(block: Json, where: str) -> Iterator[str]:
    if "text" not in block and "fields" not in block:
        yield f"missing required field: text [json-pointer:{where}]"
    if "text" in block:
        yield from _text(block["text"], 3000, f"{where}/text")
    if "fields" in block:
        for place, field in _items(block["fields"], f"{where}/fields"):
            yield from _text(field, 2000, place)
        yield from _count(block["fields"], 10, f"{where}/fields")
    if "accessory" in block:
        yield from _element(block["accessory"], f"{where}/accessory")


def _header(block: Json, where: str) -> Iterator[str]:
    yield from _text(block.get("text"), 150, f"{where}/text", only="plain_text")


def _context(block: Json, where: str) -> Iterator[str]:
    yield from _count(block.get("elements"), 10, f"{where}/elements")
    for place, element in _items(block.get("elements"), f"{where}/elements"):
        yield from _element(element, place)


def _actions(block: Json, where: str) -> Iterator[str]:
    yield from _count(block.get("elements"), 25, f"{where}/elements")
    elements = list(_items(block.get("elements"), f"{where}/elements"))
    action_ids = [str(each["action_id"]) for _, each in elements if isinstance(each, dict) and "action_id" in each]
    if len(action_ids) != len(set(action_ids)):
        yield f"action_id must be unique [json-pointer:{where}/elements]"
    for place, element in elements:
        yield from _element(element, place)


def _image(block: Json, where: str) -> Iterator[str]:
    if "image_url" not in block and "slack_file" not in block:
        yield f"missing required field: image_url [json-pointer:{where}]"
    if not isinstance(block.get("alt_text"), str):
        yield f"missing required field: alt_text [json-pointer:{where}]"
    for name in ("image_url", "alt_text"):
        yield from _string(block, name, TEXT_LIMITS[name], where)


def _input(block: Json, where: str) -> Iterator[str]:
    yield from _text(block.get("label"), 2000, f"{where}/label", only="plain_text")
    if "hint" in block:
        yield from _text(block["hint"], 2000, f"{where}/hint", only="plain_text")
    yield from _element(block.get("element"), f"{where}/element")


def _element(element: object, where: str) -> Iterator[str]:
    if not isinstance(element, dict):
        yield f"must be an object [json-pointer:{where}]"
        return
    kind = element.get("type")
    if kind not in ELEMENTS:
        yield f"unsupported type: {kind} [json-pointer:{where}/type]"
        return
    if kind in ("plain_text", "mrkdwn"):
        yield from _text(element, 3000, where)
        return
    for name, limit in TEXT_LIMITS.items():
        yield from _string(element, name, limit, where)
    if kind == "button":
        yield from _text(element.get("text"), 75, f"{where}/text", only="plain_text")
    if "placeholder" in element:
        yield from _text(element["placeholder"], 150, f"{where}/placeholder", only="plain_text")
    if "options" in element:
        yield from _options(element["options"], f"{where}/options")


def _options(options: object, where: str) -> Iterator[str]:
    yield from _count(options, 100, where)
    for place, option in _items(options, where):
        if not isinstance(option, dict):
            yield f"must be an object [json-pointer:{place}]"
            continue
        yield from _text(option.get("text"), 75, f"{place}/text")
        yield from _string(option, "value", 150, place)


def _text(text: object, limit: int, where: str, *, only: str = "") -> Iterator[str]:
    """A text object."""
    if not isinstance(text, dict):
        yield f"missing required field: text [json-pointer:{where}]"
        return
    kinds = (only,) if only else ("plain_text", "mrkdwn")
    if text.get("type") not in kinds:
        yield f"must be one of: {', '.join(kinds)} [json-pointer:{where}/type]"
    content = text.get("text")
    if not isinstance(content, str):
        yield f"must provide a string [json-pointer:{where}/text]"
    elif not content:
        yield f"must be more than 0 characters [json-pointer:{where}/text]"
    elif len(content) > limit:
        yield f"must be less than {limit + 1} characters [json-pointer:{where}/text]"


def _string(holder: Json, name: str, limit: int, where: str) -> Iterator[str]:
    value = holder.get(name)
    if value is None:
        return
    if not isinstance(value, str):
        yield f"must provide a string [json-pointer:{where}/{name}]"
    elif len(value) > limit:
        yield f"must be less than {limit + 1} characters [json-pointer:{where}/{name}]"


def _count(items: object, most: int, where: str) -> Iterator[str]:
    if not isinstance(items, list) or not items:
        yield f"no fewer than 1 items allowed [json-pointer:{where}]"
    elif len(items) > most:
        yield f"no more than {most} items allowed [json-pointer:{where}]"


def _items(items: object, where: str) -> Iterator[tuple[str, object]]:
    if isinstance(items, list):
        for number, item in enumerate(items):
            yield f"{where}/{number}", item


_BLOCK_CHECKS = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "image": _image,
    "input": _input,
}
