"""The page after a report: what was done, what is under way, and what a person must do."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from incident_central.database import now, transaction
from incident_central.incidents.copies import INVITED_LEVELS
from incident_central.incidents.models import Incident, Person, Status, listing
from incident_central.incidents.response import RESPONSE
from incident_central.incidents.search import Listed
from incident_central.incidents.standby import standby
from incident_central.jobs.models import SETTLED, State, StepRow, job_steps
from incident_central.web import deciding, steps
from incident_central.web.deciding import Undecided
from incident_central.web.redirects import SeeOther
from incident_central.web.renamed import by_present_name
from incident_central.web.security import SignedIn, signed_in
from incident_central.web.without_database import NobodyKnows, kept_context, reporter_of

#: A page that has not gone out after so long needs a person.
PATIENCE = timedelta(seconds=20)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ToPhone:
    level: int
    person: Person


@require_safe
def responding(request: HttpRequest, name: str) -> HttpResponse:
    """While the report is in the journal and not in the database yet, it is shown from there."""
    here, reporter = standby(), reporter_of(request)
    kept = here.find(name) if here is not None else None
    if kept is None or reporter is None:
        return _responding(request, name)
    context = {"user": reporter, "house": NobodyKnows()} | kept_context(kept, reporter)
    response = render(request, "web/kept.html", context)
    response["Cache-Control"] = "no-store"  # phone numbers
    return response


@signed_in
@by_present_name
def _responding(request: SignedIn, name: str) -> HttpResponse:
    rows = steps.rows_of(name)
    incident = get_object_or_404(_incidents(), pk=name)
    page = rows.get("page")
    unpaged = incident.is_open and page is not None and could_not_page(incident, page)
    found = steps.lines(incident, rows)
    context = {
        "incident": incident,
        "heading": _heading(incident, page, unpaged),
        "unpaged": unpaged,
        "page": page,
        "to_phone": _to_phone(incident, str(request.user)) if unpaged else [],
        "lines": found,
        "summary": steps.summary(found),
        "poll": _poll(incident, rows),
        "channel_by_hand": (channel := rows.get("open_channel")) is not None and channel.state == State.BY_HAND,
    }
    response = render(request, "web/responding.html", context)
    if unpaged:
        response["Cache-Control"] = "no-store"  # phone numbers
    return response


@require_POST
@signed_in
@by_present_name
def decide(request: SignedIn, name: str, step: str) -> HttpResponse:
    """Somebody pressed Retry or “I did it by hand” at a step. Pressing twice changes nothing."""
    deciding.decide(request, undecided(name, step))
    return SeeOther(reverse("responding", args=[name]))


def undecided(name: str, step: str) -> Undecided:
    """Raises Http404."""
    incident = get_object_or_404(_incidents(), pk=name)
    step_id = get_object_or_404(job_steps(RESPONSE.name, name), name=step).pk
    return Undecided(step_id, RESPONSE.step(step), incident, steps.title_of(step, incident))


def could_not_page(incident: Incident | Listed, page: StepRow) -> bool:
    """A try went wrong, or none was made in time because nobody is working; and nobody has phoned instead."""
    if page.state in SETTLED or page.by_hand:
        return False
    return page.attempts > 0 or page.state == State.FAILED or now() - incident.created_at > PATIENCE


def _incidents() -> QuerySet[Incident]:
    return Incident.objects.select_related("service__policy", "priority").prefetch_related("responders")


def _heading(incident: Incident, page: StepRow | None, unpaged: bool) -> str:
    """What is true now."""
    names = listing(incident.assigned) or incident.service.name
    if incident.status == Status.RESOLVED:
        return "Resolved."
    if incident.status == Status.ACKNOWLEDGED:
        return f"{incident.acknowledged_by or names} {'has' if incident.acknowledged_by else 'have'} it."
    if unpaged:
        return "Nobody could be paged yet"
    if page is not None and page.by_hand and page.state != State.DONE:
        return f"Reported. {page.by_hand} phoned the people on call."
    if incident.missing_at is not None:
        return "Reported. PagerDuty does not show it any more."
    if incident.pagerduty_id is not None:
        return f"Reported. {names} {'are' if len(incident.assigned) > 1 else 'is'} being paged."
    if page is not None and page.doubtful_since:
        return "Reported. Looking whether the page got through…"
    return f"Reported. Paging {names}…"


def _to_phone(incident: Incident, viewer: str) -> list[ToPhone]:
    """People on call at the first levels. That somebody looked is kept; where it cannot be, they are shown anyway."""
    people = [
        ToPhone(level, one.person)
        for level, on_calls in list(incident.service.on_call_now().items())[:INVITED_LEVELS]
        for one in on_calls
    ]
    try:
        with transaction():
            incident.phones_shown(viewer)
    except DatabaseError as error:
        log.warning("%s saw phone numbers of %s; not recorded: %s", viewer, incident.name, error)
    return people


def _poll(incident: Incident, rows: dict[str, StepRow]) -> int:
    """Seconds until the page asks again; 0 when nothing will change any more."""
    if any(row.state not in (*SETTLED, State.FAILED) and not _held_up(row, rows) for row in rows.values()):
        return 1
    return 10 if incident.is_open else 0


def _held_up(row: StepRow, rows: dict[str, StepRow]) -> bool:
    """It waits behind a step that has failed, perhaps for long."""
    if row.state != State.QUEUED:
        return False
    step = RESPONSE.step(row.name)
    before = [rows[name] for name in (step.after if step else ()) if name in rows]
    return any(one.state == State.FAILED or _held_up(one, rows) for one in before)
