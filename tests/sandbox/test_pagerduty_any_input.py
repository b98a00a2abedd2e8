"""Whatever is sent, the make-believe PagerDuty answers in PagerDuty's way: data, or an error in its envelope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_central.sandbox.company import FROM_USER, PAGERDUTY_KEY
from incident_central.sandbox.pagerduty.api import ROUTES
from incident_central.sandbox.pagerduty.records import fixed_id

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningSandbox

CHECKOUT = {"id": fixed_id("service", "Checkout API"), "type": "service_reference"}
FIELDS = (
    *("type", "title", "service", "priority", "urgency", "body", "incident_key", "assignments", "escalation_policy"),
    *("incident_type", "conference_bridge", "status", "resolution", "escalation_level", "id"),
    *("duration", "source_incidents", "message", "subject", "requester_id", "responder_request_targets"),
    *("delivery_method", "events", "filter", "active", "description", "content"),
    *("name", "email", "role", "time_zone", "schedule_layers"),
)
PARAMETERS = (
    *("limit", "offset", "total", "query", "name", "since", "until", "time_zone", "sort_by", "date_range", "filter"),
    *("incident_key", "earliest", "urgency", "is_overview", "include[]", "statuses[]", "team_ids[]", "user_ids[]"),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["incident", "P1", "resolved"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "assignee", "name"]), inner),
    max_leaves=4,
)
values = st.text(max_size=12) | st.sampled_from(
    [
        "true",
        "all",
        "0",
        "25",
        "99999999999",
        "2026-11-23",
        "0001-01-01T00:00:00Z",
        "9999-12-31",
        "UTC",
        "../etc",
        "users",
    ]
)


@pytest.fixture(scope="module")
def raw(sandbox_process: RunningSandbox) -> Iterator[httpx2.Client]:
    sandbox_process.ask("POST", "/reset", {})
    sandbox_process.switch("pagerduty", "rate_limits", "off")
    headers = {"Authorization": f"Token token={PAGERDUTY_KEY}", "From": FROM_USER.email}
    with httpx2.Client(base_url=sandbox_process.pagerduty, headers=headers, timeout=20) as client:
        made = {"type": "incident", "title": "It is slow", "service": CHECKOUT}
        assert client.post("/incidents", json={"incident": made}).status_code == 201
        yield client


def answers_properly(answer: httpx2.Response) -> None:
    assert answer.status_code in (200, 201, 204, 400, 402, 403, 404, 413)
    if answer.status_code >= 400:
        error: Any = answer.json()["error"]
        assert isinstance(error, str) or {"message", "code"} <= set(error)


@settings(max_examples=60, deadline=None)
@given(
    wrapper=st.sampled_from(
        [
            "incident",
            "incidents",
            "note",
            "schedule",
            "webhook_subscription",
            "service",
            "escalation_policy",
            "user",
            "",
        ]
    ),
    data=st.data(),
)
def test_any_body_is_taken_or_refused(raw: httpx2.Client, wrapper: str, data: st.DataObject) -> None:
    change = data.draw(st.dictionaries(st.sampled_from(FIELDS), anything, max_size=4))
    known = {"type": "incident", "title": "It is slow", "service": CHECKOUT}
    one = data.draw(st.sampled_from([known | change, change, anything]))
    content = data.draw(one) if isinstance(one, st.SearchStrategy) else one
    body = {wrapper: [content, content] if wrapper == "incidents" else content} if wrapper else content
    for method, path in (
        ("POST", "/incidents"),
        ("PUT", "/incidents"),
        ("PUT", "/incidents/4201"),
        ("POST", "/incidents/4201/notes"),
        ("POST", "/schedules/preview"),
        ("POST", "/incidents/4201/snooze"),
        ("PUT", "/incidents/4201/merge"),
        ("POST", "/incidents/4201/status_updates"),
        ("POST", "/incidents/4201/responder_requests"),
        ("PUT", "/incidents/4201/responder_requests/cancel"),
        ("POST", "/webhook_subscriptions"),
        ("POST", "/users"),
        ("POST", "/schedules"),
        ("POST", "/services"),
        ("POST", "/escalation_policies"),
        ("PUT", "/webhook_subscriptions/PNONE"),
    ):
        answers_properly(raw.request(method, path, json=body))
    answers_properly(raw.get("/incidents", params={"date_range": "all", "include[]": ["services", "agents"]}))
    answers_properly(raw.get("/log_entries", params={"include[]": ["incidents", "channels"]}))


@settings(max_examples=60, deadline=None)
@given(
    route=st.sampled_from([route for route in ROUTES if route.startswith("GET")]),
    record=st.sampled_from(["4201", CHECKOUT["id"], fixed_id("schedule", "Data week"), "PNONE"]),
    params=st.dictionaries(st.sampled_from(PARAMETERS), values, max_size=4),
)
def test_any_question_is_answered_or_refused(
    raw: httpx2.Client, route: str, record: str, params: dict[str, str]
) -> None:
    answers_properly(raw.get(route.split(" ")[1].replace("{id}", record), params=params))
