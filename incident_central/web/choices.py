"""What the list can be filtered by: services, teams, priorities and people, as they were a moment ago."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from incident_central.incidents import search
from incident_central.incidents.models import Priority, Service, Team

T = TypeVar("T")

SECONDS = 2.0  # less than it takes us to learn of a change in PagerDuty


class Lately(Generic[T]):
    """What was read from the database, for so many seconds. When it is old, several may read it at once."""

    def __init__(self, read: Callable[[], T], *, seconds: float) -> None:
        self._read, self._seconds = read, seconds
        self._kept: tuple[float, T] | None = None

    def __call__(self) -> T:
        kept = self._kept
        if kept is None or time.monotonic() > kept[0] + self._seconds:
            read = self._read()
            # The same object while nothing changed, so that what is made of it can be kept, too.
            self._kept = kept = (time.monotonic(), kept[1] if kept is not None and kept[1] == read else read)
        return kept[1]


@dataclass(frozen=True)
class Choice:
    """`value` stands in addresses, `name` on the page. Unlisted ones have left PagerDuty."""

    value: str
    name: str
    listed: bool = True


@dataclass(frozen=True)
class Choices:
    services: list[Choice]
    teams: list[Choice]
    priorities: list[Choice]
    people: list[Choice]
    services_of: dict[str, tuple[str, ...]]  # by team

    @cached_property
    def by_field(self) -> dict[str, list[Choice]]:
        return {
            "service": self.services,
            "team": self.teams,
            "priority": self.priorities,
            "assigned": self.people,
        }


def _read() -> Choices:
    services_of: dict[str, tuple[str, ...]] = {}
    for team, service in Service.teams.through.objects.order_by("id").values_list("team_id", "service_id"):
        services_of[team] = (*services_of.get(team, ()), service)
    return Choices(
        services=[Choice(*row) for row in Service.objects.values_list("pk", "name", "listed")],
        teams=[Choice(*row) for row in Team.objects.values_list("pk", "name")],
        priorities=[Choice(*row) for row in Priority.objects.values_list("pk", "name", "listed")],
        people=[Choice(name, name) for name in search.people()],
        services_of=services_of,
    )


choices = Lately(_read, seconds=SECONDS)
