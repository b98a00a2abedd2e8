"""A company in which everything is right, and what the doctor says of it when something is not."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from incident_central.integrations.slack.manifest import SCOPES
from incident_central.sandbox.company import SLACK_TOKEN
from incident_central.sandbox.pagerduty.records import fixed_id
from tests.processes import ROOT, Hub, Sandbox

Json = dict[str, Any]

WEBHOOK_SECRET = "a secret that somebody copied from PagerDuty"
UNTRIED = {"slack.channels-untried", "drill.never-tried", "hub.heartbeat-missing"}
#: What stands in the healthy company all the same: nobody has reported anything yet, or tried a drill, there is no
#: watcher outside, and where the hub was never started, it has read nobody.
ALWAYS = UNTRIED | {"people.not-checked"}


def policy_id(name: str) -> str:
    return fixed_id("policy", name)


def schedule_id(name: str) -> str:
    return fixed_id("schedule", name)


def service_id(name: str) -> str:
    return fixed_id("service", name)


def user_id(email: str) -> str:
    return fixed_id("user", f"{email}@example.com")


def reached_by(kind: str, *, enabled: bool = True, urgency: str = "high") -> Json:
    """Fields of a user who is told in one way."""
    method = {"id": "PMETHOD", "type": f"{kind}_contact_method", "label": "Only", "address": "2025550199"}
    rule = {"id": "PRULE", "contact_method_id": "PMETHOD", "urgency": urgency, "start_delay_in_minutes": 0}
    return {
        "contact_methods": [method | {"enabled": enabled}],
        "notification_rules": [rule | {"created_at": 0.0}],
    }


def level(*target_ids: str, number: int = 1) -> Json:
    return {"id": f"PRULE{number}", "minutes": 5, "target_ids": list(target_ids)}


def member_id(sandbox: Sandbox, name: str) -> str:
    """In Slack."""
    return next(str(one["id"]) for one in sandbox.state["slack"]["members"] if one["real_name"] == name)


def heal(sandbox: Sandbox, webhooks: str) -> None:
    """Edit away what is wrong in Harbour Finch on its first day, and have webhooks sent to the hub's address."""
    sandbox.start_over()
    sandbox.plant("pagerduty", "schedules", schedule_id("Payments primary"), set={"user_ids": [user_id("priya.nair")]})
    sandbox.plant("pagerduty", "services", service_id("Gift Cards"), set={"status": "active"})
    sandbox.plant("pagerduty", "windows", fixed_id("window", "Returns Portal"), delete=True)
    timeouts = {"acknowledgement_timeout": None, "auto_resolve_timeout": None}
    sandbox.plant("pagerduty", "services", service_id("Data Warehouse"), set=timeouts)
    sandbox.plant("pagerduty", "users", user_id("tomas.herrera"), set=reached_by("phone"))
    sandbox.plant("slack", "members", member_id(sandbox, "Ana Costa"), set={"email": "ana.costa@example.com"})
    sandbox.plant("slack", "members", member_id(sandbox, "Henrik Aalto"), set={"deleted": False})
    sandbox.plant("slack", "tokens", SLACK_TOKEN, set={"scopes": [scope.name for scope in SCOPES]})
    subscription = {"url": webhooks, "secret": WEBHOOK_SECRET, "events": ["incident.triggered"]}
    sandbox.plant("pagerduty", "subscriptions", create=subscription)


@dataclass
class Doctor:
    """`incident-central doctor` beside a healthy company; `settings` differ from the healthy ones."""

    hub: Hub
    settings: dict[str, str] = field(default_factory=dict)
    before: Sequence[str] = ()  # what the command is run by
    module: Sequence[str] = ("incident_central",)
    exit_code: int = 0
    seconds_of_checks: float = 0.0  # without the start of Python

    def finds(self, **settings: str) -> dict[str, list[Json]]:
        """What does not pass, by id. A setting that is empty is not set."""
        given = self.hub.environment | {"PAGERDUTY_WEBHOOK_SECRET": WEBHOOK_SECRET} | self.settings | settings
        run = subprocess.run(
            [*self.before, sys.executable, "-m", *self.module, "doctor", "--json"],
            env=given | {"PYTHONPATH": str(ROOT)},
            cwd=self.hub.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert run.stdout, run.stderr
        self.exit_code, self.seconds_of_checks = (
            run.returncode,
            max(map(float, re.findall(r"^ *(\S+) s  ", run.stderr, re.M))),
        )
        found: dict[str, list[Json]] = {}
        for finding in json.loads(run.stdout)["findings"]:
            if finding["level"] != "ok":
                found.setdefault(finding["id"], []).append(finding)
        return found


def database_of(folder: Path) -> Path:
    return folder / "incident-central.sqlite3"
