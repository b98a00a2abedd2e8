"""When a request cannot be answered. These pages need no database, and say what to do instead."""

import logging
import secrets
from contextlib import suppress
from functools import partial

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from incident_central.outage import A_SECOND, within
from incident_central.web.carried import Carried, posted, unpacked
from incident_central.web.context import basics
from incident_central.web.report import ask_to_send_again
from incident_central.web.security import sign_in_page
from incident_central.web.send_again import ask_to_send
from incident_central.web.theme import chosen
from incident_central.web.without_database import stand_in_for

log = logging.getLogger(__name__)


def load() -> None:
    """Load what these pages need: where files have run out, nothing can be loaded any more."""
    for name in ("400", "403", "500"):
        render_to_string(f"web/{name}.html", basics() | {"now": timezone.now()})


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Like other pages; without the database as a page that needs none."""
    try:
        return within(A_SECOND, lambda: render(request, "web/404.html", {"layout": "web/base.html"}, status=404))
    except Error:
        return _door(request, "web/404.html", status=404, layout="web/door.html")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _door(request, "web/403.html", status=403)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form is from before one signed in, perhaps in another tab: what was typed is kept for another press. Or
    cookies are off."""
    asking = None
    if reason.startswith("CSRF "):  # else it comes from elsewhere, and may be a stranger's form
        if request.path == reverse("report"):
            asking = ask_to_send_again(request, request.POST, status=403)
        if asking is None and (carried := unpacked(request) or posted(request)) is not None:
            with suppress(Error):
                asking = within(A_SECOND, partial(_ask_to_send, request, carried))
    return asking or _door(request, "web/403.html", status=403)


def _ask_to_send(request: HttpRequest, carried: Carried) -> HttpResponse:
    if request.user.is_authenticated:
        return ask_to_send(request, carried, status=403)
    return sign_in_page(request, carried)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _door(request, "web/400.html", status=400)


def broken(request: HttpRequest) -> HttpResponse:
    """Says a reference that the log has, too."""
    reference = secrets.token_hex(4)
    log.error("500 %s at %s %s", reference, request.method, request.path)
    told = {
        "reference": reference,
        "now": timezone.now(),
        "reporting": request.path == reverse("report") and request.method == "POST",
        "reported": request.path.endswith("/responding"),
        "can_report": stand_in_for(request) is not None,
    }
    return _door(request, "web/500.html", status=500, **told)


def _door(request: HttpRequest, template: str, *, status: int, **more: object) -> HttpResponse:
    """Without the request's own context, which asks the database."""
    return HttpResponse(render_to_string(template, basics() | {"theme": chosen(request)} | more), status=status)
