"""Slack's text markup: how text is stored, and how people see it (fact sheet 4, "Mention in text")."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypedDict

_CONTROL = (
    r"<(?:@[UW]\w+|#C\w+|!(?:here|channel|everyone)|!subteam\^\w+|!date\^[^<>|]+|(?:https?://|mailto:)[^<>|\s]+)"
    r"(?:\|[^<>]*)?>"
)
_BARE_URL = r"https?://[^\s<>|`*]*[^\s<>|`*.,;:!?)'\"]"
_STORED = re.compile(f"(?P<control>{_CONTROL})|(?P<url>{_BARE_URL})|(?P<amp>&(?!(?:amp|lt|gt);))|(?P<angle>[<>])")
# Bounded repeats: a message of 40,000 asterisks must not take minutes to show.
_SHOWN = re.compile(
    f"`(?P<code>[^`\n]{{1,2000}})`|(?P<control>{_CONTROL})|(?P<url>{_BARE_URL})"
    r"|(?<![\w*_~])(?P<mark>[*_~])(?=\S)(?P<marked>.{1,2000}?)(?<=\S)(?P=mark)(?!\w)"
)
_STYLES = {"*": "bold", "_": "italic", "~": "strike"}


class Span(TypedDict):
    """A run of text in one style. `href` is "" or an http, https or mailto address."""

    text: str
    href: str
    styles: list[str]  # of "bold", "italic", "strike", "code", "mention"


Spans = list[Span]
Paragraph = list[Spans]  # its lines


def escaped(text: str) -> str:
    """Text in which `&`, `<` and `>` mean nothing; what is escaped already stays as it is."""
    return re.sub(r"&(?!(?:amp|lt|gt);)", "&amp;", text).replace("<", "&lt;").replace(">", "&gt;")


def unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def stored(text: str) -> str:
    """A message's text as Slack keeps it: stray `& < >` escaped, bare addresses made links, controls kept."""

    def store(found: re.Match[str]) -> str:
        if found["url"]:
            return f"<{found['url']}>"
        return found["control"] or {"&": "&amp;", "<": "&lt;", ">": "&gt;"}[found[0]]

    return _STORED.sub(store, text)


def paragraphs(text: str, *, name_of: Callable[[str], str]) -> list[Paragraph]:
    """Markup as people see it. `name_of` gives what to show for the id of a user or channel."""
    return [
        [_spans(line, (), name_of) for line in paragraph.split("\n")]
        for paragraph in re.split(r"\n{2,}", text.strip())
        if paragraph
    ]


def plain(text: str) -> list[Paragraph]:
    """Text without any markup, as plain_text objects show it."""
    return [[[_span(line)] for line in paragraph.split("\n")] for paragraph in re.split(r"\n{2,}", text) if paragraph]


def _spans(text: str, styles: tuple[str, ...], name_of: Callable[[str], str]) -> Spans:
    spans: Spans = []
    end = 0
    for found in _SHOWN.finditer(text):
        if found.start() > end:
            spans.append(_span(unescaped(text[end : found.start()]), styles))
        end = found.end()
        if found["code"]:
            spans.append(_span(unescaped(found["code"]), (*styles, "code")))
        elif found["control"]:
            spans.append(_control(found["control"][1:-1], styles, name_of))
        elif found["url"]:
            spans.append(_span(unescaped(found["url"]), styles, href=unescaped(found["url"])))
        else:
            spans.extend(_spans(found["marked"], (*styles, _STYLES[found["mark"]]), name_of))
    if end < len(text):
        spans.append(_span(unescaped(text[end:]), styles))
    return spans


def _control(control: str, styles: tuple[str, ...], name_of: Callable[[str], str]) -> Span:
    target, _, label = control.partition("|")
    label = unescaped(label)
    if target[0] in "@#":
        return _span(label or name_of(target[1:]), (*styles, "mention"))
    if target.startswith("!"):
        return _span(
            label or "@" + target[1:].partition("^")[2] if "^" in target else "@" + target[1:], (*styles, "mention")
        )
    href = unescaped(target)
    return _span(label or href.removeprefix("mailto:"), styles, href=href)


def _span(text: str, styles: tuple[str, ...] = (), *, href: str = "") -> Span:
    return {"text": text, "href": href, "styles": list(styles)}
