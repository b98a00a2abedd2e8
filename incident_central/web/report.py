"""The report form. Opening and sending it asks nobody outside: all of it comes from our own database."""

from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from incident_central.accounts.models import User
from incident_central.incidents.models import Incident, Priority, Service
from incident_central.incidents.reporting import (
    TITLE_LIMIT,
    UNKNOWN_SERVICE,
    CannotReport,
    DifferentReport,
    InvalidReport,
    Report,
    missing_settings,
    report_incident,
)
from incident_central.incidents.text import clean
from incident_central.web.security import SeeOther, SignedIn, signed_in
from incident_central.web.who_answers import WhoAnswers, services_by_team, usable_service, who_answers

ALIKE_SHOWN = 10
#: What “Report anyway” says it has seen.
WHATEVER_IS_OPEN = "anyway"


@dataclass(frozen=True)
class Typed:
    """The form as it was sent: shown again, unchanged, wherever it is not accepted."""

    report_id: UUID
    service: str = ""
    priority: str = ""
    title: str = ""
    description: str = ""
    seen: tuple[str, ...] = ()  # names of the open incidents that were listed

    @classmethod
    def of(cls, post: QueryDict) -> "Typed":
        return cls(
            report_id=_uuid(post.get("report_id", "")),
            service=clean(post.get("service", "")),
            priority=clean(post.get("priority", "")),
            title=post.get("title", ""),
            description=post.get("description", ""),
            seen=tuple(" ".join(post.getlist("seen")).split()),
        )

    def as_report_by(self, user: User) -> Report:
        return Report(
            report_id=self.report_id,
            sender=f"user:{user.pk}",
            reporter_name=user.name,
            reporter_email=user.email,
            source="web",
            service_id=self.service,
            priority_id=self.priority,
            title=self.title,
            description=self.description,
        )


@require_http_methods(["GET", "POST"])
@signed_in
def report(request: SignedIn) -> HttpResponse:
    """The form; sent, it becomes an incident, or is shown again with what keeps it from becoming one."""
    if request.method == "GET":
        return _form(request, Typed(uuid4(), service=clean(request.GET.get("service", ""))))
    typed = Typed.of(request.POST)
    if "show" in request.POST:  # without JavaScript: who is on call for the chosen service?
        return _form(request, typed)
    told = typed.as_report_by(request.user)
    # In this order: a second click may come while the first one is being accepted.
    if _unseen(typed) and not _came_before(told):
        return _form(request, typed, why="alike", status=409)
    try:
        incident = report_incident(told)
    except CannotReport as reason:
        return _not_accepted(request, typed, reason)
    return SeeOther(reverse("responding", args=[incident.name]))


@require_GET
@signed_in
def on_call(request: SignedIn) -> HttpResponse:
    """The part of the form that depends on the service: who answers, what is open there, and what the button says."""
    return render(request, "web/on-call.html", _about_service(clean(request.GET.get("service", "")), ()))


def ask_to_send_again(request: HttpRequest) -> HttpResponse:
    """A report that came with a stale form: nothing was accepted, and nothing that was typed is lost."""
    return _form(request, Typed.of(request.POST), why="stale", status=403)


# ── not accepted ──────────────────────────────────────────────────────────────────────────────────


def _not_accepted(request: HttpRequest, typed: Typed, reason: CannotReport) -> HttpResponse:
    if isinstance(reason, InvalidReport):
        return _form(request, typed, why="invalid", status=422, errors=reason.errors)
    if isinstance(reason, DifferentReport):
        return _form(request, replace(typed, report_id=uuid4()), why="different", status=409, earlier=reason.earlier)
    return _form(request, typed, status=503)  # NotSetUp: the page says what is missing


def _unseen(typed: Typed) -> bool:
    """Something is open on the service that they were not shown."""
    if WHATEVER_IS_OPEN in typed.seen:
        return False
    service = usable_service(typed.service)
    return service is not None and any(one.name not in typed.seen for one in _alike(service))


def _came_before(told: Report) -> bool:
    return Incident.objects.filter(sender=told.sender, report_id=told.report_id).exists()


def _alike(service: Service) -> list[Incident]:
    return list(Incident.objects.open().filter(service=service).select_related("priority")[:ALIKE_SHOWN])


def _uuid(text: str) -> UUID:
    """A form that lost its id gets a new one."""
    try:
        return UUID(text)
    except ValueError:
        return uuid4()


# ── the page ──────────────────────────────────────────────────────────────────────────────────────


def _form(request: HttpRequest, typed: Typed, *, why: str = "", status: int = 200, **more: object) -> HttpResponse:
    """`why` says why it is shown again: invalid, alike, different, stale; empty the first time."""
    context = {
        "here": "report",
        "typed": typed,
        "why": why,
        "fallback": usable_service(UNKNOWN_SERVICE),
        "teams": services_by_team(),
        "priorities": Priority.objects.filter(listed=True),
        "missing_settings": missing_settings(),
        "title_limit": TITLE_LIMIT,
        "unknown_service": UNKNOWN_SERVICE,
    }
    return render(request, "web/report.html", context | _about_service(typed.service, typed.seen) | more, status=status)


def _about_service(service_id: str, seen: tuple[str, ...]) -> dict[str, object]:
    service = usable_service(service_id)
    answers: WhoAnswers | None = None if service is None else who_answers(service)
    alike = [] if service is None else _alike(service)
    return {
        "answers": answers,
        "alike": alike,
        "seen": dict.fromkeys([*seen, *(one.name for one in alike)]),
    }
