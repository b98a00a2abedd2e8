"""PagerDuty as the tests ask it themselves, and what they send in its name."""

import hashlib
import hmac
import http.client
import json
import urllib.request
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from tests.processes import Hub, Json, Sandbox, company

EVENTS = "acknowledged unacknowledged escalated reassigned reopened resolved priority_updated annotated".split()
PATH = "/webhooks/pagerduty"
KEY = "y_TestsOwnKey_0000000"


def ask(
    sandbox: Sandbox,
    path: str,
    data: Json | None = None,
    *,
    method: str = "",
    as_user: str = company.FROM_USER.email,
    key: str = KEY,
    **query: Any,
) -> Json:
    """A call to its REST API, with a key of the tests' own: what they ask is not counted as the hub's."""
    sandbox.plant("pagerduty", "keys", create={"secret": key, "kind": "account"})
    url = f"{sandbox.addresses['pagerduty']}{path}?{urlencode(query, doseq=True)}"
    headers = {
        "Authorization": f"Token token={key}",
        "From": as_user,
        "Content-Type": "application/json",
    }
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, body, headers, method=method or ("GET" if data is None else "POST"))
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: Json = json.loads(answer.read() or b"{}")
    return found


def incident(sandbox: Sandbox, page_id: str) -> Json:
    found: Json = ask(sandbox, f"/incidents/{page_id}")["incident"]
    return found


def log_of(sandbox: Sandbox, page_id: str) -> list[Json]:
    entries: list[Json] = ask(sandbox, f"/incidents/{page_id}/log_entries", limit=100)["log_entries"]
    return entries


def act(sandbox: Sandbox, page_id: str, action: str, user: str = "Mei Tanaka", **more: Any) -> None:
    """What somebody does in PagerDuty itself."""
    sandbox.control(f"/pagerduty/incidents/{page_id}/{action}", {"user": user, **more})


def edit(sandbox: Sandbox, page_id: str, **fields: Any) -> None:
    ask(sandbox, f"/incidents/{page_id}", {"incident": {"type": "incident_reference", **fields}}, method="PUT")


def subscribe(hub: Hub, sandbox: Sandbox) -> Json:
    """Have webhooks sent to the hub, which knows their secret."""
    wanted = {
        "type": "webhook_subscription",
        "delivery_method": {"type": "http_delivery_method", "url": f"{hub.url}{PATH}"},
        "events": [f"incident.{one}" for one in EVENTS],
        "filter": {"type": "account_reference"},
    }
    made: Json = ask(sandbox, "/webhook_subscriptions", {"webhook_subscription": wanted})["webhook_subscription"]
    knows(hub, made["id"], made["delivery_method"]["secret"])
    return made


def knows(hub: Hub, subscription_id: str, secret: str) -> None:
    hub.rows(
        "INSERT INTO incidents_webhooksubscription (id, url, secret) VALUES (%s, %s, %s)",
        subscription_id,
        f"{hub.url}{PATH}",
        secret,
    )


def event(page_id: str, kind: str = "incident.acknowledged", **data: Any) -> bytes:
    """The body of a webhook about an incident, as far as it is looked at."""
    told = {"id": uuid4().hex, "event_type": kind, "data": {"id": page_id, "type": "incident", **data}}
    return json.dumps({"event": told}).encode()


def signed(body: bytes, *secrets: str) -> str:
    return ",".join("v1=" + hmac.new(one.encode(), body, hashlib.sha256).hexdigest() for one in secrets)


def send(hub: Hub, body: bytes, signature: str, *, webhook_id: str = "", method: str = "POST", **headers: str) -> int:
    """Post a webhook; the status of the answer."""
    return send_to(hub.url, body, signature, webhook_id=webhook_id, method=method, **headers)


def send_to(
    url: str, body: bytes, signature: str, *, webhook_id: str = "", method: str = "POST", **headers: str
) -> int:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    headers = {"Content-Type": "application/json", "X-Webhook-Id": webhook_id or uuid4().hex} | headers
    try:
        connection.request(method, PATH, body, headers | {"X-PagerDuty-Signature": signature})
        return connection.getresponse().status
    finally:
        connection.close()
