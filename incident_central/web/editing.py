"""The form in which people put right what is ours about an incident."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from incident_central.incidents import editing
from incident_central.incidents.editing import CannotEdit, Ours
from incident_central.incidents.models import Incident
from incident_central.web.acting import press_id
from incident_central.web.redirects import SeeOther
from incident_central.web.renamed import by_present_name
from incident_central.web.security import SignedIn, signed_in


@require_http_methods(["GET", "POST"])
@signed_in
@by_present_name
def edit(request: SignedIn, name: str) -> HttpResponse:
    incident = get_object_or_404(Incident, pk=name)
    user, post = request.user, request.POST
    press = press_id(post.get("press", ""))
    context = {"incident": incident, "press": press, "typed": Ours.of(incident), "was": Ours.of(incident)}
    if request.method == "GET":
        return render(request, "web/edit.html", context)
    typed, was = Ours.typed(post.dict()), Ours.typed(post.dict(), prefix="was_")
    try:
        editing.edit(name, typed, was, who=str(user), email=user.email, sender=f"user:{user.pk}", press_id=press)
    except CannotEdit as reason:
        context |= {"typed": typed, "was": was, "errors": reason.errors}
        return render(request, "web/edit.html", context, status=422)
    return SeeOther(reverse("incident", args=[name]))
