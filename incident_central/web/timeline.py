"""A screen of an incident's timeline: newest first, of one kind or of all, however long it is."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Q
from django.http import QueryDict

from incident_central.incidents.models import Incident, Kind, TimelineEntry
from incident_central.web.templatetags import times

ON_A_SCREEN = 50


@dataclass(frozen=True)
class Entry:
    """A line of the timeline with where it comes from."""

    entry: TimelineEntry
    source: str  # the design's word
    label: str
    link: str
    day: str  # empty on the day of the report
    clock: str
    exact: str


@dataclass(frozen=True)
class Choice:
    label: str
    address: str
    is_chosen: bool


@dataclass(frozen=True)
class Timeline:
    entries: list[Entry]
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
    found = list(rows[: ON_A_SCREEN + 1])
    day_of_report = times.day(incident.created_at)
    shown, has_older = found[:ON_A_SCREEN], len(found) > ON_A_SCREEN
    return Timeline(
        entries=[_entry(incident, one, day_of_report) for one in shown],
        choices=[Choice(label, _address(value), value == kind) for value, label in [("", "All"), *Kind.choices]],
        address=_address(kind, str(last.pk) if last else ""),
        older=_address(kind, str(shown[-1].pk)) if has_older else "",
        newest=_address(kind) if last is not None else "",
    )


def _entry_named(incident: Incident, text: str) -> TimelineEntry | None:
    known = text.isascii() and text.isdecimal() and len(text) < 19
    return incident.timeline.filter(pk=int(text)).first() if known else None


def _address(kind: str, before: str = "") -> str:
    """Relative to the incident's page."""
    return "?" + urlencode({name: value for name, value in (("kind", kind), ("before", before)) if value})


def _entry(incident: Incident, entry: TimelineEntry, today: str) -> Entry:
    day = times.day(entry.at)
    clock, exact = times.bare_clock(entry.at), f"{day}, {times.clock_with_seconds(entry.at)}"
    source, label, link = _source(incident, entry)
    return Entry(entry, source, label, link, "" if day == today else day, clock, exact)


def _source(incident: Incident, entry: TimelineEntry) -> tuple[str, str, str]:
    """The design's word for it, ours, and where it leads."""
    if entry.source == "pagerduty":
        return "note" if entry.kind == Kind.NOTE else "pagerduty", "PagerDuty", incident.pagerduty_url or ""
    if entry.source == "slack":
        return "slack", "Slack", incident.slack_channel_url or ""
    if entry.source == "report":
        return "update", {"web": "Web", "slack": "Slack", "api": "API"}.get(incident.source, "Report"), ""
    return "note", "Incident Central", ""
