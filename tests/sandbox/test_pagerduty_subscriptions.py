"""Webhook subscriptions of the make-believe PagerDuty: made, read, changed, enabled (fact sheet 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from incident_central.sandbox.company import PAGERDUTY_READ_ONLY_KEY
from incident_central.sandbox.pagerduty.records import fixed_id
from tests.sandbox.asking import NOBODY, SUBSCRIPTIONS, refusal, subscribe, subscription_for
from tests.sandbox.specification import check

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox

CHECKOUT, STOREFRONT = fixed_id("service", "Checkout API"), fixed_id("team", "Storefront")
OF_CHECKOUT = {"type": "service_reference", "id": CHECKOUT}


def test_the_secret_is_shown_once_and_header_values_never(pager: LocalPagerDuty, sandbox: RunningSandbox) -> None:
    headers = [{"name": "X-Env", "value": "production"}]
    answer = pager.post(SUBSCRIPTIONS, json=subscription_for(method={"custom_headers": headers}))
    check("POST /webhook_subscriptions", answer)
    made = answer.json()["webhook_subscription"]
    secret = made["delivery_method"]["secret"]
    assert len(secret) > 32
    assert made["active"] is True
    read = pager.rget(f"{SUBSCRIPTIONS}/{made['id']}")
    made["delivery_method"]["secret"] = None
    assert read == made
    assert read["delivery_method"]["custom_headers"] == [{"name": "X-Env", "value": "-- redacted --"}]
    check("GET /webhook_subscriptions", pager.get(SUBSCRIPTIONS))
    check("GET /webhook_subscriptions/{id}", pager.get(f"{SUBSCRIPTIONS}/{made['id']}"))
    assert secret not in sandbox.http.get("/state.json").text


def test_a_new_one_may_be_answered_with_201(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    assert pager.post(SUBSCRIPTIONS, json=subscription_for()).status_code == 200
    sandbox.switch("pagerduty", "webhook_created", "201")
    assert pager.post(SUBSCRIPTIONS, json=subscription_for()).status_code == 201


@pytest.mark.parametrize(
    "given",
    [
        {"type": "webhook"},
        {"method": {"type": "email_delivery_method"}},
        {"method": {"url": "ftp://127.0.0.1/"}},
        {"method": {"url": "http://127.0.0.1:99999/"}},
        {"method": {"custom_headers": [{"name": "X-A", "value": "1"}, {"name": "x-a", "value": "2"}]}},
        {"method": {"custom_headers": [{"name": "X-A", "value": "1\r\nX-B: 2"}]}},
        {"events": []},
        {"events": ["incident.exploded"]},
        {"events": ["incident.triggered", "incident.triggered"]},
        {"filter": {"type": "service_reference"}},
        {"filter": {"type": "schedule_reference", "id": "PNONE"}},
        {"active": "yes"},
    ],
)
def test_a_subscription_that_cannot_be_is_refused(pager: LocalPagerDuty, given: dict[str, Any]) -> None:
    answer = pager.post(SUBSCRIPTIONS, json=subscription_for(**given))
    assert refusal(answer)[:2] == (400, 2001)
    assert pager.list_all(SUBSCRIPTIONS) == []


@pytest.mark.parametrize("url", ["https://example.com/hook", "http://10.0.0.1/", "http://127.0.0.1.example.com/"])
def test_webhooks_never_leave_this_machine(pager: LocalPagerDuty, url: str) -> None:
    _, _, errors = refusal(pager.post(SUBSCRIPTIONS, json=subscription_for(method={"url": url})))
    assert errors is not None
    assert "only to this machine" in errors[0]


def test_everything_but_the_way_of_delivery_can_be_changed(pager: LocalPagerDuty) -> None:
    made = subscribe(pager)
    change = {
        "events": ["incident.resolved"],
        "active": False,
        "description": None,
        "filter": OF_CHECKOUT,
        "delivery_method": {"type": "http_delivery_method", "url": "http://127.0.0.1:10/"},
    }
    answer = pager.put(f"{SUBSCRIPTIONS}/{made['id']}", json={"webhook_subscription": change})
    assert answer.status_code == 200
    changed = answer.json()["webhook_subscription"]
    assert (changed["events"], changed["active"], changed["filter"]) == (["incident.resolved"], False, OF_CHECKOUT)
    assert changed["delivery_method"]["url"] == NOBODY
    bad = {"webhook_subscription": {"active": True, "events": []}}
    assert refusal(pager.put(f"{SUBSCRIPTIONS}/{made['id']}", json=bad))[:2] == (400, 2001)
    assert pager.rget(f"{SUBSCRIPTIONS}/{made['id']}")["active"] is False
    assert pager.delete(f"{SUBSCRIPTIONS}/{made['id']}").status_code == 204
    assert pager.get(f"{SUBSCRIPTIONS}/{made['id']}").status_code == 404


def test_they_are_listed_by_what_they_are_for(pager: LocalPagerDuty) -> None:
    account = subscribe(pager)
    service = subscribe(pager, filter=OF_CHECKOUT)
    team = subscribe(pager, filter={"type": "team_reference", "id": STOREFRONT})

    def found(**params: str) -> list[str]:
        return [one["id"] for one in pager.list_all(SUBSCRIPTIONS, params=params)]

    assert found() == [account["id"], service["id"], team["id"]]
    assert found(filter_type="account") == [account["id"]]
    assert found(filter_type="service", filter_id=CHECKOUT) == [service["id"]]
    assert found(filter_type="team", filter_id="PNONE") == []
    assert pager.get(SUBSCRIPTIONS, params={"filter_type": "service"}).status_code == 400


def test_ten_are_enough_for_each_scope(pager: LocalPagerDuty) -> None:
    for _ in range(10):
        subscribe(pager)
    assert refusal(pager.post(SUBSCRIPTIONS, json=subscription_for()))[:2] == (400, 2019)
    assert subscribe(pager, filter=OF_CHECKOUT)["filter"] == OF_CHECKOUT


def test_a_read_only_key_reads_them_and_changes_nothing(
    pager: LocalPagerDuty, pager_with: Callable[..., LocalPagerDuty]
) -> None:
    made, reader = subscribe(pager), pager_with(PAGERDUTY_READ_ONLY_KEY)
    assert [one["id"] for one in reader.list_all(SUBSCRIPTIONS)] == [made["id"]]
    for answer in (
        reader.post(SUBSCRIPTIONS, json=subscription_for()),
        reader.delete(f"{SUBSCRIPTIONS}/{made['id']}"),
        reader.post(f"{SUBSCRIPTIONS}/{made['id']}/enable"),
        reader.post(f"{SUBSCRIPTIONS}/{made['id']}/ping"),
    ):
        assert answer.status_code == 403
