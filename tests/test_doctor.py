"""What the doctor finds in PagerDuty and Slack: each planted fault under its id, and nothing else."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.doctor import ALWAYS, Doctor, heal
from tests.doctor_scenes import SCENES, Scene
from tests.journeys.conftest import on_sqlite
from tests.processes import Hub, Sandbox

pytestmark = on_sqlite

EXIT_CODE = {"fail": 2, "warn": 1, "could-not-check": 1, "remark": 0}


@pytest.fixture(scope="module")
def healthy_hub(template: Hub, one_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """A hub that was never started, with a database that is up to date."""
    folder = tmp_path_factory.mktemp("doctor") / "data"
    shutil.copytree(template.folder, folder)
    return Hub(one_sandbox, folder)


@pytest.fixture
def doctor(healthy_hub: Hub, sandbox: Sandbox) -> Iterator[Doctor]:
    heal(sandbox, f"{healthy_hub.url}/webhooks/pagerduty")
    yield Doctor(healthy_hub)
    sandbox.mend()


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_each_fault_is_found_under_its_id_and_nothing_else(scene: Scene, doctor: Doctor, sandbox: Sandbox) -> None:
    scene.plant(sandbox)
    found = doctor.finds(**scene.settings)
    titles = [(id_, finding["title"]) for id_, findings in found.items() for finding in findings]
    for id_, about in scene.found:
        here = [one for one in titles if one[0] == id_ and about in one[1]]
        assert here, f"{id_} “{about}” is not among {titles}"
        titles.remove(here[0])
    assert {id_ for id_, _ in titles} <= ALWAYS
    levels = {finding["level"] for findings in found.values() for finding in findings}
    assert doctor.exit_code == max((EXIT_CODE[level] for level in levels), default=0)
    for findings in found.values():
        for finding in findings:
            assert finding["said"], finding
            assert finding["fix"], finding
            assert "{" not in json.dumps([finding["title"], finding["fix"]]), finding


def test_a_run_over_a_large_company_is_quick_and_changes_nothing(healthy_hub: Hub, quiet_sandbox: Sandbox) -> None:
    sandbox = quiet_sandbox
    sandbox.control("/reset", {"scale": {"services": 300, "people": 1000}})
    before = sandbox.state
    doctor = Doctor(replace(healthy_hub, sandbox=sandbox))
    found = doctor.finds()
    assert doctor.seconds_of_checks < 15
    assert found["pagerduty.policy-reaches-nobody"]
    calls = sandbox.calls()
    assert len(calls) < 45
    assert not [call for call in calls if call["status"] == 429]
    written = {call["method"] for call in calls if call["http_method"] != "GET" and call["provider"] == "pagerduty"}
    assert written == {"POST /schedules/preview"}  # which stores nothing
    assert {call["method"] for call in calls if call["provider"] == "slack"} == {"auth.test", "users.conversations"}
    after = sandbox.state
    for part in ("incidents", "services", "users", "subscriptions"):
        assert after["pagerduty"][part] == before["pagerduty"][part]
    assert after["slack"] == before["slack"]


def test_people_read_it_by_step_with_the_fix_and_how_far_it_is(doctor: Doctor, sandbox: Sandbox) -> None:
    sandbox.plant("pagerduty", "keys", "sandbox-account-key1", set={"kind": "read-only"})
    run = doctor.hub.command("doctor")
    assert run.returncode == 2
    assert "FIX THIS        This API key is read-only  [pagerduty.key-read-only]" in run.stdout
    assert "1. In PagerDuty open Integrations → Developer Tools → API Access Keys" in run.stdout
    steps = [run.stdout.index(f"Step {step}") for step in ("1: PagerDuty", "2: Slack", "3: Database")]
    assert steps == sorted(steps)
    assert "1 × FIX THIS" in run.stdout
    assert run.stderr.count(" s  ") == 7
    assert "sandbox-account-key1" not in run.stdout + run.stderr


def test_where_pagerduty_never_answers_it_ends_all_the_same(doctor: Doctor, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "hung")
    sandbox.fault("slack", "hung")
    found = doctor.finds()
    assert {"pagerduty.unreachable", "slack.unreachable"} <= found.keys()
    assert doctor.seconds_of_checks < 20
