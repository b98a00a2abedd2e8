"""Small things that several templates show."""

import re

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from incident_central.incidents.models import Person

register = template.Library()

#: `code`, **menu**, <https://…>, once what they stand in has been escaped.
MARKS = re.compile(r"`(?P<code>.+?)`|\*\*(?P<menu>.+?)\*\*|&lt;(?P<url>https://[^\s&]+)&gt;")


@register.filter
def initials(name: str) -> str:
    """AR for Ana Ribeiro, and for ana.ribeiro@example.com."""
    parts = [part for part in re.split(r"[\s._-]+", name.split("@")[0]) if part]
    return "".join(part[0] for part in [*parts[:1], *parts[1:][-1:]]).upper()


@register.filter
def tel(number: str) -> str:
    """A number as a tel: link wants it."""
    return "tel:" + re.sub(r"[^\d+]", "", number)


@register.filter
def first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".")


@register.filter
def other_sentences(text: str) -> str:
    return text.partition(". ")[2]


@register.filter
def numbers(person: Person) -> list[tuple[str, str]]:
    """A person's phone numbers, each once, with what they are: a call and a text go to the same phone."""
    found: dict[str, str] = {}
    for label, number in person.phones:
        found.setdefault(number, label)
    return [(label, number) for number, label in found.items()]


@register.filter
def marked(text: str) -> SafeString:
    """A finding's text, with its marks as HTML. Whatever else is in it is text."""
    return mark_safe(MARKS.sub(_as_html, escape(text)))  # noqa: S308  escaped before, and the marks hold no tag


def _as_html(found: re.Match[str]) -> str:
    if found["code"]:
        return f"<code>{found['code']}</code>"
    if found["menu"]:
        return f"<b>{found['menu']}</b>"
    return f'<a class="out" href="{found["url"]}">{found["url"]}</a>'
