"""The report form. Opening and sending it asks nobody outside: all of it comes from our own database.

Where that does not answer within a second, the form comes from a snapshot on disk, and the report goes to a journal.
"""

import logging
import time
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any
from uuid import UUID, uuid4

from django.db import Error, connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from incident_central.accounts.models import User
from incident_central.incidents.directory import UNKNOWN_SERVICE, Database, Directory
from incident_central.incidents.journal import JournalFull
from incident_central.incidents.models import Incident, Service
from incident_central.incidents.reporting import (
    TITLE_LIMIT,
    Acceptance,
    CannotReport,
    DifferentReport,
    InvalidReport,
    Report,
    missing_settings,
    remembered,
    report_incident,
)
from incident_central.incidents.text import clean
from incident_central.outage import A_SECOND, require_writable, within
from incident_central.web.redirects import SeeOther
from incident_central.web.security import PATIENCE, SignedIn, signed_in
from incident_central.web.who_answers import WhoAnswers, services_by_team, usable_service, who_answers
from incident_central.web.without_database import Reporter, StandIn, reporter_of, stand_in_for

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

    def as_report_by(self, user: User | Reporter) -> Report:
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


log = logging.getLogger(__name__)


@require_http_methods(["GET", "POST"])
def report(request: HttpRequest) -> HttpResponse:
    """The form; sent, it becomes an incident, or is shown again with what keeps it from becoming one."""
    acceptance = Acceptance()
    try:
        if request.method == "POST":
            require_writable()
        return within(A_SECOND, partial(_report, request, acceptance))
    except Error:
        stand_in = stand_in_for(request)
        if stand_in is None:
            acceptance.give_up()  # it shall not page after they were told to phone
            if request.method == "GET" or reporter_of(request) is None:
                raise
    if stand_in is not None:
        try:
            return _report_without_database(request, acceptance, stand_in)
        except (JournalFull, OSError) as error:
            log.warning("the journal does not take a report: %s", error)
    return _report_once_it_answers(request)


def _report_once_it_answers(request: HttpRequest) -> HttpResponse:
    """Nobody else is left. The database may only be busy, even where it was just taken for gone; where it is gone, the
    error says whom to phone."""
    until = time.monotonic() + PATIENCE
    while True:
        acceptance = Acceptance()
        try:
            return within(PATIENCE, partial(_report, request, acceptance))
        except Error:
            acceptance.give_up()  # it shall not page later, when they have phoned
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


@signed_in
def _report(request: SignedIn, acceptance: Acceptance) -> HttpResponse:
    directory = Database()
    if request.method == "GET":
        return _form(request, _opened(request), directory)
    typed = Typed.of(request.POST)
    if "show" in request.POST:  # without JavaScript: who is on call for the chosen service?
        return _form(request, typed, directory)
    told = typed.as_report_by(request.user)
    # In this order: a second click may come while the first one is being accepted.
    if _unseen(typed, directory) and not _came_before(told):
        return _form(request, typed, directory, why="alike", status=409)
    try:
        incident = report_incident(told, acceptance=acceptance, directory=directory)
    except CannotReport as reason:
        return _not_accepted(request, typed, reason, directory)
    return SeeOther(reverse("responding", args=[incident.name]))


def _report_without_database(request: HttpRequest, acceptance: Acceptance, stand_in: StandIn) -> HttpResponse:
    """What is open on the service is not known, so nobody is asked whether it is one of these."""
    snapshot = stand_in.snapshot
    if request.method == "GET":
        return _form(request, _opened(request), snapshot, **stand_in.context)
    typed = Typed.of(request.POST)
    if "show" in request.POST:
        return _form(request, typed, snapshot, **stand_in.context)
    told = typed.as_report_by(stand_in.reporter)
    try:
        incident = stand_in.standby.accept(told, draft=acceptance.give_up(), snapshot=snapshot)
    except CannotReport as reason:
        return _not_accepted(request, typed, reason, snapshot, **stand_in.context)
    return SeeOther(reverse("responding", args=[incident.name]))


@require_GET
def on_call(request: HttpRequest) -> HttpResponse:
    """The part of the form that depends on the service: who answers, what is open there, and what the button says."""
    service_id = clean(request.GET.get("service", ""))
    try:
        return within(A_SECOND, partial(_on_call, request, service_id))
    except Error:
        if (stand_in := stand_in_for(request)) is None:
            raise
        about = _about_service(stand_in.snapshot, service_id, ())
        return render(request, "web/parts/about-service.html", about | stand_in.context)


@signed_in
def _on_call(request: SignedIn, service_id: str) -> HttpResponse:
    return render(request, "web/parts/about-service.html", _about_service(Database(), service_id, ()))


def ask_to_send_again(
    request: HttpRequest, sent: QueryDict, *, status: int, is_cut: bool = False
) -> HttpResponse | None:
    """A report that came with a stale form, or before somebody signed in: nothing was accepted, and nothing that was
    typed is lost, unless it `is_cut`. None for somebody who is not signed in."""
    form = partial(_form, request, Typed.of(sent), why="stale", status=status, is_cut=is_cut)
    try:
        return within(A_SECOND, lambda: form(Database()) if request.user.is_authenticated else None)
    except Error:
        if (stand_in := stand_in_for(request)) is None:
            raise
        return form(stand_in.snapshot, **stand_in.context)


def could_not_join(request: SignedIn, *, refused: str) -> HttpResponse:
    """A report whose sender pressed “Me too” instead, which could not be: nothing that was typed is lost."""
    return _form(request, Typed.of(request.POST), Database(), why="not-joined", status=422, refused=refused)


# ── not accepted ──────────────────────────────────────────────────────────────────────────────────


def _not_accepted(
    request: HttpRequest, typed: Typed, reason: CannotReport, directory: Directory, **more: Any
) -> HttpResponse:
    if isinstance(reason, InvalidReport):
        return _form(request, typed, directory, why="invalid", status=422, errors=reason.errors, **more)
    if isinstance(reason, DifferentReport):
        again = replace(typed, report_id=uuid4())
        return _form(request, again, directory, why="different", status=409, earlier=reason.earlier, **more)
    return _form(request, typed, directory, status=503, **more)  # NotSetUp: the page says what is missing


def _unseen(typed: Typed, directory: Directory) -> bool:
    """Something is open on the service that they were not shown."""
    if WHATEVER_IS_OPEN in typed.seen:
        return False
    service = usable_service(directory, typed.service)
    if service is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(*_names_open_on(service))
        return not {name for (name,) in cursor.fetchall()}.issubset(typed.seen)


@lru_cache
def _names_open_on(service: Service) -> tuple[str, tuple[Any, ...]]:
    """Each report asks this before it pages, and it takes longer to put together than to ask."""
    return _open_on(service).values_list("pk").query.sql_with_params()


def _came_before(told: Report) -> bool:
    """With whatever content: whether it is the same is asked when it is accepted."""
    try:
        if remembered(told) is not None:
            return True
    except DifferentReport:
        return True
    return Incident.objects.filter(sender=told.sender, report_id=told.report_id).exists()


def _alike(service: Service) -> list[Incident]:
    return list(_open_on(service).select_related("priority"))


def _open_on(service: Service) -> QuerySet[Incident]:
    return Incident.objects.open().filter(service=service)[:ALIKE_SHOWN]


def _opened(request: HttpRequest) -> Typed:
    return Typed(uuid4(), service=clean(request.GET.get("service", "")))


def _uuid(text: str) -> UUID:
    """A form that lost its id gets a new one."""
    try:
        return UUID(text)
    except ValueError:
        return uuid4()


# ── the page ──────────────────────────────────────────────────────────────────────────────────────


def _form(
    request: HttpRequest, typed: Typed, directory: Directory, *, why: str = "", status: int = 200, **more: Any
) -> HttpResponse:
    """`why` says why it is shown again: invalid, alike, different, stale, not-joined; empty the first time."""
    context = {
        "here": "report",
        "typed": typed,
        "why": why,
        "fallback": usable_service(directory, UNKNOWN_SERVICE),
        "teams": services_by_team(directory),
        "priorities": directory.priorities(),
        "missing_settings": missing_settings(),
        "title_limit": TITLE_LIMIT,
        "unknown_service": UNKNOWN_SERVICE,
    }
    about = _about_service(directory, typed.service, typed.seen)
    return render(request, "web/report.html", context | about | more, status=status)


def _about_service(directory: Directory, service_id: str, seen: tuple[str, ...]) -> dict[str, object]:
    service = usable_service(directory, service_id)
    answers: WhoAnswers | None = None if service is None else who_answers(service)
    alike = [] if service is None or not isinstance(directory, Database) else _alike(service)
    return {
        "answers": answers,
        "alike": alike,
        "seen": dict.fromkeys([*seen, *(one.name for one in alike)]),
    }
