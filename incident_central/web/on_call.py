"""Who is on call now and who comes next: every service by team, or every person."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from incident_central.incidents.directory import Database
from incident_central.incidents.models import EscalationPolicy, OnCall, Service
from incident_central.web.house import House
from incident_central.web.security import SignedIn, signed_in
from incident_central.web.templatetags.times import hand_over
from incident_central.web.who_answers import services_by_team


@dataclass(frozen=True)
class Level:
    """One level of an escalation policy: who is on it now, and who takes over within a day."""

    number: int
    now: list[OnCall]
    next: list[OnCall]
    minutes: int | None  # before this level is tried, after the one before it that reaches somebody

    @property
    def nobody(self) -> str:
        """What is said of it while nobody is on it."""
        until = f"until {hand_over(start)}" if self.next and (start := self.next[0].start) else "within a day"
        return f"level {self.number}: nobody {until}"


@dataclass(frozen=True)
class ServiceOnCall:
    service: Service
    levels: list[Level]  # none where nobody is on any within a day
    why_unusable: str

    @property
    def first(self) -> list[Level]:
        """The one that is paged first, behind those that PagerDuty passes over."""
        return self.levels[: next((n for n, level in enumerate(self.levels, 1) if level.now), len(self.levels))]

    @property
    def next(self) -> list[OnCall]:
        return [one for level in self.first for one in level.next]

    @property
    def others(self) -> list[Level]:
        return self.levels[len(self.first) :]


@dataclass(frozen=True)
class Turn:
    """A person's turn at a level of a policy, and the services that it answers for."""

    on_call: OnCall
    policy: EscalationPolicy
    services: list[Service]


@dataclass(frozen=True)
class PersonOnCall:
    name: str
    now: list[Turn]
    next: list[Turn]


@require_safe
@signed_in
def on_call(request: SignedIn) -> HttpResponse:
    """Read from our copy of PagerDuty's directory. No phone numbers: those are shown while nobody could be paged."""
    directory, now = Database(), timezone.now()
    by_person = request.GET.get("by") == "person"
    context = {
        "here": "on-call",
        "house": (house := House()),
        "read": house.freshness.get("directory"),
        "by_person": by_person,
        "teams": [] if by_person else _by_team(directory, now),
        "people": _by_person(directory, now) if by_person else [],
    }
    return render(request, "web/on-call.html", context)


def _by_team(directory: Database, now: datetime) -> list[tuple[str, list[ServiceOnCall]]]:
    return [
        (team, [ServiceOnCall(one, _levels(one.policy, now), one.why_unusable()) for one in services])
        for team, services in services_by_team(directory)
    ]


def _levels(policy: EscalationPolicy | None, now: datetime) -> list[Level]:
    """All that it has, those that nobody is on now, too; none where nobody is on any within a day."""
    if policy is None:
        return []
    on_call, coming = policy.on_call_at(now), _coming(policy, now)
    levels, minutes = [], None
    for number in range(1, max([len(policy.minutes), *on_call, *coming]) + 1):
        people = on_call.get(number, [])
        levels.append(Level(number, people, coming.get(number, []), minutes if people else None))
        if people:
            minutes = policy.minutes[number - 1] if number <= len(policy.minutes) else None
    return levels if on_call or coming else []


def _coming(policy: EscalationPolicy, now: datetime) -> dict[int, list[OnCall]]:
    """By level, whose turn begins next; several where several turns begin at once."""
    found: dict[int, list[OnCall]] = {}
    for one in sorted((o for o in policy.on_calls.all() if o.start and o.start > now), key=lambda o: (o.start, o.pk)):
        begun = found.setdefault(one.level, [])
        if not begun or begun[0].start == one.start:
            begun.append(one)
    return found


def _by_person(directory: Database, now: datetime) -> list[PersonOnCall]:
    """Everybody who is on call now or takes over within a day."""
    services: dict[str, list[Service]] = {}
    policies: dict[str, EscalationPolicy] = {}
    for service in directory.services():
        if service.policy is not None:
            services.setdefault(service.policy.pk, []).append(service)
            policies.setdefault(service.policy.pk, service.policy)
    people: dict[str, PersonOnCall] = {}
    for policy in policies.values():
        for level in _levels(policy, now):
            for one in level.now:
                _person(people, one).now.append(Turn(one, policy, services[policy.pk]))
            for one in level.next:
                _person(people, one).next.append(Turn(one, policy, services[policy.pk]))
    return sorted(people.values(), key=lambda one: one.name.casefold())


def _person(people: dict[str, PersonOnCall], one: OnCall) -> PersonOnCall:
    return people.setdefault(one.person_id, PersonOnCall(one.person.name, [], []))
