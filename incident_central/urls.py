"""The hub's addresses. The fixed ones are listed in docs/architecture.md."""

from django.urls import include, path

from incident_central.web import errors

urlpatterns = [path("", include("incident_central.web.urls")), path("", include("incident_central.api.urls"))]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.broken
