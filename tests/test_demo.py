"""`bin/demo`: one command, one press, and nobody is ever really paged."""

import os
import re
import signal
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from incident_central import demo
from tests.processes import ROOT, Browser, Page, eventually, free_port
from tests.processes import _json as ask

#: As somebody has them who runs it for real: nothing of this may be used.
REAL = {
    "PAGERDUTY_API_KEY": "u+realRealRealReal12",
    "PAGERDUTY_FROM_EMAIL": "pages@company.example",
    "PAGERDUTY_API_URL": "https://api.eu.pagerduty.com",
    "PAGERDUTY_API_KEY_FILE": "/run/secrets/pagerduty",
    "SLACK_BOT_TOKEN": "xoxb-real-real-real",
    "SLACK_API_URL": "https://slack.com/api/",
    "SLACK_ANNOUNCE_CHANNEL": "C0REAL",
    "DATABASE_URL": "postgresql://hub:real@db.company.example/hub",
    "DATA_DIR": "/var/lib/incident-central",
    "BASE_URL": "https://incidents.company.example",
    "SECRET_KEY": "real-real-real-real-real-real-real-real",
    "TIME_ZONE_FILE": "/run/secrets/zone",
    "COMPANY_FILE": "/run/secrets/company",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "http_proxy": "http://127.0.0.1:1",
    "https_proxy": "http://127.0.0.1:1",
}


class Demo:
    """bin/demo in a process group of its own, with a folder of its own for what is temporary."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [ROOT / "bin/demo", "--port", str(free_port())],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"TMPDIR": str(folder)} | environment,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.said = ""
        while "Ctrl-C ends it" not in self.said:
            line = self.process.stdout.readline()
            assert line, f"the demo ended before it was ready: {self.said}"
            self.said += line

    @property
    def url(self) -> str:
        return self._address("Incident Central is ready")

    @property
    def sandbox_url(self) -> str:
        return self._address("Phones and Slack of the make-believe company")

    def _address(self, what: str) -> str:
        found = re.search(rf"{what}: (http://127\.0\.0\.1:\d+)/?$", self.said, re.M)
        assert found, self.said
        return found[1]

    def children(self, module: str = "") -> list[int]:
        """Ids of the hub and the sandbox, or of the one that is this module."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
        lines = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
        return [int(pid) for pid, parent, command in lines if int(parent) == self.process.pid and module in command]

    def sign_in_as_ana(self) -> tuple[Browser, Page]:
        browser = Browser(self.url)
        assert "Continue as Ana Ribeiro" in browser.get("/").text
        return browser, browser.post("/demo/sign-in", {"email": "ana.ribeiro@example.com"})

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    running: list[Demo] = []

    def make(**environment: str) -> Demo:
        running.append(Demo(tmp_path, **environment))
        return running[-1]

    yield make
    for one in running:
        if one.process.poll() is None:
            one.end(signal.SIGTERM)


@pytest.mark.parametrize("environment", [{}, REAL], ids=["clean", "with real settings"])
def test_ana_who_has_no_seat_in_pagerduty_reports_after_one_press(
    start: Callable[..., Demo], environment: dict[str, str]
) -> None:
    here = start(**environment)
    ana, home = here.sign_in_as_ana()
    assert home.path == "/"
    assert "Report an incident" in home.text

    shown = ana.post("/report", _form(ana))
    assert shown.path.endswith("/responding"), shown.text
    state = eventually(lambda: _done(here, shown.incident))
    (page,) = [page for page in state["pagerduty"]["incidents"] if page["key"] == shown.incident]
    assert "Ana Ribeiro (ana.ribeiro@example.com)" in page["details"]
    assert "ringing" in [phone["state"] for phone in state["phones"] if phone["name"] == "Mei Tanaka"]

    # Everything went to the sandbox, under the sandbox's own keys.
    calls = ask(f"{here.sandbox_url}/calls.json")
    assert {call["provider"] for call in calls} == {"pagerduty", "slack"}
    told = str(calls) + here.said
    assert [value for value in environment.values() if value in told and "127.0.0.1" not in value] == []
    assert f"{here.url}/incidents/{shown.incident}" in page["details"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_ending_it_ends_both_processes_and_removes_the_folder(
    start: Callable[..., Demo], tmp_path: Path, number: signal.Signals
) -> None:
    here = start()
    children = here.children()
    assert len(children) == 2
    assert [folder.name[:17] for folder in tmp_path.iterdir()] == ["incident-central-"]

    assert here.end(number) == 0
    assert here.process.stdout is not None
    rest = here.process.stdout.read()
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


def test_a_part_that_dies_ends_the_rest_and_is_named(start: Callable[..., Demo], tmp_path: Path) -> None:
    here = start()
    (hub,) = here.children("demo.hub")
    (sandbox,) = set(here.children()) - {hub}
    os.kill(hub, signal.SIGKILL)
    assert here.process.wait(timeout=30) == 2
    assert here.process.stdout is not None
    assert "incident-central: the hub ended by itself" in here.process.stdout.read()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(sandbox, 0)


def test_a_port_in_use_is_named_with_another(start: Callable[..., Demo], tmp_path: Path) -> None:
    here = start()
    port = urllib.parse.urlsplit(here.url).port
    second = subprocess.run([ROOT / "bin/demo", "--port", str(port)], capture_output=True, text=True, timeout=30)
    assert second.returncode == 2
    assert f"port {port} is in use. Choose another: bin/demo --port" in second.stderr


@pytest.mark.parametrize("name", ["PAGERDUTY_API_URL", "SLACK_API_URL"])
def test_the_demos_hub_refuses_to_talk_to_anything_but_this_machine(tmp_path: Path, name: str) -> None:
    addresses = {"pagerduty": "http://127.0.0.1:1", "slack": "http://127.0.0.1:1/api/", "page": "http://127.0.0.1:1"}
    settings = demo.hub_settings(addresses, hub_url="http://127.0.0.1:1", data_dir=tmp_path)
    run = subprocess.run(
        [sys.executable, "-m", "incident_central.demo.hub", "--port", "0"],
        env=demo.cleaned(os.environ) | settings | {name: "https://api.example.com/"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.returncode == 2
    assert "The demo talks to nothing but this machine, and https://api.example.com" in run.stderr
    assert "Traceback" not in run.stderr


def test_cleaning_leaves_no_setting_of_any_kind() -> None:
    assert not {name for name in demo.cleaned(os.environ | REAL) if name in REAL and "proxy" not in name.lower()}


def _form(ana: Browser) -> dict[str, str]:
    page = ana.get("/report").text
    service = re.search(r'<option value="(\w+)"[^>]*>Checkout API', page)
    priority = re.search(r'name="priority" value="(\w+)"', page)
    assert service
    assert priority
    title = "Card payments fail with 502 at checkout"
    return {"report_id": str(uuid4()), "service": service[1], "priority": priority[1], "title": title}


def _done(here: Demo, name: str) -> dict[str, Any]:
    """The sandbox's state once the page and the channel of the incident are there, announced in #incidents."""
    state: dict[str, Any] = ask(f"{here.sandbox_url}/state.json")
    channels = {channel["name"]: channel for channel in state["slack"]["channels"]}
    assert name in channels
    assert name in str(channels["incidents"])
    assert name in [page["key"] for page in state["pagerduty"]["incidents"]]
    return state
