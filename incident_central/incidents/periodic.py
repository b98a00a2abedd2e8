"""Work that is done again and again, by exactly one of those who work: jobs without a subject, which never end."""

from collections.abc import Callable, Iterable
from datetime import timedelta

from incident_central.database import transaction
from incident_central.jobs import runner
from incident_central.jobs.workflow import Record, Step, Workflow


def step(
    name: str,
    do: Callable[[object], Record],
    *,
    every: timedelta,
    lane: str,
    slowest_retry: timedelta | None = None,
) -> Step:
    """`slowest_retry`: longest pause after it failed; without it, as long as after it was done."""
    slowest = (slowest_retry or every).total_seconds()
    return Step(name, do, lane=lane, every=every, slowest_retry=slowest, never_give_up=True, ask_after=None)


def workflow(name: str, steps: Iterable[Step]) -> Workflow:
    return Workflow(name, load=lambda key: None, steps=tuple(steps))


def begin(work: Workflow) -> None:
    """Make its rows. Safe to repeat, and by several processes at once."""
    with transaction():
        runner.begin(work, "", None)
