"""Faults on demand: what a caller sees, whether the work was done, and what the log of calls says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from incident_central.sandbox.company import FROM_USER, PAGERDUTY_KEY

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox

CREATE = "POST /incidents"


@pytest.fixture
def raw(sandbox: RunningSandbox) -> httpx2.Client:
    headers = {"Authorization": f"Token token={PAGERDUTY_KEY}", "From": FROM_USER.email}
    return httpx2.Client(base_url=sandbox.pagerduty, headers=headers, timeout=5)


@pytest.fixture
def report(raw: httpx2.Client) -> Callable[[], httpx2.Response]:
    (service,) = raw.get("/services", params={"name": "Checkout API"}).json()["services"]
    reference = {"id": service["id"], "type": "service_reference"}
    body = {"incident": {"type": "incident", "title": "It is slow", "service": reference, "incident_key": "otter"}}
    return lambda: raw.post("/incidents", json=body)


def incidents(sandbox: RunningSandbox) -> int:
    return len(sandbox.state()["pagerduty"]["incidents"])


def last_call(sandbox: RunningSandbox, method: str) -> dict[str, Any]:
    return sandbox.calls(f"method={method}")[-1]


def test_while_a_provider_is_down_connections_are_refused(sandbox: RunningSandbox, raw: httpx2.Client) -> None:
    assert raw.get("/abilities").status_code == 200
    fault = sandbox.fault("pagerduty", "down")
    for _ in range(2):
        with pytest.raises(httpx2.TransportError):
            raw.get("/abilities")
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{sandbox.pagerduty}/abilities")
    sandbox.ask("DELETE", f"/faults/{fault}")
    assert raw.get("/abilities").status_code == 200, "it is back at the same address"


def test_one_provider_down_leaves_the_other_alone(
    sandbox: RunningSandbox, slack: WebClient, raw: httpx2.Client
) -> None:
    sandbox.fault("slack", "down")
    with pytest.raises(OSError, match="refused"):
        slack.auth_test()
    assert raw.get("/abilities").status_code == 200


def test_a_fault_can_end_by_itself(sandbox: RunningSandbox, raw: httpx2.Client) -> None:
    sandbox.fault("pagerduty", "down", until=sandbox.state()["clock"]["now"] + 3)
    with pytest.raises(httpx2.TransportError):
        raw.get("/abilities")

    def answers() -> bool:
        try:
            return raw.get("/abilities").status_code == 200
        except httpx2.TransportError:
            return False

    sandbox.until(answers)


@pytest.mark.parametrize(
    ("kind", "status", "is_json"),
    [
        ("429", 429, True),
        ("429-bare", 429, False),
        ("500", 500, True),
        ("503", 503, True),
        ("html", 502, False),
        ("html-200", 200, False),
        ("unauthorized", 401, True),
    ],
)
def test_a_worded_fault_answers_without_doing_the_work(
    sandbox: RunningSandbox, report: Callable[[], httpx2.Response], kind: str, status: int, is_json: bool
) -> None:
    sandbox.fault("pagerduty", kind, method=CREATE, seconds=7)
    answer = report()
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("application/json") == is_json
    assert (answer.headers.get("ratelimit-reset") == "7") == (kind == "429")
    assert incidents(sandbox) == 0
    call = last_call(sandbox, CREATE)
    assert (call["status"], call["fault"]) == (status, kind)


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [("429", 429, "ratelimited"), ("500", 500, "internal_error"), ("unauthorized", 200, "invalid_auth")],
)
def test_slack_words_its_faults_in_its_own_way(
    sandbox: RunningSandbox, slack: WebClient, kind: str, status: int, error: str
) -> None:
    sandbox.fault("slack", kind, method="auth.test", seconds=7)
    with pytest.raises(SlackApiError) as refused:
        slack.auth_test()
    assert (refused.value.response.status_code, refused.value.response["error"]) == (status, error)
    assert refused.value.response.headers.get("Retry-After") == ("7" if kind == "429" else None)
    assert last_call(sandbox, "auth.test")["error"] == error


def test_a_scope_can_be_missing(sandbox: RunningSandbox, slack: WebClient) -> None:
    sandbox.fault("slack", "missing-scope", method="conversations.create", needed="channels:manage")
    with pytest.raises(SlackApiError) as refused:
        slack.conversations_create(name="incident-brave-otter-2026-11")
    answer = refused.value.response
    assert (answer["error"], answer["needed"]) == ("missing_scope", "channels:manage")
    assert "channels:manage" not in answer["provided"].split(",")
    assert slack.auth_test()["ok"]


@pytest.mark.parametrize("kind", ["reset", "answer-lost"])
def test_a_connection_is_reset_before_or_after_the_work(
    sandbox: RunningSandbox, report: Callable[[], httpx2.Response], kind: str
) -> None:
    sandbox.fault("pagerduty", kind, method=CREATE)
    with pytest.raises(httpx2.TransportError):
        report()
    assert incidents(sandbox) == (1 if kind == "answer-lost" else 0)
    sandbox.lift_faults()
    assert report().status_code == (400 if kind == "answer-lost" else 201)


def test_an_answer_breaks_off_in_the_middle(sandbox: RunningSandbox, report: Callable[[], httpx2.Response]) -> None:
    sandbox.fault("pagerduty", "truncated", method=CREATE)
    with pytest.raises(httpx2.RemoteProtocolError):
        report()
    assert incidents(sandbox) == 1


@pytest.mark.parametrize("kind", ["hung", "answer-lost-hang"])
def test_a_call_hangs_until_its_caller_gives_up(
    sandbox: RunningSandbox, raw: httpx2.Client, report: Callable[[], httpx2.Response], kind: str
) -> None:
    sandbox.fault("pagerduty", kind, method=CREATE)
    raw.timeout = 0.3
    with pytest.raises(httpx2.ReadTimeout):
        report()
    sandbox.until(lambda: incidents(sandbox) == (1 if kind == "answer-lost-hang" else 0))
    sandbox.until(lambda: last_call(sandbox, CREATE)["finished_at"] is not None)


def test_lifting_a_fault_lets_go_of_whom_it_holds(sandbox: RunningSandbox, raw: httpx2.Client) -> None:
    sandbox.fault("pagerduty", "hung")
    ended = threading.Event()

    def ask() -> None:
        with pytest.raises(httpx2.TransportError):
            raw.get("/abilities")
        ended.set()

    threading.Thread(target=ask).start()
    sandbox.until(lambda: sandbox.calls("method=GET /abilities"))
    sandbox.lift_faults()
    assert ended.wait(2)


def test_hundreds_of_calls_can_hang_while_others_are_answered(sandbox: RunningSandbox) -> None:
    sandbox.fault("pagerduty", "hung", method="GET /abilities")
    headers = {"Authorization": f"Token token={PAGERDUTY_KEY}"}
    limits = httpx2.Limits(max_connections=400)
    with httpx2.Client(base_url=sandbox.pagerduty, headers=headers, limits=limits, timeout=20) as client:

        def hang() -> None:
            with pytest.raises(httpx2.TransportError):
                client.get("/abilities")

        threads = [threading.Thread(target=hang) for _ in range(300)]
        for thread in threads:
            thread.start()
        sandbox.until(lambda: len(sandbox.calls("method=GET /abilities")) == 300, seconds=20)
        assert client.get("/priorities").status_code == 200
        sandbox.lift_faults()
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)


def test_a_slow_call_is_answered_in_the_end(sandbox: RunningSandbox, slack: WebClient) -> None:
    sandbox.fault("slack", "slow", seconds=0.4)
    began = time.monotonic()
    assert slack.auth_test()["ok"]
    assert 0.4 <= time.monotonic() - began < 2


def test_a_late_answer_tells_of_work_that_was_done_long_ago(
    sandbox: RunningSandbox, report: Callable[[], httpx2.Response]
) -> None:
    sandbox.fault("pagerduty", "late", method=CREATE, seconds=60)
    answers: list[int] = []
    caller = threading.Thread(target=lambda: answers.append(report().status_code))
    caller.start()
    sandbox.until(lambda: incidents(sandbox) == 1)
    assert answers == []
    sandbox.lift_faults()
    caller.join(5)
    assert answers == [201]


def test_an_answer_that_drips_is_never_late_and_never_there(
    sandbox: RunningSandbox, raw: httpx2.Client, report: Callable[[], httpx2.Response]
) -> None:
    sandbox.fault("pagerduty", "drip", method=CREATE, seconds=0.2)
    raw.timeout = 1
    answers: list[int] = []
    caller = threading.Thread(target=lambda: answers.append(report().status_code))
    caller.start()
    sandbox.until(lambda: incidents(sandbox) == 1)
    time.sleep(2)
    assert answers == []
    sandbox.lift_faults()
    caller.join(5)
    assert answers == [201]


def test_a_gateway_says_504_of_work_that_was_done(
    sandbox: RunningSandbox, report: Callable[[], httpx2.Response]
) -> None:
    sandbox.fault("pagerduty", "gateway-timeout", method=CREATE)
    answer = report()
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (504, "text/html")
    assert incidents(sandbox) == 1


def test_one_call_in_three_and_at_most_twice(sandbox: RunningSandbox, raw: httpx2.Client) -> None:
    sandbox.fault("pagerduty", "500", every=3, times=2)
    statuses = [raw.get("/abilities").status_code for _ in range(12)]
    assert statuses == [200, 200, 500, 200, 200, 500, *[200] * 6]
    (fault,) = sandbox.ask("GET", "/faults")
    assert fault["used"] == 2


def test_a_fault_can_spare_what_only_reads(
    sandbox: RunningSandbox, raw: httpx2.Client, report: Callable[[], httpx2.Response], slack: WebClient
) -> None:
    sandbox.fault("*", "500", reads=False)
    assert raw.get("/abilities").status_code == 200
    assert report().status_code == 500
    assert slack.auth_test()["ok"]
    with pytest.raises(SlackApiError):
        slack.conversations_create(name="incident-brave-otter-2026-11")


@pytest.mark.parametrize(
    "fault",
    [
        {"provider": "pagerduty", "kind": "earthquake"},
        {"provider": "jira", "kind": "500"},
        {"provider": "slack", "kind": "500", "every": 0},
        {"provider": "slack", "kind": "500", "colour": "red"},
        {"kind": "500"},
    ],
)
def test_a_fault_that_cannot_be_is_refused_in_words(sandbox: RunningSandbox, fault: dict[str, Any]) -> None:
    answer = sandbox.http.post("/faults", json=fault)
    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 20
    assert sandbox.ask("GET", "/faults") == []


def test_lifting_a_fault_that_is_not_on_is_not_found(sandbox: RunningSandbox) -> None:
    assert sandbox.http.delete("/faults/F999").status_code == 404


def test_starting_over_lifts_every_fault(sandbox: RunningSandbox, raw: httpx2.Client) -> None:
    sandbox.fault("*", "down")
    sandbox.ask("POST", "/reset", {})
    assert raw.get("/abilities").status_code == 200
    assert sandbox.ask("GET", "/faults") == []


def test_the_log_tells_what_was_called_but_no_secret(
    sandbox: RunningSandbox, report: Callable[[], httpx2.Response], slack: WebClient
) -> None:
    began = time.time()
    assert report().status_code == 201
    assert report().status_code == 400
    slack.conversations_create(name="incident-brave-otter-2026-11")
    first, second = sandbox.calls(f"provider=pagerduty&method={CREATE}&since={began}")
    assert (first["status"], first["error"]) == (201, None)
    assert first["body"]["incident"]["incident_key"] == "otter"
    assert first["headers"]["From"] == FROM_USER.email
    assert began <= first["arrived_at"] <= first["finished_at"] <= second["arrived_at"]
    assert second["error"].startswith("Arguments Caused Error: Open incident with matching dedup key")
    (created,) = sandbox.calls("provider=slack&method=conversations.create")
    assert created["body"]["name"] == "incident-brave-otter-2026-11"
    everything = json.dumps(sandbox.calls())
    assert PAGERDUTY_KEY not in everything
    assert "xoxb-" not in everything
    sandbox.ask("DELETE", "/calls")
    assert sandbox.calls() == []


def test_latency_is_added_to_every_call(sandbox: RunningSandbox, raw: httpx2.Client, pager: LocalPagerDuty) -> None:
    sandbox.ask("POST", "/latency", {"pagerduty": 0.15})
    began = time.monotonic()
    raw.get("/abilities")
    pager.get("/abilities")
    assert time.monotonic() - began >= 0.3
    assert sandbox.http.post("/latency", json={"moon": 1}).status_code == 400
