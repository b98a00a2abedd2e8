"""One's own account: who one is in Slack."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from incident_central.incidents import people
from incident_central.incidents.correcting import CannotCorrect
from incident_central.incidents.people import Someone
from incident_central.web.in_slack import change, in_slack
from incident_central.web.redirects import SeeOther
from incident_central.web.security import SignedIn, signed_in


@require_http_methods(["GET", "POST"])
@signed_in
def account(request: SignedIn) -> HttpResponse:
    """Kept with PagerDuty's user of the same e-mail; where there is none, with the account."""
    user = request.user
    someone = people.someone_with(user.email) or Someone(f"user:{user.pk}", str(user), user.email)
    refused = ""
    if request.method == "POST":
        try:
            change(request, someone)
            return SeeOther(reverse("account"))
        except CannotCorrect as reason:
            refused = str(reason)
    shown = in_slack(request, people.match(someone), may_change=True, refused=refused)
    context = {"here": "account", "someone": someone, "in_slack": shown, "match": shown.match}
    return render(request, "web/account.html", context, status=422 if refused else 200)
