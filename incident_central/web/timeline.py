"""A screen of an incident's timeline: newest first, of one kind or of all, however long it is.

Its lines are made here: fifty of them by a template would take longer than everything else of the page.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from html import escape
from urllib.parse import urlencode

from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from incident_central.incidents.models import Incident, Kind, TimelineEntry
from incident_central.web.templatetags import times

ON_A_SCREEN = 50


@dataclass(frozen=True)
class Choice:
    label: str
    address: str
    is_chosen: bool


@dataclass(frozen=True)
class Timeline:
    lines: SafeString
    choices: list[Choice]
    address: str  # of this very screen
    older: str  # its address; empty where there is nothing older
    newest: str  # the first screen's address; empty on it


def timeline(incident: Incident, asked: QueryDict) -> Timeline:
    """`kind` and `before`, the id of the entry that the screen before ended with; what makes no sense is left out."""
    kind = asked.get("kind", "") if asked.get("kind") in Kind.values else ""
    last = _entry_named(incident, asked.get("before", ""))
    rows = incident.timeline.filter(kind=kind) if kind else incident.timeline.all()
    if last is not None:
        # By the row itself and not by its time as we have it: SQLite compares the text that it holds.
        at = TimelineEntry.objects.filter(pk=last.pk).values("at")[:1]
        rows = rows.filter(Q(at__lt=at) | Q(at=at, pk__lt=last.pk))
    found = list(rows.values_list("pk", "source", "kind", "at", "text", "body")[: ON_A_SCREEN + 1])
    shown, has_older = found[:ON_A_SCREEN], len(found) > ON_A_SCREEN
    return Timeline(
        lines=_lines(incident, [row[1:] for row in shown]),
        choices=[Choice(label, _address(value), value == kind) for value, label in [("", "All"), *Kind.choices]],
        address=_address(kind, str(last.pk) if last else ""),
        older=_address(kind, str(shown[-1][0])) if has_older else "",
        newest=_address(kind) if last is not None else "",
    )


def _entry_named(incident: Incident, text: str) -> TimelineEntry | None:
    known = text.isascii() and text.isdecimal() and len(text) < 19
    return incident.timeline.filter(pk=int(text)).first() if known else None


def _address(kind: str, before: str = "") -> str:
    """Relative to the incident's page."""
    return "?" + urlencode({name: value for name, value in (("kind", kind), ("before", before)) if value})


def _lines(incident: Incident, entries: list[tuple[str, str, datetime, str, str]]) -> SafeString:
    day_of_report, year = times.day(incident.created_at), timezone.localdate().year
    origins = {(source, kind): _origin(incident, source, kind) for source, kind, *_ in entries}
    made = [_line(*origins[entry[:2]], day_of_report, year, *entry[1:]) for entry in entries]
    return mark_safe("\n".join(made))  # noqa: S308  _line() escapes what people and other tools wrote


@lru_cache(maxsize=4096)
def _line(
    origin: str, label: str, link: str, day_of_report: str, _year: int, kind: str, at: datetime, text: str, body: str
) -> str:
    """An entry is never changed, so most lines are the same a second later; but the day has a year in another one."""
    day, clock = times.day(at), times.bare_clock(at)
    clock = clock if day == day_of_report else f"{day}<br>{clock}"
    typed = f'<div class="body"><p class="typed" dir="auto">{escape(body)}</p></div>' if body else ""
    name = (
        f'<a class="source out" href="{escape(link)}">{label}</a>' if link else f'<span class="source">{label}</span>'
    )
    return (
        f'<li data-source="{origin}" data-kind="{kind}">'
        f'<time datetime="{at.isoformat()}" title="{day}, {times.clock_with_seconds(at)}">{clock}</time>'
        f'<div><p><b dir="auto">{escape(text)}</b></p>{typed}</div>{name}</li>'
    )


def _origin(incident: Incident, source: str, kind: str) -> tuple[str, str, str]:
    """Where an entry comes from: the design's word for it, ours, and where it leads."""
    if source == "pagerduty":
        return "note" if kind == Kind.NOTE else "pagerduty", "PagerDuty", incident.pagerduty_url or ""
    if source == "slack":
        return "slack", "Slack", incident.slack_channel_url or ""
    if source == "report":
        return "update", {"web": "Web", "slack": "Slack", "api": "API"}.get(incident.source, "Report"), ""
    return "note", "Incident Central", ""
