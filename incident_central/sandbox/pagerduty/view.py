"""PagerDuty's own website, as far as the state page needs it: incidents, subscriptions and webhooks sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from incident_central.sandbox.company import TIME_ZONE
from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.outbox import DELIVERED, WAITING, Delivery, Outbox
from incident_central.sandbox.pagerduty.records import Incident
from incident_central.sandbox.pagerduty.subscriptions import Subscription

MOST_INCIDENTS, MOST_DELIVERIES = 6, 8
# How a delivery is marked in the list of those sent.
MARKS = {DELIVERED: "done", WAITING: "waiting"}


def incidents(account: Account) -> list[dict[str, Any]]:
    """Open ones first, the newest first among them; only so many."""
    with account.lock:
        newest = sorted(account.incidents.values(), key=lambda one: (one.is_open, one.number), reverse=True)
        return [_incident(account, incident) for incident in newest[:MOST_INCIDENTS]]


def names(account: Account) -> dict[str, list[str]]:
    """What can be typed where a person, a service or somebody to hand over to is asked for."""
    with account.lock:
        people, services, policies = (
            sorted(record.name for record in records.values())
            for records in (account.users, account.services, account.policies)
        )
        priorities = [one.name for one in sorted(account.priorities.values(), key=lambda one: one.order)]
    return {
        "people": people,
        "services": services,
        "priorities": priorities,
        "everything": list(dict.fromkeys([*people, *policies, *services])),
    }


def webhooks(account: Account, outbox: Outbox) -> dict[str, list[dict[str, Any]]]:
    """Subscriptions, and the last deliveries, the newest first."""
    with account.lock:
        now = account.clock.now()
        newest = [outbox.deliveries[-place] for place in range(1, min(MOST_DELIVERIES, len(outbox.deliveries)) + 1)]
        return {
            "subscriptions": [_subscription(one, now) for one in account.subscriptions.values()],
            "deliveries": [_delivery(one) for one in newest],
        }


def _incident(account: Account, incident: Incident) -> dict[str, Any]:
    priority = account.priorities.get(incident.priority_id or "")
    return {
        "id": incident.id,
        "number": incident.number,
        "title": incident.title,
        "status": incident.status,
        "status_word": incident.status.capitalize(),
        "service": account.services[incident.service_id].name,
        "priority": priority.name if priority else "",
        "assignees": ", ".join(account.users[assignment.user_id].name for assignment in incident.assignments),
        "time": _clock(incident.created_at),
    }


def _subscription(subscription: Subscription, now: float) -> dict[str, Any]:
    disabled = subscription.is_disabled(now)
    word = "Switched off for a day" if disabled else "On" if subscription.active else "Off"
    return {
        "id": subscription.id,
        "url": subscription.url,
        "disabled": disabled,
        "word": word,
        "state": "fail" if disabled else "pass" if subscription.active else "off",
        "description": subscription.description or "",
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    last = delivery.attempts[-1] if delivery.attempts else None
    answer = (str(last.status) if last.status is not None else last.error) if last else ""
    return {
        "time": _clock(delivery.made_at),
        "event": delivery.event.type,
        "state": MARKS.get(delivery.state, "failed"),
        "word": delivery.state.capitalize(),
        "attempts": len(delivery.attempts),
        "answer": answer,
        "why": delivery.why,
    }


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, ZoneInfo(TIME_ZONE)).strftime("%H:%M")
