"""One incident: what is known, who is on it, and what happened."""

from dataclasses import dataclass

from django.db.models import Prefetch, prefetch_related_objects
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from incident_central.incidents.importing import make_full, of_number
from incident_central.incidents.models import Incident, OnCall
from incident_central.incidents.news import unacknowledged_since
from incident_central.web import acting, steps
from incident_central.web.responding import could_not_page
from incident_central.web.security import SeeOther, SignedIn, signed_in
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
    if (renamed := _renamed(name)) is not None:
        return redirect("incident", renamed)
    rows = steps.rows_of(name)
    found = get_object_or_404(
        Incident.objects.select_related("service__policy", "policy", "priority").prefetch_related("responders"),
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
        "acting": acting.shown(found, request.user),
        "poll": 1 if found.is_open else 10,
    }
    return render(request, "web/incident.html", context)


@require_POST
@signed_in
def open_channel(request: SignedIn, name: str) -> HttpResponse:
    """Somebody wants a channel for an incident that PagerDuty opened by itself. Pressing twice opens one."""
    number = _number_in(name)
    user = request.user
    full = make_full(number, name=user.name, email=user.email) if number is not None else None
    if full is None:
        raise Http404
    return SeeOther(reverse("responding", args=[full.name]))


def _renamed(name: str) -> str | None:
    """The name that it has now, if it had this one before somebody opened a channel for it."""
    number = _number_in(name)
    found = of_number(number, Incident.objects.all()) if number is not None else None
    return found.name if found is not None and found.name != name else None


def _number_in(name: str) -> int | None:
    digits = name.removeprefix("pagerduty-")
    known = name.startswith("pagerduty-") and digits.isascii() and digits.isdecimal() and len(digits) < 19
    return int(digits) if known else None


def _levels(incident: Incident) -> list[Level]:
    """All that its policy has, those that reach nobody too."""
    policy = incident.followed_policy
    if policy is None:
        return []
    prefetch_related_objects([policy], Prefetch("on_calls", OnCall.objects.select_related("person")))
    on_call = incident.on_call_now()
    return [Level(number, minutes, on_call.get(number, [])) for number, minutes in enumerate(policy.minutes, 1)]
