"""What PagerDuty and Slack say now becomes what we say: periodic work, each piece run by one replica alone.

`refresh()` is where every news about an incident ends. The directory (services, policies, people, who is on call) is
copied so that opening or sending the report form asks nobody.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Model

from incident_central.database import now, transaction
from incident_central.incidents import models
from incident_central.incidents.models import Incident, Status
from incident_central.incidents.tools import chat, pager
from incident_central.integrations.base import (
    EscalationPolicy,
    IntegrationError,
    OnCall,
    Page,
    PagerService,
    PagerUser,
    Priority,
    Team,
)
from incident_central.jobs import runner
from incident_central.jobs.models import StepRow
from incident_central.jobs.workflow import Record, Step, Workflow

log = logging.getLogger(__name__)

#: Work that is not begun so long after its time has nobody to do it.
OVERDUE = timedelta(seconds=60)

#: How far ahead we know who is on call, so that a hand-over shows on the minute even while PagerDuty is down.
AHEAD = timedelta(hours=24)


# ── incidents ─────────────────────────────────────────────────────────────────────────────────────


def poll(_: object) -> Record:
    """Read PagerDuty's open list. An incident of ours that left it is read by itself; one that came back reopens."""
    asked_at = now()
    pages = {page.key: page for page in pager().open_pages() if page.key}
    for incident in Incident.objects.exclude(status=Status.RESOLVED).exclude(pagerduty_id=None):
        if incident.name not in pages:
            try:
                pages[incident.name] = pager().read_page(incident.pagerduty_id or "")
            except IntegrationError as error:
                if not error.permanent:
                    raise
                # One that PagerDuty will not show us must not keep us from the others.
                log.warning("%s cannot be read any more: %s", incident.name, error)
    return lambda: refresh(pages.values(), asked_at=asked_at)


def refresh(pages: Iterable[Page], *, asked_at: datetime) -> None:
    """Bring our incidents up to what PagerDuty said when it was asked. Saying the same twice changes nothing."""
    by_name = {page.key: page for page in pages}
    ours = Incident.objects.select_related("service").filter(id__in=by_name)
    for incident in ours.select_for_update(of=("self",)):
        incident.paged(by_name[incident.name], asked_at=asked_at)


# ── the directory ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Directory:
    """One reading of all that PagerDuty has besides incidents."""

    teams: tuple[Team, ...]
    priorities: tuple[Priority, ...]
    users: tuple[PagerUser, ...]
    policies: tuple[EscalationPolicy, ...]
    services: tuple[PagerService, ...]
    on_calls: tuple[OnCall, ...]


def read_directory(_: object) -> Record:
    """Teams, priorities, people, policies, services, and who is on call now and in the hours to come."""
    since = now().replace(second=0, microsecond=0)
    read = Directory(
        tuple(pager().teams()),
        tuple(pager().priorities()),
        tuple(pager().users()),
        tuple(pager().escalation_policies()),
        tuple(pager().services()),
        tuple(pager().on_calls(since=since, until=since + AHEAD)),
    )
    return lambda: _write(read)


def _write(read: Directory) -> None:
    _replace(models.Team, [models.Team(id=one.id, name=one.name) for one in read.teams], ["name"])
    priorities = [
        models.Priority(id=one.id, name=one.name, description=one.description, rank=rank)
        for rank, one in enumerate(read.priorities, 1)
    ]
    _replace(models.Priority, priorities, ["name", "description", "rank", "listed"])
    people = [
        models.Person(
            id=one.id, name=one.name, email=one.email, url=one.url, phones=[[p.label, p.number] for p in one.phones]
        )
        for one in read.users
    ]
    _replace(models.Person, people, ["name", "email", "url", "phones", "listed"])
    policies = [
        models.EscalationPolicy(id=one.id, name=one.name, url=one.url, minutes=[level.minutes for level in one.levels])
        for one in read.policies
    ]
    _replace(models.EscalationPolicy, policies, ["name", "url", "minutes"])
    _replace_services(read)
    _replace_on_calls(read)


def read_members(_: object) -> Record:
    """Slack's members, so that inviting needs no look-up."""
    members = chat().members()
    rows = [models.Member(id=m.id, name=m.name, email=m.email, deactivated=m.deactivated) for m in members]
    return lambda: _replace(models.Member, rows, ["name", "email", "deactivated"])


def _replace(model: type[Model], rows: Sequence[Model], columns: Sequence[str]) -> None:
    """Write the rows that are new or differ; most readings bring none. What is gone is unlisted where incidents may
    point at it, else deleted."""
    names = ["policy_id" if column == "policy" else column for column in columns]
    there = {pk: values for pk, *values in model._default_manager.values_list("pk", *names)}
    changed = [row for row in rows if there.get(row.pk) != [getattr(row, name) for name in names]]
    model._default_manager.bulk_create(
        changed, batch_size=500, update_conflicts=True, unique_fields=["id"], update_fields=columns
    )
    gone = model._default_manager.filter(pk__in=there.keys() - {row.pk for row in rows})
    if "listed" in columns:
        gone.filter(listed=True).update(listed=False)
    elif gone.exists():
        gone.delete()


def _replace_services(read: Directory) -> None:
    policies, teams = {one.id for one in read.policies}, {one.id for one in read.teams}
    services = [
        models.Service(id=one.id, name=one.name, description=one.description, status=one.status, url=one.url)
        for one in read.services
    ]
    for service, one in zip(services, read.services, strict=True):
        if one.escalation_policy is not None and one.escalation_policy.id in policies:
            service.policy_id = one.escalation_policy.id
    _replace(models.Service, services, ["name", "description", "status", "url", "policy", "listed"])
    links = models.Service.teams.through
    wanted = {(one.id, team.id) for one in read.services for team in one.teams if team.id in teams}
    if wanted != set(links.objects.values_list("service_id", "team_id")):
        links.objects.all().delete()
        links.objects.bulk_create(links(service_id=service, team_id=team) for service, team in sorted(wanted))


def _replace_on_calls(read: Directory) -> None:
    policies, people = {one.id for one in read.policies}, {one.id for one in read.users}
    rows = [
        models.OnCall(
            policy_id=one.escalation_policy_id,
            level=one.level,
            person_id=one.user.id,
            schedule=one.schedule.name if one.schedule else "",
            start=one.start,
            end=one.end,
        )
        for one in read.on_calls
        if one.escalation_policy_id in policies and one.user.id in people
    ]
    columns = ("policy_id", "level", "person_id", "schedule", "start", "end")
    if {tuple(getattr(row, name) for name in columns) for row in rows} != set(
        models.OnCall.objects.values_list(*columns)
    ):
        models.OnCall.objects.all().delete()
        models.OnCall.objects.bulk_create(rows, batch_size=500)


def _nothing() -> None:
    """Nothing to write down."""


# ── when, and how it goes ─────────────────────────────────────────────────────────────────────────


def _periodic(name: str, do: Callable[[object], Record], *, every: timedelta) -> Step:
    return Step(
        name,
        do,
        lane="sync",
        every=every,
        slowest_retry=every.total_seconds(),
        never_give_up=True,
        ask_after=None,
    )


def _no_subject(key: str) -> None:
    return None


PAGERDUTY_SYNC = Workflow(
    "pagerduty-sync",
    load=_no_subject,
    steps=(
        _periodic("poll", poll, every=timedelta(seconds=15)),
        _periodic("directory", read_directory, every=timedelta(minutes=1)),
    ),
)
SLACK_SYNC = Workflow(
    "slack-sync", load=_no_subject, steps=(_periodic("members", read_members, every=timedelta(minutes=5)),)
)


def periodic_work() -> list[Workflow]:
    """What there is to do regularly, given what is set up."""
    pagerduty = [PAGERDUTY_SYNC] if settings.PAGERDUTY_API_KEY and settings.PAGERDUTY_FROM_EMAIL else []
    return pagerduty + ([SLACK_SYNC] if settings.SLACK_BOT_TOKEN else [])


def begin_periodic_work() -> None:
    """Make the rows of the periodic work. Safe to repeat, and by several processes at once."""
    for workflow in periodic_work():
        with transaction():
            runner.begin(workflow, "", None)


@dataclass(frozen=True)
class Freshness:
    """How old what we know of one kind is. `error` is empty when the last try went well."""

    read_at: datetime | None
    error: str
    overdue: bool  # the next try is long past: nobody is working

    @property
    def failing(self) -> bool:
        return bool(self.error) or self.overdue


def freshness() -> dict[str, Freshness]:
    """By periodic step: poll, directory, members. A tool that is not set up is missing."""
    rows = StepRow.objects.filter(job__workflow__in=[workflow.name for workflow in periodic_work()])
    late = now() - OVERDUE
    return {
        row.name: Freshness(row.finished_at, row.error, overdue=row.run_at is not None and row.run_at < late)
        for row in rows
    }
