"""Addresses with the name that an incident had before somebody opened a channel for it: they go on working."""

from collections.abc import Callable
from functools import wraps

from django.http import HttpResponse

from incident_central.incidents.importing import present_name
from incident_central.web.security import SignedIn


def by_present_name(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Somebody may have had the page open, and typed, since before: what they send is not lost."""

    @wraps(view)
    def renamed(request: SignedIn, name: str, **others: object) -> HttpResponse:
        return view(request, present_name(name), **others)

    return renamed
