"""The calls that read how an account is set up: services, people, who is on call."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from incident_central.sandbox.pagerduty import rotas
from incident_central.sandbox.pagerduty.asked import Asked
from incident_central.sandbox.pagerduty.errors import invalid, not_found, refused
from incident_central.sandbox.pagerduty.records import Policy, Schedule, Service, Shift, Team, User
from incident_central.sandbox.pagerduty.shapes import Json, Shapes
from incident_central.sandbox.server import Response

Record = TypeVar("Record")
Named = TypeVar("Named", User, Team, Service, Policy, Schedule)
LONGEST_RENDERING = timedelta(days=366)
ABILITIES = ("teams", "urgencies", "read_only_users", "service_support_hours", "coordinated_responding")
ACCOUNT_KEY_HAS_NO_USER = (
    "Because this request was made using an account-level access token, we were unable to determine the "
    "user's identity. Please use a user-level token."
)


def list_abilities(asked: Asked) -> Response:
    return Response.json({"abilities": list(ABILITIES)})


def has_ability(asked: Asked) -> Response:
    if asked.ids[0] not in ABILITIES:
        raise not_found()
    return Response(204)


def own_user(asked: Asked) -> Response:
    """With an account key the error is a bare string, not the envelope (fact sheet 1)."""
    if asked.key.user_id is None:
        return Response.json({"error": ACCOUNT_KEY_HAS_NO_USER}, status=400)
    return Response.json({"user": asked.shapes().user(asked.account.users[asked.key.user_id])})


def list_users(asked: Asked) -> Response:
    members = [asked.account.teams[team_id].members for team_id in _known_teams(asked)]
    query = (asked.one("query") or "").lower()
    users = [
        user
        for user in asked.account.users.values()
        if query in user.name.lower() or query in user.email.lower()
        if not asked.many("team_ids") or any(user.id in crew for crew in members)
    ]
    return asked.page("users", _by_name(users), asked.shapes().user)


def get_user(asked: Asked) -> Response:
    return Response.json({"user": asked.shapes().user(_found(asked.account.users, asked))})


def list_contact_methods(asked: Asked) -> Response:
    user, shapes = _found(asked.account.users, asked), asked.shapes()
    methods = [shapes.contact_method(user, method) for method in user.contact_methods]
    return Response.json({"contact_methods": methods})


def list_notification_rules(asked: Asked) -> Response:
    """Only those for high urgency, unless urgency=all or urgency=low (fact sheet 7)."""
    user, shapes = _found(asked.account.users, asked), asked.shapes()
    urgency = asked.one("urgency") or "high"
    rules = [rule for rule in user.notification_rules if urgency in ("all", rule.urgency)]
    return Response.json({"notification_rules": [shapes.rule(user, rule) for rule in rules]})


def list_teams(asked: Asked) -> Response:
    teams = [team for team in asked.account.teams.values() if _matches(asked, team.name)]
    return asked.page("teams", _by_name(teams), asked.shapes().team)


def list_team_members(asked: Asked) -> Response:
    team, shapes = _found(asked.account.teams, asked), asked.shapes()

    def member(pair: tuple[str, str]) -> Json:
        return {"user": shapes.user_link(pair[0]), "role": pair[1]}

    return asked.page("members", team.members.items(), member)


def list_services(asked: Asked) -> Response:
    name = asked.one("name")
    services = [
        service
        for service in asked.account.services.values()
        if _matches(asked, service.name) and _in_teams(asked, service.team_ids)
        if name is None or service.name == name
    ]
    return asked.page("services", _sorted(asked, services), asked.shapes().service)


def get_service(asked: Asked) -> Response:
    return Response.json({"service": asked.shapes().service(_found(asked.account.services, asked))})


def list_policies(asked: Asked) -> Response:
    user_ids = set(asked.many("user_ids"))
    policies = [
        policy
        for policy in asked.account.policies.values()
        if _matches(asked, policy.name) and _in_teams(asked, policy.team_ids)
        if not user_ids or any(user_ids.intersection(rule.target_ids) for rule in policy.rules)
    ]
    return asked.page("escalation_policies", _sorted(asked, policies), asked.shapes().policy)


def get_policy(asked: Asked) -> Response:
    return Response.json({"escalation_policy": asked.shapes().policy(_found(asked.account.policies, asked))})


def list_schedules(asked: Asked) -> Response:
    shapes = asked.shapes()
    parts = {"schedule_layers", "overrides_subschedule", "final_schedule"} & shapes.include
    since, until = _rendered_span(asked)

    def schedule_json(schedule: Schedule) -> Json:
        rendered = shapes.rendered_schedule(schedule, since=since, until=until)
        return {**shapes.schedule(schedule), **{part: rendered[part] for part in parts}}

    schedules = [
        schedule
        for schedule in asked.account.schedules.values()
        if _matches(asked, schedule.name) and _in_teams(asked, schedule.team_ids)
    ]
    return asked.page("schedules", _by_name(schedules), schedule_json)


def get_schedule(asked: Asked) -> Response:
    schedule, shapes = _found(asked.account.schedules, asked), asked.shapes()
    since, until = _rendered_span(asked)
    rendered = shapes.rendered_schedule(schedule, since=since, until=until)
    return Response.json({"schedule": {**shapes.schedule(schedule), **rendered}})


def _rendered_span(asked: Asked) -> tuple[float, float] | tuple[None, None]:
    """The span to render shifts for, if one is asked for."""
    if asked.time("since") is None or asked.time("until") is None:
        return None, None
    return asked.span(longest=LONGEST_RENDERING, default=(asked.now, asked.now))


def list_schedule_users(asked: Asked) -> Response:
    """Whoever is on call in the span; now, when none is given."""
    schedule, shapes = _found(asked.account.schedules, asked), asked.shapes()
    since, until = _on_call_span(asked)
    ids = dict.fromkeys(shift.user_id for shift in rotas.final_shifts(schedule, since=since, until=until))
    return Response.json({"users": [shapes.user(asked.account.users[user_id]) for user_id in ids]})


def preview_schedule(asked: Asked) -> Response:
    """A POST that stores nothing: the doctor's probe for a read-only key (fact sheet 1)."""
    given = asked.body("schedule")
    if not isinstance(given.get("time_zone"), str):
        raise invalid("Time zone cannot be empty.")
    empty: Json = {"rendered_schedule_entries": [], "rendered_coverage_percentage": None}
    schedule = {
        "type": "schedule",
        "id": None,
        "summary": given.get("name"),
        "self": None,
        "html_url": None,
        "name": given.get("name"),
        "time_zone": given["time_zone"],
        "description": given.get("description"),
        "schedule_layers": given.get("schedule_layers") or [],
        "final_schedule": {"name": "Final Schedule", **empty},
        "overrides_subschedule": {"name": "Overrides", **empty},
        "users": [],
        "teams": [],
        "escalation_policies": [],
    }
    return Response.json({"schedule": schedule})


@dataclass(frozen=True)
class OnCall:
    policy: Policy
    level: int
    user: User
    schedule: Schedule | None
    shift: Shift | None


def list_on_calls(asked: Asked) -> Response:
    """One row for each policy, level and person; a level that reaches nobody has no row; in no useful order."""
    since, until = _on_call_span(asked)
    rows = [row for policy in asked.account.policies.values() for row in _on_calls(asked, policy, since, until)]
    for name, row_id in _ON_CALL_FILTERS.items():
        if wanted := asked.many(name):
            rows = [row for row in rows if row_id(row) in wanted]
    if asked.flag("earliest"):
        earliest: dict[tuple[str, int, str], OnCall] = {}
        for row in sorted(rows, key=lambda row: row.shift.start if row.shift else 0.0):
            earliest.setdefault((row.policy.id, row.level, row.user.id), row)
        rows = list(earliest.values())
    # Real answers are not sorted by level (fact sheet 0.9): neither are these, though always the same way.
    rows.sort(key=lambda row: zlib.crc32(f"{row.policy.id}{row.level}{row.user.id}".encode()))
    shapes = asked.shapes()
    return asked.page("oncalls", rows, lambda row: _on_call_json(shapes, row))


_ON_CALL_FILTERS: dict[str, Callable[[OnCall], str | None]] = {
    "user_ids": lambda row: row.user.id,
    "escalation_policy_ids": lambda row: row.policy.id,
    "schedule_ids": lambda row: row.schedule.id if row.schedule else None,
}


def _on_calls(asked: Asked, policy: Policy, since: float, until: float) -> Iterable[OnCall]:
    users, schedules = asked.account.users, asked.account.schedules
    for level, rule in enumerate(policy.rules, start=1):
        for target_id in rule.target_ids:
            if target_id in users:
                yield OnCall(policy, level, users[target_id], None, None)
                continue
            schedule = schedules.get(target_id)
            for shift in rotas.final_shifts(schedule, since=since, until=until) if schedule else ():
                if shift.user_id in users:
                    yield OnCall(policy, level, users[shift.user_id], schedule, shift)


def _on_call_json(shapes: Shapes, row: OnCall) -> Json:
    return {
        "escalation_policy": shapes.policy_link(row.policy.id),
        "escalation_level": row.level,
        "schedule": shapes.schedule_link(row.schedule.id) if row.schedule else None,
        "user": shapes.user_link(row.user.id),
        "start": shapes.time(row.shift.start) if row.shift else None,
        "end": shapes.time(row.shift.end) if row.shift else None,
    }


def _on_call_span(asked: Asked) -> tuple[float, float]:
    longest = timedelta(seconds=rotas.LOOK_AHEAD_SECONDS)
    since, until = asked.span(longest=longest, default=(asked.now, asked.now))
    if until > asked.now + rotas.LOOK_AHEAD_SECONDS:
        raise refused(400, 2005, "Invalid Query Date Range", [])
    return since, until


def list_priorities(asked: Asked) -> Response:
    """From the most to the least severe. Accounts without priorities answer 404 or 402 (fact sheet 0.4)."""
    state = asked.account.switches["priorities"]
    if state == "off: 404":
        raise not_found()
    if state == "off: 402":
        raise refused(402, 2014, "Account does not have the abilities to perform the action", [])
    priorities = sorted(asked.account.priorities.values(), key=lambda priority: priority.order)
    return asked.page("priorities", priorities, asked.shapes().priority)


def list_windows(asked: Asked) -> Response:
    wanted, service_ids = asked.one("filter"), set(asked.many("service_ids"))
    now = asked.now
    windows = [
        window
        for window in asked.account.windows.values()
        if not service_ids or service_ids.intersection(window.service_ids)
        if wanted in (None, "all", _tense(window.start, window.end, now)) or (wanted == "open" and window.end > now)
        if _matches(asked, window.description)
    ]
    return asked.page("maintenance_windows", windows, asked.shapes().window)


def _tense(start: float, end: float, now: float) -> str:
    if now < start:
        return "future"
    return "ongoing" if now < end else "past"


def _found(records: dict[str, Record], asked: Asked) -> Record:
    record = records.get(asked.ids[0])
    if record is None:
        raise not_found()
    return record


def _matches(asked: Asked, name: str) -> bool:
    return (asked.one("query") or "").lower() in name.lower()


def _known_teams(asked: Asked) -> list[str]:
    return [team_id for team_id in asked.many("team_ids") if team_id in asked.account.teams]


def _in_teams(asked: Asked, team_ids: list[str]) -> bool:
    wanted = asked.many("team_ids")
    return not wanted or bool(set(wanted).intersection(team_ids))


def _by_name(records: Iterable[Named]) -> list[Named]:
    return sorted(records, key=lambda record: record.name.lower())


def _sorted(asked: Asked, records: list[Named]) -> list[Named]:
    given = asked.one("sort_by") or "name"
    if given not in ("name", "name:asc", "name:desc"):
        raise invalid("Sort by is invalid")
    ordered = _by_name(records)
    return ordered[::-1] if given == "name:desc" else ordered
