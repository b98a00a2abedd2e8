"""The sandbox as a process of its own, and the official clients that talk to it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pagerduty
import pytest
from slack_sdk import WebClient

from incident_central.sandbox.company import FROM_USER, PAGERDUTY_KEY, SLACK_TOKEN

START_SECONDS = 20


class RunningSandbox:
    """A sandbox process, driven over HTTP as anybody can drive it."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.page = addresses["page"]
        self.pagerduty = addresses["pagerduty"]
        self.slack = addresses["slack"]
        self.http = httpx2.Client(base_url=self.page, timeout=30)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.ask("GET", "/state.json")
        return state

    def calls(self, query: str = "") -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = self.ask("GET", f"/calls.json?{query}")
        return calls

    def fault(self, provider: str, kind: str, **more: Any) -> str:
        return str(self.ask("POST", "/faults", {"provider": provider, "kind": kind, **more})["id"])

    def lift_faults(self) -> None:
        self.ask("DELETE", "/faults")

    def advance(self, seconds: float) -> None:
        self.ask("POST", "/clock", {"advance": seconds})

    def switch(self, provider: str, name: str, choice: str) -> None:
        self.ask("POST", "/switches", {provider: {name: choice}})

    def plant(self, provider: str, collection: str, record_id: str | None = None, **change: Any) -> Any:
        """`values={…}` to change or create, `delete=True` to delete."""
        values = {"set": change.pop("values")} if "values" in change else {}
        return self.ask(
            "POST", "/plant", {"provider": provider, "collection": collection, "id": record_id, **values, **change}
        )

    def phone(self, name: str) -> dict[str, Any] | None:
        return next((phone for phone in self.state()["phones"] if phone["name"] == name), None)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """One control call; its JSON. Raises HTTPStatusError for a refusal."""
        answer = self.http.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()

    @staticmethod
    def until(true: Callable[[], object], *, seconds: float = 5) -> None:
        """Wait until something is true, at most so long."""
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, "it did not come true in time"
            time.sleep(0.02)


class LocalPagerDuty(pagerduty.RestApiV2Client):
    """The official client, allowed to speak plain http, and to try once."""

    @property
    def url(self) -> str:
        return str(self._url)

    @url.setter
    def url(self, value: str) -> None:
        self._url = value


def pagerduty_client(
    sandbox: RunningSandbox, key: str = PAGERDUTY_KEY, email: str | None = FROM_USER.email
) -> LocalPagerDuty:
    client = LocalPagerDuty(key, default_from=email, base_url=sandbox.pagerduty)
    client.timeout = 10
    client.max_network_attempts = 0
    client.retry[429] = 0
    return client


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[RunningSandbox]:
    process = subprocess.Popen([sys.executable, "-m", "incident_central.sandbox"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield RunningSandbox(json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        assert process.wait(timeout=START_SECONDS) == 0


@pytest.fixture
def sandbox(sandbox_process: RunningSandbox) -> RunningSandbox:
    """A sandbox that has just started over."""
    sandbox_process.ask("POST", "/reset", {})
    return sandbox_process


@pytest.fixture
def pager(sandbox: RunningSandbox) -> LocalPagerDuty:
    return pagerduty_client(sandbox)


@pytest.fixture
def pager_with(sandbox: RunningSandbox) -> Callable[..., LocalPagerDuty]:
    """Makes clients with another key or From address."""
    return lambda *args, **kwargs: pagerduty_client(sandbox, *args, **kwargs)


@pytest.fixture
def slack(sandbox: RunningSandbox) -> WebClient:
    return WebClient(token=SLACK_TOKEN, base_url=sandbox.slack, retry_handlers=[])
