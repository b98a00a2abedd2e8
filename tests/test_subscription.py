"""`incident-central setup webhook`, and what keeps its subscription alive."""

from collections.abc import Callable

import pytest

from tests.pagerduty import PATH, act, ask
from tests.processes import Hub, Json, Sandbox, eventually, report_form

MakeHub = Callable[..., Hub]


def subscriptions(sandbox: Sandbox) -> list[Json]:
    found: list[Json] = ask(sandbox, "/webhook_subscriptions")["webhook_subscriptions"]
    return found


def subscribe(sandbox: Sandbox, url: str) -> Json:
    wanted = {
        "type": "webhook_subscription",
        "delivery_method": {"type": "http_delivery_method", "url": url},
        "events": ["incident.resolved"],
        "filter": {"type": "account_reference"},
    }
    made: Json = ask(sandbox, "/webhook_subscriptions", {"webhook_subscription": wanted})["webhook_subscription"]
    return made


def switch_off(sandbox: Sandbox, who: str) -> None:
    """As PagerDuty does after three that nobody took, or as somebody does on its website."""
    (one,) = subscriptions(sandbox)
    if who == "PagerDuty":
        sandbox.control(f"/webhooks/{one['id']}/disable", {})
    else:
        off = {"webhook_subscription": {"active": False}}
        ask(sandbox, f"/webhook_subscriptions/{one['id']}", off, method="PUT")
    assert not is_on(sandbox)


def is_on(sandbox: Sandbox) -> bool:
    (one,) = subscriptions(sandbox)
    return one["active"] and not one["delivery_method"]["temporarily_disabled"]


BY_WHOM = pytest.mark.parametrize("who", ["PagerDuty", "somebody"])


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
    lost = subscribe(sandbox, f"{own_hub.url}{PATH}")["id"]
    somebody_elses = subscribe(sandbox, "http://127.0.0.1:1/webhooks/pagerduty")["id"]
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


@BY_WHOM
@pytest.mark.parametrize("made_by", ["a command", "hand"])
def test_one_that_is_switched_off_is_enabled_and_what_was_missed_is_read(
    make_hub: MakeHub, sandbox: Sandbox, made_by: str, who: str
) -> None:
    hub = make_hub()
    if made_by == "hand":
        made = subscribe(sandbox, f"{hub.url}{PATH}")
        hub.settings["PAGERDUTY_WEBHOOK_SECRET"] = made["delivery_method"]["secret"]
    hub.start()
    if made_by == "a command":
        assert hub.command("setup", "webhook").returncode == 0
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)
    page = sandbox.page_of(name)["id"]
    switch_off(sandbox, who)
    act(sandbox, page, "acknowledge")
    act(sandbox, page, "note", content="Said while it was off")
    hub.does("webhooks")
    assert is_on(sandbox)
    eventually(lambda: hub.incident(name)["status"] == "acknowledged", within=5)
    eventually(lambda: "Said while it was off" in hub.dana.get(f"/incidents/{name}").text, within=5)
    act(sandbox, page, "resolve")
    eventually(lambda: hub.incident(name)["status"] == "resolved", within=5)


@BY_WHOM
def test_one_that_is_switched_off_is_enabled_by_the_command_which_says_so(
    own_hub: Hub, sandbox: Sandbox, who: str
) -> None:
    own_hub.command("setup", "webhook")
    switch_off(sandbox, who)
    again = own_hub.command("setup", "webhook")
    said = f"PagerDuty sends webhooks to {own_hub.url}{PATH} again: they were switched off."
    assert again.stdout == f"{said}\nIts test arrived.\n"
    assert is_on(sandbox)


def test_a_secret_without_a_subscription_is_left_to_the_doctor_and_one_that_leads_elsewhere_alone(
    make_hub: MakeHub, sandbox: Sandbox
) -> None:
    hub = make_hub(PAGERDUTY_WEBHOOK_SECRET="a secret that PagerDuty showed once")
    hub.start()
    hub.does("webhooks")
    subscribe(sandbox, "http://127.0.0.1:1/webhooks/pagerduty")
    switch_off(sandbox, "somebody")
    hub.does("webhooks")
    assert not is_on(sandbox)
