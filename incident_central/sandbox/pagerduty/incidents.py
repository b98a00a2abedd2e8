"""What PagerDuty checks and does when an incident is created or changed (fact sheet 7, Incidents)."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping

from incident_central.sandbox.pagerduty import escalation
from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.errors import invalid, not_found, refused, wrong_arguments
from incident_central.sandbox.pagerduty.records import (
    ACKNOWLEDGED,
    RESOLVED,
    STATUSES,
    TRIGGERED,
    Incident,
    Note,
    Policy,
    Priority,
    Service,
    User,
    fresh_id,
)
from incident_central.sandbox.server import Refused

MOST_IN_ONE_UPDATE = 250
LONGEST_TITLE = 1024
DUPLICATE = "Open incident with matching dedup key already exists on this service"


def create(account: Account, given: Mapping[str, object], *, requester: User) -> Incident:
    """A new incident, and the first phones ring. Raises Refused, as the API does, and stores nothing then."""
    now = account.clock.now()
    if given.get("type") != "incident":
        raise invalid("Type must be incident")
    title = checked_title(given.get("title"))
    service = _open_service(account, given.get("service"))
    key = _free_key(account, given.get("incident_key"), service)
    details = _details(given.get("body"))
    urgency = _urgency(given.get("urgency", service.urgency))
    priority = _priority(account, given.get("priority"))
    if given.get("assignments") and given.get("escalation_policy"):
        raise invalid("Assignments and escalation policy cannot both be specified")
    assignee_ids = _assignees(account, given.get("assignments"))
    policy = _policy(account, given.get("escalation_policy")) or account.policies[service.policy_id]
    level = escalation.first_level(account, policy, at=now)
    if level is None and not assignee_ids and account.switches["nobody_on_call"] == "refused":
        raise refused(400, 1015, "Escalation Policy Has No User On Call", [])

    account.last_number += 1
    incident = Incident(
        id=fresh_id(),
        number=account.last_number,
        title=title,
        service_id=service.id,
        policy_id=policy.id,
        urgency=urgency,
        created_at=now,
        key=key,
        priority_id=priority.id if priority else None,
        details=details,
        conference_bridge=_bridge(given.get("conference_bridge")),
        incident_type=_type_name(given.get("incident_type")),
    )
    account.incidents[incident.id] = incident
    escalation.trigger(account, incident, by=requester.id, at=now)
    escalation.log(incident, "trigger", "Triggered through the API", at=now, agent=requester.id)
    _page_first(account, incident, requester, assignee_ids=assignee_ids, level=level)
    return incident


def _page_first(
    account: Account, incident: Incident, requester: User, *, assignee_ids: list[str], level: int | None
) -> None:
    now = incident.created_at
    assigned = assignee_ids
    if not assigned and level is not None:
        assigned = account.on_call(account.policies[incident.policy_id], level, now=now)
    if requester.id in assigned:
        # Whoever creates an incident for himself needs no page: it starts acknowledged (fact sheet 1).
        incident.assigned_via = "direct_assignment" if assignee_ids else "escalation_policy"
        escalation.acknowledge(account, incident, by=requester.id, at=now)
    elif assignee_ids:
        escalation.page_people(account, incident, assignee_ids, at=now, agent=requester.id)
    elif level is not None:
        escalation.page_level(account, incident, level, at=now, agent=requester.id)


def update_all(account: Account, changes: object, *, requester: User) -> list[Incident]:
    """Change several incidents, all or none."""
    if not isinstance(changes, list) or not changes:
        raise invalid("Incidents cannot be empty.")
    if len(changes) > MOST_IN_ONE_UPDATE:
        raise refused(413, 2001, "Too many incidents", [f"At most {MOST_IN_ONE_UPDATE} incidents a request."])
    before, before_open = copy.deepcopy(account.incidents), set(account.open)
    try:
        return [_update_one(account, change, requester=requester) for change in changes]
    except Refused:
        account.incidents = before
        account.open = {incident_id: before[incident_id] for incident_id in before if incident_id in before_open}
        raise


def _update_one(account: Account, change: object, *, requester: User) -> Incident:
    if not isinstance(change, dict) or "service" in change:
        raise invalid("Service cannot be changed here")
    incident = account.incidents.get(str(change.get("id")))
    if incident is None:
        raise not_found()
    update(account, incident, change, requester=requester)
    return incident


def update(account: Account, incident: Incident, given: Mapping[str, object], *, requester: User) -> None:
    """Change one incident: first what it says, then who has it, then its status."""
    now = account.clock.now()
    if given.get("type") not in ("incident", "incident_reference"):
        raise invalid("Type must be incident_reference")
    status = given.get("status", incident.status)
    if status not in STATUSES:
        raise refused(400, 1003, "Invalid Status Provided", [])
    _check_open(account, incident, given)
    assignee_ids = _assignees(account, given.get("assignments"))
    policy = _policy(account, given.get("escalation_policy"))
    level = _level(account, policy or account.policies[incident.policy_id], given.get("escalation_level"))

    _rewrite(account, incident, given)
    incident.updated_at = now
    if policy is not None:
        incident.policy_id, incident.loop = policy.id, 0
        level = level or escalation.first_level(account, policy, at=now)
    if assignee_ids:
        _triggered_again(account, incident, requester, at=now)
        escalation.page_people(account, incident, assignee_ids, at=now, agent=requester.id)
    elif level is not None:
        _triggered_again(account, incident, requester, at=now)
        escalation.log(incident, "escalate", f"Escalated to level {level}", at=now, agent=requester.id)
        escalation.page_level(account, incident, level, at=now, agent=requester.id)
    if "status" in given:
        resolution = given.get("resolution")
        set_status(account, incident, str(status), requester=requester, resolution=str(resolution or "") or None)


def set_status(
    account: Account,
    incident: Incident,
    status: str,
    *,
    requester: User,
    channel: str = "api",
    resolution: str | None = None,
) -> None:
    """Acknowledge, resolve or trigger again. A resolved incident that is acknowledged or triggered reopens."""
    now = account.clock.now()
    if status == incident.status and status != ACKNOWLEDGED:
        return
    if status == RESOLVED:
        escalation.resolve(account, incident, by=requester.id, at=now, channel=channel, resolution=resolution)
    elif status == ACKNOWLEDGED:
        if not incident.is_open:
            escalation.trigger(account, incident, by=requester.id, at=now)
        escalation.acknowledge(account, incident, by=requester.id, at=now, channel=channel)
    else:
        _trigger_again(account, incident, requester, at=now)


def add_note(account: Account, incident: Incident, content: object, *, requester: User) -> Note:
    if not isinstance(content, str) or not content.strip():
        raise invalid("Content cannot be empty.")
    now = account.clock.now()
    note = Note(fresh_id(), requester.id, content, now)
    incident.notes.append(note)
    escalation.log(incident, "annotate", f"Note added by {requester.name}", at=now, agent=requester.id)
    return note


def checked_title(title: object) -> str:
    if not isinstance(title, str) or not title.strip():
        raise invalid("Title cannot be empty.")
    if len(title) > LONGEST_TITLE:
        raise invalid(f"Title is too long (maximum is {LONGEST_TITLE} characters)")
    return title.strip()


def _open_service(account: Account, given: object) -> Service:
    """The service, if new incidents may go there."""
    service = account.services.get(_id(given))
    if service is None:
        raise wrong_arguments("Service not found")
    closed = account.status_of(service) in ("disabled", "maintenance")
    if closed and account.switches["closed_service"] == "refused":
        raise invalid("Incident could not be created")
    return service


def _free_key(account: Account, given: object, service: Service) -> str:
    """The key, unique among the open incidents of one service; PagerDuty draws one when none is given."""
    if given is None or given == "":
        return uuid.uuid4().hex
    if not isinstance(given, str):
        raise invalid("Incident key must be a string")
    if any(other.key == given and other.service_id == service.id for other in account.open.values()):
        raise wrong_arguments(DUPLICATE)
    return given


def _details(given: object) -> str | None:
    if given is None:
        return None
    details = given.get("details") if isinstance(given, dict) else given
    if not isinstance(given, dict) or not isinstance(details, str | None):
        raise invalid("Body details must be a string")
    return details


def _urgency(given: object) -> str:
    if given not in ("high", "low"):
        raise invalid("Urgency must be high or low")
    return str(given)


def _priority(account: Account, given: object) -> Priority | None:
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


def _assignees(account: Account, given: object) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise invalid("Assignments must be an array")
    ids = [_id(item.get("assignee") if isinstance(item, dict) else None) for item in given]
    if any(user_id not in account.users for user_id in ids):
        raise refused(400, 1007, "Assignee User Not Found", [])
    return ids


def _policy(account: Account, given: object) -> Policy | None:
    if given is None:
        return None
    policy = account.policies.get(_id(given))
    if policy is None:
        raise refused(400, 1014, "Escalation Policy Not Found", [])
    return policy


def _level(account: Account, policy: Policy, given: object) -> int | None:
    if given is None:
        return None
    if not isinstance(given, int) or not 1 <= given <= len(policy.rules):
        raise refused(400, 1006, "Incident Cannot Be Escalated", [])
    level = escalation.first_level(account, policy, at=account.clock.now(), start=given)
    if level is None:
        raise refused(400, 1015, "Escalation Policy Has No User On Call", [])
    return level


def _bridge(given: object) -> dict[str, object] | None:
    if given is None:
        return None
    if not isinstance(given, dict):
        raise invalid("Conference bridge must be an object")
    return {name: given.get(name) for name in ("conference_number", "conference_url")}


def _type_name(given: object) -> str:
    name = given.get("name") if isinstance(given, dict) else None
    return str(name or "incident_default")


def _check_open(account: Account, incident: Incident, given: Mapping[str, object]) -> None:
    """What a resolved incident refuses, and what a second press does."""
    status = given.get("status")
    reassigned = any(given.get(name) for name in ("assignments", "escalation_policy", "escalation_level"))
    twice = account.switches["second_status"] == "refused" and status == incident.status
    if not incident.is_open and ((reassigned and status in (None, RESOLVED)) or twice):
        raise refused(400, 1001, "Incident Already Resolved", ["Incident Already Resolved"])
    if twice and status == ACKNOWLEDGED:
        raise refused(400, 1002, "Incident Already Acknowledged", ["Incident Already Acknowledged"])


def _rewrite(account: Account, incident: Incident, given: Mapping[str, object]) -> None:
    """Title, urgency, priority and so on. Everything is checked before the first of them is changed."""
    title = checked_title(given["title"]) if "title" in given else incident.title
    urgency = _urgency(given["urgency"]) if "urgency" in given else incident.urgency
    bridge = _bridge(given.get("conference_bridge")) or incident.conference_bridge
    service_id = incident.service_id
    if "service" in given:
        service_id = _open_service(account, given["service"]).id
    if "priority" in given:
        priority = _priority(account, given["priority"])
        incident.priority_id = priority.id if priority else None
    if "incident_type" in given:
        incident.incident_type = _type_name(given["incident_type"])
    incident.title, incident.urgency = title, urgency
    incident.conference_bridge, incident.service_id = bridge, service_id


def _triggered_again(account: Account, incident: Incident, requester: User, *, at: float) -> None:
    """Somebody new is paged: an acknowledgement of before no longer counts."""
    if incident.status != TRIGGERED:
        escalation.trigger(account, incident, by=requester.id, at=at)


def _trigger_again(account: Account, incident: Incident, requester: User, *, at: float) -> None:
    was_open = incident.is_open
    escalation.trigger(account, incident, by=requester.id, at=at)
    escalation.log(incident, "unacknowledge", f"Triggered by {requester.name}", at=at, agent=requester.id)
    level = incident.level if was_open else 1
    found = escalation.first_level(account, account.policies[incident.policy_id], at=at, start=level)
    if found is not None:
        incident.loop = 0
        escalation.page_level(account, incident, found, at=at, agent=requester.id)


def _id(reference: object) -> str:
    return str(reference.get("id")) if isinstance(reference, dict) else ""
