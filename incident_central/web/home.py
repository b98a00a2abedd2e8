"""The list: what is open, worst first, and what was."""

import time
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from incident_central.incidents.models import Incident
from incident_central.incidents.reporting import missing_settings
from incident_central.incidents.search import Listed, counts, listed
from incident_central.incidents.search_sql import CAP
from incident_central.jobs.models import StepRow
from incident_central.web.choices import choices
from incident_central.web.filter_form import filter_form
from incident_central.web.filters import Asked, asked
from incident_central.web.house import House, capped
from incident_central.web.parts import Parts, made_once, parts_for, parts_of
from incident_central.web.positions import Place, place
from incident_central.web.responding import could_not_page
from incident_central.web.rows import page_steps, rows
from incident_central.web.saved_views import MOST, saved
from incident_central.web.security import SignedIn, signed_in
from incident_central.web.templatetags.addresses import address

PAGE = 50
#: Once PagerDuty has not answered for so long, we say that it is down.
DOWN_AFTER = timedelta(minutes=10)


@require_safe
@signed_in
def home(request: SignedIn) -> HttpResponse:
    """The page, or for its own script the parts that change: 304 where none of them did."""
    now = int(time.time())  # pages tell ages to the second
    query, seen = request.GET.urlencode(), request.session.seen
    shown = _shown(query, seen, now)
    response = parts_for(request, _parts(query, seen, now)) if request.htmx else _page(request, shown)
    patch_vary_headers(response, ["HX-Request"])
    if shown.asked.problems:
        response.status_code = 400
    return response


@dataclass(frozen=True)
class Shown:
    """All of the page that does not depend on who looks."""

    asked: Asked
    context: dict[str, object]


@made_once
def _shown(query: str, seen: Hashable, now: int) -> Shown:
    """Made once for all who look in the same second, as long as nobody writes."""
    given = QueryDict(query)
    wanted, after, house = asked(given, choices()), place(given.get("after", "")), House()
    context = _list(wanted, after) | _state(house, _unpaged(house)) | {"here": "home", "house": house}
    return Shown(wanted, context)


def _page(request: SignedIn, shown: Shown) -> HttpResponse:
    views = saved(request.user, shown.asked.query)
    own = {"views": views, "views_full": len(views) >= MOST}
    context = {"layout": "web/base.html", "form": filter_form(shown.asked, choices()), **own}
    return HttpResponse(render_to_string("web/home.html", shown.context | context, request))


@made_once
def _parts(query: str, seen: Hashable, now: int) -> Parts:
    return parts_of("web/home.html", _shown(query, seen, now).context)


# ── the list ──────────────────────────────────────────────────────────────────────────────────────


def _list(wanted: Asked, after: Place | None) -> dict[str, object]:
    found = listed(wanted.filters, after=after.position if after else None, limit=PAGE + 1)
    shown, before = found[:PAGE], after.before if after else 0
    steps = page_steps(shown)
    parts = {is_open: list(part) for is_open, part in groupby(shown, lambda one: one.is_open)}
    open_count, resolved_count = counts(wanted.filters)
    total = open_count + resolved_count
    return {
        "filtered": bool(wanted.query),
        "asked": wanted,
        "open_rows": _rows(parts.get(True), steps),
        "open_count": capped(open_count),
        "several_open": open_count > 1,
        "resolved_rows": _rows(parts.get(False), steps),
        "resolved_count": capped(resolved_count),
        "first": f"{before + 1:,}",
        "last": f"{before + len(shown):,}",
        "total": capped(total) if before + len(shown) <= max(total, CAP) else "",
        "later_page": after is not None,
        "this_address": _address(wanted, after),
        "latest_address": _address(wanted, None),
        "older_address": _older(wanted, found, before),
        "csv_address": f"{address('csv')}{'?' if wanted.query else ''}{wanted.query}",
    }


def _rows(part: list[Listed] | None, steps: dict[str, StepRow]) -> str:
    return rows(part, steps) if part else ""


def _older(wanted: Asked, found: list[Listed], before: int) -> str:
    if len(found) <= PAGE:
        return ""
    return _address(wanted, Place(found[PAGE - 1].position, before + PAGE))


def _address(wanted: Asked, after: Place | None) -> str:
    query = "&".join(filter(None, [wanted.query, urlencode({"after": str(after)}) if after else ""]))
    return address("home") + (f"?{query}" if query else "")


# ── what it says ──────────────────────────────────────────────────────────────────────────────────


def _unpaged(house: House) -> list[Incident]:
    """Open ones that nobody could be paged for, whatever the filter."""
    if not house.without_page:
        return []
    found = list(Incident.objects.open().filter(pk__in=house.without_page))
    rows = StepRow.objects.filter(job__workflow="response", job__key__in=house.without_page, name="page")
    steps = {row.job.key: row for row in rows.select_related("job")}
    return [one for one in found if one.name in steps and could_not_page(one, steps[one.name])]


def _state(house: House, unpaged: list[Incident]) -> dict[str, object]:
    return {
        "heading": _heading(house, len(unpaged)),
        "state": _how_it_stands(house),
        "unpaged": unpaged[:1],
        "poll": 1 if house.open else 10,
        "missing_settings": missing_settings(),
    }


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


def _how_it_stands(house: House) -> str:
    """With PagerDuty: off, idle where nobody works, down, stale, unread or fine."""
    if house.pagerduty is None:
        return "off" if missing_settings() else "unread"
    if house.pagerduty.overdue:
        return "idle"
    if house.pagerduty.failing:
        read_at = house.pagerduty.read_at
        return "down" if read_at is None or timezone.now() - read_at > DOWN_AFTER else "stale"
    return "fine" if house.pagerduty.read_at else "unread"
