"""Small things that several templates show."""

import re

from django import template

from incident_central.incidents.models import Person

register = template.Library()


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
