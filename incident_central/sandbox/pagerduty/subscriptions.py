"""Webhook subscriptions (fact sheet 7, Webhook subscriptions)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Subscription:
    """Where webhooks go. `filter_type` is "account", "service" or "team"; `headers` are sent along.

    `dropped_in_a_row` deliveries lead to `disabled_until`.
    """

    id: str
    url: str
    secret: str
    events: list[str]
    filter_type: str = "account"
    filter_id: str | None = None
    method_id: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    description: str | None = None
    active: bool = True
    dropped_in_a_row: int = 0
    disabled_until: float | None = None

    def is_disabled(self, now: float) -> bool:
        return self.disabled_until is not None and now < self.disabled_until
