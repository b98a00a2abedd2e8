"""Checks of Incident Central itself: its address, its administrators, whether anybody works."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.db import Error

from incident_central.accounts.models import User
from incident_central.doctor.findings import HUB
from incident_central.findings import Finding
from incident_central.incidents.sync import freshness
from incident_central.parse import is_loopback


def check_hub() -> Iterator[Finding]:
    yield _check_address()
    try:
        yield from _check_administrators()
        yield from _check_work()
    except Error as error:
        said = " ".join(str(error).split())
        yield HUB.found("hub.not-checked", said, what="Administrators, and the work,")
    if not settings.DATA_DIR_LASTS:
        yield HUB.found("hub.data-dir-not-kept", "Reports of that time have nowhere to be kept.")
    if not settings.FALLBACK_CONTACT:
        yield HUB.found("hub.fallback-contact-missing", "FALLBACK_CONTACT is not set.")
    if not settings.FALLBACK_SERVICE:
        yield HUB.found("hub.fallback-service-missing", "FALLBACK_SERVICE is not set.")


def _check_address() -> Finding:
    parts = urlsplit(settings.BASE_URL)
    if not settings.BASE_URL:
        return HUB.found("hub.base-url-missing", "BASE_URL is not set.")
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        return HUB.found("hub.base-url-insecure", f"BASE_URL is {settings.BASE_URL}.")
    return HUB.found("hub.base-url-set", "By BASE_URL.", address=settings.BASE_URL)


def _check_administrators() -> Iterator[Finding]:
    count = User.objects.filter(is_admin=True, is_active=True).count()
    if count:
        yield HUB.found("hub.administrators", f"There are {count}." if count > 1 else "There is one.")
    else:
        yield HUB.found("hub.no-administrator", "The table of users has none.")


def _check_work() -> Iterator[Finding]:
    """Nothing is said before the hub was first started: then there is no work yet."""
    known = freshness()
    late = [name for name, one in known.items() if one.overdue]
    if late:
        yield HUB.found("hub.nobody-works", f"What is long due: {', '.join(sorted(late))}.")
    elif known:
        yield HUB.found("hub.works", "Nothing is overdue.")
