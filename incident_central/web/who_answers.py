"""Services as the form offers them, and who would be paged for one."""

from dataclasses import dataclass

from incident_central.incidents.directory import Directory, chosen_service
from incident_central.incidents.models import OnCall, Service, listing

WITHOUT_TEAM = "No team"
NAMED = 3  # more people than this are counted instead of named


@dataclass(frozen=True)
class WhoAnswers:
    service: Service
    now: list[OnCall]
    minutes: int | None  # before the next level is tried
    later: list[str]  # who is tried then, one entry a level

    @property
    def names(self) -> str:
        names = [one.person.name for one in self.now]
        return listing(names) if len(names) <= NAMED else f"{len(names)} people"

    @property
    def afterwards(self) -> str:
        return ", then ".join(self.later)


def who_answers(service: Service) -> WhoAnswers | None:
    """None where nobody would."""
    levels = service.on_call_now()
    if not levels or service.policy is None:
        return None
    first, *others = levels
    minutes = service.policy.minutes
    return WhoAnswers(
        service=service,
        now=levels[first],
        minutes=minutes[first - 1] if len(minutes) >= first else None,
        later=[listing([one.person.name for one in levels[level]]) for level in others],
    )


def usable_service(directory: Directory, service_id: str) -> Service | None:
    """What the form's choice stands for, if it can be paged."""
    service = chosen_service(directory, service_id)
    return service if service is not None and not service.why_unusable() else None


def services_by_team(directory: Directory) -> list[tuple[str, list[Service]]]:
    """Every service once, under its first team by name; those without a team come last."""
    teams: dict[str, list[Service]] = {}
    for service in directory.services():
        team = next((team.name for team in service.teams.all()), WITHOUT_TEAM)
        teams.setdefault(team, []).append(service)
    return sorted(teams.items(), key=lambda item: (item[0] == WITHOUT_TEAM, item[0].casefold()))
