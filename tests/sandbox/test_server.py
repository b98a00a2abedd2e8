"""The sandbox as a server: how it starts and ends, whom it answers, and its control routes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from incident_central.sandbox.company import PAGERDUTY_KEY
from incident_central.sandbox.pagerduty.records import fixed_id

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox

CHECKOUT, STOREFRONT = fixed_id("service", "Checkout API"), fixed_id("policy", "Storefront")
COMMAND = [sys.executable, "-m", "incident_central.sandbox"]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_in_one_line_where_it_listens_and_ends_cleanly(number: signal.Signals) -> None:
    ports = [free_port(), free_port(), free_port()]
    options = zip(["--port", "--pagerduty-port", "--slack-port"], map(str, ports), strict=True)
    command = [*COMMAND, *[word for option in options for word in option]]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        assert addresses == {"page": urls[0], "pagerduty": urls[1], "slack": f"{urls[2]}/api/"}
        assert [httpx2.get(url).status_code for url in addresses.values()] == [200, 401, 200]
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert process.stdout.read() == ""
    finally:
        process.kill()
        _, errors = process.communicate()
    assert errors == ""


def test_a_port_that_is_taken_is_named(sandbox: RunningSandbox) -> None:
    port = sandbox.page.rsplit(":", 1)[1]
    process = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=20, check=False)
    assert process.returncode == 2
    assert port in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "incidents.example.com"},
        {"Host": "127.0.0.1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize("path", ["/reset", "/faults", "/clock"])
def test_a_strangers_page_cannot_press_its_buttons(sandbox: RunningSandbox, headers: dict[str, str], path: str) -> None:
    assert sandbox.http.post(path, headers=headers, json={}).status_code == 403


def test_its_own_page_may(sandbox: RunningSandbox) -> None:
    port = sandbox.page.rsplit(":", 1)[1]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
        headers = {"Host": host, "Origin": f"http://{host}"}
        assert sandbox.http.post("/reset", headers=headers, json={}).status_code == 200


def test_it_listens_on_the_loopback_address_alone(sandbox: RunningSandbox) -> None:
    port = int(sandbox.page.rsplit(":", 1)[1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; finds this machine's own address
        own = probe.getsockname()[0]
    with socket.socket() as outside, pytest.raises(OSError, match="refused"):
        outside.connect((own, port))


def test_a_connection_serves_many_calls(sandbox: RunningSandbox) -> None:
    port = int(sandbox.pagerduty.rsplit(":", 1)[1])
    ask = f"GET /abilities HTTP/1.1\r\nHost: x\r\nAuthorization: Token token={PAGERDUTY_KEY}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answers:
        for _ in range(3):
            connection.sendall(ask)
            assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
            length = 0
            while (line := answers.readline()) != b"\r\n":
                name, _, value = line.decode().partition(":")
                length = int(value) if name.lower() == "content-length" else length
            assert "abilities" in json.loads(answers.read(length))


@pytest.mark.parametrize(
    "body", [b"not json", b"[1]", b'{"advance": "soon"}', b'{"advance": -5}', b'{"advance": null}']
)
def test_a_body_that_cannot_be_read_is_refused_in_words(sandbox: RunningSandbox, body: bytes) -> None:
    answer = sandbox.http.post("/clock", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/calls.json?since=noon", None),
        ("POST", "/reset", {"scale": 5}),
        ("POST", "/reset", {"scale": {"people": "x"}}),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(sandbox: RunningSandbox, method: str, path: str, body: Any) -> None:
    answer = sandbox.http.request(method, path, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_body_that_is_too_large_is_not_read(sandbox: RunningSandbox) -> None:
    port = int(sandbox.page.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answers:
        connection.sendall(b"POST /clock HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        assert answers.readline().startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("DELETE", "/clock"), ("GET", "/static/../process.py")]
)
def test_what_is_not_there_is_not_found(sandbox: RunningSandbox, method: str, path: str) -> None:
    assert sandbox.http.request(method, path).status_code == 404


def test_time_passes_at_once_when_asked(sandbox: RunningSandbox) -> None:
    before = sandbox.state()["clock"]
    sandbox.advance(3600)
    after = sandbox.state()["clock"]
    assert after["offset"] == before["offset"] + 3600
    assert 3600 <= after["now"] - before["now"] < 3660


def test_every_switch_tells_its_choices_and_goes_back_when_all_starts_over(sandbox: RunningSandbox) -> None:
    fresh = sandbox.ask("GET", "/switches")
    for provider, switches in fresh.items():
        for name, switch in switches.items():
            assert switch["value"] == switch["default"] == switch["choices"][0]
            assert len(switch["choices"]) > 1
            assert switch["meaning"].endswith(".")
            sandbox.switch(provider, name, switch["choices"][-1])
    turned = sandbox.ask("GET", "/switches")
    assert all(switch["value"] == switch["choices"][-1] for one in turned.values() for switch in one.values())
    sandbox.ask("POST", "/reset", {})
    assert sandbox.ask("GET", "/switches") == fresh


def test_a_switch_is_turned_for_both_by_its_name_alone(sandbox: RunningSandbox) -> None:
    turned = sandbox.ask("POST", "/switches", {"rate_limits": "off"})
    assert turned["pagerduty"]["rate_limits"]["value"] == turned["slack"]["rate_limits"]["value"] == "off"


@pytest.mark.parametrize("given", [{"gravity": "off"}, {"rate_limits": "sometimes"}, {"pagerduty": {"gravity": "off"}}])
def test_a_switch_that_is_not_there_is_refused(sandbox: RunningSandbox, given: dict[str, Any]) -> None:
    answer = sandbox.http.post("/switches", json=given)
    assert answer.status_code == 400
    assert "switch" in answer.json()["error"].lower()


@pytest.mark.parametrize(
    "given",
    [
        {"provider": "jira"},
        {"provider": "pagerduty", "collection": "planets"},
        {"provider": "pagerduty", "collection": "services", "id": "PNONE", "set": {}},
        {"provider": "pagerduty", "collection": "services", "create": {"name": "Half a service"}},
        {"provider": "pagerduty", "collection": "services", "id": CHECKOUT, "set": {"policy_id": "PNONE"}},
        {"provider": "pagerduty", "collection": "policies", "id": STOREFRONT, "delete": True},
        {"provider": "pagerduty", "collection": "teams", "create": {"name": "A", "description": "", "colour": 1}},
    ],
)
def test_what_cannot_be_planted_is_refused_in_words(sandbox: RunningSandbox, given: dict[str, Any]) -> None:
    answer = sandbox.http.post("/plant", json=given)
    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 20


def test_a_company_can_be_large(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    sandbox.ask("POST", "/reset", {"scale": {"services": 300, "people": 1000}})
    assert pager.get_total("/services") == 300
    assert len(sandbox.state()["slack"]["members"]) >= 990
    assert len(list(pager.iter_all("/oncalls"))) > 500


def test_the_state_holds_everything(sandbox: RunningSandbox) -> None:
    state = sandbox.state()
    assert set(state) == {"clock", "phones", "pagerduty", "slack", "faults", "switches", "latency"}
    assert {"incidents", "services", "users"} <= set(state["pagerduty"])
    assert {channel["name"] for channel in state["slack"]["channels"]} >= {"incidents", "general"}


@pytest.mark.parametrize("body", [b'{"text": "\\ud800"}', b"[" * 5000])
def test_odd_json_breaks_neither_the_call_nor_the_log(sandbox: RunningSandbox, body: bytes) -> None:
    answer = httpx2.post(f"{sandbox.slack}api.test", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert len(sandbox.calls()) == 1
