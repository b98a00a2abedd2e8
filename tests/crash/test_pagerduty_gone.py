"""PagerDuty away for an hour while something burns, and a flood of webhooks: nothing is lost, nothing done twice."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from statistics import median
from uuid import uuid4

import psycopg
import pytest

from tests.pagerduty import act, knows, log_of, subscribe
from tests.processes import ROOT, Hub, Sandbox, eventually, report_form
from tests.test_acting import act as press
from tests.test_acting import settled
from tests.test_sync import told, true
from tests.test_trouble import assert_everything_once

#: What the hub remembers by its own clock, and which an hour therefore changes.
MOMENTS = {
    "jobs_step": ("run_at", "ask_at", "doubtful_since", "finished_at"),
    "incidents": ("stale_since",),
    "incidents_readupto": ("at",),
    "incidents_webhook": ("received_at",),
}
RATE = 200  # webhooks a second


def test_an_hour_without_pagerduty_replayed_faster_loses_nothing(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    subscribe(hub, sandbox)
    burning, quiet, closed = (reported(hub, sandbox, title) for title in ("Cards fail", "Search is slow", "Mail waits"))
    pages = {name: sandbox.page_of(name)["id"] for name in (burning, quiet, closed)}
    sandbox.fault("pagerduty", "down")

    # Some of it here, some in PagerDuty's app, while nobody can read it.
    press(hub, burning, "acknowledge")
    press(hub, quiet, "note", text="It began with the deployment at noon")
    new = hub.dana.post("/report", report_form(hub, title="Nobody can sign in", service_name="Search")).incident
    for _ in range(6):
        an_hour_passes(hub, minutes=10)
        _so_long_ago(sandbox, pages[burning], minutes=10)
        act(sandbox, pages[quiet], "note", "Oskar Lindqvist", content="Still looking")
        tried = attempts(hub, new)
        eventually(lambda tried=tried: attempts(hub, new) > tried)  # type: ignore[misc]
    act(sandbox, pages[quiet], "acknowledge", "Oskar Lindqvist")
    act(sandbox, pages[closed], "resolve", "Mei Tanaka")
    says(hub, "/", "Nobody could be paged yet")
    says(hub, f"/incidents/{closed}", "PagerDuty has not answered for")
    says(hub, f"/incidents/{burning}", "It is kept, and done as soon as that works.")
    assert hub.incident(burning)["status"] == "triggered", "nothing is said that PagerDuty does not know"
    eventually(lambda: hub.incident(new)["slack_channel_id"])

    sandbox.mend()
    pages[new] = eventually(lambda: hub.incident(new)["pagerduty_id"])
    for name in (burning, quiet):
        settled(hub, name)
    hub.finished(new)
    wanted = {burning: "acknowledged", quiet: "acknowledged", closed: "resolved", new: "triggered"}
    eventually(lambda: {name: hub.incident(name)["status"] for name in wanted} == wanted)
    for name, page in pages.items():
        eventually(lambda name=name, page=page: told(hub, name) == true(sandbox, page))  # type: ignore[misc]
    notes = Counter(note["content"] for note in sandbox.page_of(quiet)["notes"])
    assert notes["Still looking"] == 6
    assert sum(count for words, count in notes.items() if "deployment at noon" in words) == 1
    assert len([one for one in log_of(sandbox, pages[burning]) if one["type"].startswith("acknowledge")]) == 1
    assert len([one for one in sandbox.pages if one["key"] == new]) == 1


def _so_long_ago(sandbox: Sandbox, page: str, *, minutes: int) -> None:
    """In PagerDuty, too, it is so long that phones ring for it."""
    (one,) = [one for one in sandbox.pages if one["id"] == page]
    changed_at = one["status_changed_at"] - minutes * 60
    sandbox.plant("pagerduty", "incidents", page, set={"status_changed_at": changed_at})


def reported(hub: Hub, sandbox: Sandbox, title: str) -> str:
    """An incident on a service of its own words, with everything done and read."""
    name = hub.dana.post("/report", report_form(hub, title=title)).incident
    hub.finished(name)
    eventually(lambda: hub.incident(name)["whole_log_read"] and not hub.incident(name)["stale_since"])
    assert_everything_once(hub, sandbox, name)
    return name


def says(hub: Hub, path: str, words: str) -> None:
    eventually(lambda: words in hub.dana.get(path).text)


def attempts(hub: Hub, name: str) -> int:
    """How often it was tried to page."""
    query = """SELECT step.attempts FROM jobs_step AS step JOIN jobs_job AS job ON job.id = step.job_id
               WHERE job.workflow = 'response' AND job.key = %s AND step.name = 'page'"""
    (row,) = hub.rows(query, name)
    return int(row["attempts"])


def an_hour_passes(hub: Hub, *, minutes: int) -> None:
    """So much of it: everything that the hub remembers was so much longer ago."""
    sqlite = f"strftime('%Y-%m-%d %H:%M:%f', {{0}}, '-{minutes} minutes')"
    ago = f"{{0}} - interval '{minutes} minutes'" if hub.database_url else sqlite
    changes = [
        f"UPDATE {table} SET {', '.join(f'{one} = {ago.format(one)}' for one in columns)}"  # noqa: S608  names from above
        for table, columns in MOMENTS.items()
    ]
    if not hub.database_url:
        for change in changes:
            hub.rows(change)
        return
    eventually(lambda: _all_at_once(hub.database_url, changes))


def _all_at_once(database_url: str, changes: list[str]) -> bool:
    """Or none, where the hub is just writing: they would wait for each other's rows."""
    with psycopg.connect(database_url) as connection:
        try:
            connection.execute(f"LOCK TABLE {', '.join(MOMENTS)} IN EXCLUSIVE MODE NOWAIT".encode())
        except psycopg.errors.LockNotAvailable:
            connection.rollback()
            return False
        for change in changes:
            connection.execute(change.encode())
    return True


# ── a flood ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.timeout(400)
def test_two_hundred_webhooks_a_second_delay_no_page(
    make_hub: Callable[..., Hub], sandbox: Sandbox, pytestconfig: pytest.Config
) -> None:
    """For six seconds, and for half a minute with --soak. They come whether or not earlier ones were answered.

    Who sends them takes its share of the processor, so in the flood a page takes longer by what the processor is short
    of; behind the webhooks that wait it would leave as much later as the flood has lasted.
    """
    webhooks = RATE * (30 if pytestconfig.getoption("--soak") else 6)
    hub = make_hub()
    hub.start()
    knows(hub, uuid4().hex, secret := uuid4().hex)
    name = reported(hub, sandbox, "Cards fail")
    page = str(sandbox.page_of(name)["id"])
    quiet = dict(report(hub, f"Before it, {number}") for number in range(8))
    in_flood: dict[str, float] = {}

    began = time.monotonic()
    act(sandbox, page, "acknowledge", "Mei Tanaka")
    command = [sys.executable, "-m", "tests.crash.flood", hub.url, secret, page, str(webhooks), str(RATE)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as flood:
        while time.monotonic() < began + webhooks / RATE:
            in_flood |= dict([report(hub, f"In the midst of it, {len(in_flood)}")])
            time.sleep(0.2)
        answers = json.loads(flood.communicate()[0])
    assert answers == {"202": webhooks}
    before, leaves = paged_after(sandbox, quiet), paged_after(sandbox, in_flood)
    assert len(leaves) > webhooks / RATE, "and whoever reports is answered"
    assert median(leaves) < 5 * median(before) + 0.2
    assert max(leaves) < 1.5
    eventually(lambda: not hub.incident(name)["stale_since"])
    assert told(hub, name) == true(sandbox, page)
    seconds = time.monotonic() - began
    assert len(sandbox.calls("GET /incidents/{id}")) <= 2 * (len(quiet) + len(in_flood)) + 5 + seconds, "once for many"


def report(hub: Hub, title: str) -> tuple[str, float]:
    """Its name, and when it was sent."""
    sent_at = time.time()
    return hub.dana.post("/report", report_form(hub, title=title)).incident, sent_at


def paged_after(sandbox: Sandbox, sent_at: dict[str, float]) -> list[float]:
    """Seconds from sending each report until PagerDuty had its page."""

    def all_paged() -> dict[str, float]:
        made = {one["key"]: float(one["created_at"]) for one in sandbox.pages}
        assert sent_at.keys() <= made.keys()
        return made

    made = eventually(all_paged)
    return [made[name] - at for name, at in sent_at.items()]
