"""The calls that make services and escalation policies (fact sheet 9)."""

from __future__ import annotations

from collections.abc import Iterable

from incident_central.sandbox.pagerduty.asked import Asked
from incident_central.sandbox.pagerduty.errors import invalid
from incident_central.sandbox.pagerduty.records import Policy, Rule, Service, fresh_id
from incident_central.sandbox.pagerduty.shapes import Json
from incident_central.sandbox.server import Response

MOST_TARGETS = 10
USERS, SCHEDULES = ("user", "user_reference"), ("schedule", "schedule_reference")
LONGEST_NAME = 255


def create_policy(asked: Asked) -> Response:
    """`From` is optional here. Names are unique, with these words (fact sheet 9)."""
    given = asked.body("escalation_policy")
    account = asked.account
    name = _name(given, account.policies.values(), taken="Escalation Policy has already been taken")
    rules = given.get("escalation_rules")
    if not isinstance(rules, list) or not rules:
        raise invalid("Escalation rules cannot be empty")
    policy = Policy(
        id=fresh_id(),
        name=name,
        team_ids=_team_ids(asked, given),
        rules=[_rule(asked, rule) for rule in rules],
        num_loops=_whole(given, "num_loops", least=0) or 0,
    )
    account.policies[policy.id] = policy
    return Response.json({"escalation_policy": asked.shapes().policy(policy)}, status=201)


def _rule(asked: Asked, given: object) -> Rule:
    if not isinstance(given, dict):
        raise invalid("Escalation rules must be objects")
    targets = given.get("targets")
    if not isinstance(targets, list) or not 1 <= len(targets) <= MOST_TARGETS:
        raise invalid(f"Escalation rules must have 1 to {MOST_TARGETS} targets")
    minutes = _whole(given, "escalation_delay_in_minutes", least=1)
    if minutes is None:
        raise invalid("Escalation delay in minutes is missing")
    return Rule(fresh_id(), minutes, [_target(asked, target) for target in targets])


def _target(asked: Asked, given: object) -> str:
    kind, id_ = (given.get("type"), str(given.get("id"))) if isinstance(given, dict) else (None, "")
    known = (kind in USERS and id_ in asked.account.users) or (kind in SCHEDULES and id_ in asked.account.schedules)
    if not known:
        raise invalid("Escalation rule target is invalid")
    return id_


def create_service(asked: Asked) -> Response:
    """Needs a policy; the only status that it takes is active. Time-outs that are not named are off."""
    given = asked.body("service")
    account = asked.account
    name = _name(given, account.services.values(), taken="Name has already been taken")
    policy = given.get("escalation_policy")
    policy_id = str(policy.get("id")) if isinstance(policy, dict) else ""
    if policy_id not in account.policies:
        raise invalid("Escalation policy can't be blank")
    if given.get("status", "active") != "active":
        raise invalid("Status must be active")
    urgency, outside_hours = _urgencies(given.get("incident_urgency_rule"))
    service = Service(
        id=fresh_id(),
        name=name,
        description=str(given.get("description") or ""),
        policy_id=policy_id,
        team_ids=list(account.policies[policy_id].team_ids),
        created_at=asked.now,
        urgency=urgency,
        urgency_outside_hours=outside_hours,
        acknowledgement_timeout=_whole(given, "acknowledgement_timeout", least=0) or None,
        auto_resolve_timeout=_whole(given, "auto_resolve_timeout", least=0) or None,
    )
    account.services[service.id] = service
    return Response.json({"service": asked.shapes().service(service)}, status=201)


def _urgencies(rule: object) -> tuple[str, str | None]:
    """Always, or during and outside support hours."""
    if rule is None:
        return "high", None
    if not isinstance(rule, dict):
        raise invalid("Incident urgency rule is invalid")
    if rule.get("type") == "use_support_hours":
        return _urgency(rule.get("during_support_hours")), _urgency(rule.get("outside_support_hours"))
    return _urgency(rule), None


def _urgency(rule: object) -> str:
    urgency = rule.get("urgency") if isinstance(rule, dict) and rule.get("type") == "constant" else None
    if urgency not in ("high", "low"):
        raise invalid("Active urgency must be in high, low, or severity_based.")
    return str(urgency)


def _name(given: Json, others: Iterable[Policy | Service], *, taken: str) -> str:
    name = given.get("name")
    if not isinstance(name, str) or not name.strip():
        raise invalid("Name can't be blank.")
    if len(name) > LONGEST_NAME:
        raise invalid(f"Name is too long (maximum is {LONGEST_NAME} characters)")
    if any(other.name.lower() == name.strip().lower() for other in others):
        raise invalid(taken)
    return name.strip()


def _team_ids(asked: Asked, given: Json) -> list[str]:
    teams = given.get("teams") or []
    ids = [str(team.get("id")) if isinstance(team, dict) else "" for team in teams] if isinstance(teams, list) else [""]
    if any(id_ not in asked.account.teams for id_ in ids):
        raise invalid("Team not found")
    return ids


def _whole(given: Json, name: str, *, least: int) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise invalid(f"{name.replace('_', ' ').capitalize()} must be a whole number of at least {least}")
    return value
