"""One PagerDuty account: its records, and what can be read off them."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from incident_central.sandbox.clock import Clock
from incident_central.sandbox.company import SUBDOMAIN
from incident_central.sandbox.pagerduty import rotas
from incident_central.sandbox.pagerduty.records import (
    BY_MONITORING,
    TRIGGERED,
    Incident,
    LogEntry,
    MaintenanceWindow,
    Policy,
    Priority,
    Schedule,
    Service,
    Team,
    User,
)
from incident_central.sandbox.switches import Switches

if TYPE_CHECKING:
    from incident_central.sandbox.pagerduty.events import Event
    from incident_central.sandbox.pagerduty.subscriptions import Subscription

SUPPORT_HOURS = (9, 17)
ACCOUNT_KEY, READ_ONLY_KEY, USER_KEY = "account", "read-only", "user"


@dataclass
class Key:
    """An API key. Only a user's own key knows whose it is."""

    secret: str
    kind: str
    user_id: str | None = None


class Account:
    """All records by id. Whoever reads or writes them holds `lock`.

    `api_url` and `page_url` are where links lead: to the API and to the website, which is the state page.
    """

    def __init__(self, *, clock: Clock, switches: Switches, api_url: str, page_url: str, keys: Iterable[Key]) -> None:
        self.clock = clock
        self.switches = switches
        self.api_url = api_url
        self.page_url = page_url
        self.lock = threading.RLock()
        self.keys = {key.secret: key for key in keys}
        self.users: dict[str, User] = {}
        self.teams: dict[str, Team] = {}
        self.schedules: dict[str, Schedule] = {}
        self.policies: dict[str, Policy] = {}
        self.services: dict[str, Service] = {}
        self.priorities: dict[str, Priority] = {}
        self.windows: dict[str, MaintenanceWindow] = {}
        self.incidents: dict[str, Incident] = {}
        self.open: dict[str, Incident] = {}  # those of them that are not resolved
        self.log: list[LogEntry] = []  # of all incidents, by time
        self.subscriptions: dict[str, Subscription] = {}
        self.events: list[Event] = []  # the outbox: what happened since webhooks were last made of it
        self.last_number = 4200

    @property
    def web_url(self) -> str:
        """Where PagerDuty's own pages are: every link names the account's region (fact sheet 2)."""
        elsewhere = self.switches["region"] == "eu"
        return f"https://{SUBDOMAIN}.eu.pagerduty.com" if elsewhere else f"{self.page_url}/pagerduty"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.switches["time_zone"])

    def user_by_email(self, email: str) -> User | None:
        return next((user for user in self.users.values() if user.email.lower() == email.lower()), None)

    def incident(self, id_or_number: str) -> Incident | None:
        """By id or by number, as GET /incidents/{id} takes both."""
        by_id = self.incidents.get(id_or_number)
        if by_id is not None or not id_or_number.isdecimal():
            return by_id
        number = int(id_or_number)
        return next((incident for incident in self.incidents.values() if incident.number == number), None)

    def put_incident(self, incident: Incident) -> None:
        """Keep an incident as it is, in place of the one with its id."""
        self.incidents[incident.id] = incident
        self.open.pop(incident.id, None)
        if incident.is_open:
            self.open[incident.id] = incident

    def shown_key(self, incident: Incident) -> str | None:
        """Incidents that came from events have no key of their own: their alerts have (fact sheet 7)."""
        return None if incident.origin == BY_MONITORING else incident.key

    def forget_incident(self, incident_id: str) -> None:
        self.incidents.pop(incident_id, None)
        self.open.pop(incident_id, None)
        self.log = [entry for entry in self.log if entry.incident_id != incident_id]

    def write_log(self, entry: LogEntry) -> None:
        """In its place by time: what the clock does is told a moment after it was due."""
        self.incidents[entry.incident_id].log.append(entry)
        insort(self.log, entry, key=lambda one: one.at)

    def logged(self, *, since: float | None, until: float | None) -> list[LogEntry]:
        """Entries of all incidents, oldest first, from `since` up to but not at `until`."""
        first = bisect_left(self.log, since, key=lambda one: one.at) if since is not None else 0
        end = bisect_left(self.log, until, key=lambda one: one.at) if until is not None else len(self.log)
        return self.log[first:end]

    def on_call(self, policy: Policy, level: int, *, now: float) -> list[str]:
        """The ids of the users whom this level (from 1) of a policy reaches now."""
        reached: dict[str, None] = {}
        for target_id in policy.rules[level - 1].target_ids:
            if target_id in self.users:
                reached[target_id] = None
            elif target_id in self.schedules:
                reached |= dict.fromkeys(rotas.on_call_now(self.schedules[target_id], now=now))
        return [user_id for user_id in reached if user_id in self.users]

    def is_in_maintenance(self, service: Service) -> bool:
        now = self.clock.now()
        return any(
            service.id in window.service_ids and window.start <= now < window.end for window in self.windows.values()
        )

    def policy_of(self, service: Service) -> Policy | None:
        return self.policies.get(service.policy_id or "")

    def urgency_of(self, service: Service) -> str:
        """Of an incident that begins now and does not say."""
        local = datetime.fromtimestamp(self.clock.now(), self.zone)
        within = local.weekday() < 5 and SUPPORT_HOURS[0] <= local.hour < SUPPORT_HOURS[1]
        return service.urgency if within else service.urgency_outside_hours or service.urgency

    def status_of(self, service: Service) -> str:
        """The word that the API shows (fact sheet 7, Services)."""
        if service.status == "disabled":
            return "disabled"
        if self.is_in_maintenance(service):
            return "maintenance"
        statuses = {incident.status for incident in self.open.values() if incident.service_id == service.id}
        if not statuses:
            return "active"
        return "critical" if TRIGGERED in statuses else "warning"
