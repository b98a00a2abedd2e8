"""What the doctor says to do, done in the sandbox, turns each finding green: nothing is left but what was there before.

The faults are those of tests/doctor_scenes.py. Settings are put right by setting them, which is what the fix says.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from incident_central.integrations.slack.manifest import SCOPES
from incident_central.sandbox.company import FROM_USER, SLACK_TOKEN
from tests.doctor import ALWAYS, Doctor, heal, level, policy_id, reached_by, schedule_id, service_id, user_id
from tests.doctor_scenes import SCENES, Scene
from tests.journeys.conftest import on_sqlite
from tests.pagerduty import ask
from tests.processes import Hub, Sandbox, company

Fix = Callable[[Hub], None]
#: What is no fault of a set-up: it passes by itself, or nobody can do anything about it.
NOTHING_TO_DO = {"healthy", "a read-only key that is not shown to be one"}
PASSES = {"both down", "both limited", "a proxy that answers instead of both"}

#: Are set by NTP, and the sandbox's own goes forward only.
CLOCKS = {"pagerduty.clock-skew", "slack.clock-skew"}


@pytest.fixture
def hub(template: Hub, one_sandbox: Sandbox, tmp_path: Path) -> Iterator[Hub]:
    """A hub that was never started, in a healthy company."""
    shutil.copytree(template.folder, tmp_path / "data")
    hub = Hub(one_sandbox, tmp_path / "data")
    heal(one_sandbox, f"{hub.url}/webhooks/pagerduty")
    yield hub
    one_sandbox.mend()


def _user(hub: Hub, email: str, **fields: object) -> None:
    hub.sandbox.plant("pagerduty", "users", user_id(email), set=fields)


def _service(hub: Hub, name: str, **fields: object) -> None:
    hub.sandbox.plant("pagerduty", "services", service_id(name), set=fields)


def _policy(hub: Hub, name: str, *rules: object) -> None:
    hub.sandbox.plant("pagerduty", "policies", policy_id(name), set={"rules": list(rules)})


def _make_service(hub: Hub, name: str) -> None:
    """**Services → Service Directory → New Service**"""
    policy = {"id": policy_id("Storefront"), "type": "escalation_policy_reference"}
    ask(hub.sandbox, "/services", {"service": {"type": "service", "name": name, "escalation_policy": policy}})


def _have_webhooks(hub: Hub) -> None:
    hub.run("setup", "webhook", "--no-test")


def _token(hub: Hub, **fields: object) -> None:
    hub.sandbox.plant("slack", "tokens", SLACK_TOKEN, set=fields)


def _announce(hub: Hub, **fields: object) -> None:
    """The bot is in it, by `/invite`."""
    state = hub.sandbox.state["slack"]
    channel = next(one["id"] for one in state["channels"] if one["name"] == "incidents")
    hub.sandbox.plant("slack", "channels", channel, set=fields | {"members": [state["bot_user_id"]]})


def _mend_services_and_policies(hub: Hub) -> None:
    lucia = user_id("lucia.paredes")
    for schedule, person in (("Payments primary", lucia), ("Data week", user_id("ana.costa"))):
        hub.sandbox.plant("pagerduty", "schedules", schedule_id(schedule), set={"user_ids": [person], "overrides": []})
    (window,) = ask(hub.sandbox, "/maintenance_windows", filter="ongoing")["maintenance_windows"]
    hub.sandbox.plant("pagerduty", "windows", window["id"], delete=True)
    _service(hub, "Gift Cards", status="active")
    _service(hub, "Search", policy_id=policy_id("Search"))
    _service(hub, "Identity", urgency="high")
    _service(hub, "Email Delivery", urgency_outside_hours=None)
    _service(hub, "Data Warehouse", acknowledgement_timeout=None, auto_resolve_timeout=None)
    _policy(hub, "Warehouse", level(user_id("dana.okafor")), level(lucia, number=2))
    hub.sandbox.switch(priorities="on")
    _have_webhooks(hub)


def _mend_people(hub: Hub) -> None:
    _user(hub, "mei.tanaka", invitation_sent=False)
    for email in ("oskar.lindqvist", "priya.nair", "jonas.weber", "lucia.paredes"):
        _user(hub, email, **reached_by("phone"))
    _user(hub, "eva.lindgren", role="limited_user")
    _announce(hub, is_archived=False)
    _have_webhooks(hub)


def _make_two_services(hub: Hub) -> None:
    _make_service(hub, "Checkout")
    _make_service(hub, "Incident Desk")
    _have_webhooks(hub)
    _announce(hub)


def _make_the_desk_and_take_out_a_scope(hub: Hub) -> None:
    _make_service(hub, "Incident Desk")
    _grant(hub)


def _grant(hub: Hub) -> None:
    """**Bot Token Scopes** as in the manifest, and **Reinstall to Workspace**"""
    _token(hub, scopes=[scope.name for scope in SCOPES])


def _install_again(hub: Hub) -> None:
    _token(hub, state="", kind="bot", user_id=hub.sandbox.state["slack"]["bot_user_id"])


def _renew_the_account(hub: Hub) -> None:
    hub.sandbox.switch(account="active")
    _install_again(hub)


def _new_key(hub: Hub) -> None:
    """**Create New API Key**; a sandbox has one name for it."""
    key = {"secret": company.PAGERDUTY_KEY, "kind": "account"}
    hub.sandbox.plant("pagerduty", "keys", create=key)
    _install_again(hub)


def _install_in_one_workspace(hub: Hub) -> None:
    hub.sandbox.switch(installation="workspace")


def _invite_the_from_user(hub: Hub) -> None:
    wanted = {"type": "user", "name": FROM_USER.name, "email": FROM_USER.email, "role": "limited_user"}
    made = ask(hub.sandbox, "/users", {"user": wanted}, as_user="dana.okafor@example.com")["user"]
    hub.sandbox.plant("pagerduty", "users", made["id"], set={"invitation_sent": False})  # accepted
    hub.sandbox.switch(scopes_header="sent")


def _give_the_from_user_a_role(hub: Hub) -> None:
    _user(hub, "incident-central", role="limited_user", invitation_sent=False)
    hub.sandbox.mend()


def _take_the_from_user_off_call(hub: Hub) -> None:
    _user(hub, "incident-central", role="limited_user")
    _policy(hub, "Incident Desk", level(user_id("dana.okafor")))
    hub.sandbox.switch(other_requests="0", region="this machine")


FIXES: dict[str, Fix] = {
    "services and policies, and webhooks switched off": _mend_services_and_policies,
    "people, an archived announce channel, and webhooks with a secret that nobody knows": _mend_people,
    "no service, no webhooks, and the bot outside": _make_two_services,
    "one service, no announce channel, and an app that may do more than its manifest": (
        _make_the_desk_and_take_out_a_scope
    ),
    "a read-only key, and few scopes": _grant,
    "keys of people": _install_again,
    "a wrong key, and a revoked token": _install_again,
    "a deleted key, told in plain text, and an expired token": _new_key,
    "an integration key, and an unknown token": lambda hub: None,
    "an account that has ended, and an app-level token": _renew_the_account,
    "a From user that is not there, and an organisation": _install_in_one_workspace,
    "a From user that was removed, and scopes that are not told": _invite_the_from_user,
    "a stakeholder as From user, and the list of channels limited": _give_the_from_user_a_role,
    "a From user on call, another region, others, and clocks": _take_the_from_user_off_call,
    "nothing set up at all": lambda hub: None,
}


def test_there_is_a_fix_for_every_scene_in_which_something_is_to_be_done() -> None:
    assert {scene.name for scene in SCENES} - NOTHING_TO_DO - PASSES == FIXES.keys()


@on_sqlite
@pytest.mark.parametrize("scene", [one for one in SCENES if one.name in PASSES], ids=lambda scene: scene.name)
def test_what_passes_by_itself_is_green_once_they_answer_again(scene: Scene, hub: Hub) -> None:
    scene.plant(hub.sandbox)
    doctor = Doctor(hub)
    assert {id_ for id_, _ in scene.found} <= doctor.finds().keys()
    hub.sandbox.mend()
    assert doctor.finds().keys() <= ALWAYS


@on_sqlite
@pytest.mark.parametrize("scene", [one for one in SCENES if one.name in FIXES], ids=lambda scene: scene.name)
def test_what_the_fix_says_turns_every_finding_green(scene: Scene, hub: Hub) -> None:
    scene.plant(hub.sandbox)
    doctor = Doctor(hub)
    wanted = {id_ for id_, _ in scene.found}
    assert wanted <= doctor.finds(**scene.settings).keys()
    FIXES[scene.name](hub)
    left = {id_: found for id_, found in doctor.finds().items() if id_ not in ALWAYS | CLOCKS}
    assert left == {}
