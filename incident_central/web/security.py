"""Who may see a page, where a browser may be sent, and headers that every answer carries."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRefresh
from django_htmx.middleware import HtmxDetails

from incident_central.accounts.models import User
from incident_central.accounts.signed_in import SessionStore
from incident_central.outage import within
from incident_central.web import without_database

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)

PATIENCE = 5.0  # seconds that a page waits for the database


class SignedIn(HttpRequest):
    """A request by somebody who is signed in."""

    user: User
    session: SessionStore
    htmx: HtmxDetails


class SeeOther(HttpResponseRedirect):
    """The answer to a form: go on to this page, and reloading it does not send the form again."""

    status_code = 303


def signed_in(
    view: Callable[Concatenate[SignedIn, P], R],
) -> Callable[Concatenate[HttpRequest, P], R | HttpResponse]:
    """Others are sent to the sign-in page first, and come back to where they wanted to go.

    Raises django.db.Error when the database does not answer in PATIENCE seconds.
    """

    def only_signed_in(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R | HttpResponse:
        if isinstance(request.user, User):
            response = view(cast(SignedIn, request), *args, **kwargs)
            without_database.remember(request, response, request.user)
            return response
        if cast(SignedIn, request).htmx:
            return HttpResponseClientRefresh()
        # What was posted is lost, so they come back to the form and not to the address that it was sent to.
        wanted = request.get_full_path() if request.method in ("GET", "HEAD") else came_from(request)
        return redirect_to_login(wanted, reverse("sign-in"))

    @wraps(view)
    def in_time(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R | HttpResponse:
        return within(PATIENCE, lambda: only_signed_in(request, *args, **kwargs))

    return in_time


def came_from(request: HttpRequest) -> str:
    """Path of the page of ours on which a form was sent, as the browser says; home where it does not."""
    parts = urlsplit(request.headers.get("Referer", ""))
    if parts.netloc != request.get_host():
        return reverse("home")
    return safe_next(request, parts._replace(scheme="", netloc="", fragment="").geturl())


def safe_next(request: HttpRequest, address: str) -> str:
    """The address if it is one of ours, else home: nobody is sent elsewhere by a link that looks like ours."""
    ours = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return address if ours else reverse("home")


# ── headers ───────────────────────────────────────────────────────────────────────────────────────

#: Nothing from elsewhere runs here, and nobody frames us.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)


def headers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        # Kept by nobody but the browser itself, for its Back button: what was typed is still there.
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response

    return respond
