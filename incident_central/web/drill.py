"""The drill's pages: what would be made and a button that makes it, a button that starts, and a drill link by link."""

import calendar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from incident_central import parse
from incident_central.drill import drilling, making, planning
from incident_central.drill.links import links_of
from incident_central.drill.models import LONGEST, Drill, DrillPlan, DrillService
from incident_central.incidents.models import Person
from incident_central.incidents.reporting import missing_settings
from incident_central.integrations.pagerduty import drill_service
from incident_central.jobs.models import SETTLED, State
from incident_central.web.redirects import SeeOther
from incident_central.web.security import SignedIn, signed_in

SHOWN = 20  # drills
#: What the form for a weekly drill begins with.
TUESDAY, TEN = 1, 10


@require_safe
@signed_in
def drills(request: SignedIn) -> HttpResponse:
    """One's own drill service and drills. Asks nobody outside."""
    return _page(request)


@require_POST
@signed_in
def make_service(request: SignedIn) -> HttpResponse:
    """Have what the page showed made in PagerDuty, for oneself alone; or forget what is known of it."""
    if "forget" in request.POST:
        making.forget_service(request.user)
    elif not missing_settings():
        making.ask_for_service(request.user)
    return SeeOther(reverse("drills"))


@require_POST
@signed_in
def plan(request: SignedIn) -> HttpResponse:
    """One's own drill, every week by itself; or not any more."""
    if "stop" in request.POST:
        planning.stop(request.user)
        return SeeOther(reverse("drills") + "#weekly")
    try:
        weekday, hour = _number(request, "weekday", most=6), _number(request, "hour", most=23)
        planning.plan(
            request.user, weekday=weekday, hour=hour, zone=parse.time_zone(request.POST.get("zone", "").strip())
        )
    except ValueError as reason:
        return _page(request, why=f"The time {reason}.", status=400)
    except drilling.CannotStart as reason:
        return _page(request, why=str(reason), status=409)
    return SeeOther(reverse("drills") + "#weekly")


def _number(request: SignedIn, name: str, *, most: int) -> int:
    text = request.POST.get(name, "")
    if not text.isdecimal() or int(text) > most:
        raise ValueError("must be a day of the week and a full hour")
    return int(text)


@require_POST
@signed_in
def start(request: SignedIn) -> HttpResponse:
    if missing_settings():
        return SeeOther(reverse("drills"))
    try:
        press = UUID(request.POST.get("press", ""))
    except ValueError:
        return SeeOther(reverse("drills"))  # a form that lost its id starts nothing
    try:
        begun = drilling.start(request.user, press)
    except drilling.CannotStart as reason:
        return _page(request, why=str(reason), status=409)
    return SeeOther(reverse("drill", args=[begun.name]))


@require_safe
@signed_in
def drill(request: SignedIn, name: str) -> HttpResponse:
    shown = _found(name)
    is_done = drilling.is_done(shown)
    context = {
        "here": "set-up",
        "drill": shown,
        "heading": _heading(shown, is_done=is_done),
        "links": links_of(shown),
        "is_done": is_done,
        "may_end": _is_theirs(request, shown),
        "slack_is_set_up": bool(settings.SLACK_BOT_TOKEN),
        "minutes": round(LONGEST.total_seconds() / 60),
    }
    return render(request, "web/drill.html", context)


@require_POST
@signed_in
def end(request: SignedIn, name: str) -> HttpResponse:
    """By whoever started it, or an administrator."""
    if "delete" in request.POST and not Drill.objects.filter(pk=name).exists():
        return SeeOther(reverse("drills"))  # the second click of two
    shown = _found(name)
    if not _is_theirs(request, shown):
        raise Http404
    if "delete" not in request.POST:
        drilling.end(shown, by=str(request.user))
    elif drilling.delete(shown):
        return SeeOther(reverse("drills"))
    return SeeOther(reverse("drill", args=[name]))


def _found(name: str) -> Drill:
    found = Drill.objects.filter(pk=name).first()
    if found is None:
        raise Http404
    return found


def _is_theirs(request: SignedIn, shown: Drill) -> bool:
    return request.user.is_admin or shown.user_id == request.user.pk


def _heading(shown: Drill, *, is_done: bool) -> str:
    """What is true of it now."""
    if shown.refused:
        return "Nothing was sent"
    if shown.reached_others:
        return "It reached somebody else"
    if shown.page_is_missing:
        return "PagerDuty accepted a page that it does not have"
    if shown.acknowledged_at is not None:
        return f"{shown.acknowledged_by} acknowledged" if shown.acknowledged_by else "It was resolved at once"
    if shown.is_over and shown.seen_at is None and not is_done:
        return "It is over, and is being put away"
    if shown.is_over:
        return "Nobody acknowledged" if shown.pagerduty_id else "It was over before anything was sent"
    return "Acknowledge it on your phone" if shown.seen_at else "A drill is under way"


# ── one's own ─────────────────────────────────────────────────────────────────────────────────────


def _page(request: SignedIn, *, why: str = "", status: int = 200) -> HttpResponse:
    made = DrillService.objects.filter(user=request.user).first()
    person = making.person_of(request.user)
    rows = making.steps_of(made) if made is not None and not made.is_made else []
    failed = next((row for row in rows if row.state == State.FAILED), None)
    mine = list(Drill.objects.filter(user=request.user)[:SHOWN])
    context = {
        "here": "set-up",
        "why": why,
        "missing_settings": missing_settings(),
        "person": person,
        "is_from_user": request.user.email == settings.PAGERDUTY_FROM_EMAIL.lower(),
        "made": made,
        "making": bool(rows) and failed is None,
        "waits_for": next((row.error for row in rows if row.state not in SETTLED and row.error), ""),
        "failed": failed,
        "would_make": None if person is None else _would_make(person),
        "drills": mine,
        "under_way": next((one for one in mine if not one.is_over), None),
        "press": uuid4(),
        **_weekly(request, made),
        "minutes": round(LONGEST.total_seconds() / 60),
    }
    return render(request, "web/drills.html", context, status=status)


def _weekly(request: SignedIn, made: DrillService | None) -> dict[str, object]:
    if made is None or not made.is_made:
        return {}
    planned = DrillPlan.objects.filter(user=request.user).first()
    zone = planned.zone if planned else settings.TIME_ZONE
    return {
        "plan": planned,
        "next_start": planned.next_at.astimezone(ZoneInfo(zone)) if planned else None,
        "zone": zone,
        "weekday": planned.weekday if planned else TUESDAY,
        "hour": planned.hour if planned else TEN,
        "weekdays": list(enumerate(calendar.day_name)),
        "hours": range(24),
    }


def _would_make(person: Person) -> dict[str, object]:
    """Exactly what is sent, for the page to show."""
    policy = drill_service.policy_body(person.pk, person.name)
    service = drill_service.service_body(person.pk, person.name, "")
    return {"name": policy["name"], "policy": policy, "service": service, "rule": policy["escalation_rules"][0]}
