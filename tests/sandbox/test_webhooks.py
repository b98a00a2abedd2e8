"""Webhooks of the make-believe PagerDuty: what they say, their order, retries and faults (fact sheet 8)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from incident_central.sandbox.company import FROM_USER
from incident_central.sandbox.pagerduty.events import INCIDENT_EVENTS
from incident_central.sandbox.pagerduty.records import fixed_id
from tests.sandbox.asking import SUBSCRIPTIONS, act, change, create, reference, subscribe
from tests.sandbox.receiver import Received, Receiver

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox

HOUR = 3600


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as listening:
        yield listening


@pytest.fixture
def subscription(pager: LocalPagerDuty, receiver: Receiver) -> dict[str, Any]:
    """To everything; its secret is that of the creating answer."""
    return subscribe(pager, method={"url": receiver.url})


def received(sandbox: RunningSandbox, receiver: Receiver, count: int) -> list[Received]:
    """Wait until so many have come."""
    sandbox.until(lambda: len(receiver.received) >= count, seconds=15)
    assert len(receiver.received) == count, receiver.types
    return list(receiver.received)


def settled(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    """Wait until nothing waits to be sent; all deliveries, oldest first."""
    sandbox.until(lambda: not sandbox.ask("GET", "/deliveries.json?state=waiting"), seconds=15)
    deliveries: list[dict[str, Any]] = sandbox.ask("GET", "/deliveries.json")
    return deliveries


def attempts(sandbox: RunningSandbox) -> int:
    return sum(len(delivery["attempts"]) for delivery in sandbox.ask("GET", "/deliveries.json"))


def is_disabled(pager: LocalPagerDuty, subscription: dict[str, Any]) -> bool:
    return bool(pager.rget(f"{SUBSCRIPTIONS}/{subscription['id']}")["delivery_method"]["temporarily_disabled"])


# ── what they say ──


def test_a_webhook_is_signed_and_tells_of_one_event(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver
) -> None:
    headers = [{"name": "X-Env", "value": "production"}]
    url = receiver.url.replace("127.0.0.1", "pager:duty%20pass@localhost") + "?from=pagerduty"
    made = subscribe(pager, method={"url": url, "custom_headers": headers})
    incident = create(pager, title="Zahlung schlägt fehl 💳", priority=reference(pager, "priorities", "P1"))
    (webhook,) = received(sandbox, receiver, 1)
    assert webhook.signatures() == [webhook.signed_with(made["delivery_method"]["secret"])]
    assert webhook.path == "/webhooks/pagerduty?from=pagerduty"
    assert webhook.headers["X-Webhook-Subscription"] == made["id"]
    assert webhook.headers["User-Agent"] == "PagerDuty-Webhook/V3.0"
    assert webhook.headers["Content-Type"] == "application/json"
    assert webhook.headers["X-Env"] == "production"
    assert webhook.headers["Authorization"] == "Basic cGFnZXI6ZHV0eSBwYXNz"
    event = webhook.event
    assert (event["event_type"], event["resource_type"]) == ("incident.triggered", "incident")
    assert event["agent"]["summary"] == FROM_USER.name
    assert event["occurred_at"].endswith("Z")
    data = event["data"]
    assert (data["id"], data["number"], data["title"]) == (
        incident["id"],
        incident["incident_number"],
        incident["title"],
    )
    assert (data["status"], data["priority"]["summary"]) == ("triggered", "P1")
    assert [person["summary"] for person in data["assignees"]] == ["Mei Tanaka"]
    assert data["service"]["html_url"].endswith(f"/services/{incident['service']['id']}")
    assert not {"summary", "incident_number", "assignments", "updated_at", "resolved_at"} & set(data)


def test_every_change_of_an_incident_that_has_an_event_is_told_in_order(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    incident = create(pager)
    change(pager, incident, title="All payments fail", urgency="low")  # no event is known for either
    change(pager, incident, priority="P1")
    change(pager, incident, escalation_level=2)
    act(sandbox, incident, "acknowledge", "Oskar Lindqvist")
    act(sandbox, incident, "unacknowledge", "Oskar Lindqvist")
    change(pager, incident, escalation_policy=reference(pager, "escalation_policies", "Data"))
    change(pager, incident, assignments=[{"assignee": reference(pager, "users", "Priya Nair")}])
    change(pager, incident, service=reference(pager, "services", "Search"))
    change(pager, incident, conference_bridge={"conference_number": "+1", "conference_url": "https://example.com/C1"})
    change(pager, incident, incident_type={"name": "major_incident"})
    act(sandbox, incident, "note", "Mei Tanaka", content="Looking")
    act(sandbox, incident, "update", "Mei Tanaka", message="We are looking")
    act(sandbox, incident, "ask", "Mei Tanaka", to="Jonas Weber")
    act(sandbox, incident, "decline", "Jonas Weber")
    change(pager, incident, status="resolved")
    change(pager, incident, status="triggered")
    webhooks = received(sandbox, receiver, len(INCIDENT_EVENTS))
    told = [webhook.type.removeprefix("incident.") for webhook in webhooks]
    assert told == [
        *("triggered", "priority_updated", "escalated", "acknowledged", "unacknowledged", "delegated", "reassigned"),
        *("service_updated", "conference_bridge.updated", "incident_type.changed", "annotated"),
        *("status_update_published", "responder.added", "responder.replied", "resolved", "reopened"),
    ]
    data = {webhook.type.removeprefix("incident."): webhook.event["data"] for webhook in webhooks}
    assert [data[name]["status"] for name in ("acknowledged", "unacknowledged")] == ["acknowledged", "triggered"]
    assert data["service_updated"]["service"]["summary"] == "Search"
    assert data["conference_bridge.updated"]["type"] == "incident_conference_bridge"
    assert (data["annotated"]["content"], data["annotated"]["type"]) == ("Looking", "incident_note")
    assert data["annotated"]["incident"]["id"] == incident["id"]
    assert data["status_update_published"]["message"] == "We are looking"
    assert [data[f"responder.{name}"]["state"] for name in ("added", "replied")] == ["pending", "declined"]
    assert (data["resolved"]["assignees"], data["resolved"]["reopened_at"]) == ([], None)
    assert data["reopened"]["reopened_at"] is not None
    clients = {webhook.type: webhook.event["client"] for webhook in webhooks}
    assert (clients["incident.annotated"], clients["incident.delegated"]) == ({"name": "PagerDuty"}, None)


def test_what_happens_by_itself_has_no_agent_or_the_service(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    incident = create(pager, "Data Warehouse")
    act(sandbox, incident, "acknowledge", "Ana Costa")
    sandbox.advance(1800)
    *_, over = received(sandbox, receiver, 3)
    assert (over.type, over.event["agent"]) == ("incident.unacknowledged", None)
    sandbox.switch("pagerduty", "automatic_agent", "the service")
    sandbox.advance(4 * HOUR)
    settled(sandbox)
    last = receiver.received[-1]
    assert (last.type, last.event["agent"]["summary"]) == ("incident.resolved", "Data Warehouse")


def test_a_merge_resolves_its_source_for_that_reason(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    made = [sandbox.ask("POST", "/pagerduty/incidents", {"service": "Search", "title": "Disk full"}) for _ in range(2)]
    act(sandbox, made[0], "merge", "Jonas Weber", into=made[1]["id"])
    # In order for each incident, and there are two.
    (resolved,) = [one for one in received(sandbox, receiver, 3) if one.type == "incident.resolved"]
    assert resolved.event["data"]["resolve_reason"]["incident"]["id"] == made[1]["id"]


def test_long_texts_are_cut_and_say_so(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    incident = create(pager)
    for content in ("short", "long " * 5000):
        pager.rpost(f"/incidents/{incident['id']}/notes", json={"note": {"content": content}})
    _, short, long = received(sandbox, receiver, 3)
    assert (short.event["data"]["content"], short.event["data"]["trimmed"]) == ("short", False)
    assert long.event["data"]["trimmed"] is True


def test_a_subscription_gets_only_what_it_asked_for(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver
) -> None:
    method = {"url": receiver.url}
    search = {"type": "service_reference", "id": fixed_id("service", "Search")}
    team = {"type": "team_reference", "id": fixed_id("team", "Data")}
    by = {
        subscribe(pager, method=method, filter=search)["id"]: "service",
        subscribe(pager, method=method, filter=team)["id"]: "team",
        subscribe(pager, method=method, events=["incident.resolved"])["id"]: "events",
        subscribe(pager, method=method, active=False)["id"]: "inactive",
    }
    for service in ("Checkout API", "Search", "Data Warehouse"):
        change(pager, create(pager, service), status="resolved")
    got = [(by[one["subscription_id"]], one["event_type"]) for one in settled(sandbox)]
    assert sorted(got) == [
        *[("events", "incident.resolved")] * 3,
        *[("service", "incident.resolved"), ("service", "incident.triggered")],
        *[("team", "incident.resolved"), ("team", "incident.triggered")],
    ]


def test_a_ping_is_a_test_event(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    subscribe(pager, method={"url": receiver.url})
    assert pager.post(f"{SUBSCRIPTIONS}/{subscription['id']}/ping").status_code == 202
    (webhook,) = received(sandbox, receiver, 1)
    assert (webhook.type, webhook.event["data"]["type"], webhook.event["agent"]) == ("pagey.ping", "ping", None)
    assert webhook.headers["X-Webhook-Subscription"] == subscription["id"]


def test_several_changes_that_fail_are_not_told(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    incident = create(pager)
    changes = [{"id": id_, "type": "incident_reference", "status": "resolved"} for id_ in (incident["id"], "QNONE")]
    assert pager.put("/incidents", json={"incidents": changes}).status_code == 404
    assert [one["event_type"] for one in settled(sandbox)] == ["incident.triggered"]


# ── tried again, in order, or dropped ──


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_failing_webhook_is_tried_again_and_later_ones_of_its_incident_wait(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any], status: int
) -> None:
    first = create(pager)
    failing = {first["id"]}
    receiver.answer = lambda webhook: status if webhook.event["data"]["id"] in failing else 200
    act(sandbox, first, "acknowledge", "Mei Tanaka")
    other = create(pager, "Search")
    sandbox.until(lambda: other["id"] in [webhook.event["data"]["id"] for webhook in receiver.received])
    sandbox.until(lambda: attempts(sandbox) >= 2)
    sandbox.advance(10)
    sandbox.until(lambda: attempts(sandbox) >= 3)
    failing.clear()
    sandbox.advance(20)
    deliveries = {one["event_type"]: one for one in settled(sandbox) if one["incident_id"] == first["id"]}
    ours = [webhook for webhook in receiver.received if webhook.event["data"]["id"] == first["id"]]
    tried = [webhook for webhook in ours if webhook.type == "incident.acknowledged"]
    assert len({webhook.headers["X-Webhook-Id"] for webhook in tried}) == 1, "the same at every attempt"
    assert all(one["state"] == "delivered" for one in deliveries.values())
    assert not is_disabled(pager, subscription)


def test_three_refusals_in_a_row_switch_a_subscription_off_for_a_day(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    path = f"{SUBSCRIPTIONS}/{subscription['id']}"
    receiver.answer = lambda webhook: 401 if webhook.type == "incident.triggered" else 200
    create(pager)
    change(pager, create(pager), status="resolved")
    settled(sandbox)
    create(pager)
    create(pager)
    settled(sandbox)
    assert not is_disabled(pager, subscription), "a success in between starts the count again"
    create(pager)
    settled(sandbox)
    assert is_disabled(pager, subscription)
    assert pager.rget(path)["active"] is True
    before = len(sandbox.ask("GET", "/deliveries.json"))
    create(pager)
    assert len(sandbox.ask("GET", "/deliveries.json")) == before, "nothing is queued meanwhile"
    assert (
        pager.post(f"{path}/enable").json()["webhook_subscription"]["delivery_method"]["temporarily_disabled"] is False
    )
    create(pager)
    assert len(settled(sandbox)) == before + 1
    sandbox.ask("POST", f"/webhooks/{subscription['id']}/disable", {})
    assert is_disabled(pager, subscription)
    sandbox.advance(24 * HOUR)
    assert not is_disabled(pager, subscription)


def test_switching_off_empties_the_queue(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    sandbox.switch("pagerduty", "webhook_retry", "60")
    receiver.answer = lambda webhook: 503
    waiting = create(pager)
    sandbox.until(lambda: attempts(sandbox) == 1)
    receiver.answer = lambda webhook: 404
    for _ in range(3):
        create(pager)
    sandbox.until(lambda: is_disabled(pager, subscription))
    (dropped,) = [one for one in settled(sandbox) if one["incident_id"] == waiting["id"]]
    assert (dropped["state"], len(dropped["attempts"])) == ("dropped", 1)


def test_after_48_hours_without_success_it_is_dropped_and_that_counts_too(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    receiver.answer = lambda webhook: 500
    for _ in range(3):
        create(pager, "Search")
    sandbox.until(lambda: attempts(sandbox) >= 3)
    sandbox.advance(48 * HOUR)
    sandbox.until(lambda: is_disabled(pager, subscription))


def test_nobody_listening_is_tried_again_and_a_broken_tls_is_not(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver
) -> None:
    with Receiver().listening() as gone:
        pass
    subscribe(pager, method={"url": gone.url})
    subscribe(pager, method={"url": receiver.url.replace("http:", "https:")})
    create(pager)
    sandbox.until(lambda: all(one["attempts"] for one in sandbox.ask("GET", "/deliveries.json")))
    refused, broken = sandbox.ask("GET", "/deliveries.json")
    assert (refused["state"], broken["state"]) == ("waiting", "dropped")
    assert broken["attempts"][0]["error"].startswith("TLS")


@pytest.mark.parametrize(("redirects", "state"), [("dropped", "dropped"), ("retried", "waiting")])
def test_what_a_redirect_does_is_a_switch(
    sandbox: RunningSandbox,
    pager: LocalPagerDuty,
    receiver: Receiver,
    subscription: dict[str, Any],
    redirects: str,
    state: str,
) -> None:
    sandbox.switch("pagerduty", "webhook_redirects", redirects)
    receiver.answer = lambda webhook: 302
    create(pager)
    sandbox.until(lambda: attempts(sandbox) == 1)
    (delivery,) = sandbox.ask("GET", "/deliveries.json")
    assert delivery["state"] == state


def test_an_answer_that_takes_longer_than_five_seconds_is_none(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    receiver.answer = lambda webhook: None
    create(pager)
    sandbox.until(lambda: attempts(sandbox) == 1, seconds=15)
    (delivery,) = sandbox.ask("GET", "/deliveries.json")
    (attempt,) = delivery["attempts"]
    assert (attempt["status"], attempt["again"], delivery["state"]) == (None, True, "waiting")
    assert attempt["seconds"] >= 4.9


@pytest.mark.parametrize(
    ("size", "choice", "state"),
    [
        (60, "in order", "delivered"),
        (60, "out of order", "waiting"),
        (60, "missing", "lost"),
        (300, "in order", "dropped"),
    ],
)
def test_a_large_webhook_is_best_effort_and_a_larger_one_never_comes(
    sandbox: RunningSandbox,
    pager: LocalPagerDuty,
    receiver: Receiver,
    subscription: dict[str, Any],
    size: int,
    choice: str,
    state: str,
) -> None:
    sandbox.switch("pagerduty", "large_webhooks", choice)
    incident = create(pager)
    sandbox.plant("pagerduty", "incidents", incident["id"], values={"title": "x" * size * 1024})
    change(pager, incident, priority="P1")
    act(sandbox, incident, "resolve", "Mei Tanaka")
    if state == "waiting":
        sandbox.until(lambda: "incident.triggered" in receiver.types)
    else:
        settled(sandbox)
    deliveries = {one["event_type"]: one for one in sandbox.ask("GET", "/deliveries.json")}
    assert deliveries["incident.priority_updated"]["state"] == state


def test_what_waits_for_a_deleted_subscription_is_dropped(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    receiver.answer = lambda webhook: 503
    create(pager)
    sandbox.until(lambda: attempts(sandbox) == 1)
    pager.delete(f"{SUBSCRIPTIONS}/{subscription['id']}")
    (delivery,) = settled(sandbox)
    assert delivery["state"] == "dropped"


# ── faults ──


def test_webhooks_come_twice_with_one_id(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    sandbox.fault("webhooks", "doubled", method="incident.triggered")
    change(pager, create(pager), status="resolved")
    webhooks = received(sandbox, receiver, 3)
    ids = [webhook.headers["X-Webhook-Id"] for webhook in webhooks if webhook.type == "incident.triggered"]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_a_late_webhook_is_overtaken(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    sandbox.fault("webhooks", "delayed", method="incident.triggered", seconds=60)
    change(pager, create(pager), status="acknowledged")
    received(sandbox, receiver, 1)
    sandbox.advance(60)
    received(sandbox, receiver, 2)
    assert receiver.types == ["incident.acknowledged", "incident.triggered"]


def test_shuffled_webhooks_come_in_another_order(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    sandbox.fault("webhooks", "shuffled", seconds=60)
    incident = create(pager)
    for status in ("acknowledged", "triggered", "resolved"):
        change(pager, incident, status=status)
    assert receiver.received == []
    sandbox.advance(60)
    received(sandbox, receiver, 4)
    in_order = [f"incident.{word}" for word in ("triggered", "acknowledged", "unacknowledged", "resolved")]
    assert receiver.types != in_order
    assert sorted(receiver.types) == sorted(in_order)


def test_lost_webhooks_never_come(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    sandbox.fault("webhooks", "lost", every=2)
    change(pager, create(pager), status="resolved")
    assert [one["state"] for one in settled(sandbox)] == ["delivered", "lost"]
    assert receiver.types == ["incident.triggered"]


def test_signatures_can_be_wrong_or_two(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    secret = subscription["delivery_method"]["secret"]
    sandbox.fault("webhooks", "wrong-signature")
    receiver.answer = lambda webhook: 202 if webhook.signed_with(secret) in webhook.signatures() else 503
    create(pager)
    (wrong,) = received(sandbox, receiver, 1)
    assert wrong.signatures() != [wrong.signed_with(secret)]
    sandbox.until(lambda: attempts(sandbox) == 1)
    sandbox.lift_faults()
    sandbox.advance(10)
    assert [one["state"] for one in settled(sandbox)] == ["delivered"], "a lifted fault does no more harm"
    sandbox.fault("webhooks", "two-signatures")
    create(pager)
    *_, two = received(sandbox, receiver, 3)
    assert len(two.signatures()) == 2
    assert two.signed_with(secret) in two.signatures()


def test_a_flood_comes_as_fast_as_asked(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    sandbox.ask("POST", "/webhooks/flood", {"count": 20})
    received(sandbox, receiver, 20)
    assert set(receiver.types) == {"pagey.ping"}, "without an incident there is nothing else to tell"
    create(pager)
    began = time.monotonic()
    sandbox.ask("POST", "/webhooks/flood", {"count": 200, "seconds": 1})
    received(sandbox, receiver, 221)
    assert time.monotonic() - began >= 0.9
    assert len({webhook.headers["X-Webhook-Id"] for webhook in receiver.received}) == 221
    assert receiver.types.count("incident.priority_updated") == 200
    assert sandbox.http.post("/webhooks/flood", json={"count": 0}).status_code == 400


@pytest.mark.parametrize("fault", [{"kind": "500"}, {"kind": "down"}, {"provider": "pagerduty", "kind": "lost"}])
def test_faults_of_calls_and_of_webhooks_are_kept_apart(sandbox: RunningSandbox, fault: dict[str, Any]) -> None:
    assert sandbox.http.post("/faults", json={"provider": "webhooks", **fault}).status_code == 400


def test_a_fault_of_both_providers_leaves_webhooks_alone(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    sandbox.fault("*", "500", reads=False)
    sandbox.ask("POST", f"/webhooks/{subscription['id']}/ping", {})
    assert [webhook.type for webhook in received(sandbox, receiver, 1)] == ["pagey.ping"]


def test_starting_over_forgets_subscriptions_and_sends_nothing_more(
    sandbox: RunningSandbox, pager: LocalPagerDuty, receiver: Receiver, subscription: dict[str, Any]
) -> None:
    receiver.answer = lambda webhook: 503
    create(pager)
    sandbox.until(lambda: attempts(sandbox) == 1)
    sandbox.ask("POST", "/reset", {})
    assert sandbox.ask("GET", "/deliveries.json") == []
    assert pager.list_all(SUBSCRIPTIONS) == []
