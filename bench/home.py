"""bin/bench home: the list and one incident, as a browser gets them, with 100 to 100,000 incidents in the database."""

import random
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from http.client import HTTPConnection
from itertools import combinations
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx2

from bench.figures import Measured, Series
from bench.machine import processor_time
from bench.stage import ONE, PAGERDUTY, Stage
from incident_central.sandbox import company
from tests import history
from tests.pagerduty import act, event, knows, send, signed, subscribe
from tests.processes import Hub, eventually, report_form

Query = dict[str, Any]
#: How often a word of history.RARE or of a title stands in 100,000 incidents.
WORDS = {
    "in all": "incident",
    "in 9,000": "refund",
    "in 2,000": "harbour",
    "in 100": "lighthouse",
    "two": "card payments",
}


@dataclass(frozen=True)
class Plan:
    sizes: tuple[int, ...]
    each: int  # requests where a p50 is wanted
    pairs: int  # requests for each filter and each pair
    turns: int  # the same, in turns with home
    page: int  # the number of the last page that is opened
    seconds: float  # of clients at the same time
    calls: int  # times that the original reads its list
    opened: int  # incidents that it reads
    viewers: int  # of one incident, while it changes
    changes: dict[str, int]  # of those, by how they are heard of: first by poll, since after webhooks it is slower
    webhooks: int  # whose answers are waited for, one after another


FULL = Plan(
    (100, 10_000, 100_000),
    200,
    pairs=9,
    turns=101,
    page=1000,
    seconds=10,
    calls=3,
    opened=1000,
    viewers=100,
    changes={"poll": 8, "webhook": 20},
    webhooks=200,
)
QUICK = Plan(
    (100,),
    3,
    pairs=1,
    turns=1,
    page=2,
    seconds=0.5,
    calls=1,
    opened=60,
    viewers=2,
    changes={"webhook": 1},
    webhooks=3,
)


#: What home says where one incident is open, and somebody has it.
ON_HOME = "1 open, acknowledged"
#: Seconds from one message in a channel to the next: Slack takes one a second, and says to wait where it is more.
A_MESSAGE = 2.0
#: What every page takes, and nothing else: who is signed in, what all pages say, a template.
NOT_THERE = "/not-there"


class Viewer:
    """Dana with one kept connection."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in hub.dana.cookies)
        self._headers = {"Cookie": cookies}
        self._connection = HTTPConnection("127.0.0.1", hub.port, timeout=60)
        self._parts: dict[str, tuple[str, str]] = {}  # version and text, by path

    def get(self, path: str) -> tuple[float, str]:
        """Seconds until all of the page was there, and the page. Raises RuntimeError where it is no page."""
        began = time.perf_counter()
        _, body = self._ask(path, {})
        return time.perf_counter() - began, body.decode()

    def refresh(self, path: str) -> str:
        """What its own script gets a second later: the parts that change, or those of before where none did."""
        version, parts = self._parts.get(path, ("", ""))
        newer, body = self._ask(path, {"HX-Request": "true", "If-None-Match": version})
        if newer:
            self._parts[path] = newer, (parts := body.decode())
        return parts

    def anew(self, path: str) -> float:
        """The first look after something was written: nothing that was made of the rows before holds any more."""
        self._hub.rows("UPDATE jobs_job SET key = key WHERE id = (SELECT min(id) FROM jobs_job)")
        return self.get(path)[0]

    def _ask(self, path: str, headers: dict[str, str]) -> tuple[str, bytes]:
        """Version and body, both empty where nothing is newer. Raises RuntimeError where it is refused."""
        self._connection.request("GET", path, headers=self._headers | headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status not in (200, 304) and path != NOT_THERE:
            raise RuntimeError(f"{path}: {answer.status}")
        return answer.getheader("ETag", ""), body

    def times(self, path: str, number: int) -> Series:
        return Series.of(self.anew(path) for _ in range(number))

    def again(self, path: str, number: int) -> Series:
        """Where nothing was written since somebody else looked."""
        return Series.of(self.get(path)[0] for _ in range(number))


def measure(stage: Stage, plan: Plan) -> Measured:
    measured = Measured()
    for database in ["SQLite", *(["PostgreSQL"] if stage.has_postgresql else [])]:
        for size in plan.sizes:
            print(f"{database}, {size:,} incidents …", file=sys.stderr, flush=True)
            with _seeded(stage, database, size) as seeded:
                stage.sandbox.control("/calls", method="DELETE")
                _one_size(plan, measured, f"{database}, {size:,}", seeded)
                if size == plan.sizes[-1]:
                    _largest(plan, measured, f"{database}, {size:,}", seeded)
                measured.numbers["calls"] = measured.numbers.get("calls", 0) + len(stage.sandbox.calls())
                if size == plan.sizes[-1]:
                    with _seeded(stage, database, plan.sizes[0]) as fewest:
                        _in_turns(plan, measured, f"{database}, {size:,}", seeded, fewest)
        print(f"{database}, changes in PagerDuty …", file=sys.stderr, flush=True)
        _changes(stage, plan, measured, database)
    print("the original’s pattern …", file=sys.stderr, flush=True)
    measured.series["original"] = _originals_pattern(stage, plan)
    return measured


@dataclass(frozen=True)
class Seeded:
    """A running hub with a history, where nothing else happens."""

    hub: Hub
    viewer: Viewer
    filters: dict[str, Query]
    long: dict[int, str]  # incidents by how many entries their timelines have


@contextmanager
def _seeded(stage: Stage, database: str, size: int) -> Iterator[Seeded]:
    hub = stage.new_hub(database.lower())
    services = [row["id"] for row in hub.rows("SELECT id FROM incidents_service WHERE listed ORDER BY id")]
    priorities = [row["id"] for row in hub.rows("SELECT id FROM incidents_priority ORDER BY rank")]
    history.write(hub, history.incidents(size, services=services, priorities=priorities, now=datetime.now(UTC)))
    try:
        hub.start()
        _let_it_rest(hub)
        long = _long_timeline(hub)
        _let_it_rest(hub)  # what was pressed is looked at again
        yield Seeded(hub, Viewer(hub), _filters(hub, services, priorities), long)
    finally:
        hub.stop()


def _one_size(plan: Plan, measured: Measured, name: str, seeded: Seeded) -> None:
    viewer = seeded.viewer
    viewer.times("/", plan.each // 10 + 1)  # whatever is done once
    measured.series[f"{name}: home"] = viewer.times("/", plan.each)
    measured.series[f"{name}: home again"] = viewer.again("/", plan.each)
    for told, query in _singles_and_pairs(seeded.filters):
        measured.series[f"{name}: {told}"] = viewer.times(f"/?{urlencode(query, doseq=True)}", plan.pairs)
    for told, words in WORDS.items():
        measured.series[f"{name}: word {told}"] = viewer.times(f"/?{urlencode({'q': words})}", plan.pairs)


def _in_turns(plan: Plan, measured: Measured, name: str, most: Seeded, fewest: Seeded) -> None:
    """Every filter, and each time home where there are the fewest incidents, so that both meet the same machine."""
    fewest.viewer.times("/", plan.each // 10 + 1)
    for told, query in [("home", {}), *_singles_and_pairs(most.filters)]:
        path = f"/?{urlencode(query, doseq=True)}"
        turns = [(most.viewer.anew(path), fewest.viewer.anew("/")) for _ in range(plan.turns)]
        measured.series[f"{name}: in turns: {told}"] = Series.of(one for one, _ in turns)
        measured.series[f"{name}: beside: {told}"] = Series.of(other for _, other in turns)


def _largest(plan: Plan, measured: Measured, name: str, seeded: Seeded) -> None:
    hub, viewer = seeded.hub, seeded.viewer
    first, last = "/", "/"
    for _ in range(plan.page - 1):
        found = re.search(r'href="([^"]+)" rel="next"', viewer.get(last)[1])
        if found is None:
            raise RuntimeError(f"the list ends at {last}")
        last = unescape(found[1])
    # In turns, so that both meet the same machine.
    pairs = [(viewer.anew(first), viewer.anew(last)) for _ in range(plan.each)]
    measured.series[f"{name}: first page"] = Series.of(one for one, _ in pairs)
    measured.series[f"{name}: last page"] = Series.of(other for _, other in pairs)
    for entries, incident in seeded.long.items():
        measured.series[f"{name}: {entries} entries"] = viewer.times(f"/incidents/{incident}", plan.each)
        measured.series[f"{name}: {entries} entries again"] = viewer.again(f"/incidents/{incident}", plan.each)
    used = processor_time(hub)
    pages = _at_once(hub, plan.seconds)
    measured.numbers[f"{name}: pages a second"] = pages / plan.seconds
    measured.numbers[f"{name}: processor a page"] = (processor_time(hub) - used) / pages * 1000
    measured.series[f"{name}: nothing"] = viewer.again("/healthz", plan.each)
    measured.series[f"{name}: empty"] = viewer.times(NOT_THERE, plan.each)


def _at_once(hub: Hub, seconds: float) -> int:
    """How many home pages eight people get, each asking again as soon as answered."""
    viewers = [Viewer(hub) for _ in range(8)]
    until = time.monotonic() + seconds

    def look(viewer: Viewer) -> int:
        seen = 0
        while time.monotonic() < until:
            viewer.get("/")
            seen += 1
        return seen

    with ThreadPoolExecutor(8) as threads:
        return sum(threads.map(look, viewers))


def _long_timeline(hub: Hub) -> dict[int, str]:
    """Two incidents that were reported and acknowledged, by how many entries their timelines have."""
    found = {}
    for entries in (50, 5000):
        name = found[entries] = hub.dana.post("/report", report_form(hub, service_name=ONE)).incident
        hub.finished(name)
        hub.dana.post(f"/incidents/{name}/actions/acknowledge", {"press": str(uuid4())})
        (have,) = hub.rows("SELECT count(*) AS entries FROM incidents_timelineentry WHERE incident_id = %s", name)
        missing = f"SELECT {entries - have['entries']} AS most"
        hub.rows(
            f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n, ({missing}) m WHERE i < most)
            INSERT INTO incidents_timelineentry (incident_id, at, source, text, body)
            SELECT %s, CURRENT_TIMESTAMP, 'pagerduty', 'Told somebody for the ' || i || 'th time', '' FROM n""",  # noqa: S608
            name,
        )
    unsettled = """SELECT 1 FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id
                   WHERE j.workflow IN ('response', 'action', 'news') AND s.state NOT IN ('done', 'off')"""
    eventually(lambda: not hub.rows(unsettled))
    return found


def _let_it_rest(hub: Hub) -> None:
    """No periodic work meanwhile: it would ask PagerDuty for incidents that are in the history alone."""
    later = datetime.now(UTC) + timedelta(hours=5)
    deadline = time.monotonic() + 60
    # What is under way has no time yet, and is to be run again soon after it.
    restless = "SELECT 1 FROM jobs_step WHERE run_at < %s OR state IN ('running', 'looking')"
    while hub.rows(restless, str(later.replace(tzinfo=None) - timedelta(hours=1))):
        hub.rows("UPDATE jobs_step SET run_at = %s WHERE state = 'waiting'", str(later.replace(tzinfo=None)))
        if time.monotonic() > deadline:
            raise TimeoutError("the periodic work does not rest")
        time.sleep(0.5)


def _changes(stage: Stage, plan: Plan, measured: Measured, database: str) -> None:
    """From a change in PagerDuty until it stands on the incident's page, which many people look at every second; from
    an acknowledgement until it stands on home and in the channel; and how long a webhook waits for its answer."""
    with stage.hub(database.lower()) as hub:
        viewer = Viewer(hub)
        name = hub.dana.post("/report", report_form(hub, service_name=ONE)).incident
        hub.finished(name)
        page = str(stage.sandbox.page_of(name)["id"])
        over = threading.Event()
        with ThreadPoolExecutor(plan.viewers) as viewers:
            looking = [
                viewers.submit(_look_every_second, Viewer(hub), f"/incidents/{name}", over) for _ in range(plan.viewers)
            ]
            try:
                for way, number in plan.changes.items():
                    if way == "webhook":
                        subscribe(hub, stage.sandbox)
                    times = [_seen_after(stage, viewer, name, page, f"By {way}, {one}") for one in range(number)]
                    measured.series[f"{database}: change by {way}"] = Series.of(times, unit="s")
                for place, seen in _acknowledged(stage, viewer, name).items():
                    times = [_shown_after(stage, viewer, page, seen) for _ in range(plan.changes["webhook"])]
                    measured.series[f"{database}: acknowledged {place}"] = Series.of(times, unit="s")
                measured.series[f"{database}: webhook"] = _answered(hub, page, plan.webhooks)
            finally:
                over.set()
        for one in looking:
            one.result()  # or it was not so many who looked


def _look_every_second(viewer: Viewer, path: str, over: threading.Event) -> None:
    pause = random.random()  # noqa: S311  everybody has their own second
    while not over.wait(pause):
        viewer.refresh(path)
        pause = 1.0


def _seen_after(stage: Stage, viewer: Viewer, name: str, page: str, words: str) -> float:
    began = time.monotonic()
    act(stage.sandbox, page, "note", "Mei Tanaka", content=words)
    return _until(lambda: words in viewer.refresh(f"/incidents/{name}"), began)


def _acknowledged(stage: Stage, viewer: Viewer, name: str) -> dict[str, Callable[[], bool]]:
    """Whether it shows, by place. The channel keeps what it was told before."""

    def in_channel() -> bool:
        return str(stage.sandbox.messages(name)[-1]["text"]).startswith("Acknowledged")

    return {"on home": lambda: ON_HOME in viewer.refresh("/"), "in the channel": in_channel}


def _shown_after(stage: Stage, viewer: Viewer, page: str, seen: Callable[[], bool]) -> float:
    time.sleep(A_MESSAGE)
    began = time.monotonic()
    act(stage.sandbox, page, "acknowledge", "Mei Tanaka")
    took = _until(seen, began)
    time.sleep(A_MESSAGE)
    act(stage.sandbox, page, "unacknowledge", "Mei Tanaka")
    _until(lambda: not seen() and ON_HOME not in viewer.refresh("/"), time.monotonic())
    return took


def _until(seen: Callable[[], bool], began: float) -> float:
    """Seconds until somebody who looks every second sees it. Nothing changes just after they did."""
    look_at = began + random.random()  # noqa: S311  everybody has their own second
    while True:
        time.sleep(max(0.0, look_at - time.monotonic()))
        if seen():
            return time.monotonic() - began
        if time.monotonic() > began + 60:
            raise TimeoutError("what changed in PagerDuty does not show")
        look_at += 1.0


def _answered(hub: Hub, page: str, number: int) -> Series:
    """How long signed webhooks, each of its own, wait for their answer."""
    knows(hub, uuid4().hex, secret := uuid4().hex)
    times = []
    for _ in range(number):
        body = event(page)
        signature, began = signed(body, secret), time.perf_counter()
        if (status := send(hub, body, signature)) != 202:
            raise RuntimeError(f"a webhook was answered with {status}")
        times.append(time.perf_counter() - began)
    return Series.of(times)


def _filters(hub: Hub, services: list[str], priorities: list[str]) -> dict[str, Query]:
    today = datetime.now(UTC).date()
    (team,) = hub.rows("SELECT team_id FROM incidents_service_teams GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
    return {
        "status open": {"status": "open"},
        "status resolved": {"status": "resolved"},
        "last 7 days": {"created": 7},
        "last 60 days": {"created": 60},
        "a month long ago": {"from": today - timedelta(days=800), "until": today - timedelta(days=770)},
        "a year long ago": {"from": today - timedelta(days=1000), "until": today - timedelta(days=635)},
        "one priority": {"priority": priorities[0]},
        "several priorities": {"priority": [priorities[0], priorities[-1], "none"]},
        "a busy service": {"service": services[0]},
        "a quiet service": {"service": services[-1]},
        "a team": {"team": team["team_id"]},
        "a busy person": {"assigned": history.ASSIGNED[0]},
        "a quiet person": {"assigned": history.ASSIGNED[-1]},
    }


def _singles_and_pairs(filters: dict[str, Query]) -> Iterator[tuple[str, Query]]:
    yield from filters.items()
    for (first, one), (second, other) in combinations(filters.items(), 2):
        if not one.keys() & other.keys():
            yield f"{first} and {second}", one | other


def _originals_pattern(stage: Stage, plan: Plan) -> Series:
    """PagerDuty's incidents, 50 at a time, one call after another, up to 1000: what the original does for each view."""
    have = len(stage.sandbox.pages)
    for number in range(have, plan.opened):
        stage.sandbox.control("/pagerduty/incidents", {"service": ONE, "title": f"Number {number}"})
    stage.latencies(pagerduty=PAGERDUTY)
    headers = {"Authorization": f"Token token={company.PAGERDUTY_KEY}", "From": company.FROM_USER.email}
    found = []
    with httpx2.Client(base_url=stage.sandbox.addresses["pagerduty"], headers=headers, trust_env=False) as client:
        for _ in range(plan.calls):
            began = time.perf_counter()
            for offset in range(0, plan.opened, 50):
                client.get("/incidents", params={"limit": 50, "offset": offset, "date_range": "all"}, timeout=60)
            found.append(time.perf_counter() - began)
    stage.at_ease()
    return Series.of(found)
