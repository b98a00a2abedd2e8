"""PagerDuty away for an hour while something burns, and a flood of webhooks: nothing is lost, nothing done twice."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import psycopg
import pytest

from tests.pagerduty import act, event, knows, log_of, send, signed, subscribe
from tests.processes import Hub, Sandbox, eventually, report_form
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
    with psycopg.connect(hub.database_url) as connection:
        # All at once, or the hub and this would wait for each other's rows.
        connection.execute(f"LOCK TABLE {', '.join(MOMENTS)} IN EXCLUSIVE MODE".encode())
        for change in changes:
            connection.execute(change.encode())


# ── a flood ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.timeout(400)
def test_two_hundred_webhooks_a_second_delay_no_page(
    make_hub: Callable[..., Hub], sandbox: Sandbox, pytestconfig: pytest.Config
) -> None:
    """For three seconds, and for half a minute with --soak."""
    webhooks = RATE * (30 if pytestconfig.getoption("--soak") else 3)
    hub = make_hub()
    hub.start()
    knows(hub, uuid4().hex, secret := uuid4().hex)
    name = reported(hub, sandbox, "Cards fail")
    page = sandbox.page_of(name)["id"]
    over, began = Event(), time.monotonic()
    hub.dana.get("/report")

    def flood(number: int) -> int:
        """Each at its own moment, and again while it is put off, as PagerDuty does."""
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        body, webhook = event(page), uuid4().hex
        while (status := send(hub, body, signed(body, secret), webhook_id=webhook)) == 503:
            time.sleep(0.5)
        return status

    def reports() -> list[tuple[str, float]]:
        """One after another, and how long each page took, until the flood is over."""
        found: list[tuple[str, float]] = []
        while not over.is_set():
            sent_at = time.time()
            new = hub.dana.post("/report", report_form(hub, title=f"Number {len(found)}")).incident
            found.append((new, eventually(lambda new=new: sandbox.page_of(new))["created_at"] - sent_at))  # type: ignore[misc]
            over.wait(1.0)
        return found

    with ThreadPoolExecutor(1) as person, ThreadPoolExecutor(16) as pagerduty:
        paged = person.submit(reports)
        act(sandbox, page, "acknowledge", "Mei Tanaka")
        answers = Counter(pagerduty.map(flood, range(webhooks)))
        over.set()
    assert answers == {202: webhooks}
    assert max(took for _, took in paged.result()) < 5
    eventually(lambda: not hub.incident(name)["stale_since"])
    assert told(hub, name) == true(sandbox, page)
    seconds = time.monotonic() - began
    assert len(sandbox.calls("GET /incidents/{id}")) <= 2 * len(paged.result()) + 5 + seconds, "read once for many"
