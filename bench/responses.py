"""Reports one after another: how soon the page leaves, the person is answered, the channel opens, all is done."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.reporter import OriginalReporter, OriginalSent, Reporter, Sent
from bench.stage import ONE, Rows, Stage, wait_until
from tests.processes import Hub


@dataclass
class Timings:
    """Seconds from the moment before the report was sent."""

    leaves: list[float] = field(default_factory=list)  # to the arrival of the page request at PagerDuty
    accepted: list[float] = field(default_factory=list)  # to PagerDuty's answer that it has it
    answered: list[float] = field(default_factory=list)  # to the hub's answer to the report
    shown: list[float] = field(default_factory=list)  # to the page that the answer leads to
    linked: list[float] = field(default_factory=list)  # to the channel's link being in the database
    done: list[float] = field(default_factory=list)  # to the last step being settled in the database

    def __iadd__(self, other: "Timings") -> "Timings":
        for name in vars(self):
            getattr(self, name).extend(getattr(other, name))
        return self


def when_done(stage: Stage, hub: Hub, count: int, *, service: str = ONE, connect: float = 0.0) -> Timings:
    """Each report is sent when everything of the one before has been done: the hub is idle."""

    def watch(rows: Rows, sent: Sent, timings: Timings) -> None:
        timings.linked.append(wait_until(lambda: rows.linked(sent.name)) - sent.at)
        timings.done.append(wait_until(lambda: rows.settled(sent.name)) - sent.at)

    return _one_by_one(stage, hub, count, watch, service=service, connect=connect)


def with_slack_hung(stage: Stage, hub: Hub, count: int) -> Timings:
    """Each report is sent when the one before has been paged; what Slack should do piles up."""

    def watch(rows: Rows, sent: Sent, timings: Timings) -> None:
        wait_until(lambda: rows.paged(sent.name))

    stage.sandbox.fault("slack", "hung")
    return _one_by_one(stage, hub, count, watch)


def with_pagerduty_hung(stage: Stage, hub: Hub, count: int) -> Timings:
    """Each report is sent when the one before has its channel; the pages pile up."""

    def watch(rows: Rows, sent: Sent, timings: Timings) -> None:
        timings.linked.append(wait_until(lambda: rows.linked(sent.name)) - sent.at)

    stage.sandbox.fault("pagerduty", "hung")
    return _one_by_one(stage, hub, count, watch)


def with_everything_hung(stage: Stage, hub: Hub, count: int) -> Timings:
    """Ten reports a second, and not one call to anybody outside is answered."""
    stage.sandbox.fault("*", "hung")
    return _one_by_one(stage, hub, count, lambda rows, sent, timings: time.sleep(0.1))


Watch = Callable[[Rows, Sent, Timings], None]


def _one_by_one(
    stage: Stage, hub: Hub, count: int, watch: Watch, *, service: str = ONE, connect: float = 0.0
) -> Timings:
    timings, reports = Timings(), []
    person = Reporter(hub, service=service)
    stage.latencies(connect=connect)
    with Rows(hub) as rows:
        for _ in range(count):
            person.open_form()
            sent = person.report()
            timings.answered.append(sent.answered_at - sent.at)
            timings.shown.append(sent.shown_at - sent.at)
            watch(rows, sent, timings)
            reports.append(sent)
    person.close()
    calls = stage.page_calls()
    for sent in reports:
        if call := calls.get(sent.name):
            timings.leaves.append(call.arrived_at - sent.at)
            if call.accepted_at is not None:
                timings.accepted.append(call.accepted_at - sent.at)
    stage.tidy(hub)
    return timings


def in_the_originals_order(stage: Stage, original: OriginalReporter, count: int, *, connect: float = 0.0) -> Timings:
    """The same of the original. Its order answers the person when everything is done."""
    timings = Timings()
    stage.latencies(connect=connect)
    reports: list[OriginalSent] = [original.report() for _ in range(count)]
    calls = stage.page_calls()
    for sent in reports:
        timings.leaves.append(calls[sent.name].arrived_at - sent.at)
        timings.linked.append(sent.linked_at - sent.at)
        timings.done.append(sent.done_at - sent.at)
        timings.answered.append(sent.done_at - sent.at)
    return timings
