"""The PagerDuty REST API: who may call, how often, and which function answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict

from incident_central.sandbox.clock import Clock
from incident_central.sandbox.company import HARBOUR_FINCH, Company
from incident_central.sandbox.faults import Fault, Faults
from incident_central.sandbox.pagerduty import (
    action_calls,
    creating_calls,
    escalation,
    incident_calls,
    log_calls,
    on_call_calls,
    people,
    planting,
    setup_calls,
    webhook_calls,
)
from incident_central.sandbox.pagerduty.account import Key
from incident_central.sandbox.pagerduty.asked import Asked
from incident_central.sandbox.pagerduty.errors import not_found, refused
from incident_central.sandbox.pagerduty.events import ping
from incident_central.sandbox.pagerduty.founding import founded
from incident_central.sandbox.pagerduty.limits import Limits
from incident_central.sandbox.pagerduty.open_questions import PAGERDUTY_SWITCHES
from incident_central.sandbox.pagerduty.outbox import Outbox
from incident_central.sandbox.pagerduty.people import Given
from incident_central.sandbox.pagerduty.records import Incident
from incident_central.sandbox.pagerduty.sending import Sending
from incident_central.sandbox.pagerduty.subscriptions import Subscription
from incident_central.sandbox.server import Refused, Request, Response, answered
from incident_central.sandbox.switches import Switches

ROUTES: dict[str, Callable[[Asked], Response]] = {
    "GET /abilities": setup_calls.list_abilities,
    "GET /abilities/{id}": setup_calls.has_ability,
    "GET /users": setup_calls.list_users,
    "POST /users": creating_calls.create_user,
    "GET /users/me": setup_calls.own_user,
    "GET /users/{id}": setup_calls.get_user,
    "GET /users/{id}/contact_methods": setup_calls.list_contact_methods,
    "GET /users/{id}/notification_rules": setup_calls.list_notification_rules,
    "GET /teams": setup_calls.list_teams,
    "GET /teams/{id}/members": setup_calls.list_team_members,
    "GET /services": setup_calls.list_services,
    "POST /services": creating_calls.create_service,
    "GET /services/{id}": setup_calls.get_service,
    "GET /escalation_policies": setup_calls.list_policies,
    "POST /escalation_policies": creating_calls.create_policy,
    "GET /escalation_policies/{id}": setup_calls.get_policy,
    "GET /schedules": on_call_calls.list_schedules,
    "POST /schedules": creating_calls.create_schedule,
    "POST /schedules/preview": on_call_calls.preview_schedule,
    "GET /schedules/{id}": on_call_calls.get_schedule,
    "GET /schedules/{id}/users": on_call_calls.list_schedule_users,
    "GET /oncalls": on_call_calls.list_on_calls,
    "GET /priorities": setup_calls.list_priorities,
    "GET /maintenance_windows": setup_calls.list_windows,
    "POST /incidents": incident_calls.create_incident,
    "GET /incidents": incident_calls.list_incidents,
    "PUT /incidents": incident_calls.update_incidents,
    "GET /incidents/{id}": incident_calls.get_incident,
    "PUT /incidents/{id}": incident_calls.update_incident,
    "GET /incidents/{id}/notes": action_calls.list_notes,
    "POST /incidents/{id}/notes": action_calls.create_note,
    "PUT /incidents/{id}/notes/{note_id}": action_calls.update_note,
    "DELETE /incidents/{id}/notes/{note_id}": action_calls.delete_note,
    "POST /incidents/{id}/snooze": action_calls.snooze_incident,
    "PUT /incidents/{id}/merge": action_calls.merge_incidents,
    "POST /incidents/{id}/status_updates": action_calls.create_status_update,
    "POST /incidents/{id}/responder_requests": action_calls.request_responders,
    "PUT /incidents/{id}/responder_requests/cancel": action_calls.cancel_responders,
    "GET /incidents/{id}/log_entries": log_calls.list_incident_log,
    "GET /webhook_subscriptions": webhook_calls.list_subscriptions,
    "POST /webhook_subscriptions": webhook_calls.create_subscription,
    "GET /webhook_subscriptions/{id}": webhook_calls.get_subscription,
    "PUT /webhook_subscriptions/{id}": webhook_calls.update_subscription,
    "DELETE /webhook_subscriptions/{id}": webhook_calls.delete_subscription,
    "POST /webhook_subscriptions/{id}/enable": webhook_calls.enable_subscription,
    "POST /webhook_subscriptions/{id}/ping": webhook_calls.ping_subscription,
    "GET /log_entries": log_calls.list_account_log,
    "GET /log_entries/{id}": log_calls.get_log_entry,
}
SHOWN_DELIVERIES = 500
FLOOD_PART = 50  # webhooks made at once, between which calls are answered
PATTERNS = {route: re.compile(re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(route))) for route in ROUTES}


class PagerDutyApi:
    """One account behind PagerDuty's API. `account` is for the state page to read, under its lock."""

    name = "pagerduty"

    def __init__(
        self, *, clock: Clock, faults: Faults, api_url: str, page_url: str, company: Company = HARBOUR_FINCH
    ) -> None:
        self.switches = Switches(PAGERDUTY_SWITCHES)
        self.account = founded(company, clock=clock, switches=self.switches, api_url=api_url, page_url=page_url)
        self.outbox = Outbox(self.account, faults)
        self._sending = Sending(self.account, self.outbox)
        self._limits = Limits(clock=clock, switches=self.switches)

    def method_of(self, request: Request) -> str:
        return _route(request)[0]

    def only_reads(self, request: Request) -> bool:
        return request.method in ("GET", "HEAD")

    def handle(self, request: Request) -> Response:
        route, ids = _route(request)
        key = self._key(request)
        limit_headers = self._limits.count(key.secret, route)
        response = answered(lambda request: self._answer(request, route, ids, key), request)
        response.headers.update(limit_headers)
        return response

    def fault_response(self, kind: str, fault: Fault) -> Response:
        """PagerDuty's words for a fault: limits without Retry-After, since it documents none. What stands before it may
        send one with a 503."""
        seconds = max(1, round(fault.seconds))
        limits = {"ratelimit-limit": "960", "ratelimit-remaining": "0", "ratelimit-reset": str(seconds)}
        text = {"Content-Type": "text/html"}
        return {
            "429": lambda: refused(429, 2020, "Rate Limit Exceeded", headers=limits).response,
            "429-bare": lambda: Response(429, b"Too Many Requests\n", {"Content-Type": "text/plain"}),
            "500": lambda: refused(500, 2000, "Internal Error").response,
            "503": lambda: refused(503, 2000, "Internal Error", headers={"Retry-After": str(seconds)}).response,
            "html": lambda: Response(502, b"<html><body><h1>This is a proxy</h1></body></html>", text),
            "missing-scope": lambda: refused(403, 2010, "Access Denied", []).response,
            "unauthorized": self._unauthorized,
        }[kind]()

    def as_json(self) -> dict[str, object]:
        """Its part of /state.json: who is on call and paged is worked out by the page."""
        with self.account.lock:
            return {
                "incidents": [self._incident_state(incident) for incident in self.account.incidents.values()],
                "services": [
                    {**asdict(service), "shown_status": self.account.status_of(service)}
                    for service in self.account.services.values()
                ],
                "users": [asdict(user) for user in self.account.users.values()],
                "subscriptions": [self._subscription_state(one) for one in self.account.subscriptions.values()],
                "deliveries": self.deliveries(whole=False)[-SHOWN_DELIVERIES:],
            }

    def _incident_state(self, incident: Incident) -> dict[str, object]:
        """The record, and in names what it holds as ids."""
        account = self.account
        priority = account.priorities.get(incident.priority_id or "")
        return {
            **asdict(incident),
            "service": account.services[incident.service_id].name,
            "priority": priority.name if priority else None,
            "assignees": [account.users[assignment.user_id].name for assignment in incident.assignments],
        }

    def _subscription_state(self, subscription: Subscription) -> dict[str, object]:
        """The record without its secret: PagerDuty shows that once."""
        shown = {name: value for name, value in asdict(subscription).items() if name != "secret"}
        return {**shown, "temporarily_disabled": subscription.is_disabled(self.account.clock.now())}

    def deliveries(self, *, whole: bool) -> list[dict[str, object]]:
        """Every delivery that was made, oldest first; `whole` with the body."""
        with self.account.lock:
            return [delivery.as_json(whole=whole) for delivery in self.outbox.deliveries]

    def plant(
        self, *, collection: str, record_id: str | None, values: dict[str, object] | None, delete: bool
    ) -> dict[str, object] | None:
        with self.account.lock:
            return planting.plant(self.account, collection, record_id, values=values, delete=delete)

    def press(self, incident_id: str, action: str, given: Given) -> None:
        """What somebody does in PagerDuty itself. See people.press."""
        self.tick()
        with self.account.lock:
            people.press(self.account, incident_id, action, given)
            self._sending.heed()

    def open_incident(self, given: Given) -> str:
        """A new incident that came by no API call; its id. See people.open_incident."""
        self.tick()
        with self.account.lock:
            incident = people.open_incident(self.account, given)
            self._sending.heed()
            return incident.id

    def flood(self, count: int, seconds: float) -> None:
        """So many webhooks in so many seconds, to every subscription that wants them. See Outbox.flood."""
        began = self.account.clock.now()
        for first in range(0, count, FLOOD_PART):
            with self.account.lock:
                numbers = range(first, min(first + FLOOD_PART, count))
                self.outbox.flood(numbers, began=began, gap=seconds / count)
                self._sending.heed()

    def tend(self, subscription_id: str, action: str) -> None:
        """Enable, disable or ping a subscription, as in PagerDuty's own settings. Raises ValueError."""
        with self.account.lock:
            subscription = self.account.subscriptions.get(subscription_id)
            if subscription is None:
                raise ValueError("No such subscription. Start over may have put it away.")
            if action == "enable":
                subscription.disabled_until, subscription.dropped_in_a_row = None, 0
            elif action == "disable":
                self.outbox.disable(subscription)
            else:
                self.account.events.append(ping(self.account.clock.now(), subscription_id=subscription_id))
            self._sending.heed()

    def tick(self) -> None:
        """What waited for the clock happens, and webhooks tell of it."""
        with self.account.lock:
            escalation.run_due(self.account)
            self._sending.heed()

    def stop(self) -> None:
        """Send no more webhooks."""
        self._sending.stop()

    def _key(self, request: Request) -> Key:
        given = re.fullmatch(r"Token token=(\S+)", request.headers.get("Authorization") or "")
        key = self.account.keys.get(given[1]) if given else None
        if key is None:
            raise Refused(self._unauthorized())
        return key

    def _unauthorized(self) -> Response:
        if self.switches["unauthorized_body"] == "text":
            return Response(401, b"HTTP Token: Access denied.\n", {"Content-Type": "text/plain"})
        return refused(401, 2006, "Authentication failed").response

    def _answer(self, request: Request, route: str, ids: tuple[str, ...], key: Key) -> Response:
        if route not in ROUTES:
            raise not_found()
        if (ended := self.switches["account"]) != "active":
            raise refused(int(ended[-3:]), 2012, "Account Expired", [])
        self.tick()
        with self.account.lock:
            asked = Asked(self.account, request, key, ids)
            if not self.only_reads(request):
                asked.must_write(before_body=True)
            response = ROUTES[route](asked)
            self._sending.heed()
            return response


def _route(request: Request) -> tuple[str, tuple[str, ...]]:
    """The route's name and the ids in the path; an unknown path is its own name."""
    called = f"{request.method} {request.path.rstrip('/')}"
    if called in ROUTES:
        return called, ()
    for route, pattern in PATTERNS.items():
        if match := pattern.fullmatch(called):
            return route, match.groups()
    return called, ()
