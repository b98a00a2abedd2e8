"""Who is on call: schedules worked out for a span of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from incident_central.sandbox.pagerduty.records import Schedule, Shift

LOOK_AHEAD_SECONDS = 90 * 24 * 3600


def on_call_now(schedule: Schedule, *, now: float) -> list[str]:
    """The ids of those who are on call at this moment: one, or nobody."""
    return [shift.user_id for shift in final_shifts(schedule, since=now, until=now)]


def final_shifts(schedule: Schedule, *, since: float, until: float) -> list[Shift]:
    """The shifts that touch the span, in order, overrides laid over the turns. Whole shifts, not cut to it."""
    # A point in time is a span too: the shift that holds it.
    shown = [shift for shift in _overlaid(schedule, since, until) if shift.start <= until and shift.end > since]
    return [shift for shift in shown if shift.start < until or since == until]


def layer_shifts(schedule: Schedule, *, since: float, until: float) -> Iterator[Shift]:
    """The turns of the layer, before overrides."""
    if not schedule.user_ids:
        return
    turn = int((since - schedule.turns_from) // schedule.turn_seconds)
    while (start := schedule.turns_from + turn * schedule.turn_seconds) <= until:
        user_id = schedule.user_ids[turn % len(schedule.user_ids)]
        yield Shift(user_id, start, start + schedule.turn_seconds)
        turn += 1


def clipped(shift: Shift, *, since: float, until: float) -> Shift:
    return replace(shift, start=max(shift.start, since), end=min(shift.end, until))


def _overlaid(schedule: Schedule, since: float, until: float) -> list[Shift]:
    shifts = list(layer_shifts(schedule, since=since, until=until))
    for override in schedule.overrides:
        cut = []
        for shift in shifts:
            if override.end <= shift.start or shift.end <= override.start:
                cut.append(shift)
                continue
            if shift.start < override.start:
                cut.append(replace(shift, end=override.start))
            if override.end < shift.end:
                cut.append(replace(shift, start=override.end))
        shifts = [*cut, override]
    return sorted(shifts, key=lambda shift: shift.start)
