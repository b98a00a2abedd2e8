"""What the guided set-up makes in PagerDuty: users, a schedule, an escalation policy, a service; nothing twice.

The bodies are as PagerDuty's API description has them: POST /users, /schedules, /escalation_policies, /services. (fact
sheet section 9)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from incident_central.integrations.base import IntegrationError
from incident_central.integrations.pagerduty.client import PagerDuty

Json = dict[str, Any]

WEEK = 7 * 24 * 3600  # seconds
MINUTES = 15  # that a level has to answer
MADE = "Made by the guided set-up of Incident Central."


@dataclass(frozen=True)
class Wanted:
    """Something that PagerDuty shall have: found by a field that is unique there, else made of `body`."""

    path: str
    kind: str  # what stands around the body, too
    body: Json
    key: str = "name"

    @property
    def name(self) -> str:
        return str(self.body[self.key])


def user(email: str, *, name: str, role: str) -> Wanted:
    """PagerDuty sends an invitation to this address."""
    return Wanted("/users", "user", {"type": "user", "name": name, "email": email, "role": role}, key="email")


def schedule(name: str, *, user_ids: Sequence[str], zone: str, now: datetime) -> Wanted:
    """Each is on call for a week, from now on, in this order."""
    start = now.isoformat(timespec="seconds")
    layer = {
        "name": "Layer 1",
        "start": start,
        "rotation_virtual_start": start,
        "rotation_turn_length_seconds": WEEK,
        "users": [{"user": {"id": id_, "type": "user_reference"}} for id_ in user_ids],
    }
    body = {"type": "schedule", "name": name, "description": MADE, "time_zone": zone, "schedule_layers": [layer]}
    return Wanted("/schedules", "schedule", body)


def policy(name: str, *, schedule_id: str) -> Wanted:
    """One level, walked twice: whoever is on call is paged again where nobody answers."""
    rule = {
        "escalation_delay_in_minutes": MINUTES,
        "targets": [{"id": schedule_id, "type": "schedule_reference"}],
    }
    body = {"type": "escalation_policy", "name": name, "description": MADE, "num_loops": 1, "escalation_rules": [rule]}
    return Wanted("/escalation_policies", "escalation_policy", body)


def service(name: str, *, policy_id: str) -> Wanted:
    """Of high urgency always, or no phone would ring; nothing happens to its incidents by itself."""
    body = {
        "type": "service",
        "name": name,
        "description": MADE,
        "status": "active",
        "escalation_policy": {"id": policy_id, "type": "escalation_policy_reference"},
        "incident_urgency_rule": {"type": "constant", "urgency": "high"},
        "acknowledgement_timeout": None,
        "auto_resolve_timeout": None,
    }
    return Wanted("/services", "service", body)


def find(pager: PagerDuty, wanted: Wanted) -> Json | None:
    """Upper and lower case are the same: PagerDuty refuses a second one that differs only there."""
    rows = pager.rows(wanted.path, query=wanted.name)
    return next((row for row in rows if str(row.get(wanted.key)).lower() == wanted.name.lower()), None)


def make(pager: PagerDuty, wanted: Wanted) -> Json:
    """Make it, unless it is there; after an answer that was lost, or that says it is there, look. Safe to repeat.

    Raises IntegrationError where it is not there afterwards.
    """
    return find(pager, wanted) or _looked_for(pager, wanted, lambda: _made(pager, wanted))


def _made(pager: PagerDuty, wanted: Wanted) -> Json:
    row: Json = pager.write(wanted.path, body={wanted.kind: wanted.body})[wanted.kind]
    return row


def _looked_for(pager: PagerDuty, wanted: Wanted, making: Callable[[], Json]) -> Json:
    try:
        return making()
    except IntegrationError:
        if (row := find(pager, wanted)) is None:
            raise
        return row
