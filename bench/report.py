"""bin/bench report: everything that is promised of speed, measured in one run."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import machine, responses, storms
from bench.figures import Measured, Series
from bench.reporter import OriginalReporter
from bench.responses import Timings
from bench.stage import TEN, Stage
from bench.storms import Storm
from tests.processes import Hub

CONNECT = 0.06  # seconds added to each new connection, as TLS over some distance does


@dataclass(frozen=True)
class Plan:
    """How much is measured. In each round hub and original take turns, so that both meet the same machine."""

    rounds: int
    each: int  # reports a round to an idle hub
    original: int  # reports a round to the original
    hung: int  # reports a round with Slack hung
    few: int  # reports where a median is wanted
    storms: int  # of so many reports in one second
    second: int
    minute: int  # reports in so many seconds
    seconds: float
    watch: float  # seconds for which channels are watched under Slack's limits after that
    throughput: int  # reports at once
    starts: int
    rest: float  # seconds before memory at rest is looked at


FULL = Plan(
    rounds=10,
    each=100,
    original=20,
    hung=30,
    few=100,
    storms=5,
    second=20,
    minute=200,
    seconds=60,
    watch=120,
    throughput=300,
    starts=10,
    rest=30,
)
QUICK = Plan(
    rounds=1,
    each=3,
    original=1,
    hung=3,
    few=2,
    storms=1,
    second=4,
    minute=4,
    seconds=2,
    watch=1,
    throughput=4,
    starts=1,
    rest=0.5,
)


def measure(stage: Stage, plan: Plan, keep: Callable[[Measured], None]) -> Measured:
    """Every section in turn; each leaves a quiet company behind. `keep` is given what there is before each, so that
    nothing is lost where a later one fails."""
    measured, began = Measured(), time.monotonic()

    def now(section: str) -> None:
        keep(measured)
        print(f"{time.monotonic() - began:6.0f} s  {section} …", file=sys.stderr, flush=True)

    with stage.hub() as hub, stage.original() as original:
        now("ours and the original’s in turns")
        _in_turns(stage, plan, measured, hub, original)
        now("ten responders")
        _ten_people(stage, plan, measured, hub)
        now("60 ms for each new connection")
        _new_connections(stage, plan, measured, hub, original)
        now("PagerDuty hung, then everything")
        _keep(measured, "PagerDuty hung", responses.with_pagerduty_hung(stage, hub, plan.few))
        _keep(measured, "everything hung", responses.with_everything_hung(stage, hub, plan.few))
        now("storms")
        _storms(stage, plan, measured, hub)
        now("responses a second")
        _throughput(stage, plan, measured, hub, "SQLite")
    if stage.has_postgresql:
        now("PostgreSQL")
        _on_postgresql(stage, plan, measured)
        now("web and worker apart")
        _memory_apart(stage, plan, measured)
    now("starts")
    measured.series["start to first page"] = Series.of(machine.starts(stage, plan.starts), unit="s")
    measured.series["disk keeps 4 kB"] = Series.of(machine.syncs(stage.folder))
    measured.numbers["installed packages"] = machine.installed_packages()
    return measured


def _keep(measured: Measured, name: str, timings: Timings) -> None:
    for kind, seconds in vars(timings).items():
        if seconds:
            measured.series[f"{name}: {kind}"] = Series.of(seconds)


def _in_turns(stage: Stage, plan: Plan, measured: Measured, hub: Hub, asker: OriginalReporter) -> None:
    idle, hung, original = Timings(), Timings(), Timings()
    _memory_at_rest(plan, measured, hub, "at rest")
    for _ in range(plan.rounds):
        idle += responses.when_done(stage, hub, plan.each)
        original += responses.in_the_originals_order(stage, asker, plan.original)
        hung += responses.with_slack_hung(stage, hub, plan.hung)
    _memory_at_rest(plan, measured, hub, "at rest after all that")
    _keep(measured, "idle", idle)
    _keep(measured, "original", original)
    _keep(measured, "Slack hung", hung)


def _memory_at_rest(plan: Plan, measured: Measured, hub: Hub, when: str) -> None:
    with machine.memory_of(hub) as memory:
        time.sleep(plan.rest)
    _keep_memory(measured, memory, when)


def _keep_memory(measured: Measured, memory: machine.Memory, when: str) -> None:
    measured.numbers[f"memory {when}"] = memory.resident
    measured.numbers[f"memory {when}, proportional"] = memory.proportional


def _ten_people(stage: Stage, plan: Plan, measured: Measured, hub: Hub) -> None:
    """One and ten responders in turns."""
    one, ten = Timings(), Timings()
    for _ in range(2):
        one += responses.when_done(stage, hub, plan.few // 2)
        ten += responses.when_done(stage, hub, plan.few // 2, service=TEN)
    _keep(measured, "one on call", one)
    _keep(measured, "ten on call", ten)


def _new_connections(stage: Stage, plan: Plan, measured: Measured, hub: Hub, asker: OriginalReporter) -> None:
    ours, original = Timings(), Timings()
    for _ in range(2):
        ours += responses.when_done(stage, hub, plan.few // 2, connect=CONNECT)
        original += responses.in_the_originals_order(stage, asker, max(1, plan.few // 10), connect=CONNECT)
    _keep(measured, "60 ms a connection", ours)
    _keep(measured, "60 ms a connection, original", original)


def _storms(stage: Stage, plan: Plan, measured: Measured, hub: Hub) -> None:
    second = Storm()
    for _ in range(plan.storms):
        second += storms.storm(stage, hub, plan.second, seconds=1, limits="off")
    with machine.memory_of(hub) as memory:
        minute = storms.storm(stage, hub, plan.minute, seconds=plan.seconds, limits="off")
    _keep_memory(measured, memory, "in the storm")
    limited = storms.storm(stage, hub, plan.second, seconds=1, limits="on")
    time.sleep(plan.seconds)  # that one used up what Slack allows at once; it is there again after a minute
    limited_minute = storms.storm(stage, hub, plan.minute, seconds=plan.seconds, limits="on", watch=plan.watch)
    measured.numbers["channels opened ÷ allowed"] = limited_minute.channels
    found = {"second": second, "minute": minute, "second, limits on": limited, "minute, limits on": limited_minute}
    for name, one in found.items():
        _keep(measured, name, one.timings)
    measured.numbers["lost or doubled"] = sum(one.lost_or_doubled for one in found.values())


def _on_postgresql(stage: Stage, plan: Plan, measured: Measured) -> None:
    with stage.hub("postgresql") as hub:
        _keep(measured, "idle on PostgreSQL", responses.when_done(stage, hub, plan.few))
        _throughput(stage, plan, measured, hub, "PostgreSQL")


def _memory_apart(stage: Stage, plan: Plan, measured: Measured) -> None:
    """Of `serve --no-worker` and `worker` together, after some reports."""
    with stage.web_and_worker() as (web, worker):
        responses.when_done(stage, web, plan.few)
        with machine.memory_of(web) as of_web, machine.memory_of(worker) as of_worker:
            time.sleep(plan.rest)
    measured.numbers["memory at rest, apart"] = of_web.resident + of_worker.resident
    measured.numbers["memory at rest, apart, proportional"] = of_web.proportional + of_worker.proportional


def _throughput(stage: Stage, plan: Plan, measured: Measured, hub: Hub, database: str) -> None:
    found = storms.throughput(stage, hub, plan.throughput)
    measured.numbers[f"responses a second on {database}"] = found.a_second
    measured.numbers[f"processor a response on {database}"] = found.processor * 1000
