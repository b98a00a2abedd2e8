"""kill -9 at every step boundary and at random moments, ten responses under way: nothing lost, nothing done twice.

After every tenth kill it is started as people do, and left to finish what was under way.

`--soak` makes it 2,000 kills on each database instead of 50, in rounds of 50. `--at "left pins.add"` kills there alone.
"""

import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.crash.account import assert_each_once
from tests.crash.lives import Lives, Reports
from tests.crash.replicas import in_the_database
from tests.processes import ALONE, Hub, Sandbox, eventually

AT_ONCE = 10  # responses under way when it is killed, at least
MOMENTS = ["leaves", "left", "answered", "recording", "recorded"]
WRITES = [
    "POST /incidents",
    "conversations.create",
    "conversations.invite",
    "conversations.setTopic",
    "bookmarks.add",
    "chat.postMessage",
    "pins.add",
    "POST /incidents/{id}/notes",
]
#: How what is doubtful is looked up: only after a kill, and not after every one.
LOOKUPS = [
    "GET /incidents",
    "users.conversations",
    "bookmarks.list",
    "conversations.history",
    "GET /incidents/{id}/notes",
]
BOUNDARIES = [f"{moment} {call}" for call in WRITES for moment in MOMENTS] + ["recording report", "recorded report"]
RARER = [f"{moment} {call}" for call in LOOKUPS for moment in MOMENTS]
AT_RANDOM = ""
PATIENCE = 90.0  # seconds until a boundary is reached, on a busy machine
A_WHILE = 1.6  # seconds; what is rarer may not come
KILLS_A_RESTART = 10
#: Seconds from a restart in which half, and all, of what was under way is finished, where nothing else runs. (Beside
#: other tests, which take its processors, a minute.)
HALF_WITHIN, ALL_WITHIN = 3.0, 10.0


@pytest.mark.timeout(900)
def test_killed_at_any_moment_nothing_is_lost_and_nothing_is_done_twice(
    make_hub: Callable[..., Hub],
    sandbox: Sandbox,
    seed: int,
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
) -> None:
    chance = random.Random(seed)
    plan = BOUNDARIES + chance.sample(RARER, 4) + [AT_RANDOM] * 4
    chance.shuffle(plan)
    plan = pytestconfig.getoption("--at") or plan
    sandbox.control("/switches", {"pagerduty": {"rate_limits": "off"}, "slack": {"rate_limits": "off"}})
    hub = make_hub()
    hub.start()
    sandbox.control("/latency", {"pagerduty": 0.08, "slack": 0.08})
    took: list[float] = []
    with Reports(hub) as reports:
        for first in range(0, len(plan), KILLS_A_RESTART):
            hub.kill()
            with Lives(hub) as lives:
                for place in plan[first : first + KILLS_A_RESTART]:
                    # A kill with fewer under way does not count.
                    while one_life(lives, reports, place, chance) < AT_ONCE:
                        pass
            took += restarted(hub, reports)
        names = reports.answered()
        eventually(lambda: in_the_database(hub, names))
        eventually(lambda: not reports.under_way())
    assert_each_once(hub, sandbox, names)
    assert "cannot be written" not in hub.log
    # Nothing was begun that could not be sent: who was refused by our own side would wait longer with each life. But
    # PagerDuty refuses a page whose first call comes so late that it was looked for in vain. (What was killed while it
    # sent has no body.)
    calls = [call for call in sandbox.calls("POST /incidents") if call["status"] == 400 and call["body"]]
    refused = {call["body"]["incident"]["incident_key"] for call in calls}
    tried = "SELECT s.name, s.error, j.key FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id WHERE s.attempts > 0"
    assert [row for row in hub.rows(tried) if row["name"] != "page" or row["key"] not in refused] == []
    half, slowest = statistics.median(took), max(took)
    record_property("kills", len(plan))
    record_property("reports", len(names))
    record_property("under way at a restart", len(took))
    record_property("finished after, p50 s", round(half, 2))
    record_property("finished after, slowest s", round(slowest, 2))
    if ALONE:
        assert slowest <= ALL_WITHIN
        # After one kill at one place, most may have the same in doubt.
        assert half < HALF_WITHIN or pytestconfig.getoption("--at")


def one_life(lives: Lives, reports: Reports, place: str, chance: random.Random) -> int:
    """Begin, have enough under way, and die at `place`: how many responses were under way then."""
    lives.begin(place)
    eventually(lambda: enough(reports))
    lives.arm()
    if place.endswith("report"):
        reports.send(until_under_way=len(reports.under_way()) + 1)
    until = time.monotonic() + (PATIENCE if place in BOUNDARIES else A_WHILE if place else 0.0)
    while time.monotonic() < until:
        reports.send(until_under_way=AT_ONCE + 6)
        if lives.dies(within=0.2):
            return len(reports.under_way())
    assert place not in BOUNDARIES, f"{place} was not reached"
    time.sleep(chance.uniform(0, 0.4))
    lives.kill()
    return len(reports.under_way())


def enough(reports: Reports) -> bool:
    """Those of the life before may be finished at any moment."""
    reports.send(until_under_way=AT_ONCE + 6)
    return len(reports.under_way()) >= AT_ONCE + 2


def restarted(hub: Hub, reports: Reports) -> list[float]:
    """Start it as people do, and see how long each response that was under way takes to finish, in seconds."""
    left, began = reports.under_way(), datetime.now(UTC)
    hub.start(ready=False)
    until = time.monotonic() + 60
    while left & reports.under_way() and time.monotonic() < until:
        time.sleep(0.3)  # who looks more often takes its processor from the hub
    assert not left & reports.under_way()
    return [(finished - began).total_seconds() for name, finished in reports.finished().items() if name in left]
