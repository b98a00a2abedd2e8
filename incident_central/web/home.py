"""The list: what is open, worst first, and what was."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from incident_central.incidents.models import Incident, IncidentQuerySet, Status, listing
from incident_central.incidents.reporting import missing_settings
from incident_central.jobs.models import State, StepRow
from incident_central.web.house import CAP, House, capped
from incident_central.web.responding import could_not_page
from incident_central.web.security import SignedIn, signed_in

OPEN_SHOWN = 200
PAGE = 50
#: Once PagerDuty has not answered for so long, we say that it is down.
DOWN_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class Row:
    incident: Incident
    who: str


@signed_in
def home(request: SignedIn) -> HttpResponse:
    house = House()
    older_than = request.GET.get("before", "")
    open_ones = [] if older_than else list(_listed(Incident.objects.open())[:OPEN_SHOWN])
    resolved = list(_listed(_older(Incident.objects.resolved(), older_than))[: PAGE + 1])
    steps = _page_steps(open_ones)
    unpaged = [one for one in open_ones if _nobody_paged(one, steps.get(one.name))]
    context = {
        "here": "home",
        "house": house,
        "heading": _heading(house, len(unpaged)),
        "state": _state(house),
        "unpaged": unpaged[:1],
        "open_rows": [Row(one, _who(one, steps.get(one.name))) for one in open_ones],
        "open_more": house.open > OPEN_SHOWN,
        "resolved_rows": [Row(one, _who(one, None)) for one in resolved[:PAGE]],
        "resolved_count": capped(Incident.objects.resolved()[: CAP + 1].count()),
        "older_than": older_than,
        "older": _position(resolved[PAGE - 1]) if len(resolved) > PAGE else "",
        "poll": 1 if house.open else 10,
        "missing_settings": missing_settings(),
    }
    return render(request, "web/home.html", context)


def _listed(incidents: IncidentQuerySet) -> IncidentQuerySet:
    return incidents.select_related("service", "priority")


def _older(resolved: IncidentQuerySet, position: str) -> IncidentQuerySet:
    """Those after `position`, which _position() gave; from the beginning where it makes no sense."""
    text, _, name = position.partition("~")
    at = _moment(text)
    if at is None:
        return resolved
    return resolved.filter(resolved_at__lte=at).filter(Q(resolved_at__lt=at) | Q(id__lt=name))


def _position(incident: Incident) -> str:
    return f"{incident.resolved_at:%Y-%m-%dT%H:%M:%S.%f}Z~{incident.name}"


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and timezone.is_aware(moment) else None


# ── what it says ──────────────────────────────────────────────────────────────────────────────────


def _heading(house: House, unpaged: int) -> str:
    if house.open == 0:
        quiet = house.pagerduty is not None and not house.pagerduty.failing and house.pagerduty.read_at is not None
        return "All quiet" if quiet else "No open incident that we know of"
    if unpaged:
        return f"{house.open_text} open, {unpaged} that nobody could be paged for"
    if house.open == house.triggered == 1:
        return "1 open, nobody on it"
    if house.triggered:
        return f"{house.open_text} open, {capped(house.triggered)} with nobody on it"
    return f"{house.open_text} open, acknowledged"


def _state(house: House) -> str:
    """How it stands with PagerDuty: off, down, stale, unread or fine."""
    if house.pagerduty is None:
        return "off" if missing_settings() else "unread"
    if house.pagerduty.failing:
        read_at = house.pagerduty.read_at
        return "down" if read_at is None or timezone.now() - read_at > DOWN_AFTER else "stale"
    return "fine" if house.pagerduty.read_at else "unread"


def _page_steps(incidents: list[Incident]) -> dict[str, StepRow]:
    """By incident's name, the step that pages, for those that PagerDuty does not have."""
    unpaged = [one.name for one in incidents if one.pagerduty_id is None]
    if not unpaged:
        return {}
    rows = StepRow.objects.filter(job__workflow="response", job__key__in=unpaged, name="page").select_related("job")
    return {row.job.key: row for row in rows}


def _nobody_paged(incident: Incident, page: StepRow | None) -> bool:
    return page is not None and could_not_page(incident, page)


def _who(incident: Incident, page: StepRow | None) -> str:
    names = listing(incident.assigned)
    if incident.status == Status.ACKNOWLEDGED:
        return incident.acknowledged_by or names
    if incident.status == Status.RESOLVED:
        return names or incident.acknowledged_by
    if _nobody_paged(incident, page):
        return "Nobody could be paged yet"
    if page is not None and page.state == State.BY_HAND:
        return "Phoned by hand"
    return f"Paging {names}" if names else "Paging"
