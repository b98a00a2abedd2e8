"""The Set-up page: what the doctor found last, at once, and a run for administrators."""

import html
import re
from collections.abc import Callable

from incident_central.integrations.slack.manifest import SCOPES, manifest
from tests.doctor import Doctor, level, policy_id, service_id
from tests.journeys.conftest import on_sqlite
from tests.pagerduty import event, send, signed
from tests.processes import ADMIN, PASSWORD, Browser, Hub, Page, Sandbox, eventually, report_form

PROBE = "POST /schedules/preview"
LONG_AGO = "2020-01-01 00:00:00"


def check(hub: Hub) -> Page:
    """Have everything checked by the administrator; the page once it is done."""
    hub.rows("UPDATE doctor_checked SET asked_at = %s", LONG_AGO)
    pressed = hub.dana.post("/set-up/check", {})
    assert "refused" not in pressed.url
    page = eventually(lambda: done(hub))
    hub.put_off_doctor()
    return page


def done(hub: Hub) -> Page:
    page = hub.dana.get("/set-up")
    assert "Check everything again" in page.text
    return page


def findings(page: Page) -> set[str]:
    return set(re.findall(r'data-finding="([a-z.-]+)"', page.text))


def test_an_administrator_checks_everything_sees_how_far_it_is_and_finds_it_again(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    first = hub.dana.get("/set-up")
    assert "Nothing has been checked yet" in first.text

    sandbox.fault("pagerduty", "slow", method="GET /services", seconds=8)
    pressed = hub.dana.post("/set-up/check", {})
    assert pressed.path == "/set-up"
    assert re.search(r"Checking: \d of 7 parts done", pressed.text)
    assert '<meta http-equiv="refresh"' in pressed.text  # without JavaScript, too
    assert ">Checking for the first time</h1>" in pressed.text
    assert "PagerDuty: services, and who is on call for 14 days" in pressed.text
    again = hub.dana.post("/set-up/check", {})
    assert "Checking: " in again.text
    sandbox.mend()

    page = eventually(lambda: done(hub))
    assert ">2 things would keep a page from arriving</h1>" in page.text
    assert "Escalation policy Payments reaches nobody now" in page.text
    assert {"pagerduty.policy-reaches-nobody", "pagerduty.no-contact-method", "hub.works"} <= findings(page)
    assert len(sandbox.calls(PROBE)) == 1
    refused = hub.dana.post("/set-up/check", {})
    assert "at most once in 30 seconds" in refused.text
    assert len(sandbox.calls(PROBE)) == 1

    hub.stop()
    sandbox.fault("pagerduty", "down")
    hub.start()
    assert findings(hub.dana.get("/set-up")) == findings(page)


@on_sqlite
def test_whoever_is_no_administrator_reads_it_and_starts_nothing(hub: Hub, sandbox: Sandbox) -> None:
    stranger = Browser(hub.url)
    assert stranger.get("/set-up").path == "/sign-in"
    page = check(hub)
    sandbox.control("/calls", method="DELETE")

    hub.command("manage", "createadmin", "mei.tanaka@example.com", "--password-stdin", stdin=PASSWORD)
    hub.rows("UPDATE users SET is_admin = %s WHERE email <> %s", False, ADMIN)
    mei = Browser(hub.url)
    mei.sign_in("mei.tanaka@example.com", PASSWORD)
    seen = mei.get("/set-up")
    assert findings(seen) == findings(page)
    assert "An administrator can check again here." in seen.text
    hub.rows("UPDATE doctor_checked SET asked_at = %s", LONG_AGO)
    assert mei.post("/set-up/check", {}).path == "/set-up"
    assert "Check everything again" in hub.dana.get("/set-up").text  # and no run is under way
    assert sandbox.calls(PROBE) == []


# ── one finding ───────────────────────────────────────────────────────────────────────────────────


def again(hub: Hub, kind: str) -> dict[str, str]:
    """What the button “Check again” of a finding sends."""
    page = hub.dana.get("/set-up").text.partition(f'data-finding="{kind}"')[2].partition("</form>")[0]
    values = dict(re.findall(r'<input type="hidden" name="(part|key)" value="([^"]*)">', page))
    assert "Check again" in page
    assert values.keys() == {"part", "key"}
    return values


def item(page: Page, kind: str) -> str:
    """The finding's own part of the page."""
    found = re.search(rf'<li data-state="[a-z]+" data-finding="{kind}".*?\n            </li>', page.text, re.S)
    assert found, kind
    return found[0]


@on_sqlite
def test_one_finding_is_checked_again_and_only_its_part(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.start()
    check(hub)
    nobody, missing = "pagerduty.policy-reaches-nobody", "pagerduty.webhook-missing"
    assert "Check again" in item(hub.dana.get("/set-up"), missing)
    sandbox.control("/calls", method="DELETE")
    form = again(hub, nobody)
    hub.rows("UPDATE doctor_checked SET asked_at = %s", LONG_AGO)

    sandbox.fault("pagerduty", "slow", method="GET /services", seconds=8)
    pressed = hub.dana.post("/set-up/check", form)
    assert pressed.path == "/set-up"
    assert pressed.url.partition("#")[2] in item(pressed, nobody)
    assert 'data-state="running"' in item(pressed, nobody)
    assert "It is being checked again." in item(pressed, nobody)
    assert "Check again" not in item(pressed, nobody)
    assert '<meta http-equiv="refresh"' in pressed.text  # without JavaScript, too
    assert "Looking at:" not in pressed.text  # nothing else changes
    assert 'data-state="warn"' in item(pressed, missing)
    address = pressed.url.removeprefix(hub.url)
    sandbox.mend()
    same = eventually(lambda: _answered(hub, address))
    assert "It was checked again, and is still so." in item(same, nobody)
    assert sandbox.calls(PROBE) == [], "the part with the webhooks was left alone"
    assert len(sandbox.calls("GET /services")) == 1

    hub.rows("UPDATE doctor_checked SET asked_at = %s", LONG_AGO)
    person = next(one["id"] for one in sandbox.state["pagerduty"]["users"] if one["name"] == "Lucía Paredes")
    sandbox.plant("pagerduty", "policies", policy_id("Payments"), set={"rules": [level(person)]})
    hub.dana.post("/set-up/check", form)
    gone = eventually(lambda: _answered(hub, address))
    assert "It was checked again, and is so no more." in item(gone, nobody)
    assert ">1 thing would keep a page from arriving</h1>" in gone.text
    assert nobody not in findings(hub.dana.get("/set-up"))


def _answered(hub: Hub, address: str) -> Page:
    page = hub.dana.get(address)
    assert "It is being checked again" not in page.text
    return page


@on_sqlite
def test_what_is_asked_while_a_run_is_under_way_is_answered_by_the_next(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    """Somebody mends it, and asks; the run that is under way has seen it as it was before."""
    hub = make_hub()
    hub.start()
    check(hub)
    form = again(hub, "pagerduty.policy-reaches-nobody")
    hub.rows("UPDATE doctor_checked SET asked_at = %s", LONG_AGO)
    sandbox.control("/calls", method="DELETE")
    sandbox.fault("pagerduty", "slow", method="GET /services", seconds=4, times=1)
    hub._due_now("on-call")
    eventually(lambda: sandbox.calls("GET /services"))
    pressed = hub.dana.post("/set-up/check", form)
    eventually(lambda: _answered(hub, pressed.url.removeprefix(hub.url)))
    assert len(sandbox.calls("GET /services")) == 2


@on_sqlite
def test_what_could_not_be_checked_can_be_checked_again(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.start()
    sandbox.fault("pagerduty", "down")
    check(hub)
    hub.rows("UPDATE doctor_checked SET asked_at = %s", LONG_AGO)
    form = again(hub, "pagerduty.not-checked")
    sandbox.mend()
    pressed = hub.dana.post("/set-up/check", form)
    gone = eventually(lambda: _answered(hub, pressed.url.removeprefix(hub.url)))
    assert "is so no more" in item(gone, "pagerduty.not-checked")


@on_sqlite
def test_a_part_that_is_none_and_whoever_is_no_administrator_check_nothing(hub: Hub, sandbox: Sandbox) -> None:
    check(hub)
    sandbox.control("/calls", method="DELETE")
    hub.rows("UPDATE doctor_checked SET asked_at = %s", LONG_AGO)
    assert hub.dana.post("/set-up/check", {"part": "everything", "key": "x"}).path == "/set-up"
    assert hub.dana.get("/set-up?part=on-call&key=<script>").status == 200
    hub.command("manage", "createadmin", "mei.tanaka@example.com", "--password-stdin", stdin=PASSWORD)
    hub.rows("UPDATE users SET is_admin = %s WHERE email <> %s", False, ADMIN)
    mei = Browser(hub.url)
    mei.sign_in("mei.tanaka@example.com", PASSWORD)
    page = mei.get("/set-up")
    assert "Check again" not in page.text
    assert mei.post("/set-up/check", {"part": "on-call", "key": "x"}).path == "/set-up"
    assert hub.rows("SELECT part FROM doctor_checked WHERE NOT is_answered") == []
    assert sandbox.calls("GET /schedules") == []  # which nothing but the doctor asks for


# ── what it says ──────────────────────────────────────────────────────────────────────────────────


@on_sqlite
def test_names_are_text_and_many_of_a_kind_are_folded(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    names = "Mobile App,Search,Payments,Identity,Email Delivery,Incident Desk,Data Warehouse".split(",")
    for name in names:
        sandbox.plant("pagerduty", "services", service_id(name), set={"urgency": "low"})
    sandbox.plant("pagerduty", "services", service_id("Search"), set={"name": "<script>alert(1)</script> `x`"})
    hub = make_hub()
    hub.start()
    page = check(hub)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "<script>alert" not in page.text
    assert page.text.count('data-finding="pagerduty.service-low-urgency"') == len(names)
    assert f"{len(names) - 3} more like this" in page.text


@on_sqlite
def test_what_only_incidents_show(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    """That the workspace lets nobody open channels, and that webhooks stopped coming."""
    sandbox.switch(channel_creation="restricted")
    hub = make_hub()
    hub.start()
    assert hub.command("setup", "webhook").returncode == 0
    assert {"pagerduty.webhook-works", "slack.channels-untried"} <= findings(check(hub))

    sandbox.fault("webhooks", "lost")
    hub.rows("UPDATE incidents_webhook SET received_at = %s", LONG_AGO)
    # PagerDuty's log has whole seconds: what happens in the second of the subscription does not count.
    hub.rows("UPDATE incidents_webhooksubscription SET created_at = %s", LONG_AGO)
    name = hub.dana.post("/report", report_form(hub)).incident
    eventually(lambda: hub.steps(name)["open_channel"]["state"] == "failed")
    eventually(lambda: _from_the_log(hub))
    assert {"pagerduty.webhook-silent", "slack.channels-restricted"} <= findings(check(hub))

    sandbox.switch(channel_creation="allowed")
    hub.dana.post(f"/incidents/{name}/steps/open_channel", {})
    hub.finished(name)
    assert "slack.channels-open" in findings(check(hub))


@on_sqlite
def test_a_refused_webhook_shows_until_a_good_one_comes(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.start()
    assert hub.command("setup", "webhook").returncode == 0
    body, secret = event("Q0UNKNOWN"), hub.rows("SELECT secret FROM incidents_webhooksubscription")[0]["secret"]
    assert send(hub, body, signed(body, "a secret of before")) == 503
    kept = hub.rows("SELECT why, at FROM incidents_refusedwebhook")
    assert [one["why"] for one in kept] == ["its signature is wrong"]
    assert {send(hub, body, signed(body, "a secret of before")) for _ in range(20)} == {503}
    assert hub.rows("SELECT why, at FROM incidents_refusedwebhook") == kept, "once a minute at most"
    page = check(hub)
    assert "pagerduty.webhook-refused" in findings(page)
    assert "pagerduty.webhook-works" not in findings(page)
    assert re.search(r"refused it on \d+ \w+ at \d\d:\d\d: its signature is wrong\.", page.text)

    assert send(hub, body, signed(body, secret)) == 202
    good = findings(check(hub))
    assert "pagerduty.webhook-refused" not in good
    assert "pagerduty.webhook-works" in good


def _from_the_log(hub: Hub) -> bool:
    hub.read_log_now()
    return bool(hub.rows("SELECT id FROM incidents_timelineentry WHERE log_entry_id IS NOT NULL"))


@on_sqlite
def test_a_check_that_we_fail_ourselves_is_no_pass_and_keeps_no_other_from_being_made(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    """PagerDuty answers what its API description rules out."""
    hub = make_hub()
    hub.start()
    assert "hub.check-failed" not in findings(check(hub))
    sandbox.plant("pagerduty", "services", service_id("Search"), set={"auto_resolve_timeout": "soon"})
    page = check(hub)
    assert "hub.check-failed" in findings(page)
    assert "Incident Central itself failed here (ValueError)" in page.text
    by_command = Doctor(hub).finds()
    (failed,) = by_command["hub.check-failed"]
    assert (failed["level"], failed["said"]) == ("could-not-check", "Incident Central itself failed: ValueError.")
    assert "pagerduty.webhook-missing" in by_command
    sandbox.plant("pagerduty", "services", service_id("Search"), set={"auto_resolve_timeout": None})
    assert "hub.check-failed" not in findings(check(hub))


@on_sqlite
def test_the_documented_fixes_turn_findings_green(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.start()
    assert "pagerduty.policy-reaches-nobody" in findings(check(hub))
    person = next(one["id"] for one in sandbox.state["pagerduty"]["users"] if one["name"] == "Lucía Paredes")
    rules = [{"id": "PRULE", "minutes": 5, "target_ids": [person]}]  # “add a level with a person”
    sandbox.plant("pagerduty", "policies", policy_id("Payments"), set={"rules": rules})
    assert hub.command("setup", "webhook").returncode == 0
    page = check(hub)
    assert not {"pagerduty.policy-reaches-nobody", "pagerduty.webhook-missing"} & findings(page)
    assert ">1 thing would keep a page from arriving</h1>" in page.text


@on_sqlite
def test_the_page_offers_the_slack_apps_manifest_and_the_reason_for_each_scope(hub: Hub) -> None:
    page, file = hub.dana.get("/set-up"), hub.dana.get("/set-up/slack-manifest.yaml")
    assert file.text == manifest(hub.url)
    assert f"Report an incident at {hub.url}" in file.text
    shown = re.search(r'<pre id="manifest"><code>(.*?)</code></pre>', page.text, re.S)
    assert shown
    assert html.unescape(shown[1]) == file.text
    rows = re.findall(r"<tr><th scope=\"row\"><code>(.*?)</code></th><td>(.*?)</td><td>(.*?)</td></tr>", page.text)
    told = [tuple(html.unescape(text) for text in row) for row in rows]
    assert told == [(scope.name, scope.why, scope.without) for scope in SCOPES]
    assert Browser(hub.url).get("/set-up/slack-manifest.yaml").path == "/sign-in"
