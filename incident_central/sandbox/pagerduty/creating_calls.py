"""The calls that make users, schedules, services and escalation policies (fact sheet 9)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import available_timezones

from incident_central.sandbox.pagerduty.asked import Asked
from incident_central.sandbox.pagerduty.errors import invalid
from incident_central.sandbox.pagerduty.records import (
    ContactMethod,
    NotificationRule,
    Policy,
    Rule,
    Schedule,
    Service,
    User,
    fresh_id,
)
from incident_central.sandbox.pagerduty.shapes import Json
from incident_central.sandbox.server import Response

MOST_TARGETS = 10
USERS, SCHEDULES = ("user", "user_reference"), ("schedule", "schedule_reference")
LONGEST_NAME = 255
#: Of a user: its name and its e-mail, in characters. (PagerDuty's API description, User)
LONGEST_OF_USER, SHORTEST_EMAIL = 100, 6
SHORTEST_TURN = 3600  # seconds, as on PagerDuty's website
ROLES = (
    *("admin", "limited_user", "observer", "owner", "read_only_user", "restricted_access"),
    *("read_only_limited_user", "user"),
)


def create_user(asked: Asked) -> Response:
    """Sends an invitation, which stays open. The login e-mail is the first contact method, with a rule for high
    urgency, as in the example of PagerDuty's API description. `From` is needed; e-mails are unique."""
    asked.requester()
    given = asked.body("user")
    name, email = given.get("name"), str(given.get("email") or "").strip()
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_OF_USER:
        raise invalid("Name can't be blank")
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", email) or not SHORTEST_EMAIL <= len(email) <= LONGEST_OF_USER:
        raise invalid("Email is invalid")
    if asked.account.user_by_email(email) is not None:
        raise invalid("Email has already been taken")
    role = given.get("role", "user")
    if role not in ROLES or role == "owner":
        raise invalid("Role is invalid")
    method = ContactMethod(fresh_id(), "email_contact_method", "Default", email)
    user = User(
        id=fresh_id(),
        name=name.strip(),
        email=email,
        role=str(role),
        job_title=str(given.get("job_title") or ""),
        time_zone=_time_zone(given.get("time_zone") or asked.account.zone.key),
        invitation_sent=True,
        contact_methods=[method],
        notification_rules=[NotificationRule(fresh_id(), method.id, "high", 0, asked.now)],
    )
    asked.account.users[user.id] = user
    return Response.json({"user": asked.shapes().user(user)}, status=201)


def create_schedule(asked: Asked) -> Response:
    """Of one layer, without restrictions: schedules here have no more. Whether names are unique is not documented, so
    they are not."""
    given = asked.body("schedule")
    zone = _time_zone(given.get("time_zone"))
    name = _name(given, (), taken="")
    layers = given.get("schedule_layers")
    layer = layers[0] if isinstance(layers, list) and len(layers) == 1 else None
    if not isinstance(layer, dict) or layer.get("restrictions"):
        raise invalid("Schedule layers must be one, without restrictions")
    turn = _whole(layer, "rotation_turn_length_seconds", least=SHORTEST_TURN)
    if turn is None or not isinstance(layer.get("start"), str):
        raise invalid("Schedule layers must have a start and a rotation turn length")
    schedule = Schedule(
        id=fresh_id(),
        name=name,
        team_ids=_team_ids(asked, given),
        user_ids=_layer_users(asked, layer.get("users")),
        turns_from=_moment(layer.get("rotation_virtual_start")),
        turn_seconds=turn,
        time_zone=zone,
    )
    asked.account.schedules[schedule.id] = schedule
    return Response.json({"schedule": asked.shapes().schedule(schedule)}, status=201)


def _layer_users(asked: Asked, given: object) -> list[str]:
    if not isinstance(given, list) or not given:
        raise invalid("Users cannot be empty")
    users = [one.get("user") if isinstance(one, dict) else None for one in given]
    ids = [str(user.get("id")) if isinstance(user, dict) else "" for user in users]
    if any(id_ not in asked.account.users for id_ in ids):
        raise invalid("User not found")
    return ids


def _moment(given: object) -> float:
    try:
        return datetime.fromisoformat(str(given)).timestamp()
    except (ValueError, OverflowError, OSError):
        raise invalid("Rotation virtual start is invalid") from None


def _time_zone(given: object) -> str:
    if not isinstance(given, str) or given not in available_timezones():
        raise invalid("Time zone is invalid")
    return given


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
