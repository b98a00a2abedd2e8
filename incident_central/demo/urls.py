"""The demo's addresses: the hub's, and a sign-in without password as one of the make-believe people.

Only demo/settings.py names this module, so `serve` does not have this sign-in.
"""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path, reverse
from django.views.decorators.http import require_POST, require_safe

from incident_central.accounts.models import User
from incident_central.sandbox.company import PEOPLE
from incident_central.urls import handler400, handler403, handler404, handler500
from incident_central.web.carried import Carried
from incident_central.web.redirects import safe_next
from incident_central.web.signin import welcome

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

#: Most people who report are not on call.
FIRST = "ana.ribeiro@example.com"


@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    return page(request, safe_next(request, request.GET.get("next") or reverse("home")), None)


def page(request: HttpRequest, wanted: str, carried: Carried | None, *, status: int = 200) -> HttpResponse:
    """The sign-in page: one press each."""
    context = {
        "next": wanted,
        "carried": carried,
        "first": next(person for person in PEOPLE if person.email == FIRST),
        "others": [person for person in PEOPLE if person.email != FIRST],
    }
    return render(request, "demo/sign-in.html", context, status=status)


@require_POST
def sign_in_as(request: HttpRequest) -> HttpResponse:
    person = next((one for one in PEOPLE if one.email == request.POST.get("email")), None)
    if person is None:
        raise Http404("nobody of that e-mail works here")
    known = {"name": person.name, "is_admin": person.role in ("owner", "admin")}
    user, _ = User.objects.get_or_create(email=person.email, defaults=known)
    return welcome(request, user, safe_next(request, request.POST.get("next") or reverse("home")))


urlpatterns = [
    path("sign-in", choose, name="sign-in"),
    path("demo/sign-in", sign_in_as, name="demo-sign-in"),
    path("", include("incident_central.web.urls")),
    path("", include("incident_central.api.urls")),
]
