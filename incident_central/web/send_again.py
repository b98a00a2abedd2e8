"""What somebody sent who was signed out, or from before they signed in: they are told what it would do, and send it."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from incident_central.incidents.importing import present_name
from incident_central.incidents.models import Incident
from incident_central.web import acting, channel_news, responding
from incident_central.web.carried import Carried
from incident_central.web.deciding import Undecided
from incident_central.web.report import ask_to_send_again
from incident_central.web.security import SignedIn

STEPS: dict[str, Callable[..., Undecided]] = {
    "step": responding.undecided,
    "action-step": acting.undecided,
    "news": channel_news.undecided,
}


def ask_to_send(request: HttpRequest, carried: Carried, *, status: int = 200) -> HttpResponse:
    """For somebody who is signed in. A report in its own form, where who is on call is said, too."""
    if carried.view == "report":
        asking = ask_to_send_again(request, carried.given, status=status, is_cut=carried.is_cut)
        if asking is not None:
            return asking
    about = carried.about | {"name": present_name(carried.about.get("name", ""))}
    context = {
        "carried": carried,
        "what": _what(cast(SignedIn, request), carried, about),
        "incident": Incident.objects.filter(pk=about["name"]).first(),
    }
    return render(request, "web/send-again.html", context, status=status)


def _what(request: SignedIn, carried: Carried, about: dict[str, Any]) -> str:
    """What it would do, in words; empty where only the page that it was sent from is known."""
    with suppress(Http404):  # the incident, or its step, is not there any more
        if carried.kind is not None and not carried.words:
            return acting.would_do(request, about["name"], carried.kind, carried.given)
        if carried.view in STEPS:
            return f"{carried.label}: {STEPS[carried.view](**about).title}"
    return carried.label
