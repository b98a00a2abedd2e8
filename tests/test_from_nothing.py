"""A new user: from empty settings to a drill that went through, by what is said there and no more: by
`incident-central setup`, and by the page Set-up alone."""

import html
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from incident_central import demo
from incident_central.integrations.slack.manifest import SCOPES
from incident_central.sandbox.company import HARBOUR_FINCH, PAGERDUTY_KEY, SLACK_TOKEN
from incident_central.sandbox.pagerduty.records import fixed_id
from tests.dialogue import SetUp
from tests.doctor import UNTRIED, policy_id, schedule_id, service_id, user_id
from tests.journeys.conftest import on_sqlite
from tests.pagerduty import ask
from tests.processes import ADMIN, PASSWORD, Hub, Json, Page, Sandbox, eventually, free_port
from tests.test_drill import drill_goes_through, make_service
from tests.test_set_up_page import check, findings, item

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
    port = free_port()
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
    drill_goes_through(hub)


# ── by the page alone ─────────────────────────────────────────────────────────────────────────────

SERVICE = "Checkout"
Settings = dict[str, str]


def add_from_user(hub: Hub) -> Settings:
    body = {"type": "user", "name": "Incident Central", "email": FROM, "role": "limited_user"}
    ask(hub.sandbox, "/users", {"user": body}, as_user=ADMIN)
    accept_invitation(hub.sandbox)
    return {"PAGERDUTY_FROM_EMAIL": FROM}


def new_service(hub: Hub, name: str = SERVICE) -> Settings:
    """With a policy that reaches somebody, and high urgency."""
    rule = {
        "escalation_delay_in_minutes": 5,
        "targets": [{"id": user_id("dana.okafor"), "type": "user_reference"}],
    }
    policy = {"type": "escalation_policy", "name": name, "escalation_rules": [rule]}
    made = ask(hub.sandbox, "/escalation_policies", {"escalation_policy": policy}, as_user=ADMIN)["escalation_policy"]
    service = {
        "type": "service",
        "name": name,
        "escalation_policy": {"id": made["id"], "type": "escalation_policy_reference"},
        "incident_urgency_rule": {"type": "constant", "urgency": "high"},
        "acknowledgement_timeout": None,
        "auto_resolve_timeout": None,
    }
    ask(hub.sandbox, "/services", {"service": service}, as_user=ADMIN)
    return {}


def run(hub: Hub, *command: str) -> Settings:
    hub.run(*command)
    return {}


#: What somebody does at each finding: a word that it must show them, and the deed. It may put a setting right.
DEEDS: dict[str, tuple[str, Callable[[Hub], Settings]]] = {
    "pagerduty.key-missing": ("Create New API Key", lambda hub: {"PAGERDUTY_API_KEY": PAGERDUTY_KEY}),
    "pagerduty.from-missing": ("Add Users", add_from_user),
    "pagerduty.no-service": ("New Service", new_service),
    "pagerduty.one-service": ("Incident Desk", lambda hub: new_service(hub, "Incident Desk")),
    "pagerduty.webhook-missing": (
        "incident-central setup webhook",
        lambda hub: run(hub, "setup", "webhook"),
    ),
    "slack.token-missing": ("Bot User OAuth Token", lambda hub: {"SLACK_BOT_TOKEN": SLACK_TOKEN}),
    "database.time-zone": ("Europe/Lisbon", lambda hub: {"TIME_ZONE": "Europe/Lisbon"}),
    "database.backup-missing": ("incident-central backup", lambda hub: run(hub, "backup")),
    "hub.base-url-missing": ("the address that people open", lambda hub: {"BASE_URL": hub.url}),
    "hub.nobody-told": ("SLACK_ANNOUNCE_CHANNEL", lambda hub: {"SLACK_ANNOUNCE_CHANNEL": "incidents"}),
    "hub.fallback-contact-missing": (
        "whom to phone",
        lambda hub: {"FALLBACK_CONTACT": "Incident desk, +1 555 0100"},
    ),
    "hub.fallback-service-missing": ("the name of the service", lambda hub: {"FALLBACK_SERVICE": SERVICE}),
}
#: Nobody has reported yet or tried a drill, no watcher is outside; and not everybody in PagerDuty is in Slack.
REMARKS = UNTRIED | {"people.others-not-known"}


@on_sqlite
def test_a_new_user_gets_to_a_drill_by_the_page_alone(new_account: Sandbox, tmp_path: Path, database: str) -> None:
    """With nothing set but where everything is: the folder, and the addresses of the sandbox."""
    began = time.monotonic()
    hub = Hub(new_account, tmp_path / "data")
    hub.folder.mkdir()
    kept = ("DATA_DIR", "PAGERDUTY_API_URL", "SLACK_API_URL", "SANDBOX_URL")
    settings = demo.hub_settings(new_account.addresses, hub_url=hub.url, data_dir=hub.folder)
    hub.settings = dict.fromkeys(settings.keys() - kept, "")
    hub.run("manage", "migrate")
    hub.make_administrator()
    try:
        hub.start(ready=False)  # nor is it, without a key
        done: list[str] = []
        while to_do := [kind for kind in shown(check(hub)) if kind in DEEDS and kind not in done]:
            texts = {kind: text(item(hub.dana.get("/set-up"), kind)) for kind in to_do}
            for kind in to_do:
                says, deed = DEEDS[kind]
                assert says in texts[kind]
                put_right = deed(hub)
                for name in put_right:
                    assert name in texts[kind], "the setting is named"
                hub.settings |= put_right
            done += to_do
            hub.stop()
            hub.start(ready=False)
        assert hub.answers("/readyz")
        assert set(done) == DEEDS.keys(), "each was shown, and did what it had to"
        hub.does("directory", "members")  # "wait a minute", as people.not-checked says
        assert set(shown(check(hub))) == REMARKS
        assert ">Nothing would keep a page from arriving</h1>" in hub.dana.get("/set-up").text
        make_service(hub)
        drill_goes_through(hub)
    finally:
        hub.stop()
    print(f"from empty settings to a drill in {time.monotonic() - began:.0f} s of the machine's time")


def shown(page: Page) -> list[str]:
    """What does not pass, from the top."""
    found = re.findall(r'<li data-state="([a-z-]+)" data-finding="([a-z.-]+)"', page.text)
    assert {kind for _, kind in found} == findings(page)
    return [kind for state, kind in found if state != "pass"]


def text(markup: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", markup)))
