"""`incident-central setup webhook`, and what keeps its subscription alive."""

from collections.abc import Callable

import pytest

from tests.pagerduty import PATH, act, ask
from tests.processes import Hub, Json, Sandbox, eventually, report_form

MakeHub = Callable[..., Hub]


def subscriptions(sandbox: Sandbox) -> list[Json]:
    found: list[Json] = ask(sandbox, "/webhook_subscriptions")["webhook_subscriptions"]
    return found


def subscribe(sandbox: Sandbox, url: str) -> str:
    wanted = {
        "type": "webhook_subscription",
        "delivery_method": {"type": "http_delivery_method", "url": url},
        "events": ["incident.resolved"],
        "filter": {"type": "account_reference"},
    }
    return str(ask(sandbox, "/webhook_subscriptions", {"webhook_subscription": wanted})["webhook_subscription"]["id"])


@pytest.fixture
def own_hub(make_hub: MakeHub) -> Hub:
    hub = make_hub()
    hub.start()
    return hub


def test_it_subscribes_once_keeps_the_secret_and_sees_a_test_arrive(own_hub: Hub, sandbox: Sandbox) -> None:
    first = own_hub.command("setup", "webhook")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == f"PagerDuty now sends webhooks to {own_hub.url}{PATH}.\nIts test arrived.\n"
    again = own_hub.command("setup", "webhook")
    assert again.stdout == f"PagerDuty sends webhooks to {own_hub.url}{PATH} already.\nIts test arrived.\n"
    (one,) = subscriptions(sandbox)
    (kept,) = own_hub.rows("SELECT id, secret FROM incidents_webhooksubscription")
    assert kept["id"] == one["id"]
    assert kept["secret"] not in first.stdout + own_hub.log


def test_one_whose_secret_is_lost_is_replaced_and_those_of_others_stay(own_hub: Hub, sandbox: Sandbox) -> None:
    lost = subscribe(sandbox, f"{own_hub.url}{PATH}")
    somebody_elses = subscribe(sandbox, "http://127.0.0.1:1/webhooks/pagerduty")
    assert own_hub.command("setup", "webhook").returncode == 0
    there = {one["id"] for one in subscriptions(sandbox)}
    assert lost not in there
    assert somebody_elses in there
    assert len(there) == 2


def test_a_new_address_is_a_new_subscription(own_hub: Hub, sandbox: Sandbox) -> None:
    own_hub.command("setup", "webhook")
    own_hub.settings["BASE_URL"] = own_hub.url.replace("127.0.0.1", "localhost")
    assert own_hub.command("setup", "webhook").returncode == 0
    (one,) = subscriptions(sandbox)
    assert one["delivery_method"]["url"].startswith("http://localhost")


def test_one_that_nobody_answers_says_what_to_look_at(make_hub: MakeHub, sandbox: Sandbox) -> None:
    hub = make_hub()
    run = hub.command("setup", "webhook")
    assert run.returncode == 1
    assert "has not arrived within 5 seconds. Is the hub running" in run.stdout


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"BASE_URL": ""}, "BASE_URL is not set"),
        ({"PAGERDUTY_API_KEY": ""}, "PAGERDUTY_API_KEY must be set first"),
        ({"PAGERDUTY_API_KEY": "a-wrong-key"}, "PagerDuty refused our API key"),
    ],
)
def test_what_is_missing_is_said_in_one_line(make_hub: MakeHub, settings: dict[str, str], said: str) -> None:
    run = make_hub(**settings).command("setup", "webhook")
    assert run.returncode == 2
    assert said in run.stderr
    assert run.stderr.count("\n") == 1


def test_one_that_pagerduty_switched_off_is_enabled_and_what_was_missed_is_read(own_hub: Hub, sandbox: Sandbox) -> None:
    assert own_hub.command("setup", "webhook").returncode == 0
    name = own_hub.dana.post("/report", report_form(own_hub)).incident
    own_hub.finished(name)
    page = sandbox.page_of(name)["id"]
    (one,) = subscriptions(sandbox)
    sandbox.control(f"/webhooks/{one['id']}/disable", {})
    act(sandbox, page, "acknowledge")
    act(sandbox, page, "note", content="Said while it was off")
    own_hub.rows("UPDATE jobs_step SET run_at = '2020-01-01 00:00:00' WHERE name = 'webhooks'")
    eventually(lambda: not subscriptions(sandbox)[0]["delivery_method"]["temporarily_disabled"])
    eventually(lambda: own_hub.incident(name)["status"] == "acknowledged", within=5)
    eventually(lambda: "Said while it was off" in own_hub.dana.get(f"/incidents/{name}").text, within=5)
    act(sandbox, page, "resolve")
    eventually(lambda: own_hub.incident(name)["status"] == "resolved", within=5)
