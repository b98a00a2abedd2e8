"""Many reports at once: how soon their pages are accepted, at what pace channels open, whether anything is lost."""

import re
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from bench.machine import processor_time
from bench.reporter import Reporter, Sent
from bench.responses import Timings
from bench.stage import ONE, PATIENCE, Rows, Stage, wait_until
from tests.processes import Hub

PEOPLE = 20  # who report at the same time
#: Slack's limit on conversations.create, as the sandbox keeps it: so many at once, then so many a minute.
CHANNELS_AT_ONCE, CHANNELS_A_MINUTE = 20, 20


@dataclass
class Storm:
    """What became of one storm, or of several."""

    timings: Timings = field(default_factory=Timings)
    #: Channels opened by the end of the watch ÷ those that Slack's limit allowed by then.
    channels: float = 1.0
    #: Reports that in the end have not exactly one page and one channel of their name. Must be none.
    lost_or_doubled: int = 0

    def __iadd__(self, other: "Storm") -> "Storm":
        self.timings += other.timings
        self.channels = min(self.channels, other.channels)
        self.lost_or_doubled += other.lost_or_doubled
        return self


def storm(stage: Stage, hub: Hub, reports: int, *, seconds: float, limits: str, watch: float = 0.0) -> Storm:
    """Send so many reports evenly over so many seconds, and watch for `watch` more seconds while limits are on.

    Then the limits are lifted, so that what waits for Slack need not be waited for, and everything is counted.
    """
    people = _people(hub, reports)
    stage.latencies()
    stage.limits(limits)
    before = _everything(stage)
    with Rows(hub) as rows:
        channels = rows.channels()
        began = time.time()
        sent = _send_evenly(people, reports, seconds=seconds)
        wait_until(lambda: rows.unpaged() == 0, every=0.1)
        time.sleep(max(0.0, began + seconds + watch - time.time()))
        allowed = min(reports, CHANNELS_AT_ONCE + int((time.time() - began) * CHANNELS_A_MINUTE / 60))
        opened = rows.channels() - channels
        wait_until(lambda: limits == "on" or rows.unsettled() == 0, every=0.1)
    for person in people:
        person.close()
    calls = stage.page_calls()
    stage.tidy(hub)
    timings = Timings(
        leaves=[calls[one.name].arrived_at - one.at for one in sent],
        accepted=[(calls[one.name].accepted_at or began + PATIENCE) - one.at for one in sent],
        answered=[one.answered_at - one.at for one in sent],
    )
    return Storm(
        timings, channels=opened / allowed, lost_or_doubled=_lost_or_doubled(_everything(stage) - before, sent)
    )


@dataclass(frozen=True)
class Throughput:
    """As many reports at once as there are people, with no latency outside, from the first report to the last step."""

    a_second: float  # responses
    processor: float  # seconds of a processor that the hub itself takes for one


def throughput(stage: Stage, hub: Hub, reports: int) -> Throughput:
    people = _people(hub, reports)
    stage.at_ease()
    with Rows(hub) as rows:
        began, used = time.time(), processor_time(hub)
        _send_evenly(people, reports, seconds=0)
        ended = wait_until(lambda: rows.unsettled() == 0, within=PATIENCE + 2 * reports, every=0.01)
        used = processor_time(hub) - used
    for person in people:
        person.close()
    stage.tidy(hub)
    return Throughput(reports / (ended - began), used / reports)


def _people(hub: Hub, reports: int) -> list[Reporter]:
    """With the form open and the finger on the button."""
    people = [Reporter(hub, service=ONE) for _ in range(min(PEOPLE, reports))]
    for person in people:
        person.open_form(anyway=True)
    return people


def _send_evenly(people: Sequence[Reporter], reports: int, *, seconds: float) -> list[Sent]:
    """Each person sends every so-manieth report, at its own moment, whether or not others were answered."""
    gap, begin = seconds / reports, threading.Barrier(len(people))

    def send(number: int) -> list[Sent]:
        begin.wait(PATIENCE)
        began, sent = time.monotonic(), []
        for turn in range(number, reports, len(people)):
            time.sleep(max(0.0, began + turn * gap - time.monotonic()))
            sent.append(people[number].report())
        return sent

    with ThreadPoolExecutor(len(people)) as threads:
        return [one for sent in threads.map(send, range(len(people))) for one in sent]


def _everything(stage: Stage) -> set[tuple[str, str, str]]:
    """What, its id, and the incident that it is for. What was there before the storm does not count: its incident has
    been forgotten, so that its name may have been drawn anew, and then the channel has a number behind it."""
    state = stage.sandbox.state
    pages = {("page", one["id"], one["key"]) for one in state["pagerduty"]["incidents"]}
    return pages | {("channel", one["id"], _without_number(one["name"])) for one in state["slack"]["channels"]}


def _without_number(channel: str) -> str:
    return re.sub(r"(-\d{4}-\d{2})-\d+$", r"\1", channel)


def _lost_or_doubled(made: set[tuple[str, str, str]], sent: Sequence[Sent]) -> int:
    found = Counter((what, name) for what, _, name in made)
    return sum((found["page", one.name], found["channel", one.name]) != (1, 1) for one in sent)
