"""Who may see a page, and headers that every answer carries."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.module_loading import import_string
from django_htmx.http import HttpResponseClientRefresh
from django_htmx.middleware import HtmxDetails

from incident_central.accounts.models import User
from incident_central.accounts.signed_in import SessionStore
from incident_central.outage import within
from incident_central.web import without_database
from incident_central.web.carried import Carried, posted
from incident_central.web.redirects import came_from

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)

PATIENCE = 5.0  # seconds that a page waits for the database


class SignedIn(HttpRequest):
    """A request by somebody who is signed in."""

    user: User
    session: SessionStore
    htmx: HtmxDetails


def sign_in_page(request: HttpRequest, sent: Carried) -> HttpResponse:
    """In the place of the page that they sent it to."""
    page: Callable[..., HttpResponse] = import_string(settings.SIGN_IN_PAGE)
    return page(request, sent.back, sent, status=403)


def signed_in(
    view: Callable[Concatenate[SignedIn, P], R],
) -> Callable[Concatenate[HttpRequest, P], R | HttpResponse]:
    """Others are sent to the sign-in page first, with what they sent, and come back to where they wanted to go.

    Raises django.db.Error when the database does not answer in PATIENCE seconds.
    """

    def only_signed_in(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R | HttpResponse:
        if isinstance(request.user, User):
            response = view(cast(SignedIn, request), *args, **kwargs)
            without_database.remember(request, response, request.user)
            return response
        if cast(SignedIn, request).htmx:
            return HttpResponseClientRefresh()
        if (sent := posted(request)) is not None:
            return sign_in_page(request, sent)
        # They come back to the form, and not to the address that it was sent to.
        wanted = request.get_full_path() if request.method in ("GET", "HEAD") else came_from(request)
        return redirect_to_login(wanted, reverse("sign-in"))

    @wraps(view)
    def in_time(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R | HttpResponse:
        return within(PATIENCE, lambda: only_signed_in(request, *args, **kwargs))

    return in_time


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
