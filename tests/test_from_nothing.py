"""A new user: from empty settings to a drill that went through, by what `incident-central setup` says and no more."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from incident_central import demo
from incident_central.integrations.slack.manifest import SCOPES
from incident_central.sandbox.company import HARBOUR_FINCH, PAGERDUTY_KEY, SLACK_TOKEN
from incident_central.sandbox.pagerduty.records import fixed_id
from tests.dialogue import SetUp
from tests.doctor import policy_id, schedule_id, service_id, user_id
from tests.processes import PASSWORD, Hub, Json, Sandbox, eventually
from tests.test_drill import make_service, put_away, start, until
from tests.test_set_up_page import check, findings

FROM = "hub@example.com"


@pytest.fixture
def new_account(quiet_sandbox: Sandbox) -> Sandbox:
    """A PagerDuty account with people in it and nothing else, and a Slack app made from our manifest."""
    sandbox = quiet_sandbox
    sandbox.plant("pagerduty", "windows", fixed_id("window", "Returns Portal"), delete=True)
    for service in HARBOUR_FINCH.services:
        sandbox.plant("pagerduty", "services", service_id(service.name), delete=True)
    for policy in HARBOUR_FINCH.policies:
        sandbox.plant("pagerduty", "policies", policy_id(policy.name), delete=True)
    for schedule in HARBOUR_FINCH.schedules:
        sandbox.plant("pagerduty", "schedules", schedule_id(schedule.name), delete=True)
    sandbox.plant("pagerduty", "users", user_id("incident-central"), delete=True)
    sandbox.plant("slack", "tokens", SLACK_TOKEN, set={"scopes": [scope.name for scope in SCOPES]})
    return sandbox


@pytest.fixture
def running(new_account: Sandbox, tmp_path: Path) -> Iterator[tuple[SetUp, Hub]]:
    """The guided set-up is through, and the command that it named last runs."""
    port = demo._free_port()
    walk = SetUp(new_account, tmp_path)
    walk.file.write_text(f"SLACK_API_URL={new_account.addresses['slack']}\n")
    walk.run(
        ("Where will people open", f"http://127.0.0.1:{port}"),
        ("Time zone", "Europe/Lisbon"),
        ("Whom to phone", "Incident desk, +1 555 0100"),
        ("Where is your PagerDuty account", new_account.addresses["pagerduty"]),
        ("API key", PAGERDUTY_KEY),
        ("E-mail of the From user", FROM),
        ("take turns on call", "dana.okafor@example.com"),
        ("Service for whoever", "Example service"),
        ("Bot User OAuth Token", SLACK_TOKEN),
        ("Channel that is told", "incidents"),
        ("A password", PASSWORD),
        ("The same again", PASSWORD),
        ("Have PagerDuty send its webhooks", "yes"),
    )
    assert walk.code == 0, walk.said
    accept_invitation(new_account)
    hub = Hub(new_account, tmp_path / "data", port=port)
    hub.folder.mkdir(exist_ok=True)
    with (hub.folder / "hub.log").open("w") as log:
        serving = run_as_shown(walk.commands()[0], log=log)
    try:
        hub.process = serving
        eventually(lambda: hub.answers("/readyz"))
        yield walk, hub
    finally:
        os.killpg(serving.pid, signal.SIGTERM)
        serving.wait(timeout=20)


def accept_invitation(sandbox: Sandbox) -> None:
    """Whoever reads that address follows the link in PagerDuty's mail."""
    (made,) = [one for one in sandbox.state["pagerduty"]["users"] if one["email"] == FROM]
    sandbox.plant("pagerduty", "users", made["id"], set={"invitation_sent": False})


def run_as_shown(commands: str, *, log: IO[str]) -> subprocess.Popen[str]:
    """In a group of its own, since the shell has a child."""
    shell = ["/bin/sh", "-c", commands]
    return subprocess.Popen(shell, env=demo.cleaned(os.environ), text=True, start_new_session=True, stderr=log)


def doctor(walk: SetUp) -> list[Json]:
    command = walk.commands()[1].rstrip() + " --json"
    done = subprocess.run(["/bin/sh", "-c", command], env=demo.cleaned(os.environ), capture_output=True, timeout=60)
    found: list[Json] = json.loads(done.stdout)["findings"]
    return found


def test_a_new_user_gets_from_empty_settings_to_a_drill(running: tuple[SetUp, Hub]) -> None:
    walk, hub = running

    def nothing_wrong() -> bool:
        """Remarks aside: there is one service, and nothing has been tried yet."""
        wrong = {one["id"]: one["title"] for one in doctor(walk) if one["level"] not in ("ok", "remark")}
        assert wrong == {}
        return True

    eventually(nothing_wrong)
    page = check(hub)
    assert ">Nothing would keep a page from arriving</h1>" in page.text
    make_service(hub)
    name = start(hub)
    until(hub, name, "Acknowledge it on your phone")
    eventually(lambda: hub.sandbox.ringing == {"Dana Okafor"} or None)
    hub.sandbox.acknowledge(hub.sandbox.page_of(name)["id"], user_id("dana.okafor"))
    until(hub, name, "Acknowledged by Dana Okafor")
    hub.dana.post(f"/drills/{name}/end", {})
    put_away(hub, name)
    assert "drill.went-through" in findings(check(hub))
