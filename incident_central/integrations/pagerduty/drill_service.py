"""The service of a drill and its escalation policy: made, found again, and read back before each page.

They reach one person. Whatever PagerDuty says of them that could reach somebody else is a difference, in words.
(GET and POST /services and /escalation_policies; fact sheet sections 7 and 9)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from incident_central.integrations.base import IntegrationError, Page, PagerUser
from incident_central.integrations.pagerduty.client import PagerDuty
from incident_central.integrations.pagerduty.drill_names import drill_name, is_drill_of
from incident_central.integrations.pagerduty.shapes import page_of, user_of

Json = dict[str, Any]

WHAT_FOR = (
    "Incident Central pages this for drills, and for nothing else. Nothing is broken when it rings. It may be deleted: "
    "Incident Central asks before it makes another."
)
#: Of a service that takes new incidents: the last two say that it has open ones. (fact sheet section 7)
TAKES_INCIDENTS = ("active", "warning", "critical")
ALWAYS_HIGH = {"type": "constant", "urgency": "high"}


def find_person(pager: PagerDuty, email: str) -> PagerUser | None:
    """PagerDuty's user with exactly this e-mail."""
    row = pager.find_user(email)
    return None if row is None else user_of(row)


def why_not_rung(pager: PagerDuty, person: PagerUser, *, from_email: str) -> str:
    """Why PagerDuty would acknowledge our page to this person at once and ring nobody; empty where it would not.

    (fact sheet section 1: whoever makes an incident that is assigned to them is not notified)
    """
    if person.email == from_email.lower():
        return (
            f"{person.email} is the From user, and what the From user is assigned PagerDuty acknowledges at once: "
            "nobody is rung."
        )
    owner = pager.owner_of_key()
    if owner is not None and owner.id == person.id:
        return f"The API key is {person.email}’s own. PagerDuty acknowledges at once what they page themselves with."
    return ""


# ── made once a person ────────────────────────────────────────────────────────────────────────────


def policy_body(person_id: str, person_name: str) -> Json:
    """One level with one person in it, walked once."""
    return {
        "type": "escalation_policy",
        "name": drill_name(person_name, person_id),
        "description": WHAT_FOR,
        "num_loops": 0,
        "escalation_rules": [
            {"escalation_delay_in_minutes": 30, "targets": [{"id": person_id, "type": "user_reference"}]}
        ],
    }


def service_body(person_id: str, person_name: str, policy_id: str) -> Json:
    """Always of high urgency, or no phone would ring; nothing happens to its incidents by itself."""
    return {
        "type": "service",
        "name": drill_name(person_name, person_id),
        "description": WHAT_FOR,
        "status": "active",
        "escalation_policy": {"id": policy_id, "type": "escalation_policy_reference"},
        "incident_urgency_rule": ALWAYS_HIGH,
        "acknowledgement_timeout": None,
        "auto_resolve_timeout": None,
    }


def make_policy(pager: PagerDuty, person: PagerUser) -> str:
    """The id of a new one. After a lost answer look with find_policy() first."""
    body = {"escalation_policy": policy_body(person.id, person.name)}
    return str(pager.write("/escalation_policies", body=body)["escalation_policy"]["id"])


def find_policy(pager: PagerDuty, person_id: str) -> str | None:
    return _find(pager, "/escalation_policies", person_id)


def make_service(pager: PagerDuty, person: PagerUser, policy_id: str) -> str:
    """The id of a new one. After a lost answer look with find_service() first."""
    body = {"service": service_body(person.id, person.name, policy_id)}
    return str(pager.write("/services", body=body)["service"]["id"])


def find_service(pager: PagerDuty, person_id: str) -> str | None:
    return _find(pager, "/services", person_id)


def _find(pager: PagerDuty, path: str, person_id: str) -> str | None:
    rows = pager.rows(path)
    return next((str(row["id"]) for row in rows if is_drill_of(str(row.get("name") or ""), person_id)), None)


# ── read back before each page ────────────────────────────────────────────────────────────────────


def differences(
    pager: PagerDuty, *, email: str, from_email: str, person_id: str, service_id: str, policy_id: str
) -> list[str]:
    """Why a page there could reach somebody else than the person, or not them: none where it cannot.

    Reads PagerDuty now. Raises IntegrationError where it cannot be asked.
    """
    person = find_person(pager, email)
    if person is None:
        return [f"Nobody in PagerDuty has the e-mail {email}."]
    if person.id != person_id:
        return [f"Another user of PagerDuty has the e-mail {email} now than when the drill service was made."]
    if why := why_not_rung(pager, person, from_email=from_email):
        return [why]
    service = _read(pager, "/services/{}", service_id, "service")
    policy = _read(pager, "/escalation_policies/{}", policy_id, "escalation_policy")
    found = []
    found += (
        ["PagerDuty does not have the drill service any more."]
        if service is None
        else [*_of_service(service, person_id, policy_id)]
    )
    found += (
        ["PagerDuty does not have the drill’s escalation policy any more."]
        if policy is None
        else [*_of_policy(policy, person, service_id)]
    )
    return found


def _read(pager: PagerDuty, path: str, id_: str, wrapper: str) -> Json | None:
    try:
        row: Json = pager.row(path, id_)[wrapper]
    except IntegrationError as error:
        if error.code != "404":
            raise
        return None
    return row


def _of_service(row: Json, person_id: str, policy_id: str) -> Iterator[str]:
    if not is_drill_of(str(row.get("name") or ""), person_id):
        yield f"The drill service is called “{row.get('name')}”, which is not its name."
    if row.get("status") not in TAKES_INCIDENTS:
        words = {"disabled": "disabled", "maintenance": "in maintenance"}
        yield f"The drill service is {words.get(str(row.get('status')), row.get('status'))}."
    policy = row.get("escalation_policy") or {}
    if policy.get("id") != policy_id:
        yield f"The drill service has another escalation policy: {_name(policy)}."
    rule = row.get("incident_urgency_rule") or {}
    if {name: rule.get(name) for name in ALWAYS_HIGH} != ALWAYS_HIGH or row.get("support_hours"):
        yield "The urgency of the drill service is not always high: it has another rule, or support hours."
    if row.get("scheduled_actions"):
        yield "The drill service has scheduled actions, which change who is told."
    if row.get("teams"):
        yield f"The drill service belongs to a team: {_names(row['teams'])}. Whoever follows the team would hear of it."
    if row.get("integrations"):
        yield f"The drill service has an integration: {_names(row['integrations'])}."
    if row.get("response_play"):
        yield f"The drill service runs a response play: {_name(row['response_play'])}. It can page others."


def _of_policy(row: Json, person: PagerUser, service_id: str) -> Iterator[str]:
    if not is_drill_of(str(row.get("name") or ""), person.id):
        yield f"The drill’s escalation policy is called “{row.get('name')}”, which is not its name."
    rules = row.get("escalation_rules") or []
    if len(rules) != 1:
        yield f"The drill’s escalation policy has {len(rules)} levels, where it should have one."
    targets = [target for rule in rules for target in rule.get("targets") or ()]
    for target in targets:
        if target.get("id") != person.id or str(target.get("type")).removesuffix("_reference") != "user":
            kind = "the schedule" if "schedule" in str(target.get("type")) else "also"
            yield f"The drill’s escalation policy pages {kind} {_name(target)}."
    if [target.get("id") for target in targets] != [person.id]:
        yield f"The drill’s escalation policy has {len(targets)} targets, where it should have {person.name} alone."
    if row.get("num_loops"):
        yield f"The drill’s escalation policy repeats {row['num_loops']} times."
    if row.get("teams"):
        yield f"The drill’s escalation policy belongs to a team: {_names(row['teams'])}."
    if service_id not in [service.get("id") for service in row.get("services") or ()]:
        yield "The drill’s escalation policy is not the drill service’s."


# ── and after it ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Reached:
    """A page as it is now, and whom else it has reached, in words: none where it is the person's alone."""

    page: Page
    others: tuple[str, ...]


def reached(pager: PagerDuty, page_id: str, *, person_id: str, service_id: str) -> Reached:
    """Reads it now. Raises IntegrationError, with the code 404 where PagerDuty does not have it."""
    row = pager.row("/incidents/{}", page_id)["incident"]
    return Reached(page_of(row), tuple(_others(row, person_id, service_id)))


def _others(row: Json, person_id: str, service_id: str) -> Iterator[str]:
    if row["service"]["id"] != service_id:
        yield f"It is on the service {_name(row['service'])}."
    assigned = [one["assignee"] for one in row.get("assignments") or ()]
    others = [one for one in assigned if one["id"] != person_id]
    if others:
        yield f"PagerDuty has assigned it to {_names(others)}."
    asked = [one.get("user") or {} for one in row.get("incidents_responders") or ()]
    if asked or row.get("responder_requests"):
        yield f"PagerDuty has asked for more responders: {_names(asked) or 'somebody'}."


def _names(rows: list[Json]) -> str:
    return ", ".join(_name(row) for row in rows)


def _name(row: Json | str) -> str:
    if isinstance(row, str):
        return row
    return str(row.get("summary") or row.get("name") or row.get("id") or "unknown")
