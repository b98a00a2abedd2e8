"""A screen of an incident's timeline: newest first, of one kind or of all, however long it is.

Its lines are made here: fifty of them by a template would take longer than everything else of the page.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from html import escape
from urllib.parse import urlencode

from django.db import connection
from django.http import QueryDict
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from incident_central.incidents.models import Incident, Kind
from incident_central.rows import aware
from incident_central.web.templatetags import times

ON_A_SCREEN = 50
Read = tuple[int, str, str, datetime, str, str]  # id, source, kind, at, text, body


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
    found = _read(incident, kind, last)
    shown, has_older = found[:ON_A_SCREEN], len(found) > ON_A_SCREEN
    return Timeline(
        lines=_lines(incident, [row[1:] for row in shown]),
        choices=[Choice(label, _address(value), value == kind) for value, label in [("", "All"), *Kind.choices]],
        address=_address(kind, str(last or "")),
        older=_address(kind, str(shown[-1][0])) if has_older else "",
        newest=_address(kind) if last is not None else "",
    )


def _entry_named(incident: Incident, text: str) -> int | None:
    known = text.isascii() and text.isdecimal() and len(text) < 19
    return int(text) if known and incident.timeline.filter(pk=int(text)).exists() else None


def _read(incident: Incident, kind: str, last: int | None) -> list[Read]:
    """One more than fit on a screen, where there are so many."""
    conditions: dict[str, str | int] = {"incident_id = %s": incident.pk}
    if kind:
        conditions["kind = %s"] = kind
    if last is not None:
        conditions["(at, id) < (SELECT at, id FROM incidents_timelineentry WHERE id = %s)"] = last
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT id, source, kind, at, text, body FROM incidents_timelineentry
            WHERE {" AND ".join(conditions)} ORDER BY at DESC, id DESC LIMIT {ON_A_SCREEN + 1}""",  # noqa: S608  ours
            list(conditions.values()),
        )
        rows = cursor.fetchall()
    return [(*row[:3], aware(row[3]), *row[4:]) for row in rows]


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
