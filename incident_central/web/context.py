"""What every template may use. Costs no query until a template asks for `house`."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest

from incident_central.web.house import House
from incident_central.web.theme import chosen

NUMBER = re.compile(r"\+?\(?\d[\d ()./-]{4,}\d")


@dataclass(frozen=True)
class Contact:
    """FALLBACK_CONTACT: whom to phone, and the number in it, if there is one."""

    who: str
    number: str


def page(request: HttpRequest) -> dict[str, object]:
    """The context processor that settings.py names."""
    user = getattr(request, "user", None)  # missing where a request failed before it was known
    return basics() | {"theme": chosen(request), "house": House(), "user": user}


def basics() -> dict[str, object]:
    """What needs neither a request nor the database."""
    return {
        "company": settings.COMPANY,
        "contact": fallback_contact(),
        "time_zone": settings.TIME_ZONE,
        "announce_channel": settings.SLACK_ANNOUNCE_CHANNEL,
        "slack_is_set_up": bool(settings.SLACK_BOT_TOKEN),
        "sandbox_url": getattr(settings, "SANDBOX_URL", ""),
        "version": _version_of_static_files(),
    }


def fallback_contact() -> Contact | None:
    text = settings.FALLBACK_CONTACT
    if not text:
        return None
    found = NUMBER.search(text)
    number = found.group() if found else ""
    return Contact(who=text.replace(number, "").strip(" ,:;") or "Phone", number=number)


@cache
def _version_of_static_files() -> str:
    """Part of their addresses, so that no browser shows a new page with an old stylesheet."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).with_name("static").rglob("*.*")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]
