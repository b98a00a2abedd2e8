"""What a request says about an incident, part by part, checked as PagerDuty does. All raise Refused."""

from __future__ import annotations

import uuid

from incident_central.sandbox.pagerduty import escalation
from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.errors import invalid, refused, wrong_arguments
from incident_central.sandbox.pagerduty.records import Policy, Priority, Service

LONGEST_TITLE = 1024
DUPLICATE = "Open incident with matching dedup key already exists on this service"


def title_in(title: object) -> str:
    if not isinstance(title, str) or not title.strip():
        raise invalid("Title cannot be empty.")
    if len(title) > LONGEST_TITLE:
        raise invalid(f"Title is too long (maximum is {LONGEST_TITLE} characters)")
    return title.strip()


def open_service(account: Account, given: object) -> Service:
    """The service, if new incidents may go there."""
    service = account.services.get(_id(given))
    if service is None:
        raise wrong_arguments("Service not found")
    closed = account.status_of(service) in ("disabled", "maintenance")
    if closed and account.switches["closed_service"] == "refused":
        raise invalid("Incident could not be created")
    return service


def free_key(account: Account, given: object, service: Service) -> str:
    """The key, unique among the open incidents of one service; PagerDuty draws one when none is given."""
    if given is None or given == "":
        return uuid.uuid4().hex
    if not isinstance(given, str):
        raise invalid("Incident key must be a string")
    if any(other.key == given and other.service_id == service.id for other in account.open.values()):
        raise wrong_arguments(DUPLICATE)
    return given


def details_in(given: object) -> str | None:
    if given is None:
        return None
    details = given.get("details") if isinstance(given, dict) else given
    if not isinstance(given, dict) or not isinstance(details, str | None):
        raise invalid("Body details must be a string")
    return details


def urgency_in(given: object) -> str:
    if given not in ("high", "low"):
        raise invalid("Urgency must be high or low")
    return str(given)


def priority_in(account: Account, given: object) -> Priority | None:
    """By reference, or by name as PUT takes it: of several with one name the highest (fact sheet 7)."""
    if given is None:
        return None
    priorities = account.priorities if account.switches["priorities"] == "on" else {}
    if isinstance(given, str):
        named = [priority for priority in priorities.values() if priority.name == given]
        found = min(named, key=lambda priority: priority.order, default=None)
    else:
        found = priorities.get(_id(given))
    if found is None and account.switches["unknown_priority"] == "refused":
        raise refused(400, 1020, "Invalid Priority", [])
    return found


def assignees_in(account: Account, given: object) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise invalid("Assignments must be an array")
    ids = [_id(item.get("assignee") if isinstance(item, dict) else None) for item in given]
    if any(user_id not in account.users for user_id in ids):
        raise refused(400, 1007, "Assignee User Not Found", [])
    return ids


def policy_in(account: Account, given: object) -> Policy | None:
    if given is None:
        return None
    policy = account.policies.get(_id(given))
    if policy is None:
        raise refused(400, 1014, "Escalation Policy Not Found", [])
    return policy


def level_in(account: Account, policy: Policy, given: object) -> int | None:
    if given is None:
        return None
    if not isinstance(given, int) or not 1 <= given <= len(policy.rules):
        raise refused(400, 1006, "Incident Cannot Be Escalated", [])
    level = escalation.first_level(account, policy, at=account.clock.now(), start=given)
    if level is None:
        raise refused(400, 1015, "Escalation Policy Has No User On Call", [])
    return level


def nobody_on_call(account: Account) -> None:
    """What happens with a policy that reaches nobody is not known: a switch says whether it is refused."""
    if account.switches["nobody_on_call"] == "refused":
        raise refused(400, 1015, "Escalation Policy Has No User On Call", [])


def bridge_in(given: object) -> dict[str, object] | None:
    if given is None:
        return None
    if not isinstance(given, dict):
        raise invalid("Conference bridge must be an object")
    return {name: given.get(name) for name in ("conference_number", "conference_url")}


def type_name_in(given: object) -> str:
    name = given.get("name") if isinstance(given, dict) else None
    return str(name or "incident_default")


def _id(reference: object) -> str:
    return str(reference.get("id")) if isinstance(reference, dict) else ""
