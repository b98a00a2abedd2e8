"""A person's own drill service in PagerDuty, made after they were shown it and asked: a policy, and a service with it.

policy ── service
"""

from functools import cache

from django.conf import settings
from django.db import connection

from incident_central.accounts.models import User
from incident_central.database import transaction
from incident_central.drill.models import Drill, DrillService
from incident_central.incidents.models import Person
from incident_central.incidents.steps import ON_ITS_WAY
from incident_central.incidents.tools import new_pager
from incident_central.integrations.base import IntegrationError, PagerUser
from incident_central.integrations.pagerduty import drill_service
from incident_central.jobs import runner
from incident_central.jobs.models import Job, State, StepRow, job_steps, retry
from incident_central.jobs.workflow import Record, Step, Workflow

NAME = "drill-service"


#: One of the drills' own: it speaks PagerDuty's shapes, too.
pager = cache(new_pager)


def person_of(user: User) -> Person | None:
    """Who they are in PagerDuty, in our copy of it."""
    return Person.objects.filter(email=user.email, listed=True).first()


def ask_for_service(user: User) -> None:
    """Begin to make the drill service of this person; try again what failed. Safe to repeat."""
    with transaction():
        drill_service_, created = DrillService.objects.get_or_create(user=user)
        if created:
            runner.begin(WORKFLOW, str(drill_service_.pk), drill_service_)
        for row in steps_of(drill_service_):
            if row.state == State.FAILED:
                retry(row.pk, ask_after=None)
        connection.on_commit(runner.wake)


def forget_service(user: User) -> None:
    """It is made anew at the next asking; what is in PagerDuty stays there. Not while it is being made, or a drill is
    under way."""
    with transaction():
        if not Drill.objects.filter(user=user, ended_at=None).exists():
            known = DrillService.objects.filter(user=user).exclude(service_id="")
            keys = [str(one.pk) for one in known]
            Job.objects.filter(workflow=NAME, key__in=keys).delete()
            known.delete()


def steps_of(made: DrillService) -> list[StepRow]:
    return list(job_steps(NAME, str(made.pk)).order_by("pk"))


# ── steps ─────────────────────────────────────────────────────────────────────────────────────────


def make_policy(made: DrillService) -> Record:
    """Looks first: one that was made before is used again."""
    if (record := find_policy(made)) is not None:
        return record
    person = _person(made)
    policy_id = drill_service.make_policy(pager(), person)
    return lambda: _fresh(made).policy_made(person, policy_id)


def find_policy(made: DrillService) -> Record | None:
    person = _person(made)
    policy_id = drill_service.find_policy(pager(), person.id)
    return None if policy_id is None else lambda: _fresh(made).policy_made(person, policy_id)


def make_service(made: DrillService) -> Record:
    """Looks first, as make_policy() does."""
    if (record := find_service(made)) is not None:
        return record
    service_id = drill_service.make_service(pager(), _person(made), made.policy_id)
    return lambda: _fresh(made).service_made(service_id)


def find_service(made: DrillService) -> Record | None:
    service_id = drill_service.find_service(pager(), made.person_id)
    return None if service_id is None else lambda: _fresh(made).service_made(service_id)


def _person(made: DrillService) -> PagerUser:
    email = made.user.email
    person = drill_service.find_person(pager(), email)
    if person is None:
        raise IntegrationError(f"Nobody in PagerDuty has the e-mail {email}.", permanent=True)
    if why := drill_service.why_not_rung(pager(), person, from_email=settings.PAGERDUTY_FROM_EMAIL):
        raise IntegrationError(why, permanent=True)
    return person


def _fresh(made: DrillService) -> DrillService:
    return DrillService.objects.select_for_update().get(pk=made.pk)


def _load(key: str) -> DrillService:
    return DrillService.objects.select_related("user").get(pk=int(key))


WORKFLOW = Workflow(
    NAME,
    load=_load,
    steps=(
        Step("policy", make_policy, find_policy, lane="pagerduty", slowest_retry=15, on_its_way=ON_ITS_WAY),
        Step(
            "service",
            make_service,
            find_service,
            after=("policy",),
            lane="pagerduty",
            slowest_retry=15,
            on_its_way=ON_ITS_WAY,
        ),
    ),
)
