"""One incident: what is known, who is on it, and what happened."""

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from incident_central.incidents.models import Incident, OnCall
from incident_central.incidents.news import unacknowledged_since
from incident_central.web import steps
from incident_central.web.responding import could_not_page
from incident_central.web.security import SignedIn, signed_in
from incident_central.web.timeline import timeline


@dataclass(frozen=True)
class Level:
    """One of an escalation policy, with who is on call there now."""

    number: int
    minutes: int  # before the next one is tried
    on_call: list[OnCall]


@require_safe
@signed_in
def incident(request: SignedIn, name: str) -> HttpResponse:
    rows = steps.rows_of(name)
    found = get_object_or_404(
        Incident.objects.select_related("service__policy", "policy", "priority").prefetch_related(
            "responders", "service__policy__on_calls__person", "policy__on_calls__person"
        ),
        pk=name,
    )
    lines = steps.lines(found, rows)
    context = {
        "incident": found,
        "levels": _levels(found),
        "unpaged": found.is_open and "page" in rows and could_not_page(found, rows["page"]),
        "unacknowledged_since": unacknowledged_since(found),
        "needing": [line for line in lines if line.needs_reader],
        "summary": steps.summary(lines),
        "timeline": timeline(found, request.GET),
        "poll": 1 if found.is_open else 10,
    }
    return render(request, "web/incident.html", context)


def _levels(incident: Incident) -> list[Level]:
    """All that its policy has, those that reach nobody too."""
    policy = incident.followed_policy
    if policy is None:
        return []
    on_call = incident.on_call_now()
    return [Level(number, minutes, on_call.get(number, [])) for number, minutes in enumerate(policy.minutes, 1)]
