"""A person's own views: filters under a name, kept with their account."""

from dataclasses import dataclass

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_POST

from incident_central.accounts.models import User
from incident_central.database import transaction
from incident_central.incidents.text import clean
from incident_central.web.choices import choices
from incident_central.web.filters import asked
from incident_central.web.redirects import SeeOther
from incident_central.web.security import SignedIn, signed_in

MOST = 20
LONGEST_NAME = 60


@dataclass(frozen=True)
class SavedView:
    name: str
    query: str
    is_shown: bool

    @property
    def address(self) -> str:
        return f"{reverse('home')}?{self.query}"


def saved(user: User, shown_query: str) -> list[SavedView]:
    """In the order of their names; `shown_query` is the filter on the page."""
    return [SavedView(name, query, query == shown_query) for name, query in sorted(user.views.items())]


@require_POST
@signed_in
def save_view(request: SignedIn) -> HttpResponse:
    """Keep a filter under a name, or with `delete` forget that name, and go to the list so filtered.

    Both are safe to repeat: a name that is there already gets the new filter. Beyond MOST of them, nothing is kept.
    """
    name = clean(request.POST.get("name", ""))[:LONGEST_NAME].strip()
    wanted = asked(QueryDict(request.POST.get("query", "")), choices())
    with transaction():
        user = User.objects.select_for_update().get(pk=request.user.pk)
        if "delete" in request.POST:
            user.views.pop(name, None)
        elif name and wanted.query and (name in user.views or len(user.views) < MOST):
            user.views[name] = wanted.query
        user.save(update_fields=["views"])
    return SeeOther(reverse("home") + (f"?{wanted.query}" if wanted.query else ""))
