"""What is measured of each contestant."""

import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty

from bench.figures import Series
from bench.jobs.stage import Contestant, Stage, Team
from bench.jobs.workload import ADDED, FOLLOWING
from bench.machine import Memory


@dataclass(frozen=True)
class Plan:
    rounds: int  # in which the contestants take turns
    idle: int  # responses a round, one after another
    throughput: int  # responses a round, at once
    kills: int
    takeovers: int
    outages: int
    gone: float  # seconds for which the database is gone
    quiet: float  # seconds without any call after which nothing more is expected
    rest: float  # seconds before memory is looked at


FULL = Plan(2, 50, 150, kills=8, takeovers=2, outages=2, gone=10, quiet=35, rest=5)
QUICK = Plan(1, 4, 6, kills=1, takeovers=1, outages=1, gone=1, quiet=20, rest=0.5)
CALL, SLOW = 0.1, 0.25  # seconds a call takes where times are taken, and where processes are killed
IDEAL = 2 * CALL  # channel, then what follows it
UNDER_WAY = 12  # responses when a process is killed


@dataclass
class Figures:
    """What was measured of one contestant. What never came is counted under `never …`."""

    times: dict[str, list[float]] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)  # responses a second
    counts: dict[str, float] = field(default_factory=dict)

    def time(self, name: str, began: float, ended: float | None) -> None:
        if ended is None:
            self.add(f"never {name}", 1)
        else:
            self.times.setdefault(name, []).append(ended - began)

    def add(self, name: str, number: float) -> None:
        self.counts[name] = self.counts.get(name, 0) + number

    def as_json(self) -> dict[str, object]:
        series = {name: Series.of(found, unit="s").as_json() for name, found in self.times.items()}
        counts = {name: round(number, 2) for name, number in self.counts.items()}
        return {"times": series, "responses a second": [round(rate, 1) for rate in self.rates], "counts": counts}


def measure(stage: Stage, plan: Plan) -> dict[Contestant, Figures]:
    found = {contestant: Figures() for contestant in stage.contestants}
    began = time.monotonic()
    sections = [(speed, plan.rounds), (steps_shown, 1), (upgrade, 1), (kills, 1), (takeover, 1), (outage, 1)]
    for section, rounds in sections:
        for contestant in list(found) * rounds:
            print(f"{time.monotonic() - began:6.0f} s  {section.__name__}: {contestant} …", file=sys.stderr, flush=True)
            section(stage, contestant, plan, found[contestant])
    return found


def speed(stage: Stage, contestant: Contestant, plan: Plan, figures: Figures) -> None:
    """One response at a time, memory at rest, then many at once without latency."""
    with stage.team(contestant) as team, _latency(stage, CALL):
        standin, member = stage.standin, team.members["a"]
        for number, key in enumerate(stage.new_keys(plan.idle + 1)):
            calls, at = team.calls([key]), time.time()
            member.submit([key])
            if not standin.wait(lambda calls=calls: _answered(stage, calls), quiet=plan.quiet):  # type: ignore[misc]
                raise RuntimeError(f"{contestant} does not do its work")
            if number:  # the first one opens connections
                figures.time("first call", at, standin.first(key))
                figures.time("done", at, standin.last(calls))
            time.sleep(random.uniform(0.05, 0.25))  # noqa: S311  so as not to be in step with those who poll
        with Memory(member.process.pid) as memory:
            time.sleep(plan.rest)
        figures.counts["memory"] = max(figures.counts.get("memory", 0), memory.resident)
        standin.latency, keys, at = 0, stage.new_keys(plan.throughput), time.time()
        member.submit(keys)
        all_done = standin.wait(lambda: _answered(stage, team.calls(keys)), quiet=plan.quiet)
        figures.rates.append(len(keys) / (standin.last(team.calls(keys)) - at) if all_done else 0)
        _count(stage, figures, team.calls(keys))


def steps_shown(stage: Stage, contestant: Contestant, plan: Plan, figures: Figures) -> None:
    """How many of the two calls that are under way the library shows as running."""
    with stage.team(contestant) as team, _latency(stage, 2):
        (key,) = stage.new_keys(1)
        team.members["a"].submit([key])
        stage.standin.wait(lambda: stage.standin.arrived(key, ["page", "channel"]), quiet=plan.quiet)
        figures.add("shown", len({"page", "channel"} & set(team.members["a"].ask("running", key))))


def upgrade(stage: Stage, contestant: Contestant, plan: Plan, figures: Figures) -> None:
    """Three responses killed while what follows the channel is under way and three while the channel is; then a version
    of the code goes on that has one step more."""
    with stage.team(contestant) as team, _latency(stage, 2 * SLOW):
        later, early, standin = stage.new_keys(3), stage.new_keys(3), stage.standin
        for keys, steps in ((later, FOLLOWING), (early, ("channel",))):
            standin.held.update(steps)  # or, on a busy machine, they would be over before the kill
            team.members["a"].submit(keys, wait=True)
            done = lambda keys=keys, steps=steps: all(standin.arrived(key, steps) for key in keys)  # noqa: E731
            standin.wait(done, quiet=plan.quiet)
        team.members["a"].kill()
        standin.held.clear()
        team.version = 2
        team.start()
        calls = team.calls(early + later)
        added = [f"{key}/{ADDED}" for key in early + later]
        standin.wait(lambda: standin.missing(calls + added) == 0, quiet=plan.quiet)
        figures.add("upgraded", 6 - sum(standin.missing(team.calls([key])) > 0 for key in early + later))
        figures.add("added", 6 - standin.missing(added))
        figures.add("upgraded twice", standin.repeated(calls + added))


def kills(stage: Stage, contestant: Contestant, plan: Plan, figures: Figures) -> None:
    """kill -9 with twelve responses under way, then a restart at once."""
    for _ in range(plan.kills):
        with stage.team(contestant) as team, _under_way(stage, team) as keys:
            looks = stage.standin.found
            team.members["a"].kill()
            killed_at = time.time()
            team.start()
            figures.time("finished after a kill", killed_at, _finished(stage, team, keys, plan))
            figures.add("repeats that a look spared", stage.standin.found - looks)
            _count(stage, figures, team.calls(keys))
        if figures.counts.get("never finished after a kill", 0) >= 3:
            return  # enough is known, and each of them takes a minute


def takeover(stage: Stage, contestant: Contestant, plan: Plan, figures: Figures) -> None:
    """kill -9 of one of two replicas, which is not started again; where nothing comes of it, the other one is told."""
    for _ in range(plan.takeovers if contestant.database == "PostgreSQL" else 0):
        with stage.team(contestant) as team:
            other = team.start("b")
            with _under_way(stage, team) as keys:
                team.members["a"].kill()
                killed_at = time.time()
                finished = _finished(stage, team, keys, plan)
                figures.time("taken over", killed_at, finished)
                if finished is None:
                    told_at = time.time()
                    other.rescue()
                    figures.time("taken over when told", told_at, _finished(stage, team, keys, plan))
                _count(stage, figures, team.calls(keys))


def outage(stage: Stage, contestant: Contestant, plan: Plan, figures: Figures) -> None:
    """The database's server stops and comes back; whoever ends by itself meanwhile is started anew."""
    for _ in range(plan.outages if contestant.database == "PostgreSQL" else 0):
        with stage.team(contestant) as team, _under_way(stage, team) as keys:
            process = team.members["a"].process
            back_at = stage.database_gone(plan.gone)
            finished = _finished(stage, team, keys, plan)
            figures.add("ended by itself", process.poll() is not None)
            figures.time("healed", back_at, finished)
            if finished is None:
                team.members["a"].kill()
                restarted_at = time.time()
                team.start()
                figures.time("healed by a restart", restarted_at, _finished(stage, team, keys, plan))
            _count(stage, figures, team.calls(keys))


@contextmanager
def _latency(stage: Stage, seconds: float) -> Iterator[None]:
    stage.standin.latency = seconds
    yield
    stage.standin.latency = 0


@contextmanager
def _under_way(stage: Stage, team: Team) -> Iterator[list[str]]:
    """Twelve accepted responses at a random moment of their work, with at least ten of them not done yet."""
    with _latency(stage, SLOW):
        warm_up, keys = stage.new_keys(1), stage.new_keys(UNDER_WAY)
        team.members["a"].submit(warm_up, wait=True)
        stage.standin.wait(lambda: _answered(stage, team.calls(warm_up)), quiet=30)
        team.members["a"].submit(keys, wait=True)
        time.sleep(random.uniform(0, 1.5 * SLOW))  # noqa: S311
        undone = sum(not _answered(stage, team.calls([key])) for key in keys)
        if undone < 10:
            print(f"only {undone} were under way", file=sys.stderr)
        yield keys


def _answered(stage: Stage, calls: list[str]) -> bool:
    return all(call in stage.standin.calls and stage.standin.calls[call].answered for call in calls)


def _finished(stage: Stage, team: Team, keys: list[str], plan: Plan) -> float | None:
    """When all calls of these responses had got through and the library itself had nothing left to do; None where all
    was quiet before."""
    calls = team.calls(keys)
    if not stage.standin.wait(lambda: stage.standin.missing(calls) == 0, quiet=plan.quiet, each=team.supervise):
        return None
    until = time.monotonic() + plan.quiet
    while time.monotonic() < until:
        with suppress(Empty, OSError):
            if team.unfinished() == 0:
                return time.time()
        time.sleep(0.02)
        team.supervise()
    return None


def _count(stage: Stage, figures: Figures, calls: list[str]) -> None:
    figures.add("calls", len(calls))
    figures.add("lost", stage.standin.missing(calls))
    figures.add("twice", stage.standin.repeated(calls))
