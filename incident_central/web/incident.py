"""One incident: what is known, who is on it, and what happened."""

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from incident_central.incidents.models import Incident, TimelineEntry
from incident_central.web import acting, steps
from incident_central.web.responding import could_not_page
from incident_central.web.security import SignedIn, signed_in
from incident_central.web.who_answers import who_answers

ENTRIES_SHOWN = 500


@dataclass(frozen=True)
class Entry:
    """A line of the timeline with where it comes from."""

    entry: TimelineEntry
    source: str  # the design's word
    label: str
    link: str


@require_safe
@signed_in
def incident(request: SignedIn, name: str) -> HttpResponse:
    rows = steps.rows_of(name)
    found = get_object_or_404(
        Incident.objects.select_related("service__policy", "priority").prefetch_related(
            "responders", "service__policy__on_calls__person"
        ),
        pk=name,
    )
    lines = steps.lines(found, rows)
    context = {
        "incident": found,
        "answers": who_answers(found.service),
        "levels": found.service.on_call_now(),
        "unpaged": found.is_open and "page" in rows and could_not_page(found, rows["page"]),
        "needing": [line for line in lines if line.needs_reader],
        "summary": steps.summary(lines),
        "entries": [_entry(found, one) for one in found.timeline.all()[:ENTRIES_SHOWN]],
        "acting": acting.shown(found, request.user),
        "poll": 1 if found.is_open else 10,
    }
    return render(request, "web/incident.html", context)


def _entry(incident: Incident, entry: TimelineEntry) -> Entry:
    if entry.source == "pagerduty":
        return Entry(entry, "pagerduty", "PagerDuty", incident.pagerduty_url or "")
    if entry.source == "slack":
        return Entry(entry, "slack", "Slack", incident.slack_channel_url or "")
    if entry.source == "report":
        return Entry(entry, "update", {"web": "Web", "slack": "Slack", "api": "API"}.get(incident.source, "Report"), "")
    return Entry(entry, "note", "Incident Central", "")
