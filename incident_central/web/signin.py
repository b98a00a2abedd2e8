"""In by e-mail and password, and out."""

import hashlib
import ipaddress
import time
from contextlib import suppress
from datetime import datetime
from functools import partial

from django.contrib.auth import authenticate, login, logout
from django.core.cache import cache
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from incident_central.accounts.models import User
from incident_central.incidents.text import clean
from incident_central.outage import within
from incident_central.web import without_database
from incident_central.web.carried import Carried, unpacked
from incident_central.web.redirects import SeeOther, safe_next
from incident_central.web.security import PATIENCE
from incident_central.web.send_again import ask_to_send

TRIES = 10
TRIES_WITHIN = 15 * 60  # seconds


@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    return within(PATIENCE, partial(_sign_in, request))


def _sign_in(request: HttpRequest) -> HttpResponse:
    wanted = safe_next(request, request.POST.get("next") or request.GET.get("next") or reverse("home"))
    email = clean(request.POST.get("email", ""))
    again = partial(page, request, wanted, unpacked(request), email=email)
    if request.method == "GET":
        return SeeOther(wanted) if request.user.is_authenticated else again()
    key = _key(request, email)
    shut_until = _count(key)
    if shut_until is not None:
        return again(shut_until=shut_until, status=429)
    user = authenticate(request, username=email, password=request.POST.get("password", ""))
    if user is None:
        return again(failed=True, status=422)
    cache.delete(key)
    return welcome(request, user, wanted)


def page(
    request: HttpRequest, wanted: str, carried: Carried | None, *, status: int = 200, **more: object
) -> HttpResponse:
    return render(request, "web/sign-in.html", {"next": wanted, "carried": carried, **more}, status=status)


def welcome(request: HttpRequest, user: User, wanted: str) -> HttpResponse:
    """They are in, and go where they wanted to. What they had sent they send by another press, since nobody knows how
    long ago that was."""
    carried = unpacked(request)
    login(request, user)
    response = SeeOther(wanted) if carried is None else ask_to_send(request, carried)
    without_database.remember(request, response, user)  # it may go away before they send it
    return response


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    with suppress(Error):  # then it ends by itself; what this browser holds goes now
        within(PATIENCE, partial(logout, request))
    response = SeeOther(reverse("sign-in"))
    without_database.forget(response)
    return response


def _key(request: HttpRequest, email: str) -> str:
    """Tries are counted by e-mail and network, so that nobody can lock out somebody else from elsewhere."""
    who = f"{email.lower()} {_network(request.META.get('REMOTE_ADDR', ''))}"
    return f"sign-in:{hashlib.sha256(who.encode()).hexdigest()}"


def _network(address: str) -> str:
    """One customer of a provider has 2⁶⁴ addresses of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


def _count(key: str) -> datetime | None:
    """Count this try before the password is looked at; when the next may be made, if there were too many."""
    ends = time.time() + TRIES_WITHIN
    cache.add(key, 0, TRIES_WITHIN)
    cache.add(f"{key}:ends", ends, TRIES_WITHIN)
    try:
        tries = cache.incr(key)
    except ValueError:  # it ran out in this very moment
        return None
    if tries <= TRIES:
        return None
    return datetime.fromtimestamp(cache.get(f"{key}:ends", ends), tz=timezone.get_current_timezone())
