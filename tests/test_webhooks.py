"""Webhooks of PagerDuty: taken when they are PagerDuty's, never refused for good, and each a hint to read again."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.pagerduty import act, event, knows, send, signed, subscribe
from tests.processes import Hub, Sandbox, eventually, report_form

SECRET = "a secret that PagerDuty showed once"


@pytest.fixture
def secret(hub: Hub) -> str:
    knows(hub, uuid4().hex, secret := f"{SECRET} {uuid4().hex}")
    return secret


def reported(hub: Hub, sandbox: Sandbox) -> tuple[str, str]:
    """An incident that has been paged and read, and its page's id."""
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)
    eventually(lambda: not hub.incident(name)["stale_since"] and hub.incident(name)["whole_log_read"])
    return name, str(sandbox.page_of(name)["id"])


def test_what_happens_in_pagerduty_shows_within_two_seconds(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    subscribe(hub, sandbox)
    act(sandbox, page, "acknowledge")
    began = time.monotonic()
    eventually(lambda: "Acknowledged by Mei Tanaka" in hub.dana.get(f"/incidents/{name}").text)
    assert time.monotonic() - began < 2
    act(sandbox, page, "note", "Oskar Lindqvist", content="The pool is exhausted")
    eventually(lambda: "The pool is exhausted" in hub.dana.get(f"/incidents/{name}").text, within=2)


def test_what_changes_to_and_fro_within_a_second_is_told_as_it_is_in_the_end(
    hub: Hub, sandbox: Sandbox, secret: str
) -> None:
    name, page = reported(hub, sandbox)
    body = event(page)

    def change(action: str, status: str) -> None:
        act(sandbox, page, action)
        assert send(hub, body, signed(body, secret)) == 202
        eventually(lambda: hub.incident(name)["status"] == status)

    for _ in range(3):  # until this machine is quick enough
        change("acknowledge", "acknowledged")
        time.sleep(2.02 - sandbox.state["clock"]["now"] % 1)  # PagerDuty's times are whole seconds: one has just begun
        change("unacknowledge", "triggered")
        first = hub.incident(name)["status_changed_at"]
        change("acknowledge", "acknowledged")
        change("unacknowledge", "triggered")
        if hub.incident(name)["status_changed_at"] == first:
            break
    eventually(lambda: sandbox.messages(name)[-1]["text"].startswith("Triggered again"))
    eventually(lambda: "· Triggered ·" in sandbox.channel_of(name)["topic"]["value"])


def test_a_webhook_is_answered_at_once_though_pagerduty_hangs(hub: Hub, sandbox: Sandbox, secret: str) -> None:
    _, page = reported(hub, sandbox)
    sandbox.fault("pagerduty", "hung")
    body = event(page)
    began = time.monotonic()
    assert send(hub, body, signed(body, secret)) == 202
    assert time.monotonic() - began < 1


def test_one_that_is_sent_twice_is_read_once(hub: Hub, sandbox: Sandbox, secret: str) -> None:
    name, page = reported(hub, sandbox)
    body, webhook = event(page), uuid4().hex
    assert send(hub, body, signed(body, secret), webhook_id=webhook) == 202
    eventually(lambda: hub.incident(name)["stale_since"] is None)
    read = len(sandbox.calls("GET /incidents/{id}/log_entries"))
    assert send(hub, body, signed(body, secret), webhook_id=webhook) == 202
    assert hub.incident(name)["stale_since"] is None
    assert len(sandbox.calls("GET /incidents/{id}/log_entries")) == read
    assert len(hub.rows("SELECT id FROM incidents_webhook WHERE id = %s", webhook)) == 1


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "v1=",
        "v1=" + "0" * 64,
        "v1=é",
        "v2=" + "0" * 64,
        "nonsense,,v1=,",
        signed(b"another body", SECRET),
        ",".join(["v1=" + "0" * 64] * 50),
    ],
)
def test_a_wrong_signature_is_put_off_and_never_refused(hub: Hub, secret: str, signature: str) -> None:
    body = event("Q0UNKNOWN")
    assert send(hub, body, signature.encode().decode("latin-1")) == 503


def test_one_good_signature_among_several_will_do(hub: Hub, secret: str) -> None:
    body = event("Q0UNKNOWN")
    assert send(hub, body, signed(body, "an older secret", secret)) == 202
    assert send(hub, body, f" v2=abc , {signed(body, secret)} ") == 202


def test_the_signature_is_that_of_the_bytes(hub: Hub, secret: str) -> None:
    body = event("Q0UNKNOWN")
    assert send(hub, body.replace(b": ", b":"), signed(body, secret)) == 503


@pytest.mark.parametrize(
    "body",
    [
        event("Q0UNKNOWN", "incident.something.new"),
        b'{"event": {"event_type": "pagey.ping", "data": {"type": "ping"}}}',
        b'{"event": {"event_type": "incident.role.assigned", "data": [1, 2]}}',
        b'{"event": {"event_type": "service.updated", "data": {"id": "P1", "type": "service"}}}',
        b'{"event": null}',
        b"[]",
        b"not JSON",
        b"",
        b"[" * 100_000,
    ],
)
def test_what_nobody_knows_is_taken_and_left_alone(hub: Hub, secret: str, body: bytes) -> None:
    assert send(hub, body, signed(body, secret)) == 202


def test_one_that_is_too_large_is_put_off_unread(hub: Hub, secret: str) -> None:
    body = event("Q0UNKNOWN", padding="x" * 256 * 1024)
    assert send(hub, body, signed(body, secret)) == 503
    assert send(hub, event("Q0UNKNOWN", padding="x" * 255_000), "v1=0") == 503


def test_nothing_is_taken_while_no_secret_is_known_and_one_may_come_from_a_setting(
    make_hub: Callable[..., Hub],
) -> None:
    hub = make_hub()
    hub.start()
    body = event("Q0UNKNOWN")
    assert send(hub, body, signed(body, "")) == 503
    hub.stop()
    hub.settings["PAGERDUTY_WEBHOOK_SECRET"] = "the-old-one, the-new-one"
    hub.start()
    assert send(hub, body, signed(body, "the-new-one")) == 202
    assert send(hub, body, signed(body, "")) == 503


def test_while_the_database_is_gone_it_says_later_and_soon(hub: Hub, secret: str) -> None:
    body = event("Q0UNKNOWN")
    with hub.without_database():
        for _ in range(3):
            began = time.monotonic()
            assert send(hub, body, signed(body, secret)) == 503
            assert time.monotonic() - began < 4
    eventually(lambda: send(hub, body, signed(body, secret)) == 202)


def test_a_forged_one_is_answered_in_time_though_it_cannot_be_written_down(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub()
    hub.start()
    knows(hub, uuid4().hex, SECRET)
    with hub.without_database():
        for _ in range(2):
            began = time.monotonic()
            assert send(hub, event("Q0UNKNOWN"), "v1=0") == 503
            assert time.monotonic() - began < 5


def test_a_flood_is_taken_while_people_read_pages_and_report(hub: Hub, sandbox: Sandbox, secret: str) -> None:
    name, page = reported(hub, sandbox)

    def flood(_: int) -> int:
        body = event(page)
        return send(hub, body, signed(body, secret))

    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(flood, range(200))
        began = time.monotonic()
        another = hub.dana.post("/report", report_form(hub, title="Search is down")).incident
        eventually(lambda: sandbox.page_of(another), within=5)
        paged_after = time.monotonic() - began
    # Whoever was put off is sent again by PagerDuty.
    assert set(answers) <= {202, 503}
    assert paged_after < 5
    read = len(sandbox.calls("GET /incidents/{id}/log_entries"))
    eventually(lambda: hub.incident(name)["stale_since"] is None)
    assert read < 20, "read once for many"


@pytest.mark.parametrize("host", ["incidents.elsewhere.example", "no name at all", ""])
def test_one_that_is_sent_to_another_name_is_put_off_and_never_refused(hub: Hub, secret: str, host: str) -> None:
    body = event("Q0UNKNOWN")
    assert send(hub, body, signed(body, secret), Host=host) == 503
    assert hub.dana.get("/", Host=host).status == 400, "for people it is as it was"
    assert send(hub, body, signed(body, secret)) == 202


def test_the_doctor_is_told_of_one_that_was_sent_to_another_name(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub()
    hub.start()
    assert send(hub, event("Q0UNKNOWN"), "v1=0", Host="incidents.elsewhere.example") == 503
    (refused,) = hub.rows("SELECT why FROM incidents_refusedwebhook")
    assert "see ALLOWED_HOSTS" in refused["why"]


def test_a_webhook_is_a_post_and_nothing_else(hub: Hub) -> None:
    assert send(hub, b"", "", method="GET") == 405
