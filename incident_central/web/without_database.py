"""What people see and can do while the hub's own database is gone. Nothing here asks it."""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.html import format_html

from incident_central.accounts.models import User
from incident_central.incidents.copies import INVITED_LEVELS
from incident_central.incidents.directory import Snapshot
from incident_central.incidents.models import listing
from incident_central.incidents.standby import Kept, Standby, standby
from incident_central.incidents.sync import Freshness
from incident_central.web.steps import Line
from incident_central.web.templatetags.times import clock_with_seconds

COOKIE = "reporter"
SALT = "reporter 1"  # and the form of what is signed
REMEMBERED = 7 * 24 * 3600  # seconds
RENEWED = 24 * 3600  # seconds


@dataclass(frozen=True)
class Reporter:
    """Somebody who was signed in lately, as their own browser says under our signature."""

    pk: int
    name: str
    email: str
    is_authenticated: bool = True

    def __str__(self) -> str:
        return self.name or self.email


@dataclass(frozen=True)
class NobodyKnows:
    """Takes the place of the House: nothing is known about it."""

    state: str = "quiet"
    open: int = 0
    tools: str = "Incident Central’s own database does not answer"
    freshness: dict[str, Freshness] = field(default_factory=dict)


@dataclass(frozen=True)
class StandIn:
    """All that a page needs instead of the database."""

    standby: Standby
    snapshot: Snapshot
    reporter: Reporter

    @property
    def context(self) -> dict[str, Any]:
        return {"user": self.reporter, "house": NobodyKnows(), "without_database": True}


def stand_in_for(request: HttpRequest) -> StandIn | None:
    """None where there is no journal, no snapshot yet, or nobody whom we know."""
    here, reporter = standby(), reporter_of(request)
    if here is None or reporter is None or (snapshot := here.snapshot()) is None:
        return None
    return StandIn(here, snapshot, reporter)


# ── who reports ───────────────────────────────────────────────────────────────────────────────────


def remember(request: HttpRequest, response: HttpResponseBase, user: User) -> None:
    """Have the browser keep who is signed in, for at most seven days since they last used it."""
    them = [user.pk, user.name, user.email]
    if _read(request, RENEWED) != them:
        response.set_cookie(
            COOKIE,
            signing.dumps(them, salt=SALT),
            max_age=REMEMBERED,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def forget(response: HttpResponse) -> None:
    response.delete_cookie(COOKIE, samesite="Lax")


def reporter_of(request: HttpRequest) -> Reporter | None:
    them = _read(request, REMEMBERED)
    return None if them is None else Reporter(*them)


def _read(request: HttpRequest, max_age: int) -> list[Any] | None:
    try:
        them: list[Any] = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=max_age)
    except signing.BadSignature:
        return None
    return them


# ── the page after a report ───────────────────────────────────────────────────────────────────────


def kept_context(kept: Kept, reporter: Reporter) -> dict[str, object]:
    """For a report that is in the journal and not in the database yet."""
    incident = kept.incident
    levels = incident.service.on_call_now()
    people = [one.name for one in kept.page.assigned] if kept.page else []
    people = people or [one.person.name for one in next(iter(levels.values()), [])] or [incident.service.name]
    unpaged = kept.page is None and (kept.attempts > 0 or kept.is_too_old)
    if unpaged:
        kept.viewers.add(str(reporter))
    return {
        "incident": incident,
        "kept": kept,
        "unpaged": unpaged,
        "heading": "Nobody could be paged yet" if unpaged else _heading(kept, people),
        "levels": list(levels.items())[:INVITED_LEVELS] if unpaged else [],
        "lines": _lines(kept, listing(people)),
    }


def _heading(kept: Kept, people: list[str]) -> str:
    if kept.page is not None:
        return f"Reported. {listing(people)} {'are' if len(people) > 1 else 'is'} being paged."
    return f"Reported. Paging {listing(people)}…"


def _lines(kept: Kept, names: str) -> list[Line]:
    incident = kept.incident
    slack = [Line("queued", "Open the Slack channel and invite people", "Next", hint="Starts when that is done.")]
    return [
        _page_line(kept, f"Page the on-call: {names}"),
        Line("done", "Keep the report on this machine’s disk", clock_with_seconds(incident.created_at)),
        Line("waiting", "Write it into the database", "Waiting", hint="Tried all the time, until it is back."),
        *(slack if settings.SLACK_BOT_TOKEN else []),
    ]


def _page_line(kept: Kept, title: str) -> Line:
    if kept.page is not None:
        link = format_html('PagerDuty incident <a class="out" href="{}">#{}</a>.', kept.page.url, kept.page.number)
        return Line("done", title, clock_with_seconds(timezone.localtime(kept.page.created_at)), hint=link)
    if kept.is_too_old:
        return Line(
            "failed", title, "Too old", hint="Reported so long ago that it is not sent without asking somebody."
        )
    if kept.attempts:
        return Line("waiting", title, "Tried again and again", hint=kept.error)
    return Line("running", title, "Running")
