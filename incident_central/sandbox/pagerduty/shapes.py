"""Records as JSON, in the shapes of PagerDuty's API description (fact sheet 7).

What one record says about another is a reference, `{"id", "type": "x_reference", "summary", "self",
"html_url"}`, or the whole other record where `include[]` asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import cached_property

from incident_central.sandbox.pagerduty.account import SUPPORT_HOURS, Account
from incident_central.sandbox.pagerduty.records import (
    ContactMethod,
    MaintenanceWindow,
    NotificationRule,
    Policy,
    Priority,
    Rule,
    Schedule,
    Service,
    Team,
    User,
    fixed_id,
)

Json = dict[str, object]
WEB_PATHS = {"service": "service-directory"}


@dataclass
class Shapes:
    """`zone` is where times are told in; `include` the names that include[] gave."""

    account: Account
    zone: tzinfo
    include: frozenset[str] = frozenset()

    def time(self, at: float | None, *, zone: tzinfo | None = None) -> str | None:
        """Whole seconds; UTC ends in Z, every other zone in its offset."""
        if at is None:
            return None
        zone = zone or self.zone
        told = datetime.fromtimestamp(int(at), zone).isoformat()
        return told.replace("+00:00", "Z") if zone is UTC else told

    def reference(self, kind: str, record_id: str, summary: str, *, path: str | None = None, web: bool = True) -> Json:
        plural = path or f"{_plural(kind)}/{record_id}"
        web_url = f"{self.account.web_url}/{WEB_PATHS.get(kind, _plural(kind))}/{record_id}"
        return {
            "id": record_id,
            "type": f"{kind}_reference",
            "summary": summary,
            "self": f"{self.account.api_url}/{plural}",
            "html_url": web_url if web else None,
        }

    def linked(self, name: str, kind: str, record_id: str, summary: str, whole: Callable[[Shapes], Json]) -> Json:
        """A reference, or the whole record when `name` is included. Inside that one all links are references."""
        if name not in self.include:
            return self.reference(kind, record_id, summary)
        return whole(replace(self, include=frozenset()))

    # ── people ──

    def user_link(self, user_id: str, *, name: str = "users") -> Json:
        user = self.account.users[user_id]
        return self.linked(name, "user", user.id, user.name, lambda inner: inner.user(user))

    def user(self, user: User) -> Json:
        teams = [team.id for team in self.account.teams.values() if user.id in team.members]
        return {
            **self._head("user", user.id, user.name),
            "name": user.name,
            "email": user.email,
            "time_zone": user.time_zone,
            "color": "purple",
            "role": user.role,
            "avatar_url": "data:,",
            "description": None,
            "invitation_sent": user.invitation_sent,
            "job_title": user.job_title,
            "created_via_sso": False,
            "teams": self.team_links(teams),
            "contact_methods": [self.contact_method_link(user, method) for method in user.contact_methods],
            "notification_rules": [self.rule_link(user, rule) for rule in user.notification_rules],
        }

    def contact_method_link(self, user: User, method: ContactMethod) -> Json:
        if "contact_methods" in self.include:
            return self.contact_method(user, method)
        path = f"users/{user.id}/contact_methods/{method.id}"
        return self.reference(method.type, method.id, method.label, path=path, web=False)

    def contact_method(self, user: User, method: ContactMethod) -> Json:
        shape: Json = {
            "id": method.id,
            "type": method.type,
            "summary": method.label,
            "self": f"{self.account.api_url}/users/{user.id}/contact_methods/{method.id}",
            "html_url": None,
            "label": method.label,
            "address": method.address,
        }
        if method.type == "email_contact_method":
            return {**shape, "send_short_email": False}
        if method.type == "push_notification_contact_method":
            return {**shape, "device_type": "android", "sounds": [], "created_at": self.time(0)}
        return {
            **shape,
            "blacklisted": method.blacklisted,
            "country_code": method.country_code,
            "enabled": method.enabled,
        }

    def rule_link(self, user: User, rule: NotificationRule) -> Json:
        if "notification_rules" in self.include:
            return self.rule(user, rule)
        path = f"users/{user.id}/notification_rules/{rule.id}"
        kind = "assignment_notification_rule"
        return self.reference(kind, rule.id, _rule_summary(rule), path=path, web=False)

    def rule(self, user: User, rule: NotificationRule) -> Json:
        method = next(method for method in user.contact_methods if method.id == rule.contact_method_id)
        return {
            "id": rule.id,
            "type": "assignment_notification_rule",
            "summary": _rule_summary(rule),
            "self": f"{self.account.api_url}/users/{user.id}/notification_rules/{rule.id}",
            "html_url": None,
            "start_delay_in_minutes": rule.start_delay_in_minutes,
            "created_at": self.time(rule.created_at),
            "contact_method": self.contact_method_link(user, method),
            "urgency": rule.urgency,
        }

    def team_links(self, team_ids: Iterable[str]) -> list[Json]:
        return [self.team_link(self.account.teams[id_]) for id_ in team_ids if id_ in self.account.teams]

    def team_link(self, team: Team) -> Json:
        return self.linked("teams", "team", team.id, team.name, lambda inner: inner.team(team))

    def team(self, team: Team) -> Json:
        return {
            **self._head("team", team.id, team.name),
            "name": team.name,
            "description": team.description,
        }

    # ── what they answer for ──

    def service_link(self, service_id: str) -> Json:
        service = self.account.services[service_id]
        return self.linked("services", "service", service.id, service.name, lambda inner: inner.service(service))

    def service(self, service: Service) -> Json:
        return {
            **self._head("service", service.id, service.name),
            "name": service.name,
            "description": service.description,
            "created_at": self.time(service.created_at),
            "status": self.account.status_of(service),
            "teams": self.team_links(service.team_ids),
            "alert_creation": "create_alerts_and_incidents",
            "addons": [],
            "scheduled_actions": [],
            "support_hours": self._support_hours(service),
            "last_incident_timestamp": self.time(self._last_incidents.get(service.id)),
            "escalation_policy": self.policy_link(service.policy_id) if service.policy_id else None,
            "incident_urgency_rule": self._urgency_rule(service),
            "acknowledgement_timeout": service.acknowledgement_timeout,
            "auto_resolve_timeout": service.auto_resolve_timeout,
            "integrations": [self.integration(service, name) for name in service.integrations],
        }

    def integration(self, service: Service, name: str) -> Json:
        path = f"{self.account.api_url}/services/{service.id}/integrations/{fixed_id('integration', service.id, name)}"
        return {
            "id": path.rpartition("/")[2],
            "type": "events_api_v2_inbound_integration_reference",
            "summary": name,
            "self": path,
            "html_url": None,
        }

    def _urgency_rule(self, service: Service) -> Json:
        if service.urgency_outside_hours is None:
            return {"type": "constant", "urgency": service.urgency}
        return {
            "type": "use_support_hours",
            "during_support_hours": {"type": "constant", "urgency": service.urgency},
            "outside_support_hours": {"type": "constant", "urgency": service.urgency_outside_hours},
        }

    def _support_hours(self, service: Service) -> Json | None:
        if service.urgency_outside_hours is None:
            return None
        start, end = (f"{hour:02}:00:00" for hour in SUPPORT_HOURS)
        zone = self.account.zone.key
        days = [1, 2, 3, 4, 5]
        return {
            "type": "fixed_time_per_day",
            "time_zone": zone,
            "start_time": start,
            "end_time": end,
            "days_of_week": days,
        }

    @cached_property
    def _last_incidents(self) -> dict[str, float]:
        """When each service had its last incident: worked out once a call, not once a service."""
        return {incident.service_id: incident.created_at for incident in self.account.incidents.values()}

    def policy_link(self, policy_id: str) -> Json:
        policy = self.account.policies[policy_id]
        name = "escalation_policies"
        return self.linked(name, "escalation_policy", policy.id, policy.name, lambda inner: inner.policy(policy))

    def policy(self, policy: Policy) -> Json:
        services = [s.id for s in self.account.services.values() if s.policy_id == policy.id]
        return {
            **self._head("escalation_policy", policy.id, policy.name),
            "name": policy.name,
            "description": None,
            "num_loops": policy.num_loops,
            "on_call_handoff_notifications": "if_has_services",
            "escalation_rules": [self.escalation_rule(rule) for rule in policy.rules],
            "services": [self.service_link(service_id) for service_id in services],
            "teams": self.team_links(policy.team_ids),
        }

    def escalation_rule(self, rule: Rule) -> Json:
        targets = [
            self.user_link(target_id, name="targets")
            if target_id in self.account.users
            else self.schedule_link(target_id, name="targets")
            for target_id in rule.target_ids
        ]
        return {"id": rule.id, "escalation_delay_in_minutes": rule.minutes, "targets": targets}

    def schedule_link(self, schedule_id: str, *, name: str = "schedules") -> Json:
        schedule = self.account.schedules[schedule_id]
        return self.linked(name, "schedule", schedule.id, schedule.name, lambda inner: inner.schedule(schedule))

    def schedule(self, schedule: Schedule) -> Json:
        policies = [
            policy.id
            for policy in self.account.policies.values()
            if any(schedule.id in rule.target_ids for rule in policy.rules)
        ]
        return {
            **self._head("schedule", schedule.id, schedule.name),
            "name": schedule.name,
            "time_zone": schedule.time_zone,
            "description": None,
            "users": [self.user_link(user_id) for user_id in dict.fromkeys(schedule.user_ids)],
            "teams": self.team_links(schedule.team_ids),
            "escalation_policies": [self.policy_link(policy_id) for policy_id in policies],
        }

    def priority(self, priority: Priority) -> Json:
        return {
            **self._head("priority", priority.id, priority.name, web=False),
            "name": priority.name,
            "description": priority.description,
            "color": None,
            "order": 2 ** (8 - priority.order),
        }

    def window(self, window: MaintenanceWindow) -> Json:
        return {
            **self._head("maintenance_window", window.id, window.description),
            "sequence_number": window.sequence_number,
            "start_time": self.time(window.start),
            "end_time": self.time(window.end),
            "description": window.description,
            "services": [self.service_link(service_id) for service_id in window.service_ids],
            "teams": [],
            "created_by": self.user_link(window.created_by),
        }

    def _head(self, kind: str, record_id: str, summary: str, *, web: bool = True) -> Json:
        return {**self.reference(kind, record_id, summary, web=web), "type": kind}


def _plural(kind: str) -> str:
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def _rule_summary(rule: NotificationRule) -> str:
    return f"{rule.start_delay_in_minutes} minutes: {rule.urgency} urgency"
