"""Webhook subscriptions: what one is, and what PagerDuty takes as one (fact sheet 7, Webhook subscriptions)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.errors import invalid, refused
from incident_central.sandbox.pagerduty.events import INCIDENT_EVENTS, OTHER_EVENTS, PING, Event
from incident_central.sandbox.pagerduty.records import fresh_id

MOST_IN_ONE_SCOPE = 10
SCOPES = ("account", "service", "team")
ELSEWHERE = "The sandbox sends webhooks only to this machine: give a URL of 127.0.0.1, [::1] or localhost"


@dataclass
class Subscription:
    """Where webhooks go. `filter_type` is one of SCOPES; `headers` are sent along.

    `dropped_in_a_row` deliveries lead to `disabled_until`.
    """

    id: str
    url: str
    secret: str
    events: list[str]
    filter_type: str = "account"
    filter_id: str | None = None
    method_id: str = field(default_factory=fresh_id)
    headers: dict[str, str] = field(default_factory=dict)
    description: str | None = None
    active: bool = True
    dropped_in_a_row: int = 0
    disabled_until: float | None = None

    def is_disabled(self, now: float) -> bool:
        return self.disabled_until is not None and now < self.disabled_until

    def wants(self, event: Event) -> bool:
        """A ping goes to one subscription, whatever events it has chosen."""
        if event.type == PING:
            return event.subscription_id in (None, self.id)
        if event.type not in self.events:
            return False
        if self.filter_type == "service":
            return self.filter_id == event.service_id
        return self.filter_type == "account" or self.filter_id in event.team_ids


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this very machine, by its address or as localhost. Nothing is looked up."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def subscribe(account: Account, given: Mapping[str, object]) -> Subscription:
    """A new subscription with a secret of its own. Raises Refused."""
    if given.get("type") != "webhook_subscription":
        raise invalid("Type must be webhook_subscription")
    method = given.get("delivery_method")
    if not isinstance(method, dict) or method.get("type") != "http_delivery_method":
        raise invalid("Delivery method type must be http_delivery_method")
    filter_type, filter_id = _filter_in(account, given.get("filter"))
    subscription = Subscription(
        id=fresh_id(),
        url=_url_in(method.get("url")),
        secret=secrets.token_urlsafe(48),
        events=_events_in(given.get("events")),
        filter_type=filter_type,
        filter_id=filter_id,
        headers=_headers_in(method.get("custom_headers")),
        description=_description_in(given.get("description")),
        active=_active_in(given.get("active", True)),
    )
    scope = [(one.filter_type, one.filter_id) for one in account.subscriptions.values()]
    if scope.count((filter_type, filter_id)) >= MOST_IN_ONE_SCOPE:
        raise refused(400, 2019, "Product Limit Reached", [f"At most {MOST_IN_ONE_SCOPE} webhook subscriptions"])
    account.subscriptions[subscription.id] = subscription
    return subscription


def change(account: Account, subscription: Subscription, given: Mapping[str, object]) -> None:
    """Everything but the delivery method, which is left as it is whatever is sent. Raises Refused, all or nothing."""
    events = _events_in(given["events"]) if "events" in given else subscription.events
    where = (subscription.filter_type, subscription.filter_id)
    if "filter" in given:
        where = _filter_in(account, given["filter"])
    active = _active_in(given.get("active", subscription.active))
    description = _description_in(given.get("description", subscription.description))
    subscription.events, subscription.active, subscription.description = events, active, description
    subscription.filter_type, subscription.filter_id = where


def _url_in(url: object) -> str:
    try:
        target = urlsplit(url) if isinstance(url, str) else None
        usable = target is not None and target.scheme in ("http", "https") and target.hostname and target.port != 0
    except ValueError:
        usable = False
    if not isinstance(url, str) or not usable or not url.isascii() or any(letter.isspace() for letter in url):
        raise invalid("Delivery method url is invalid")
    if not is_loopback(url):
        raise invalid(ELSEWHERE)
    return url


def _events_in(events: object) -> list[str]:
    if not isinstance(events, list) or not events:
        raise invalid("Events cannot be empty")
    if unknown := [event for event in events if event not in (*INCIDENT_EVENTS, *OTHER_EVENTS)]:
        raise invalid(f"Events contains an unknown event type: {unknown[0]}")
    if len(set(events)) < len(events):
        raise invalid("Events must be unique")
    return list(events)


def _filter_in(account: Account, given: object) -> tuple[str, str | None]:
    """The scope and, unless it is the account, the id of the service or team."""
    kind = given.get("type") if isinstance(given, dict) else None
    if not isinstance(given, dict) or kind not in [f"{scope}_reference" for scope in SCOPES]:
        raise invalid("Filter type must be account_reference, service_reference or team_reference")
    if kind == "account_reference":
        return "account", None
    records: Mapping[str, object] = account.services if kind == "service_reference" else account.teams
    filter_id = str(given.get("id"))
    if filter_id not in records:
        raise invalid("Filter id is invalid")
    return str(kind).removesuffix("_reference"), filter_id


def _headers_in(given: object) -> dict[str, str]:
    pairs = [] if given is None else given
    if not isinstance(pairs, list) or not all(_is_header(pair) for pair in pairs):
        raise invalid("Custom headers must have a name and a value")
    headers = {pair["name"]: pair["value"] for pair in pairs}
    if len({name.lower() for name in headers}) < len(pairs):
        raise invalid("Custom header names must be unique")
    return headers


def _is_header(pair: object) -> bool:
    """A name and a value that HTTP can carry in one line."""
    if not isinstance(pair, dict) or not all(isinstance(pair.get(part), str) for part in ("name", "value")):
        return False
    value: str = pair["value"]
    return re.fullmatch(r"[A-Za-z0-9_-]+", pair["name"]) is not None and value.isascii() and value.isprintable()


def _description_in(given: object) -> str | None:
    if given is not None and not isinstance(given, str):
        raise invalid("Description must be a string")
    return given


def _active_in(given: object) -> bool:
    if not isinstance(given, bool):
        raise invalid("Active must be true or false")
    return given
