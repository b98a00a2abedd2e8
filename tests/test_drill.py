"""A drill goes through the whole chain, and rings nobody but the one person who pressed."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from incident_central.sandbox.company import PAGERDUTY_KEY
from incident_central.sandbox.pagerduty.account import ACCOUNT_KEY, USER_KEY
from incident_central.sandbox.pagerduty.records import fixed_id
from tests.doctor import user_id
from tests.journeys.conftest import on_sqlite
from tests.processes import ADMIN, PASSWORD, Browser, Hub, Page, Sandbox, eventually
from tests.test_set_up_page import check, findings

Json = dict[str, Any]
PAGE, POLICY, SERVICE = "POST /incidents", "POST /escalation_policies", "POST /services"
DANA = user_id("dana.okafor")


@pytest.fixture
def ready(hub: Hub, sandbox: Sandbox) -> Iterator[Hub]:
    """A hub in which Dana has her drill service, and no drill is under way."""
    forget_drills(hub)
    make_service(hub)
    sandbox.control("/calls", method="DELETE")
    yield hub
    sandbox.mend()
    forget_drills(hub)


def forget_drills(hub: Hub) -> None:
    hub.rows(
        "DELETE FROM jobs_step WHERE job_id IN (SELECT id FROM jobs_job WHERE workflow IN ('drill', 'drill-service'))"
    )
    hub.rows("DELETE FROM jobs_job WHERE workflow IN ('drill', 'drill-service')")
    hub.rows("DELETE FROM drill_drill")
    hub.rows("DELETE FROM drill_drillservice")


def make_service(hub: Hub) -> None:
    eventually(lambda: "This is made in PagerDuty" in hub.dana.get("/drills").text)  # once her user was read
    hub.dana.post("/drills/service", {})
    eventually(lambda: "Start a drill: page Dana Okafor" in hub.dana.get("/drills").text)


def start(hub: Hub) -> str:
    """The name of the drill that it began."""
    page = hub.dana.post("/drills/start", {"press": hub.dana.get("/drills").value("press")})
    found = re.fullmatch(r"/drills/(drill-[a-z-]+-\d{4}-\d{2})", page.path)
    assert found, f"{page.status} {page.path}: {page.text[:3000]}"
    return found[1]


def drill(hub: Hub, name: str) -> Json:
    (row,) = hub.rows("SELECT * FROM drill_drill WHERE name = %s", name)
    found: Json = row
    return found


def until(hub: Hub, name: str, words: str) -> Page:
    def shown() -> Page:
        page = hub.dana.get(f"/drills/{name}")
        assert words in page.text, page.text[page.text.find("<h1") :]
        return page

    return eventually(shown)


def put_away(hub: Hub, name: str) -> Page:
    return until(hub, name, "Delete this drill")


def drill_goes_through(hub: Hub) -> None:
    """Dana starts one, acknowledges and ends it, and the doctor has nothing else to say of drills any more."""
    name = start(hub)
    until(hub, name, "Acknowledge it on your phone")
    eventually(lambda: hub.sandbox.ringing == {"Dana Okafor"} or None)
    hub.sandbox.acknowledge(hub.sandbox.page_of(name)["id"], DANA)
    until(hub, name, "Acknowledged by Dana Okafor")
    hub.dana.post(f"/drills/{name}/end", {})
    put_away(hub, name)
    assert {one for one in findings(check(hub)) if one.startswith("drill.")} == {"drill.went-through"}


def drill_service(sandbox: Sandbox) -> Json:
    found: Json
    (found,) = [one for one in sandbox.state["pagerduty"]["services"] if one["name"].startswith("DRILL")]
    return found


# ── the whole chain ───────────────────────────────────────────────────────────────────────────────


def test_a_drill_rings_only_who_pressed_and_shows_each_link(hub: Hub, sandbox: Sandbox) -> None:
    forget_drills(hub)
    eventually(lambda: "This is made in PagerDuty" in hub.dana.get("/drills").text)
    shown = hub.dana.get("/drills").text
    name = f"DRILL of Incident Central: pages only Dana Okafor ({DANA})"
    assert name in shown
    assert "drill.never-tried" in findings(check(hub))
    assert sandbox.calls(SERVICE) == sandbox.calls(POLICY) == []  # looking makes nothing

    make_service(hub)
    (policy,), (service,) = sandbox.calls(POLICY), sandbox.calls(SERVICE)
    assert policy["body"]["escalation_policy"]["name"] == service["body"]["service"]["name"] == name
    (rule,) = policy["body"]["escalation_policy"]["escalation_rules"]
    assert [target["id"] for target in rule["targets"]] == [DANA]

    drill_name = start(hub)
    until(hub, drill_name, "Nobody has acknowledged yet.")
    eventually(lambda: sandbox.ringing == {"Dana Okafor"} or None)
    page = sandbox.page_of(drill_name)
    assert page["title"].startswith("DRILL by Dana Okafor")
    assert page["assigned_via"] == "direct_assignment"
    channel = eventually(lambda: sandbox.channel_of(drill_name))
    eventually(lambda: sandbox.members_of(drill_name) == {"Dana Okafor"} or None)
    eventually(lambda: sandbox.channel_of(drill_name)["topic"]["value"].startswith("DRILL by Dana Okafor") or None)
    (summary,) = eventually(lambda: sandbox.messages(drill_name, f"{drill_name}/summary"))
    assert "DRILL" in summary["text"]

    sandbox.acknowledge(page["id"], DANA)
    until(hub, drill_name, "Acknowledged by Dana Okafor")
    hub.dana.post(f"/drills/{drill_name}/end", {})
    last = put_away(hub, drill_name)
    assert sandbox.page_of(drill_name)["status"] == "resolved"
    assert sandbox.channel_of(drill_name)["is_archived"]
    for link in ("accepted the page", "PagerDuty has the page", "Channel open", "You are in the channel", "resolved"):
        assert link in last.text
    assert last.text.count("after the start") == 10
    assert not [
        one for one in sandbox.messages("incidents") if drill_name in one["metadata"]["event_payload"]["marker"]
    ]
    assert channel["name"] == drill_name
    assert {"drill.went-through"} == {one for one in findings(check(hub)) if one.startswith("drill.")}

    next_name = start(hub)  # the next one uses the same service
    eventually(lambda: len(sandbox.calls(PAGE)) == 2 or None)
    assert len(sandbox.calls(SERVICE)) == len(sandbox.calls(POLICY)) == 1
    hub.dana.post(f"/drills/{next_name}/end", {})
    put_away(hub, next_name)
    forget_drills(hub)


@on_sqlite
def test_it_stays_out_of_every_list_and_can_be_deleted(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    ready = make_hub(PAGERDUTY_IMPORT_INCIDENTS="on")
    ready.start()
    make_service(ready)
    sandbox.control("/calls", method="DELETE")
    before = ready.rows("SELECT count(*) AS n FROM incidents")
    name = start(ready)
    until(ready, name, "Nobody has acknowledged yet.")
    ready.poll_now()
    ready.read_directory_now()
    eventually(lambda: sandbox.calls("GET /oncalls"))
    eventually(lambda: _has_polled(ready))
    assert ready.rows("SELECT count(*) AS n FROM incidents") == before
    assert ready.rows("SELECT id FROM incidents_service WHERE name LIKE 'DRILL%%'") == []
    assert ready.rows("SELECT id FROM incidents_escalationpolicy WHERE name LIKE 'DRILL%%'") == []
    for path in ("/", "/?text=drill", "/incidents.csv", "/report", "/on-call"):
        assert "DRILL" not in ready.dana.get(path).text, path
        assert name not in ready.dana.get(path).text, path

    refused = ready.dana.post(f"/drills/{name}/end", {"delete": "yes"})  # not while it is under way
    assert refused.path == f"/drills/{name}"
    ready.dana.post(f"/drills/{name}/end", {})
    put_away(ready, name)
    assert ready.dana.post(f"/drills/{name}/end", {"delete": "yes"}).path == "/drills"
    assert ready.rows("SELECT * FROM drill_drill") == []
    assert ready.rows("SELECT * FROM jobs_job WHERE workflow = 'drill'") == []


@on_sqlite
def test_it_ends_by_itself(ready: Hub, sandbox: Sandbox) -> None:
    name = start(ready)
    until(ready, name, "Summary posted")
    ready.rows("UPDATE drill_drill SET started_at = '2026-01-01 00:00:00' WHERE name = %s", name)
    ready.rows("UPDATE jobs_step SET run_at = '2020-01-01 00:00:00' WHERE name = 'end' AND state = 'waiting'")
    page = put_away(ready, name)
    assert "Nobody acknowledged" in page.text
    assert "its time was up" in page.text
    assert sandbox.page_of(name)["status"] == "resolved"
    assert sandbox.channel_of(name)["is_archived"]
    assert "drill.not-acknowledged" in findings(check(ready))
    drill_goes_through(ready)


@on_sqlite
def test_pressing_twice_is_one_drill(ready: Hub, sandbox: Sandbox) -> None:
    press = {"press": ready.dana.get("/drills").value("press")}
    first = ready.dana.post("/drills/start", press)
    assert ready.dana.post("/drills/start", press).path == first.path
    assert ready.dana.post("/drills/start", {"press": str(uuid4())}).path == first.path  # one at a time
    name = first.path.rpartition("/")[2]
    until(ready, name, "Nobody has acknowledged yet.")
    ready.dana.post(f"/drills/{name}/end", {})
    put_away(ready, name)
    assert ready.dana.post("/drills/start", press).path == first.path  # the very same form, sent again later
    assert len(sandbox.calls(PAGE)) == 1


def _has_polled(hub: Hub) -> bool:
    """Once what poll_now() and read_directory_now() began has come to its end."""
    due = (
        "SELECT id FROM jobs_step WHERE name IN ('poll', 'directory') AND (state <> 'waiting' OR run_at < finished_at)"
    )
    return not hub.rows(due)


# ── where it could reach somebody else ────────────────────────────────────────────────────────────


def _rule(number: int, *targets: str) -> Json:
    return {"id": f"PRULE{number}", "minutes": 5, "target_ids": list(targets)}


def _policy(sandbox: Sandbox, **fields: object) -> None:
    sandbox.plant("pagerduty", "policies", drill_service(sandbox)["policy_id"], set=fields)


def _service(sandbox: Sandbox, **fields: object) -> None:
    sandbox.plant("pagerduty", "services", drill_service(sandbox)["id"], set=fields)


def _in_maintenance(sandbox: Sandbox) -> None:
    now = sandbox.state["clock"]["now"]
    window = {"description": "Moving", "service_ids": [drill_service(sandbox)["id"]], "start": now - 60}
    sandbox.plant("pagerduty", "windows", create=window | {"end": now + 3600, "created_by": DANA})


def _gone(sandbox: Sandbox) -> None:
    sandbox.plant("pagerduty", "services", drill_service(sandbox)["id"], delete=True)


MEI = user_id("mei.tanaka")
#: Each way in which it could reach somebody else, or not who pressed; and how the page says so.
WAYS: dict[str, tuple[Callable[[Sandbox], None], str]] = {
    "a second target": (lambda s: _policy(s, rules=[_rule(1, DANA, MEI)]), "pages also Mei Tanaka"),
    "somebody else": (lambda s: _policy(s, rules=[_rule(1, MEI)]), "pages also Mei Tanaka"),
    "a second rule": (lambda s: _policy(s, rules=[_rule(1, DANA), _rule(2, MEI)]), "has 2 levels"),
    "a second rule of the same person": (lambda s: _policy(s, rules=[_rule(1, DANA), _rule(2, DANA)]), "has 2 levels"),
    "a schedule": (
        lambda s: _policy(s, rules=[_rule(1, fixed_id("schedule", "Storefront primary"))]),
        "pages the schedule Storefront primary",
    ),
    "no rule": (lambda s: _policy(s, rules=[]), "has 0 levels"),
    "a policy that repeats": (lambda s: _policy(s, num_loops=2), "repeats 2 times"),
    "a policy of a team": (lambda s: _policy(s, team_ids=[fixed_id("team", "Data")]), "belongs to a team: Data"),
    "another name of the policy": (lambda s: _policy(s, name="Storefront again"), "is called “Storefront again”"),
    "another policy": (
        lambda s: _service(s, policy_id=fixed_id("policy", "Storefront")),
        "has another escalation policy: Storefront",
    ),
    "a team": (lambda s: _service(s, team_ids=[fixed_id("team", "Data")]), "belongs to a team: Data"),
    "an integration": (lambda s: _service(s, integrations=["Datadog"]), "has an integration: Datadog"),
    "another name of the service": (lambda s: _service(s, name="Shop"), "is called “Shop”"),
    "low urgency": (lambda s: _service(s, urgency="low"), "is not always high"),
    "support hours": (lambda s: _service(s, urgency_outside_hours="low"), "is not always high"),
    "a disabled service": (lambda s: _service(s, status="disabled"), "is disabled"),
    "a key of one’s own": (
        lambda s: s.plant("pagerduty", "keys", PAGERDUTY_KEY, set={"kind": USER_KEY, "user_id": DANA}),
        "The API key is dana.okafor@example.com’s own",
    ),
    "another e-mail": (
        lambda s: s.plant("pagerduty", "users", DANA, set={"email": "dana@example.com"}),
        "Nobody in PagerDuty has the e-mail dana.okafor@example.com",
    ),
    "maintenance": (_in_maintenance, "is in maintenance"),
    "a service that is gone": (_gone, "does not have the drill service any more"),
}


def _as_it_was(sandbox: Sandbox, made: Json) -> None:
    name = f"DRILL of Incident Central: pages only Dana Okafor ({DANA})"
    policy = {"name": name, "rules": [_rule(1, DANA)], "num_loops": 0, "team_ids": []}
    sandbox.plant("pagerduty", "policies", made["policy_id"], set=policy)
    fields = ("name", "policy_id", "team_ids", "integrations", "urgency", "urgency_outside_hours", "status")
    sandbox.plant("pagerduty", "services", made["id"], set={field: made[field] for field in fields})
    sandbox.plant("pagerduty", "users", DANA, set={"email": ADMIN})
    sandbox.plant("pagerduty", "keys", PAGERDUTY_KEY, set={"kind": ACCOUNT_KEY, "user_id": None})


@on_sqlite
def test_where_it_could_reach_somebody_else_nothing_is_sent(ready: Hub, sandbox: Sandbox) -> None:
    made = drill_service(sandbox)
    for way, (plant, why) in WAYS.items():  # the last two cannot be taken back
        plant(sandbox)
        shown = put_away(ready, start(ready)).text
        assert "Nobody was paged" in shown, way
        assert why in shown, way
        assert sandbox.calls(PAGE) == [], way
        assert sandbox.calls("conversations.create") == [], way
        if way not in ("maintenance", "a service that is gone"):
            _as_it_was(sandbox, made)
    assert sandbox.ringing == set()
    assert "drill.nothing-sent" in findings(check(ready))

    # As the fix says: deleted in PagerDuty, forgotten here, made anew.
    sandbox.plant("pagerduty", "policies", made["policy_id"], delete=True)
    ready.dana.post("/drills/service", {"forget": "yes"})
    make_service(ready)
    drill_goes_through(ready)


@on_sqlite
def test_the_from_user_and_whoever_is_not_in_pagerduty_cannot_start_one(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    make_service(hub)
    hub.stop()
    hub.settings["PAGERDUTY_FROM_EMAIL"] = ADMIN
    hub.start()
    assert "You are the From user" in hub.dana.get("/drills").text
    page = hub.dana.post("/drills/start", {"press": str(uuid4())})  # by hand, since the page offers no button
    assert "is the From user" in put_away(hub, page.path.rpartition("/")[2]).text

    hub.command("manage", "createadmin", "nobody@example.com", "--password-stdin", stdin=PASSWORD)
    stranger = Browser(hub.url)
    stranger.sign_in("nobody@example.com", PASSWORD)
    assert "Nobody in PagerDuty has your e-mail, nobody@example.com" in stranger.get("/drills").text
    stranger.post("/drills/service", {})
    assert stranger.post("/drills/start", {"press": str(uuid4())}).status == 409
    failed = "SELECT s.error FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id WHERE j.workflow = %s AND s.state = %s"
    (row,) = eventually(lambda: hub.rows(failed, "drill-service", "failed"))
    assert row["error"] == "Nobody in PagerDuty has the e-mail nobody@example.com."
    assert len(sandbox.calls(POLICY)) == len(sandbox.calls(SERVICE)) == 1  # Dana's, of before
    assert sandbox.calls(PAGE) == []


@on_sqlite
def test_whose_own_key_it_is_gets_no_drill_service(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.start()
    eventually(lambda: "This is made in PagerDuty" in hub.dana.get("/drills").text)
    sandbox.plant("pagerduty", "keys", PAGERDUTY_KEY, set={"kind": USER_KEY, "user_id": DANA})
    hub.dana.post("/drills/service", {})
    why = "The API key is dana.okafor@example.com’s own"
    eventually(lambda: why in hub.dana.get("/drills").text)
    assert sandbox.calls(POLICY) == sandbox.calls(SERVICE) == []


@on_sqlite
def test_the_doctor_does_not_take_a_drill_service_for_being_on_call(ready: Hub, sandbox: Sandbox) -> None:
    sandbox.plant("pagerduty", "keys", PAGERDUTY_KEY, set={"kind": USER_KEY, "user_id": DANA})
    shown = check(ready)
    assert "pagerduty.from-on-call" in findings(shown)  # Dana is, in other policies
    assert "DRILL of Incident Central" not in shown.text


@on_sqlite
def test_what_is_being_made_is_not_forgotten(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.start()
    eventually(lambda: "This is made in PagerDuty" in hub.dana.get("/drills").text)
    sandbox.fault("pagerduty", "hung", method=POLICY, seconds=3)
    hub.dana.post("/drills/service", {})
    eventually(lambda: sandbox.calls(POLICY))
    hub.dana.post("/drills/service", {"forget": "yes"})  # by hand, since the page offers no button
    assert "The drill service is being made" in hub.dana.get("/drills").text
    sandbox.mend()
    eventually(lambda: "Start a drill: page Dana Okafor" in hub.dana.get("/drills").text)


@on_sqlite
def test_who_leaves_our_copy_in_the_middle_still_finds_their_drill(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    make_service(hub)
    name = start(hub)
    until(hub, name, "Nobody has acknowledged yet.")
    sandbox.plant("pagerduty", "users", DANA, set={"email": "dana@example.com"})
    hub.read_directory_now()
    eventually(lambda: hub.rows("SELECT id FROM incidents_person WHERE email = 'dana@example.com'"))
    assert f'href="/drills/{name}">See the drill' in hub.dana.get("/drills").text


@on_sqlite
def test_nobody_ends_or_deletes_the_drill_of_somebody_else(ready: Hub, sandbox: Sandbox) -> None:
    name = start(ready)
    ready.command("manage", "createadmin", "mei.tanaka@example.com", "--password-stdin", stdin=PASSWORD)
    ready.rows("UPDATE users SET is_admin = %s WHERE email <> %s", False, ADMIN)
    mei = Browser(ready.url)
    mei.sign_in("mei.tanaka@example.com", PASSWORD)
    assert mei.get(f"/drills/{name}").status == 200
    assert mei.post(f"/drills/{name}/end", {}).status == 404
    assert drill(ready, name)["ended_at"] is None


@on_sqlite
def test_what_could_not_be_sent_in_two_minutes_is_not_sent_any_more(ready: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "down")
    name = start(ready)
    until(ready, name, "PagerDuty could not be reached")
    three_minutes_ago = datetime.now(UTC) - timedelta(minutes=3)
    ready.rows("UPDATE drill_drill SET started_at = %s", f"{three_minutes_ago:%Y-%m-%d %H:%M:%S}")
    sandbox.mend()
    assert "It could not be sent within two minutes" in put_away(ready, name).text
    assert sandbox.calls(PAGE) == []


# ── an accepted request is not a page ─────────────────────────────────────────────────────────────


@on_sqlite
def test_a_page_that_pagerduty_does_not_have_is_said(ready: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    name = start(ready)
    eventually(lambda: drill(ready, name)["pagerduty_id"])
    sandbox.plant("pagerduty", "incidents", sandbox.page_of(name)["id"], delete=True)
    sandbox.mend()
    until(ready, name, "does not have it (404)")
    ready.dana.post(f"/drills/{name}/end", {})
    assert "PagerDuty accepted a page that it does not have" in put_away(ready, name).text
    assert "drill.page-missing" in findings(check(ready))
    drill_goes_through(ready)


@on_sqlite
def test_a_page_that_reached_somebody_else_is_said_and_resolved(ready: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    name = start(ready)
    eventually(lambda: drill(ready, name)["pagerduty_id"])
    give_to_mei(sandbox, name)
    sandbox.mend()
    shown = put_away(ready, name)
    assert "PagerDuty has assigned it to Mei Tanaka" in shown.text
    assert sandbox.page_of(name)["status"] == "resolved"
    assert "drill.reached-somebody-else" in findings(check(ready))
    drill_goes_through(ready)


@on_sqlite
def test_slack_that_opens_no_channel_is_said(ready: Hub, sandbox: Sandbox) -> None:
    sandbox.switch(channel_creation="restricted")
    name = start(ready)
    until(ready, name, "restricted_action")
    sandbox.acknowledge(sandbox.page_of(name)["id"], DANA)
    until(ready, name, "Acknowledged by Dana Okafor")
    ready.dana.post(f"/drills/{name}/end", {})
    put_away(ready, name)
    assert "drill.no-channel" in findings(check(ready))
    sandbox.switch(channel_creation="allowed")
    drill_goes_through(ready)


@on_sqlite
def test_a_page_that_nobody_has_looked_at_yet_is_not_said_to_be_missing(ready: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    name = start(ready)
    eventually(lambda: drill(ready, name)["pagerduty_id"])
    shown = ready.dana.post(f"/drills/{name}/end", {})
    assert "It is over, and is being put away" in shown.text
    assert "does not have" not in shown.text
    assert "Not looked at yet" in ready.dana.get("/drills").text
    assert {one for one in findings(check(ready)) if one.startswith("drill.")} == {"drill.not-looked-at"}
    sandbox.mend()
    ready.dana.post(f"/drills/{name}/end", {})
    assert "Nobody acknowledged" in put_away(ready, name).text
    assert sandbox.page_of(name)["status"] == "resolved"
    assert "drill.not-looked-at" not in findings(check(ready))


# ── what PagerDuty says at the end ────────────────────────────────────────────────────────────────


def _look_no_more(hub: Hub, sandbox: Sandbox, name: str) -> None:
    """Nothing is heard of the page any more until the drill is ended."""
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")

    def said() -> bool:
        (row,) = hub.rows("SELECT error FROM jobs_step WHERE name = 'acknowledged'")
        assert "500" in row["error"], row
        return True

    eventually(said)


@on_sqlite
def test_whoever_acknowledged_just_before_the_end_did(ready: Hub, sandbox: Sandbox) -> None:
    name = start(ready)
    until(ready, name, "Nobody has acknowledged yet.")
    _look_no_more(ready, sandbox, name)
    sandbox.acknowledge(sandbox.page_of(name)["id"], DANA)
    ready.dana.post(f"/drills/{name}/end", {})
    sandbox.mend()
    assert "<h1>Dana Okafor acknowledged</h1>" in put_away(ready, name).text
    assert sandbox.page_of(name)["status"] == "resolved"
    assert "drill.went-through" in findings(check(ready))


def give_to_mei(sandbox: Sandbox, name: str) -> None:
    page = sandbox.page_of(name)
    assignments = [{"user_id": MEI, "at": page["created_at"]}]
    sandbox.plant("pagerduty", "incidents", page["id"], set={"assignments": assignments})


@on_sqlite
def test_whoever_is_reached_later_ends_it(ready: Hub, sandbox: Sandbox) -> None:
    name = start(ready)
    until(ready, name, "Nobody has acknowledged yet.")
    give_to_mei(sandbox, name)
    shown = put_away(ready, name).text
    assert "PagerDuty has assigned it to Mei Tanaka" in shown
    assert "it reached somebody else" in shown
    assert sandbox.page_of(name)["status"] == "resolved"


@on_sqlite
def test_whoever_was_reached_after_it_was_acknowledged_is_said_at_the_end(ready: Hub, sandbox: Sandbox) -> None:
    name = start(ready)
    until(ready, name, "Nobody has acknowledged yet.")
    sandbox.acknowledge(sandbox.page_of(name)["id"], DANA)
    until(ready, name, "Acknowledged by Dana Okafor")
    give_to_mei(sandbox, name)
    ready.dana.post(f"/drills/{name}/end", {})
    assert "PagerDuty has assigned it to Mei Tanaka" in put_away(ready, name).text
    assert "drill.reached-somebody-else" in findings(check(ready))


# ── it is put away, however late ──────────────────────────────────────────────────────────────────


@on_sqlite
def test_begun_on_friday_and_gone_on_with_on_monday_it_is_put_away(ready: Hub, sandbox: Sandbox) -> None:
    name = start(ready)
    until(ready, name, "Summary posted")
    ready.stop()
    for table, column in (("drill_drill", "started_at"), ("jobs_step", "ask_at"), ("jobs_step", "run_at")):
        ready.rows(f"UPDATE {table} SET {column} = datetime({column}, '-3 days')")  # noqa: S608
    ready.start()
    put_away(ready, name)
    assert sandbox.page_of(name)["status"] == "resolved"
    assert sandbox.channel_of(name)["is_archived"]
    assert ready.dana.post(f"/drills/{name}/end", {"delete": "yes"}).path == "/drills"
    assert ready.rows("SELECT * FROM drill_drill") == []


@on_sqlite
def test_a_key_that_was_refused_for_a_while_leaves_no_drill_open(ready: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "answer-lost", method=PAGE, times=1)
    sandbox.fault("pagerduty", "unauthorized", method="GET /incidents")
    name = start(ready)
    until(ready, name, "PagerDuty refused our API key (401)")
    ready.dana.post(f"/drills/{name}/end", {})
    assert "Delete this drill" not in until(ready, name, "PagerDuty refused our API key (401)").text
    sandbox.mend()
    ready.rows("UPDATE jobs_step SET run_at = '2020-01-01 00:00:00' WHERE name = 'page' AND state = 'waiting'")
    put_away(ready, name)
    assert sandbox.page_of(name)["status"] == "resolved"


@on_sqlite
def test_a_channel_that_slack_does_not_have_any_more_holds_up_nothing(ready: Hub, sandbox: Sandbox) -> None:
    name = start(ready)
    until(ready, name, "Summary posted")
    sandbox.plant("slack", "channels", drill(ready, name)["channel_id"], delete=True)
    ready.dana.post(f"/drills/{name}/end", {})
    assert "Slack does not have it" in put_away(ready, name).text


@on_sqlite
def test_a_page_that_is_listed_late_is_found_and_resolved_after_the_end(ready: Hub, sandbox: Sandbox) -> None:
    sandbox.control("/switches", {"pagerduty": {"listed_after": "10"}})
    sandbox.fault("pagerduty", "answer-lost", method=PAGE, times=1)
    name = start(ready)
    eventually(lambda: sandbox.calls("GET /incidents", status=200))
    shown = ready.dana.post(f"/drills/{name}/end", {})
    assert "It is over, and is being put away" in shown.text
    eventually(lambda: sandbox.page_of(name)["status"] == "resolved" or None, within=60)
    assert sandbox.page_of(name)["id"] in put_away(ready, name).text
    assert len(sandbox.calls(PAGE)) == 1


@on_sqlite
def test_it_cannot_be_deleted_while_a_step_of_it_is_under_way(ready: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "late", method="conversations.setTopic", seconds=8)
    name = start(ready)
    until(ready, name, "Summary posted")
    ready.dana.post(f"/drills/{name}/end", {})
    eventually(lambda: sandbox.channel_of(name)["is_archived"])
    assert ready.dana.post(f"/drills/{name}/end", {"delete": "yes"}).path == f"/drills/{name}"
    put_away(ready, name)
    assert ready.dana.post(f"/drills/{name}/end", {"delete": "yes"}).path == "/drills"
    assert ready.dana.post(f"/drills/{name}/end", {"delete": "yes"}).path == "/drills"  # a second click


@on_sqlite
def test_two_clicks_on_delete_at_once_are_one(ready: Hub, sandbox: Sandbox) -> None:
    name = start(ready)
    until(ready, name, "Summary posted")
    ready.dana.post(f"/drills/{name}/end", {})
    put_away(ready, name)
    with ThreadPoolExecutor(2) as both:
        with ready.without_database():
            clicks = [both.submit(ready.dana.post, f"/drills/{name}/end", {"delete": "yes"}) for _ in range(2)]
            time.sleep(0.5)  # for both to be about to write
        answers = [one.result() for one in clicks]
    assert [(one.status, one.path) for one in answers] == [(200, "/drills")] * 2


# ── killed in the middle ──────────────────────────────────────────────────────────────────────────


@on_sqlite
def test_killed_while_the_page_is_under_way_it_pages_once(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.start()
    make_service(hub)
    sandbox.fault("pagerduty", "late", method=PAGE, seconds=30)
    name = start(hub)
    eventually(lambda: len(sandbox.pages) == 1 or None)
    hub.kill()
    sandbox.mend()
    hub.start()
    until(hub, name, "Nobody has acknowledged yet.")
    eventually(lambda: sandbox.channel_of(name))
    hub.dana.post(f"/drills/{name}/end", {})
    put_away(hub, name)
    assert len(sandbox.calls(PAGE)) == 1
    assert [one["key"] for one in sandbox.pages] == [name]


@on_sqlite
def test_a_lost_answer_makes_neither_a_second_service_nor_a_second_page(hub: Hub, sandbox: Sandbox) -> None:
    forget_drills(hub)
    for method in (POLICY, SERVICE, PAGE):
        sandbox.fault("pagerduty", "answer-lost", method=method, times=1)
    for method in ("conversations.create", "chat.postMessage"):
        sandbox.fault("slack", "answer-lost", method=method, times=1)
    make_service(hub)
    name = start(hub)
    until(hub, name, "Summary posted")
    assert [len(sandbox.calls(method)) for method in (POLICY, SERVICE, PAGE)] == [1, 1, 1]
    assert len(sandbox.messages(name, f"{name}/summary")) == 1
    assert sandbox.ringing == {"Dana Okafor"}
    forget_drills(hub)
