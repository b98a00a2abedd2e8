"""The calls about webhook subscriptions (fact sheet 7, Webhook subscriptions)."""

from __future__ import annotations

from incident_central.sandbox.pagerduty import events, subscriptions
from incident_central.sandbox.pagerduty.asked import Asked
from incident_central.sandbox.pagerduty.errors import invalid
from incident_central.sandbox.pagerduty.shapes import Json
from incident_central.sandbox.pagerduty.subscriptions import SCOPES, Subscription
from incident_central.sandbox.server import Response

REDACTED = "-- redacted --"


def list_subscriptions(asked: Asked) -> Response:
    scope, scope_id = asked.one("filter_type"), asked.one("filter_id")
    if scope is not None and scope not in SCOPES:
        raise invalid("Filter type must be account, service or team")
    if scope in ("service", "team") and not scope_id:
        raise invalid("Filter id is required")
    found = [
        subscription
        for subscription in asked.account.subscriptions.values()
        if scope is None
        or (subscription.filter_type == scope and (scope == "account" or subscription.filter_id == scope_id))
    ]
    return asked.page("webhook_subscriptions", found, lambda one: _json(asked, one))


def create_subscription(asked: Asked) -> Response:
    """The only answer that ever holds the secret. Whether it is 200 or 201 is not known: a switch says."""
    subscription = subscriptions.subscribe(asked.account, asked.body("webhook_subscription"))
    status = int(asked.account.switches["webhook_created"])
    return Response.json(
        {"webhook_subscription": _json(asked, subscription, secret=subscription.secret)}, status=status
    )


def get_subscription(asked: Asked) -> Response:
    return Response.json({"webhook_subscription": _json(asked, _found(asked))})


def update_subscription(asked: Asked) -> Response:
    subscription = _found(asked)
    subscriptions.change(asked.account, subscription, asked.body("webhook_subscription"))
    return Response.json({"webhook_subscription": _json(asked, subscription)})


def delete_subscription(asked: Asked) -> Response:
    asked.must_write(before_body=False)
    del asked.account.subscriptions[_found(asked).id]
    return Response(204)


def enable_subscription(asked: Asked) -> Response:
    """Ends a temporary disablement; what happened meanwhile was never queued."""
    asked.must_write(before_body=False)
    subscription = _found(asked)
    subscription.disabled_until, subscription.dropped_in_a_row = None, 0
    return Response.json({"webhook_subscription": _json(asked, subscription)})


def ping_subscription(asked: Asked) -> Response:
    asked.must_write(before_body=False)
    asked.account.events.append(events.ping(asked.now, subscription_id=_found(asked).id))
    return Response(202)


def _found(asked: Asked) -> Subscription:
    return asked.found(asked.account.subscriptions)


def _json(asked: Asked, subscription: Subscription, *, secret: str | None = None) -> Json:
    where: Json = {"type": f"{subscription.filter_type}_reference"}
    if subscription.filter_id is not None:
        where["id"] = subscription.filter_id
    return {
        "id": subscription.id,
        "type": "webhook_subscription",
        "active": subscription.active,
        "delivery_method": {
            "id": subscription.method_id,
            "type": "http_delivery_method",
            "url": subscription.url,
            "secret": secret,
            "temporarily_disabled": subscription.is_disabled(asked.now),
            "custom_headers": [{"name": name, "value": REDACTED} for name in subscription.headers],
        },
        "description": subscription.description,
        "events": subscription.events,
        "filter": where,
    }
