"""A drill that starts by itself once a week, at an hour that the person chose, by their own clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from incident_central.drill.clock import next_time
from tests.crash.replicas import another
from tests.journeys.conftest import on_sqlite
from tests.processes import ADMIN, Hub, Page, Sandbox, eventually, moment
from tests.test_drill import drill_service, forget_drills, make_service, put_away
from tests.test_set_up_page import PROBE, check, findings

Json = dict[str, Any]
PAGE = "POST /incidents"


@pytest.fixture
def ready(make_hub: Callable[..., Hub]) -> Hub:
    """A hub in which Dana has her drill service."""
    hub = make_hub()
    hub.start()
    make_service(hub)
    return hub


def plan(hub: Hub, *, weekday: int = 1, hour: int = 10, zone: str = "Europe/Lisbon") -> Page:
    return hub.dana.post("/drills/plan", {"weekday": str(weekday), "hour": str(hour), "zone": zone})


def due(hub: Hub, *, ago: timedelta = timedelta(minutes=2)) -> None:
    """Its hour came so long ago; to the microsecond, so that it is another hour each time."""
    hub.rows("UPDATE drill_drillplan SET next_at = %s", f"{datetime.now(UTC) - ago:%Y-%m-%d %H:%M:%S.%f}")


def drills(hub: Hub) -> list[Json]:
    return hub.rows("SELECT * FROM drill_drill ORDER BY started_at")


def planned(hub: Hub) -> Json:
    (row,) = hub.rows("SELECT * FROM drill_drillplan")
    return row


def next_at(hub: Hub) -> datetime:
    return moment(planned(hub)["next_at"])


def test_it_starts_by_itself_rings_its_person_once_and_comes_again_in_a_week(ready: Hub, sandbox: Sandbox) -> None:
    page = plan(ready)
    assert page.path == "/drills"
    assert "It starts by itself every week" in page.text
    local = next_at(ready).astimezone(ZoneInfo("Europe/Lisbon"))
    assert (local.weekday(), local.hour, local.minute) == (1, 10, 0)
    assert timedelta() < next_at(ready) - datetime.now(UTC) <= timedelta(days=7)

    ready.does("start_due")
    assert drills(ready) == [], "its hour has not come"
    due(ready)
    ready.does("start_due")
    (drill,) = drills(ready)
    assert drill["email"] == ADMIN
    eventually(lambda: sandbox.ringing == {"Dana Okafor"})
    assert timedelta() < next_at(ready) - datetime.now(UTC) <= timedelta(days=7)
    ready.does("start_due")
    assert len(drills(ready)) == 1
    ready.dana.post(f"/drills/{drill['name']}/end", {})
    put_away(ready, drill["name"])
    assert len(sandbox.calls(PAGE)) == 1
    assert "drill.not-acknowledged" in findings(check(ready)), "nobody's phone was answered, and the doctor says so"


@on_sqlite
def test_it_is_stopped_and_changed(ready: Hub, sandbox: Sandbox) -> None:
    plan(ready)
    assert "Friday" in plan(ready, weekday=4, hour=23, zone="Asia/Tokyo").text
    local = next_at(ready).astimezone(ZoneInfo("Asia/Tokyo"))
    assert (local.weekday(), local.hour) == (4, 23)
    due(ready)
    assert "Start one every week" in ready.dana.post("/drills/plan", {"stop": "yes"}).text
    ready.does("start_due")
    assert drills(ready) == []


@on_sqlite
@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"weekday": "7", "hour": "10", "zone": "UTC"}, "must be a day of the week and a full hour"),
        ({"weekday": "1", "hour": "24", "zone": "UTC"}, "must be a day of the week and a full hour"),
        ({"weekday": "", "hour": "", "zone": "UTC"}, "must be a day of the week and a full hour"),
        ({"weekday": "1", "hour": "10", "zone": "../etc"}, "must be a time zone&#x27;s name"),
    ],
)
def test_a_time_that_is_none_is_told(ready: Hub, form: dict[str, str], said: str) -> None:
    page = ready.dana.post("/drills/plan", form)
    assert page.status == 400
    assert said in page.text
    assert ready.rows("SELECT * FROM drill_drillplan") == []


@on_sqlite
def test_without_a_drill_service_nothing_can_be_planned(ready: Hub) -> None:
    forget_drills(ready)
    page = plan(ready)
    assert page.status == 409
    assert "have it made first" in page.text


def test_killed_in_the_middle_it_is_one_drill(ready: Hub, sandbox: Sandbox) -> None:
    plan(ready)
    due(ready)
    was = planned(ready)["next_at"]
    for _ in range(3):  # each time it is due again, as if what it had done had not been written down
        ready.rows("UPDATE jobs_step SET run_at = '2020-01-01' WHERE name = 'start_due' AND state = 'waiting'")
        eventually(lambda: sandbox.ringing == {"Dana Okafor"})
        ready.kill()
        ready.rows("UPDATE drill_drillplan SET next_at = %s", str(was))
        ready.start()
    ready.does("start_due")
    name = drills(ready)[0]["name"]
    ready.dana.post(f"/drills/{name}/end", {})
    put_away(ready, name)
    ready.rows("UPDATE drill_drillplan SET next_at = %s", str(was))
    ready.does("start_due")
    assert len(drills(ready)) == 1
    assert len(sandbox.calls(PAGE)) == 1
    assert next_at(ready) > datetime.now(UTC)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="session")
def test_of_two_replicas_one_starts_it_and_one_runs_the_doctor(ready: Hub, sandbox: Sandbox, tmp_path: Path) -> None:
    second = another(ready, tmp_path / "second")
    second.start()
    try:
        plan(ready)
        for number in range(1, 4):
            due(ready)
            was = planned(ready)["next_at"]
            ready.does("start_due", "pagerduty")
            assert len(drills(ready)) == 1
            assert len(sandbox.calls(PROBE)) == number
            ready.rows("UPDATE drill_drillplan SET next_at = %s", str(was))
    finally:
        second.stop()


@on_sqlite
def test_a_hub_that_was_down_at_that_hour_starts_it_late_or_says_that_it_did_not(ready: Hub, sandbox: Sandbox) -> None:
    plan(ready)
    ready.stop()
    due(ready, ago=timedelta(minutes=61))
    ready.start()
    ready.does("start_due")
    assert drills(ready) == []
    why = "Incident Central was not working then, nor in the hour after it."
    assert why in ready.dana.get("/drills").text
    page = check(ready)
    assert "drill.not-started" in findings(page)
    assert why in page.text

    ready.stop()
    due(ready, ago=timedelta(minutes=55))
    ready.start()
    ready.does("start_due")
    assert len(drills(ready)) == 1
    assert why not in ready.dana.get("/drills").text
    assert "drill.not-started" not in findings(check(ready))


@on_sqlite
def test_what_is_refused_when_it_is_pressed_is_refused_by_itself(ready: Hub, sandbox: Sandbox) -> None:
    plan(ready)
    made = drill_service(sandbox)
    sandbox.plant("pagerduty", "policies", made["policy_id"], set={"num_loops": 2})
    due(ready)
    ready.does("start_due")
    (drill,) = drills(ready)
    assert "Nobody was paged" in put_away(ready, drill["name"]).text
    assert sandbox.calls(PAGE) == []
    assert "drill.nothing-sent" in findings(check(ready))

    forget = {"forget": "yes"}
    ready.dana.post("/drills/service", forget)
    due(ready)
    ready.does("start_due")
    assert len(drills(ready)) == 1
    assert "There is no drill service" in check(ready).text


@on_sqlite
def test_while_another_drill_is_under_way_none_is_started(ready: Hub, sandbox: Sandbox) -> None:
    plan(ready)
    ready.dana.post("/drills/start", {"press": ready.dana.get("/drills").value("press")})
    due(ready)
    ready.does("start_due")
    assert len(drills(ready)) == 1
    assert "Another drill of theirs was under way." in planned(ready)["not_started"]


@on_sqlite
def test_whoever_has_left_is_rung_no_more(ready: Hub, sandbox: Sandbox) -> None:
    plan(ready)
    ready.rows("UPDATE users SET is_active = %s", False)
    due(ready)
    ready.does("start_due")
    assert drills(ready) == []


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_hour_is_the_persons_in_summer_and_in_winter() -> None:
    """Lisbon is at UTC in winter and an hour ahead in summer; it changes on Sundays, 29 March and 25 October 2026, at
    01:00 UTC."""
    sunday, tuesday = 6, 1
    assert next_time(tuesday, 10, "Europe/Lisbon", after=at("2026-03-24 10:00")) == at("2026-03-31 09:00")
    assert next_time(tuesday, 10, "Europe/Lisbon", after=at("2026-10-20 09:00")) == at("2026-10-27 10:00")
    # 01:00 is left out on one day, and comes twice on the other.
    assert next_time(sunday, 1, "Europe/Lisbon", after=at("2026-03-28 12:00")) == at("2026-03-29 01:00")
    assert next_time(sunday, 1, "Europe/Lisbon", after=at("2026-03-29 01:00")) == at("2026-04-05 00:00")
    assert next_time(sunday, 1, "Europe/Lisbon", after=at("2026-10-24 12:00")) == at("2026-10-25 00:00")
    assert next_time(sunday, 1, "Europe/Lisbon", after=at("2026-10-25 00:00")) == at("2026-11-01 01:00")
    # It is Tuesday there already.
    assert next_time(tuesday, 8, "Asia/Tokyo", after=at("2026-11-23 22:30")) == at("2026-11-23 23:00")
