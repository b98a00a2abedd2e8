"""The directory (services, policies, people, who is on call) and Slack's members, copied: the form asks nobody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Model

from incident_central.database import now
from incident_central.incidents import models, stale
from incident_central.incidents.text import plain
from incident_central.incidents.tools import chat, pager, spare_pager
from incident_central.integrations.base import (
    EscalationPolicy,
    OnCall,
    PagerService,
    PagerUser,
    Priority,
    SomeMembers,
    Team,
)
from incident_central.jobs.workflow import Record

#: How far ahead we know who is on call, so that a hand-over shows on the minute even while PagerDuty is down.
AHEAD = timedelta(hours=24)
#: Who is on call in more policies than these is asked for by their ids: a list of all would end at its 10,000th row,
#: and whoever comes after it would count as nobody.
TOLD_AT_ONCE = 200
#: Slack's list of members may be asked for about 20 times a minute. (fact sheet sections 1 and 2)
CALLS_AT_ONCE, REST = 5, timedelta(seconds=15)


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
    spare_pager()
    since, policies = now().replace(second=0, microsecond=0), tuple(pager().escalation_policies())
    by_name = [one.id for one in policies] if len(policies) > TOLD_AT_ONCE else None
    read = Directory(
        tuple(pager().teams()),
        tuple(pager().priorities()),
        tuple(pager().users()),
        policies,
        tuple(pager().services()),
        tuple(pager().on_calls(since=since, until=since + AHEAD, policy_ids=by_name)),
    )
    return lambda: _write(read)


def _write(read: Directory) -> None:
    priorities = [
        models.Priority(id=one.id, name=one.name, description=one.description, rank=rank)
        for rank, one in enumerate(read.priorities, 1)
    ]
    people = [
        models.Person(
            id=one.id, name=one.name, email=one.email, url=one.url, phones=[[p.label, p.number] for p in one.phones]
        )
        for one in read.users
    ]
    policies = [
        models.EscalationPolicy(id=one.id, name=one.name, url=one.url, minutes=[level.minutes for level in one.levels])
        for one in read.policies
    ]
    changed = [
        _replace(models.Team, [models.Team(id=one.id, name=one.name) for one in read.teams], ["name"]),
        _replace(models.Priority, priorities, ["name", "description", "rank", "listed"]),
        _replace(models.Person, people, ["name", "email", "url", "phones", "listed"]),
        _replace(models.EscalationPolicy, policies, ["name", "url", "minutes"]),
        _replace_services(read),
        _replace_on_calls(read),
    ]
    if any(changed) or not models.DirectoryVersion._default_manager.exists():
        models.DirectoryVersion(pk=1).save()


def read_members(_: object) -> Record:
    """Slack's members, so that inviting needs no look-up: a part of them, and where there are more, soon the next.

    Goes on where the last part ended, whichever process read it.
    """
    began = models.MembersRead.objects.exclude(cursor="").first()
    found = chat().members(began.cursor if began else "", calls=CALLS_AT_ONCE)
    if found is None:
        return lambda: _go_on("", began_at=now(), after=stale.PAUSE)
    return lambda: _write_members(found, began_at=began.began_at if began else None)


def _write_members(found: SomeMembers, *, began_at: datetime | None) -> None:
    at = now()
    began_at = began_at or at
    rows = [
        models.Member(
            id=one.id,
            name=one.name,
            email=one.email,
            deactivated=one.deactivated,
            handle=one.handle,
            guest=one.guest,
            plain=plain(one.name),
            read_at=at,
        )
        for one in found.members
    ]
    columns = ["name", "email", "deactivated", "handle", "guest", "plain", "read_at"]
    models.Member.objects.bulk_create(
        rows, batch_size=500, update_conflicts=True, unique_fields=["id"], update_fields=columns
    )
    if found.cursor:
        _go_on(found.cursor, began_at=began_at, after=REST)
    else:
        models.Member.objects.exclude(read_at__gte=began_at).delete()
        done = {"cursor": "", "began_at": began_at, "ended_at": at}
        models.MembersRead.objects.update_or_create(pk=1, defaults=done)


def _go_on(cursor: str, *, began_at: datetime, after: timedelta) -> None:
    models.MembersRead.objects.update_or_create(pk=1, defaults={"cursor": cursor, "began_at": began_at})
    stale.run_again(stale.MEMBERS, after=after)


def _replace(model: type[Model], rows: Sequence[Model], columns: Sequence[str]) -> bool:
    """Write the rows that are new or differ; most readings bring none. What is gone is unlisted where incidents may
    point at it, else deleted. Whether there was anything to write."""
    names = ["policy_id" if column == "policy" else column for column in columns]
    there = {pk: values for pk, *values in model._default_manager.values_list("pk", *names)}
    changed = [row for row in rows if there.get(row.pk) != [getattr(row, name) for name in names]]
    model._default_manager.bulk_create(
        changed, batch_size=500, update_conflicts=True, unique_fields=["id"], update_fields=columns
    )
    gone = model._default_manager.filter(pk__in=there.keys() - {row.pk for row in rows})
    removed = gone.filter(listed=True).update(listed=False) if "listed" in columns else gone.delete()[0]
    return bool(changed or removed)


def _replace_services(read: Directory) -> bool:
    policies, teams = {one.id for one in read.policies}, {one.id for one in read.teams}
    services = [
        models.Service(id=one.id, name=one.name, description=one.description, status=one.status, url=one.url)
        for one in read.services
    ]
    for service, one in zip(services, read.services, strict=True):
        if one.escalation_policy is not None and one.escalation_policy.id in policies:
            service.policy_id = one.escalation_policy.id
    changed = _replace(models.Service, services, ["name", "description", "status", "url", "policy", "listed"])
    links = models.Service.teams.through
    wanted = {(one.id, team.id) for one in read.services for team in one.teams if team.id in teams}
    if wanted == set(links.objects.values_list("service_id", "team_id")):
        return changed
    links.objects.all().delete()
    links.objects.bulk_create(links(service_id=service, team_id=team) for service, team in sorted(wanted))
    return True


def _replace_on_calls(read: Directory) -> bool:
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
    known = set(models.OnCall.objects.values_list(*columns))
    if known == {tuple(getattr(row, name) for name in columns) for row in rows}:
        return False
    models.OnCall.objects.all().delete()
    models.OnCall.objects.bulk_create(rows, batch_size=500)
    return True
