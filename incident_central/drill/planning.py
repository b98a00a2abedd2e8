"""Drills that start by themselves, once a week: a person chooses when, by their own clock.

One that is due is started as by a press, whose id is made of the plan and the moment: however often it is tried, it is
one drill.
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

from django.db.models.functions import Now

from incident_central.accounts.models import User
from incident_central.database import now, transaction
from incident_central.drill import drilling
from incident_central.drill.clock import next_time
from incident_central.drill.models import Drill, DrillPlan, DrillService
from incident_central.incidents import periodic
from incident_central.incidents.reporting import missing_settings
from incident_central.jobs.workflow import Record

NAME = "drill-plans"
EVERY = timedelta(minutes=1)
#: Later than this it is not started any more: nobody waits for it.
AT_MOST_LATE = timedelta(hours=1)


def plan(user: User, *, weekday: int, hour: int, zone: str) -> None:
    """Have a drill of this person's started every week then; instead of what was planned before. Raises CannotStart."""
    with transaction():
        if not DrillService.objects.filter(user=user).exclude(service_id="").exists():
            raise drilling.CannotStart("There is no drill service of yours in PagerDuty yet: have it made first.")
        wanted = {"weekday": weekday, "hour": hour, "zone": zone, "not_started": ""}
        wanted["next_at"] = next_time(weekday, hour, zone, after=now())
        DrillPlan.objects.update_or_create(user=user, defaults=wanted)


def stop(user: User) -> None:
    """None is started by itself any more. Safe to repeat."""
    with transaction():
        DrillPlan.objects.filter(user=user).delete()


# ── once a minute ─────────────────────────────────────────────────────────────────────────────────


def start_due(_: object) -> Record:
    """Start what is due. Calls nobody; safe to repeat."""
    at = now()
    due = DrillPlan.objects.filter(next_at__lte=Now()).select_related("user").order_by("pk")
    tried = [(one, _start(one, at)) for one in due]
    return partial(_write, tried, at)


def _start(planned: DrillPlan, at: datetime) -> str:
    """Why it was not started; empty where it was."""
    press = press_of(planned)
    if Drill.objects.filter(user=planned.user, press=press).exists():
        return ""  # we were killed before we could write that down
    if at - planned.next_at > AT_MOST_LATE:
        return "Incident Central was not working then, nor in the hour after it."
    if not planned.user.is_active:
        return "The account is not active any more."
    if missing := missing_settings():
        return f"PagerDuty is not set up: {' and '.join(missing)} must be set."
    try:
        drill = drilling.start(planned.user, press)
    except drilling.CannotStart as reason:
        return str(reason)
    return "" if drill.press == press else "Another drill of theirs was under way."


def press_of(planned: DrillPlan) -> UUID:
    return uuid5(
        NAMESPACE_URL, f"incident-central/drill-plan/{planned.pk}/{planned.next_at.astimezone(UTC).isoformat()}"
    )


def _write(tried: list[tuple[DrillPlan, str]], at: datetime) -> None:
    for planned, why in tried:
        same = DrillPlan.objects.select_for_update().filter(pk=planned.pk, next_at=planned.next_at)
        for row in same:  # unless the person changed it meanwhile
            local = planned.next_at.astimezone(ZoneInfo(row.zone))
            row.not_started = f"Due on {local:%a} {local.day} {local:%b at %H:%M}. {why}" if why else ""
            row.next_at = next_time(row.weekday, row.hour, row.zone, after=at)
            row.save(update_fields=["not_started", "next_at"])


WORKFLOW = periodic.workflow(NAME, [periodic.step("start_due", start_due, every=EVERY, lane="watch")])
