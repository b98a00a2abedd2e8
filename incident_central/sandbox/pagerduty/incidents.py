"""What PagerDuty checks and does when an incident is created or changed (fact sheet 7, Incidents)."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from incident_central.sandbox.pagerduty import checked, escalation
from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.errors import invalid, not_found, refused
from incident_central.sandbox.pagerduty.records import (
    ACKNOWLEDGED,
    RESOLVED,
    STATUSES,
    TRIGGERED,
    Incident,
    Note,
    User,
    fresh_id,
)
from incident_central.sandbox.server import Refused

MOST_IN_ONE_UPDATE = 250


def create(account: Account, given: Mapping[str, object], *, requester: User) -> Incident:
    """A new incident, and the first phones ring. Raises Refused, as the API does, and stores nothing then."""
    now = account.clock.now()
    if given.get("type") != "incident":
        raise invalid("Type must be incident")
    title = checked.title_in(given.get("title"))
    service = checked.open_service(account, given.get("service"))
    key = checked.free_key(account, given.get("incident_key"), service)
    details = checked.details_in(given.get("body"))
    urgency = checked.urgency_in(given.get("urgency", service.urgency))
    priority = checked.priority_in(account, given.get("priority"))
    if given.get("assignments") and given.get("escalation_policy"):
        raise invalid("Assignments and escalation policy cannot both be specified")
    assignee_ids = checked.assignees_in(account, given.get("assignments"))
    policy = checked.policy_in(account, given.get("escalation_policy")) or account.policies[service.policy_id]
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
        conference_bridge=checked.bridge_in(given.get("conference_bridge")),
        incident_type=checked.type_name_in(given.get("incident_type")),
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


def update_all(account: Account, changes: list[object], *, requester: User) -> list[Incident]:
    """Change several incidents, all or none."""
    if len(changes) > MOST_IN_ONE_UPDATE:
        raise refused(413, 2001, "Too many incidents", [f"At most {MOST_IN_ONE_UPDATE} incidents a request."])
    ids = [str(change.get("id")) for change in changes if isinstance(change, dict)]
    before = {id_: copy.deepcopy(account.incidents[id_]) for id_ in ids if id_ in account.incidents}
    try:
        return [_update_one(account, change, requester=requester) for change in changes]
    except Refused:
        for incident in before.values():
            account.put_incident(incident)
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
    assignee_ids = checked.assignees_in(account, given.get("assignments"))
    policy = checked.policy_in(account, given.get("escalation_policy"))
    level = checked.level_in(account, policy or account.policies[incident.policy_id], given.get("escalation_level"))

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
    title = checked.title_in(given["title"]) if "title" in given else incident.title
    urgency = checked.urgency_in(given["urgency"]) if "urgency" in given else incident.urgency
    bridge = checked.bridge_in(given.get("conference_bridge")) or incident.conference_bridge
    service_id = incident.service_id
    if "service" in given:
        service_id = checked.open_service(account, given["service"]).id
    if "priority" in given:
        priority = checked.priority_in(account, given["priority"])
        incident.priority_id = priority.id if priority else None
    if "incident_type" in given:
        incident.incident_type = checked.type_name_in(given["incident_type"])
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
