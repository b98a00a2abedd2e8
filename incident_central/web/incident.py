"""One incident: what is known, who is on it, and what happened."""

import time
from collections.abc import Hashable
from dataclasses import dataclass
from uuid import uuid4

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from incident_central.accounts.models import User
from incident_central.incidents.directory import with_company
from incident_central.incidents.importing import make_full, present_name
from incident_central.incidents.models import Incident, OnCall, Responder
from incident_central.incidents.news import unacknowledged_for
from incident_central.rows import as_if_read, fetch, fetch_all
from incident_central.web import channel_news, steps
from incident_central.web.acting import Acting, acting_on
from incident_central.web.context import basics
from incident_central.web.house import House
from incident_central.web.parts import PRESS, Parts, made_once, parts_for, parts_of
from incident_central.web.redirects import SeeOther
from incident_central.web.responding import could_not_page
from incident_central.web.security import SignedIn, signed_in
from incident_central.web.templatetags.times import rough
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
    """The page, or for its own script the parts that change: 304 where none of them did."""
    if (renamed := present_name(name)) != name:
        return redirect("incident", renamed)
    # It tells ages to the second.
    address, seen, now = request.GET.urlencode(), request.session.seen, int(time.time())
    shown = _shown(name, address, seen, now)
    if request.htmx:
        response = parts_for(request, _parts(name, address, seen, now, shown.reader(request.user)))
    else:
        context = {"layout": "web/base.html", "acting": shown.acting.by(request.user.email, press=uuid4())}
        response = render(request, "web/incident.html", shown.context | context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@dataclass(frozen=True)
class Reader:
    """Who looks, as far as it makes a difference to the page."""

    email: str  # empty for all whom it does not concern
    is_admin: bool


@dataclass(frozen=True)
class Shown:
    """All of the page that does not depend on who looks."""

    acting: Acting
    context: dict[str, object]
    concerns: frozenset[str]  # e-mails

    def reader(self, user: User) -> Reader:
        return Reader(user.email if user.email in self.concerns else "", user.is_admin)


@made_once
def _parts(name: str, query: str, seen: Hashable, now: int, reader: Reader) -> Parts:
    shown = _shown(name, query, seen, now)
    context = {"user": reader, "acting": shown.acting.by(reader.email, press=PRESS)}
    return parts_of("web/incident.html", shown.context | context)


@made_once
def _shown(name: str, query: str, seen: Hashable, now: int) -> Shown:
    """Made once for all who look in the same second, as long as nobody writes.

    Raises Http404.
    """
    rows, found = steps.rows_of(name), _read(name)
    lines = steps.most_urgent_first([*steps.lines(found, rows), *channel_news.lines(found)])
    levels, acting = _levels(found), acting_on(found)
    screen = timeline(found, QueryDict(query))
    waited = unacknowledged_for(found)
    about = basics() | {"incident": found, "levels": levels, "acting": acting, "timeline": screen}
    context = {
        "incident": found,
        "unpaged": found.is_open and "page" in rows and could_not_page(found, rows["page"]),
        "unacknowledged_for": rough(waited) if waited else "",
        "needing": [line for line in lines if line.needs_reader],
        "summary": steps.summary(lines),
        "address": screen.address,
        "timeline": render_to_string("web/parts/timeline.html", about),
        "facts": render_to_string("web/parts/facts.html", about),
        "poll": 1 if found.is_open else 10,
        "house": House(),
    }
    missing = {line.missing.email.lower() for line in lines if line.missing is not None}
    return Shown(acting, context, acting.concerns | missing)


def _read(name: str) -> Incident:
    """With what the page tells of it. Raises Http404."""
    try:
        incident = with_company(fetch(Incident, name))
    except Incident.DoesNotExist as error:
        raise Http404 from error
    as_if_read(incident, "responders", fetch_all(Responder, "incident", incident))
    return incident


def _levels(incident: Incident) -> list[Level]:
    """All that its policy has, those that reach nobody too."""
    policy = incident.followed_policy
    if policy is None:
        return []
    on_call = incident.on_call_now()
    return [Level(number, minutes, on_call.get(number, [])) for number, minutes in enumerate(policy.minutes, 1)]


@require_POST
@signed_in
def open_channel(request: SignedIn, name: str) -> HttpResponse:
    """Somebody wants a channel for an incident that PagerDuty opened by itself. Pressing twice opens one."""
    full = make_full(name, name=request.user.name, email=request.user.email)
    if full is None:
        raise Http404
    return SeeOther(reverse("responding", args=[full.name]))
