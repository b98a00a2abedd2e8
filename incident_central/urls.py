"""The hub's addresses. The fixed ones are listed in docs/architecture.md."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path, reverse

from incident_central.api import webhooks
from incident_central.web import errors

urlpatterns = [path("", include("incident_central.web.urls")), path("", include("incident_central.api.urls"))]


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Each door says it in its own way: three of these from the door of webhooks would switch them off."""
    if request.path == reverse("pagerduty-webhook"):
        return webhooks.bad_request(request, exception)
    return errors.bad_request(request, exception)


handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.broken
