"""The calls that read how an account is set up: people, teams, services, policies, priorities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from incident_central.sandbox.pagerduty import responders
from incident_central.sandbox.pagerduty.asked import Asked
from incident_central.sandbox.pagerduty.errors import invalid, not_found, refused
from incident_central.sandbox.pagerduty.records import Policy, Schedule, Service, Team, User
from incident_central.sandbox.pagerduty.shapes import Json
from incident_central.sandbox.server import Response

Named = TypeVar("Named", User, Team, Service, Policy, Schedule)
ABILITIES = ("teams", "urgencies", "read_only_users", "service_support_hours", responders.ABILITY)
ACCOUNT_KEY_HAS_NO_USER = (
    "Because this request was made using an account-level access token, we were unable to determine the "
    "user's identity. Please use a user-level token."
)


def list_abilities(asked: Asked) -> Response:
    return Response.json({"abilities": [ability for ability in ABILITIES if _has(asked, ability)]})


def has_ability(asked: Asked) -> Response:
    """204 has it, 402 has not, 404 unknown (fact sheet 1)."""
    if asked.ids[0] not in ABILITIES:
        raise not_found()
    if not _has(asked, asked.ids[0]):
        raise refused(402, 2014, "Account does not have the abilities to perform the action", [])
    return Response(204)


def _has(asked: Asked, ability: str) -> bool:
    return ability != responders.ABILITY or asked.account.switches["responder_requests"] == "on"


def own_user(asked: Asked) -> Response:
    """With an account key the error is a bare string, not the envelope (fact sheet 1)."""
    if asked.key.user_id is None:
        return Response.json({"error": ACCOUNT_KEY_HAS_NO_USER}, status=400)
    return Response.json({"user": asked.shapes().user(asked.account.users[asked.key.user_id])})


def list_users(asked: Asked) -> Response:
    wanted = set(asked.many("team_ids"))
    members = [team.members for team in asked.account.teams.values() if team.id in wanted]
    query = (asked.one("query") or "").lower()
    users = [
        user
        for user in asked.account.users.values()
        if query in user.name.lower() or query in user.email.lower()
        if not wanted or any(user.id in crew for crew in members)
    ]
    return asked.page("users", _by_name(users), asked.shapes().user)


def get_user(asked: Asked) -> Response:
    return Response.json({"user": asked.shapes().user(asked.found(asked.account.users))})


def list_contact_methods(asked: Asked) -> Response:
    user, shapes = asked.found(asked.account.users), asked.shapes()
    methods = [shapes.contact_method(user, method) for method in user.contact_methods]
    return Response.json({"contact_methods": methods})


def list_notification_rules(asked: Asked) -> Response:
    """Only those for high urgency, unless urgency=all or urgency=low (fact sheet 7)."""
    user, shapes = asked.found(asked.account.users), asked.shapes()
    urgency = asked.one("urgency") or "high"
    rules = [rule for rule in user.notification_rules if urgency in ("all", rule.urgency)]
    return Response.json({"notification_rules": [shapes.rule(user, rule) for rule in rules]})


def list_teams(asked: Asked) -> Response:
    teams = [team for team in asked.account.teams.values() if asked.matches(team.name)]
    return asked.page("teams", _by_name(teams), asked.shapes().team)


def list_team_members(asked: Asked) -> Response:
    team, shapes = asked.found(asked.account.teams), asked.shapes()

    def member(pair: tuple[str, str]) -> Json:
        return {"user": shapes.user_link(pair[0]), "role": pair[1]}

    return asked.page("members", team.members.items(), member)


def list_services(asked: Asked) -> Response:
    name = asked.one("name")
    services = [
        service
        for service in asked.account.services.values()
        if asked.matches(service.name) and asked.in_teams(service.team_ids)
        if name is None or service.name == name
    ]
    return asked.page("services", _sorted(asked, services), asked.shapes().service)


def get_service(asked: Asked) -> Response:
    return Response.json({"service": asked.shapes().service(asked.found(asked.account.services))})


def list_policies(asked: Asked) -> Response:
    user_ids = set(asked.many("user_ids"))
    policies = [
        policy
        for policy in asked.account.policies.values()
        if asked.matches(policy.name) and asked.in_teams(policy.team_ids)
        if not user_ids or any(user_ids.intersection(rule.target_ids) for rule in policy.rules)
    ]
    return asked.page("escalation_policies", _sorted(asked, policies), asked.shapes().policy)


def get_policy(asked: Asked) -> Response:
    return Response.json({"escalation_policy": asked.shapes().policy(asked.found(asked.account.policies))})


def list_priorities(asked: Asked) -> Response:
    """From the most to the least severe. Accounts without priorities answer 404 or 402 (fact sheet 0.4)."""
    state = asked.account.switches["priorities"]
    if state == "off: 404":
        raise not_found()
    if state == "off: 402":
        raise refused(402, 2014, "Account does not have the abilities to perform the action", [])
    priorities = sorted(asked.account.priorities.values(), key=lambda priority: priority.order)
    return asked.page("priorities", priorities, asked.shapes().priority)


def list_windows(asked: Asked) -> Response:
    wanted, service_ids = asked.one("filter"), set(asked.many("service_ids"))
    now = asked.now
    windows = [
        window
        for window in asked.account.windows.values()
        if not service_ids or service_ids.intersection(window.service_ids)
        if wanted in (None, "all", _tense(window.start, window.end, now)) or (wanted == "open" and window.end > now)
        if asked.matches(window.description)
    ]
    return asked.page("maintenance_windows", windows, asked.shapes().window)


def _tense(start: float, end: float, now: float) -> str:
    if now < start:
        return "future"
    return "ongoing" if now < end else "past"


def _by_name(records: Iterable[Named]) -> list[Named]:
    return sorted(records, key=lambda record: record.name.lower())


def _sorted(asked: Asked, records: list[Named]) -> list[Named]:
    given = asked.one("sort_by") or "name"
    if given not in ("name", "name:asc", "name:desc"):
        raise invalid("Sort by is invalid")
    ordered = _by_name(records)
    return ordered[::-1] if given == "name:desc" else ordered
