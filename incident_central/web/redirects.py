"""Where a browser may be sent, and where it came from."""

from urllib.parse import SplitResult, urlsplit

from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme


class SeeOther(HttpResponseRedirect):
    """The answer to a form: go on to this page, and reloading it does not send the form again."""

    status_code = 303


def came_from(request: HttpRequest) -> str:
    """Path of the page of ours on which a form was sent, as the browser says; home where it does not."""
    parts = _split(request.headers.get("Referer", ""))
    if parts is None or parts.netloc != request.get_host():
        return reverse("home")
    return safe_next(request, parts._replace(scheme="", netloc="", fragment="").geturl())


def _split(address: str) -> SplitResult | None:
    try:
        return urlsplit(address)
    except ValueError:  # no browser sends such a one
        return None


def safe_next(request: HttpRequest, address: str) -> str:
    """The address if it is one of ours, else home: nobody is sent elsewhere by a link that looks like ours."""
    ours = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return address if ours else reverse("home")
