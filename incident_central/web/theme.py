"""Light, dark, or as the system has it."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from incident_central.web.redirects import SeeOther, came_from

THEMES = ("light", "dark")
ONE_YEAR = 365 * 24 * 3600  # seconds


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Keep the choice in a cookie, and go back to where one was. “auto” forgets it."""
    response = SeeOther(came_from(request))
    theme = request.POST.get("theme")
    if theme in THEMES:
        response.set_cookie("theme", theme, max_age=ONE_YEAR, samesite="Lax", httponly=True, secure=request.is_secure())
    else:
        response.delete_cookie("theme", samesite="Lax")
    return response


def chosen(request: HttpRequest) -> str:
    """light, dark, or empty for the system's."""
    theme = request.COOKIES.get("theme", "")
    return theme if theme in THEMES else ""
