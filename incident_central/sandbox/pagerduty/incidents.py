"""What PagerDuty checks and does when an incident is created or changed (fact sheet 7, Incidents)."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from incident_central.sandbox.pagerduty import checked, escalation, history
from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.errors import invalid, not_found, refused
from incident_central.sandbox.pagerduty.escalation import DELEGATE, ESCALATE, EVENTS, REASSIGN, REOPENED
from incident_central.sandbox.pagerduty.events import announce
from incident_central.sandbox.pagerduty.records import (
    ACKNOWLEDGED,
    BY_API,
    BY_HAND,
    BY_MONITORING,
    BY_POLICY,
    BY_WEBSITE,
    RESOLVED,
    STATUSES,
    TRIGGERED,
    Assignment,
    Incident,
    User,
    fresh_id,
)
from incident_central.sandbox.server import Refused

MOST_IN_ONE_UPDATE = 250


def create(account: Account, given: Mapping[str, object], *, requester: User | None, origin: str = BY_API) -> Incident:
    """A new incident, and the first phones ring. Raises Refused, as the API does, and stores nothing then.

    `requester` None is a monitoring tool, whose incidents hold an alert.
    """
    now = account.clock.now()
    if given.get("type") != "incident":
        raise invalid("Type must be incident")
    title = checked.title_in(given.get("title"))
    service = checked.open_service(account, given.get("service"))
    key = checked.free_key(account, given.get("incident_key"), service)
    details = checked.details_in(given.get("body"))
    urgency = checked.urgency_in(given.get("urgency", account.urgency_of(service)))
    priority = checked.priority_in(account, given.get("priority"))
    if given.get("assignments") and given.get("escalation_policy"):
        raise invalid("Assignments and escalation policy cannot both be specified")
    assignee_ids = checked.assignees_in(account, given.get("assignments"))
    policy = checked.policy_in(account, given.get("escalation_policy")) or account.policy_of(service)
    if policy is None:
        raise refused(400, 1014, "Escalation Policy Not Found", [])
    level = escalation.first_level(account, policy, at=now)
    if level is None and not assignee_ids:
        checked.nobody_on_call(account)

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
        origin=origin,
        alerts=1 if origin == BY_MONITORING else 0,
    )
    account.incidents[incident.id] = incident
    _page_first(account, incident, requester, assignee_ids=assignee_ids, level=level)
    return incident


def _page_first(
    account: Account, incident: Incident, requester: User | None, *, assignee_ids: list[str], level: int | None
) -> None:
    now, by = incident.created_at, requester.id if requester else None
    agent, channel = by or incident.service_id, "website" if incident.origin == BY_WEBSITE else "api"
    escalation.trigger(account, incident, by=by, at=now)
    door = "the website" if channel == "website" else "the API"
    history.log(account, incident, "trigger", f"Triggered through {door}", at=now, agent=agent, channel=channel)
    assigned = assignee_ids
    if not assigned and level is not None:
        assigned = account.on_call(account.policies[incident.policy_id], level, now=now)
    if by is not None and by in assigned:
        # Whoever creates an incident for himself needs no page: it starts acknowledged (fact sheet 1).
        incident.assigned_via = BY_HAND if assignee_ids else BY_POLICY
        incident.assignments = [Assignment(by, now)]
    elif assignee_ids:
        escalation.page_people(account, incident, assignee_ids, at=now, agent=agent, channel=channel)
    elif level is not None:
        escalation.page_level(account, incident, level, at=now, agent=agent, channel=channel)
    announce(account, incident, "incident.triggered", at=now, agent=by, channel=channel)
    if by is not None and by in assigned:
        escalation.acknowledge(account, incident, by=by, at=now, channel=channel)


def update_all(account: Account, changes: list[object], *, requester: User) -> list[Incident]:
    """Change several incidents, all or none."""
    if len(changes) > MOST_IN_ONE_UPDATE:
        raise refused(413, 2001, "Too many incidents", [f"At most {MOST_IN_ONE_UPDATE} incidents a request."])
    ids = [str(change.get("id")) for change in changes if isinstance(change, dict)]
    before = {id_: copy.deepcopy(account.incidents[id_]) for id_ in ids if id_ in account.incidents}
    log, announced = list(account.log), len(account.events)
    try:
        return [_update_one(account, change, requester=requester) for change in changes]
    except Refused:
        for incident in before.values():
            account.put_incident(incident)
        account.log = log
        del account.events[announced:]
        raise


def _update_one(account: Account, change: object, *, requester: User) -> Incident:
    if not isinstance(change, dict) or "service" in change:
        raise invalid("Service cannot be changed here")
    incident = account.incidents.get(str(change.get("id")))
    if incident is None:
        raise not_found()
    update(account, incident, change, requester=requester)
    return incident


def update(
    account: Account, incident: Incident, given: Mapping[str, object], *, requester: User, channel: str = "api"
) -> None:
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
    pages_its_policy = account.switches["moved_service"] == "pages its policy" and incident.is_open
    if "service" in given and pages_its_policy and not assignee_ids:
        policy = policy or account.policy_of(checked.open_service(account, given["service"]))
    level = checked.level_in(account, policy or account.policies[incident.policy_id], given.get("escalation_level"))
    if policy is not None and not assignee_ids:
        level = level or escalation.first_level(account, policy, at=now)
        if level is None:
            checked.nobody_on_call(account)

    _rewrite(account, incident, given, by=requester.id, at=now, channel=channel)
    incident.updated_at = now
    if policy is not None:
        incident.policy_id, incident.loop = policy.id, 0
    if assignee_ids or level is not None:
        way = REASSIGN if assignee_ids else DELEGATE if policy is not None else ESCALATE
        _hand_over(account, incident, way, assignee_ids, level, by=requester.id, at=now, channel=channel)
    if "status" in given:
        resolution = str(given.get("resolution") or "") or None
        set_status(account, incident, str(status), requester=requester, channel=channel, resolution=resolution)


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
    now, by = account.clock.now(), requester.id
    if status == incident.status and status != ACKNOWLEDGED:
        return
    if status == RESOLVED:
        escalation.resolve(account, incident, by=by, at=now, channel=channel, resolution=resolution)
    elif status == ACKNOWLEDGED:
        if not incident.is_open:
            _reopen(account, incident, by=by, at=now, channel=channel)
            announce(account, incident, REOPENED, at=now, agent=by, channel=channel)
        escalation.acknowledge(account, incident, by=by, at=now, channel=channel)
    else:
        _trigger_again(account, incident, by=by, at=now, channel=channel)


def _check_open(account: Account, incident: Incident, given: Mapping[str, object]) -> None:
    """What a resolved incident refuses, and what a second press does."""
    status = given.get("status")
    reassigned = any(given.get(name) for name in ("assignments", "escalation_policy", "escalation_level"))
    twice = account.switches["second_status"] == "refused" and status == incident.status
    if not incident.is_open and ((reassigned and status in (None, RESOLVED)) or twice):
        raise refused(400, 1001, "Incident Already Resolved", ["Incident Already Resolved"])
    if twice and status == ACKNOWLEDGED:
        raise refused(400, 1002, "Incident Already Acknowledged", ["Incident Already Acknowledged"])


def _rewrite(
    account: Account, incident: Incident, given: Mapping[str, object], *, by: str, at: float, channel: str
) -> None:
    """Title, urgency, priority and so on. Everything is checked before the first of them is changed.

    Each change is logged; a title and an urgency make no event (fact sheet 8).
    """
    old = copy.copy(incident)
    title = checked.title_in(given["title"]) if "title" in given else old.title
    urgency = checked.urgency_in(given["urgency"]) if "urgency" in given else old.urgency
    bridge = checked.bridge_in(given.get("conference_bridge")) or old.conference_bridge
    kind = checked.type_name_in(given["incident_type"]) if "incident_type" in given else old.incident_type
    service_id = checked.open_service(account, given["service"]).id if "service" in given else old.service_id
    if "priority" in given:
        priority = checked.priority_in(account, given["priority"])
        incident.priority_id = priority.id if priority else None
    incident.title, incident.urgency, incident.incident_type = title, urgency, kind
    incident.conference_bridge, incident.service_id = bridge, service_id

    fields = {
        name: (getattr(old, field), getattr(incident, field))
        for name, field in (
            ("title", "title"),
            ("service", "service_id"),
            ("incident_type", "incident_type"),
            ("conference_bridge", "conference_bridge"),
        )
        if getattr(old, field) != getattr(incident, field)
    }
    history.log_fields(account, incident, fields, at=at, agent=by, channel=channel)
    if urgency != old.urgency:
        summary = f"Urgency changed from {old.urgency} to {urgency}"
        history.log(account, incident, "urgency_change", summary, at=at, agent=by, channel=channel)
    if incident.priority_id != old.priority_id:
        history.log_priority(account, incident, old.priority_id, at=at, agent=by, channel=channel)
        announce(account, incident, "incident.priority_updated", at=at, agent=by, channel=channel)
    for name, event in (
        ("service", "incident.service_updated"),
        ("incident_type", "incident.incident_type.changed"),
        ("conference_bridge", "incident.conference_bridge.updated"),
    ):
        if name in fields:
            announce(account, incident, event, at=at, agent=by, channel=channel)


def _hand_over(
    account: Account,
    incident: Incident,
    way: str,
    assignee_ids: list[str],
    level: int | None,
    *,
    by: str,
    at: float,
    channel: str,
) -> None:
    """Somebody else is paged: an acknowledgement of before no longer counts, and what was resolved is open again."""
    event = EVENTS[way] if incident.is_open else REOPENED
    if not incident.is_open:
        _reopen(account, incident, by=by, at=at, channel=channel)
    elif incident.status != TRIGGERED:
        escalation.trigger(account, incident, by=by, at=at)
    if level is None or assignee_ids:
        escalation.page_people(account, incident, assignee_ids, at=at, agent=by, channel=channel)
    else:
        escalation.page_level(account, incident, level, at=at, agent=by, channel=channel, why=way)
    announce(account, incident, event, at=at, agent=by, channel=channel)


def _trigger_again(account: Account, incident: Incident, *, by: str, at: float, channel: str) -> None:
    """Un-acknowledge, or reopen: whoever had it is paged, or the policy from its start."""
    event = "incident.unacknowledged" if incident.is_open else REOPENED
    if incident.is_open:
        escalation.trigger(account, incident, by=by, at=at)
        summary = f"Unacknowledged by {account.users[by].name}"
        history.log(account, incident, "unacknowledge", summary, at=at, agent=by, channel=channel)
    else:
        _reopen(account, incident, by=by, at=at, channel=channel)
    policy = account.policies[incident.policy_id]
    level = escalation.first_level(account, policy, at=at, start=incident.level)
    if incident.assigned_via == BY_HAND and incident.assignments:
        user_ids = [assignment.user_id for assignment in incident.assignments]
        escalation.page_people(account, incident, user_ids, at=at, agent=by, channel=channel)
    elif level is not None:
        escalation.page_level(account, incident, level, at=at, agent=by, channel=channel)
    announce(account, incident, event, at=at, agent=by, channel=channel)


def _reopen(account: Account, incident: Incident, *, by: str, at: float, channel: str) -> None:
    """Open and triggered again; whom to page is for the caller to say (fact sheet 7, since 2025-09-18)."""
    escalation.trigger(account, incident, by=by, at=at)
    incident.reopened_at = at
    incident.level, incident.loop = 1, 0
    history.log(account, incident, "reopen", f"Reopened by {account.users[by].name}", at=at, agent=by, channel=channel)
