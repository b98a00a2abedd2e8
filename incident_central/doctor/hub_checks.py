"""Checks of Incident Central itself: its address, its administrators, whether anybody works, whether others notice when
it is dead, and who is told when something breaks."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import Error
from django.utils import timezone

from incident_central.accounts.models import User
from incident_central.database import now
from incident_central.doctor.findings import HUB
from incident_central.doctor.models import Heartbeat
from incident_central.findings import Finding
from incident_central.incidents.sync import freshness
from incident_central.jobs.models import State, StepRow
from incident_central.parse import is_loopback

#: The watcher may miss a call or two.
LATE = timedelta(minutes=3)


def check_hub() -> Iterator[Finding]:
    yield _check_address()
    try:
        yield from _check_administrators()
        yield from _check_work()
        yield from _check_watcher()
        yield from _check_told()
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


def _check_watcher() -> Iterator[Finding]:
    """Nothing is said of one that was not called yet."""
    if not settings.HEARTBEAT_URL:
        yield HUB.found("hub.heartbeat-missing", "HEARTBEAT_URL is not set.")
        return
    host = urlsplit(settings.HEARTBEAT_URL).hostname or ""
    last = Heartbeat.objects.filter(host=host).first()
    step = StepRow.objects.filter(job__workflow="watch", job__key="", name="heartbeat").first()
    answered = "" if last is None else f" It last answered on {_moment(last.answered_at)}."
    is_late = last is None or now() - last.answered_at > LATE
    if step is not None and step.error and is_late:
        yield HUB.found("hub.heartbeat-refused", f"{host}: {step.error}{answered}")
    elif last is not None:
        yield HUB.found("hub.heartbeat-answered", f"{host}.{answered}")


def _check_told() -> Iterator[Finding]:
    channel = settings.SLACK_ANNOUNCE_CHANNEL if settings.SLACK_BOT_TOKEN else ""
    if settings.EMAIL is None and not channel:
        yield HUB.found("hub.nobody-told", "Neither EMAIL_URL nor SLACK_ANNOUNCE_CHANNEL is set.")
        return
    sent = StepRow.objects.filter(job__workflow="notice", name="mail").exclude(state=State.OFF)
    last = sent.order_by("-pk").first() if settings.EMAIL else None
    if last is not None and last.error and last.state != State.DONE:
        yield HUB.found("hub.mail-refused", last.error)
    else:
        places = [f"a message in {channel}"] if channel else []
        places += [f"e-mail to {', '.join(settings.EMAIL.recipients)}"] if settings.EMAIL else []
        yield HUB.found("hub.told", f"By {' and '.join(places)}.")


def _moment(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{local.day} {local:%b at %H:%M}"
