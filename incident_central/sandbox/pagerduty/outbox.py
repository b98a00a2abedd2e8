"""Which webhooks go where, in which order, what is tried again and when PagerDuty gives up (fact sheet 8).

Nothing here speaks HTTP: sending.py does, and tells what came of it. Everything here is called under the
account's lock.
"""

from __future__ import annotations

import json
import random
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from queue import SimpleQueue

from incident_central.sandbox.faults import DELAYED, DOUBLED, LOST, SHUFFLED, WEBHOOKS, Fault, Faults
from incident_central.sandbox.pagerduty import events
from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.events import Event
from incident_central.sandbox.pagerduty.shapes import Json
from incident_central.sandbox.pagerduty.subscriptions import Subscription

WAITING, DELIVERED, DROPPED, NEVER_SENT = "waiting", "delivered", "dropped", "lost"
RETRIED_FOR = 48 * 3600.0
LONGEST_PAUSE = 3600.0  # between two attempts; PagerDuty documents no pauses
DROPS_THAT_DISABLE = 3
DISABLED_FOR = 24 * 3600.0
ORDERED_SIZE, LARGEST_SIZE = 55 * 1024, 256 * 1024  # bytes
BEST_EFFORT_SECONDS = 30.0  # how late a large one comes where it comes out of order
KEPT_DELIVERIES = 10_000
FLOODING = "incident.priority_updated"
QUEUE_EMPTIED = "The subscription was disabled, and its queue emptied."


@dataclass(frozen=True)
class Attempt:
    """One try, at `at` of the sandbox's clock. Without a `status`, `error` says why there is none.

    `again`: whether PagerDuty tries once more after it.
    """

    at: float
    seconds: float
    status: int | None = None
    error: str | None = None
    again: bool = False

    @property
    def arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(eq=False)
class Delivery:
    """One event for one subscription. `id` is X-Webhook-Id, the same at every attempt and in every double."""

    id: str
    subscription_id: str
    event: Event
    body: bytes
    made_at: float
    due_at: float
    fault: Fault | None = None
    state: str = WAITING
    why: str = ""
    attempts: list[Attempt] = field(default_factory=list)

    def as_json(self, *, whole: bool) -> Json:
        shown: Json = {
            "id": self.id,
            "subscription_id": self.subscription_id,
            "event_id": self.event.id,
            "event_type": self.event.type,
            "incident_id": self.event.incident_id,
            "made_at": self.made_at,
            "due_at": self.due_at,
            "fault": self.fault.kind if self.fault else None,
            "state": self.state,
            "why": self.why,
            "attempts": [vars(attempt) for attempt in self.attempts],
        }
        return {**shown, "body": self.event.json} if whole else shown


@dataclass(eq=False)
class Lane:
    """Deliveries that keep their order: a later one waits behind one that fails. `busy` while one is under way."""

    key: tuple[str, str]
    waiting: deque[Delivery] = field(default_factory=deque)
    busy: bool = False


class Outbox:
    """All deliveries of an account. `ready` holds the lanes that something can be sent of now."""

    def __init__(self, account: Account, faults: Faults) -> None:
        self._account = account
        self._faults = faults
        self._lanes: dict[tuple[str, str], Lane] = {}
        self.ready: SimpleQueue[Lane | None] = SimpleQueue()
        self.deliveries: deque[Delivery] = deque(maxlen=KEPT_DELIVERIES)

    # ── from events to deliveries ──

    def take(self) -> None:
        """Make deliveries of what happened since the last call."""
        happened, self._account.events[:] = list(self._account.events), []
        for event in happened:
            for subscription in self._wanting(event):
                self._add(subscription, event)

    def flood(self, numbers: Iterable[int], *, began: float, gap: float) -> None:
        """One event for each number, so many gaps after the beginning, about the incidents there are, else pings.

        They keep no order, as events of different incidents do not.
        """
        account = self._account
        about = list(account.open.values()) or list(account.incidents.values())
        for number in numbers:
            incident = about[number % len(about)] if about else None
            event = events.of_now(account, incident, FLOODING, at=began) if incident else events.ping(began)
            for subscription in self._wanting(event):
                self._add(subscription, event, lane=f"flood {event.id}", due_at=began + number * gap)

    def _wanting(self, event: Event) -> Iterable[Subscription]:
        """Disabled subscriptions get nothing queued, and nothing later (fact sheet 0.6)."""
        now = self._account.clock.now()
        for subscription in self._account.subscriptions.values():
            if subscription.active and not subscription.is_disabled(now) and subscription.wants(event):
                yield subscription

    def _add(
        self, subscription: Subscription, event: Event, *, lane: str | None = None, due_at: float | None = None
    ) -> None:
        now = self._account.clock.now()
        body = json.dumps(event.json, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        fault = self._faults.pick(provider=WEBHOOKS, method=event.type, reads=False, now=now)
        delivery = Delivery(str(uuid.uuid4()), subscription.id, event, body, now, due_at or now, fault)
        self.deliveries.append(delivery)
        kind = fault.kind if fault else None
        large = self._account.switches["large_webhooks"] if len(body) > ORDERED_SIZE else "in order"
        if len(body) > LARGEST_SIZE:
            delivery.state, delivery.why = DROPPED, "Larger than 256 KB."
        elif kind == LOST or large == "missing":
            delivery.state, delivery.why = NEVER_SENT, "Lost on the way." if kind == LOST else "Larger than 55 KB."
        elif fault is not None and kind == DELAYED:
            delivery.due_at = now + fault.seconds
            self._line_up(delivery, f"late {delivery.id}")
        elif fault is not None and kind == SHUFFLED:
            self._shuffle_in(delivery, seconds=fault.seconds)
        elif large == "out of order":
            delivery.due_at = now + BEST_EFFORT_SECONDS
            self._line_up(delivery, f"large {delivery.id}")
        else:
            self._line_up(delivery, lane or event.incident_id or delivery.id)
            if kind == DOUBLED:
                double = Delivery(delivery.id, subscription.id, event, body, now, delivery.due_at, fault)
                self.deliveries.append(double)
                self._line_up(double, f"double {delivery.id}")

    def _line_up(self, delivery: Delivery, name: str) -> Lane:
        key = (delivery.subscription_id, name)
        lane = self._lanes.setdefault(key, Lane(key))
        lane.waiting.append(delivery)
        self._wake(lane)
        return lane

    def _shuffle_in(self, delivery: Delivery, *, seconds: float) -> None:
        """Hold back, and send whatever gathered meanwhile in another order."""
        delivery.due_at = delivery.made_at + max(seconds, 0.001)
        lane = self._line_up(delivery, "shuffled")
        gathered = list(lane.waiting)
        if lane.busy or len(gathered) < 2:
            return
        in_order = sorted(gathered, key=lambda one: one.made_at)
        random.shuffle(gathered)
        while gathered == in_order:
            random.shuffle(gathered)
        for one in gathered:
            one.due_at = in_order[0].due_at
        lane.waiting = deque(gathered)

    # ── what can be sent, and what came of it ──

    def wake(self) -> None:
        """Called as time passes: what was put off and is due now goes on."""
        for lane in list(self._lanes.values()):
            self._wake(lane)

    def _wake(self, lane: Lane) -> None:
        if not lane.busy and lane.waiting and lane.waiting[0].due_at <= self._account.clock.now():
            lane.busy = True
            self.ready.put(lane)

    def settle(self, lane: Lane, delivery: Delivery, attempt: Attempt) -> None:
        """Note what came of an attempt: delivered, to be tried again, or dropped."""
        delivery.attempts.append(attempt)
        subscription = self._account.subscriptions.get(delivery.subscription_id)
        if delivery.state == WAITING and subscription is not None:
            self._judge(lane, subscription, delivery, attempt)
        self.release(lane)

    def release(self, lane: Lane) -> None:
        """Nothing of it is under way any more."""
        lane.busy = False
        if lane.waiting:
            self._wake(lane)
        else:
            self._lanes.pop(lane.key, None)

    def _judge(self, lane: Lane, subscription: Subscription, delivery: Delivery, attempt: Attempt) -> None:
        gives_up_at = delivery.made_at + RETRIED_FOR
        if not attempt.arrived and attempt.again and attempt.at < gives_up_at:
            first = float(self._account.switches["webhook_retry"])
            pause = min(first * 2.0 ** (len(delivery.attempts) - 1), LONGEST_PAUSE)
            delivery.due_at = min(attempt.at + pause, gives_up_at)
            return
        lane.waiting.remove(delivery)
        if attempt.arrived:
            delivery.state, subscription.dropped_in_a_row = DELIVERED, 0
            return
        delivery.state = DROPPED
        delivery.why = "No success in 48 hours." if attempt.again else "Refused, which is not tried again."
        subscription.dropped_in_a_row += 1
        if subscription.dropped_in_a_row >= DROPS_THAT_DISABLE:
            self.disable(subscription)

    def disable(self, subscription: Subscription) -> None:
        """As three dropped deliveries in a row do: for a day, and whatever waits is dropped."""
        subscription.disabled_until = self._account.clock.now() + DISABLED_FOR
        subscription.dropped_in_a_row = 0
        self.empty(subscription.id, QUEUE_EMPTIED)

    def empty(self, subscription_id: str, why: str) -> None:
        for key, lane in list(self._lanes.items()):
            if key[0] == subscription_id:
                for delivery in lane.waiting:
                    delivery.state, delivery.why = DROPPED, why
                lane.waiting.clear()
                if not lane.busy:
                    del self._lanes[key]

    def forget_deleted(self) -> None:
        """What waits for a subscription that is there no more is dropped."""
        for subscription_id in {key[0] for key in self._lanes} - self._account.subscriptions.keys():
            self.empty(subscription_id, "The subscription was deleted.")
