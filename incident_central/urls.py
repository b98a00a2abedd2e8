"""The hub's addresses. The fixed ones are listed in docs/architecture.md."""

from django.urls import include, path

urlpatterns = [path("", include("incident_central.web.urls")), path("", include("incident_central.api.urls"))]

handler400 = "incident_central.web.errors.bad_request"
handler403 = "incident_central.web.errors.forbidden"
handler404 = "incident_central.web.errors.not_found"
handler500 = "incident_central.web.errors.broken"
