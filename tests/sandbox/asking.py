"""What tests ask of the make-believe PagerDuty again and again, with the official client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

from incident_central.sandbox.pagerduty.events import INCIDENT_EVENTS

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox

SUBSCRIPTIONS = "/webhook_subscriptions"
NOBODY = "http://127.0.0.1:9/webhooks/pagerduty"  # where nobody listens


def reference(pager: LocalPagerDuty, resource: str, name: str) -> dict[str, str]:
    found = pager.find(resource, name)
    assert found is not None
    return {"id": found["id"], "type": f"{found['type']}_reference"}


def asked_for(pager: LocalPagerDuty, service: str = "Checkout API", **more: Any) -> dict[str, Any]:
    body = {"type": "incident", "title": "Card payments fail", "service": reference(pager, "services", service)}
    return {"incident": {**body, **more}}


def create(pager: LocalPagerDuty, service: str = "Checkout API", **more: Any) -> dict[str, Any]:
    incident: dict[str, Any] = pager.jpost("/incidents", json=asked_for(pager, service, **more))["incident"]
    return incident


def change(pager: LocalPagerDuty, incident: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"incident": {"type": "incident_reference", **more}}
    changed: dict[str, Any] = pager.jput(f"/incidents/{incident['id']}", json=body)["incident"]
    return changed


def refusal(answer: httpx2.Response) -> tuple[int, int, list[str] | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("errors")


def assignees(incident: dict[str, Any]) -> list[str]:
    return [assignment["assignee"]["summary"] for assignment in incident["assignments"]]


def act(sandbox: RunningSandbox, incident: dict[str, Any], action: str, user: str, **more: Any) -> None:
    """What somebody does in PagerDuty itself; people and records by name."""
    sandbox.ask("POST", f"/pagerduty/incidents/{incident['id']}/{action}", {"user": user, **more})


def log_of(pager: LocalPagerDuty, incident: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    """From the oldest on."""
    return pager.list_all(f"/incidents/{incident['id']}/log_entries", params=params)[::-1]


def kinds_of(pager: LocalPagerDuty, incident: dict[str, Any], **params: Any) -> list[str]:
    return [entry["type"].removesuffix("_log_entry") for entry in log_of(pager, incident, **params)]


def subscription_for(**more: Any) -> dict[str, Any]:
    method = {"type": "http_delivery_method", "url": NOBODY, **more.pop("method", {})}
    subscription = {
        "type": "webhook_subscription",
        "delivery_method": method,
        "events": list(INCIDENT_EVENTS),
        "filter": {"type": "account_reference"},
        "description": "Incident Central",
    }
    return {"webhook_subscription": {**subscription, **more}}


def subscribe(pager: LocalPagerDuty, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = pager.jpost(SUBSCRIPTIONS, json=subscription_for(**more))["webhook_subscription"]
    return made
