"""The calls about who is on call: schedules, and on-calls themselves (fact sheet 7)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from incident_central.sandbox.pagerduty import rotas
from incident_central.sandbox.pagerduty.asked import Asked
from incident_central.sandbox.pagerduty.errors import invalid, refused
from incident_central.sandbox.pagerduty.records import Policy, Schedule, Shift, User
from incident_central.sandbox.pagerduty.shapes import Json, Shapes
from incident_central.sandbox.server import Response

LONGEST_RENDERING = timedelta(days=366)


@dataclass(frozen=True)
class OnCall:
    policy: Policy
    level: int
    user: User
    schedule: Schedule | None
    shift: Shift | None


def list_schedules(asked: Asked) -> Response:
    shapes = asked.shapes()
    parts = {"schedule_layers", "overrides_subschedule", "final_schedule"} & shapes.include
    since, until = _rendered_span(asked)

    def schedule_json(schedule: Schedule) -> Json:
        rendered = _rendered_schedule(shapes, schedule, since=since, until=until)
        return {**shapes.schedule(schedule), **{part: rendered[part] for part in parts}}

    schedules = [
        schedule
        for schedule in asked.account.schedules.values()
        if not schedule.flexible
        if asked.matches(schedule.name) and asked.in_teams(schedule.team_ids)
    ]
    return asked.page("schedules", sorted(schedules, key=lambda schedule: schedule.name.lower()), schedule_json)


def get_schedule(asked: Asked) -> Response:
    schedule, shapes = asked.found(asked.account.schedules), asked.shapes()
    since, until = _rendered_span(asked)
    rendered = _rendered_schedule(shapes, schedule, since=since, until=until)
    return Response.json({"schedule": {**shapes.schedule(schedule), **rendered}})


def list_schedule_users(asked: Asked) -> Response:
    """Whoever is on call in the span; now, when none is given."""
    schedule, shapes = asked.found(asked.account.schedules), asked.shapes()
    since, until = _on_call_span(asked)
    ids = dict.fromkeys(shift.user_id for shift in rotas.final_shifts(schedule, since=since, until=until))
    return Response.json({"users": [shapes.user(asked.account.users[user_id]) for user_id in ids]})


def preview_schedule(asked: Asked) -> Response:
    """A POST that stores nothing: the doctor's probe for a read-only key (fact sheet 1)."""
    layers_are_needed = asked.account.switches["empty_preview"] == "refused"
    given = asked.body("schedule", filled="schedule_layers" if layers_are_needed else "")
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


def _rendered_span(asked: Asked) -> tuple[float, float] | tuple[None, None]:
    """The span to render shifts for, if one is asked for."""
    if asked.time("since") is None or asked.time("until") is None:
        return None, None
    return asked.span(longest=LONGEST_RENDERING, default=(asked.now, asked.now))


def _rendered_schedule(shapes: Shapes, schedule: Schedule, *, since: float | None, until: float | None) -> Json:
    """The parts of a schedule that GET /schedules/{id} adds; entries only where a span is asked for."""
    span = (since, until) if since is not None and until is not None else None
    turns = rotas.layer_shifts(schedule, since=span[0], until=span[1]) if span else ()
    final = rotas.final_shifts(schedule, since=span[0], until=span[1]) if span else []
    layer: Json = {
        "id": schedule.id,
        "name": "Layer 1",
        "start": shapes.time(schedule.turns_from),
        "end": None,
        "rotation_virtual_start": shapes.time(schedule.turns_from),
        "rotation_turn_length_seconds": schedule.turn_seconds,
        "users": [{"user": shapes.user_link(user_id)} for user_id in schedule.user_ids],
        "restrictions": [],
        **_rendered(shapes, turns, span),
    }
    return {
        "schedule_layers": [layer] if schedule.user_ids else [],
        "overrides_subschedule": {"name": "Overrides", **_rendered(shapes, schedule.overrides, span)},
        "final_schedule": {"name": "Final Schedule", **_rendered(shapes, final, span)},
    }


def _rendered(shapes: Shapes, shifts: Iterable[Shift], span: tuple[float, float] | None) -> Json:
    if span is None:
        return {"rendered_schedule_entries": [], "rendered_coverage_percentage": None}
    since, until = span
    cut = [rotas.clipped(shift, since=since, until=until) for shift in shifts]
    cut = [shift for shift in cut if shift.start < shift.end]
    covered = sum(shift.end - shift.start for shift in cut)
    return {
        "rendered_schedule_entries": [
            {
                "start": shapes.time(shift.start),
                "end": shapes.time(shift.end),
                "user": shapes.user_link(shift.user_id),
            }
            for shift in cut
        ],
        "rendered_coverage_percentage": round(100 * covered / (until - since), 2) if until > since else 0.0,
    }


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
