"""Faults on demand: which calls go wrong, how, and how often."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http import HTTPStatus

# Kinds that the provider words itself: answered without doing the work.
WORDED = ("429", "429-bare", "500", "503", "html", "missing-scope", "unauthorized")
HTML = "html"
HTML_200 = "html-200"  # as "html", but with the status of success, as a proxy's sign-in page comes
# Kinds that the server does with the connection.
DOWN, HUNG, SLOW, RESET = "down", "hung", "slow", "reset"
# Kinds where the work is done and the answer comes late, from somebody else, not whole, or never.
LATE, DRIP, GATEWAY_TIMEOUT, TRUNCATED = "late", "drip", "gateway-timeout", "truncated"
ANSWER_LOST, ANSWER_LOST_HANG = "answer-lost", "answer-lost-hang"
DONE = (LATE, DRIP, GATEWAY_TIMEOUT, TRUNCATED, ANSWER_LOST, ANSWER_LOST_HANG)
# Kinds that happen to webhooks, on their way from PagerDuty; the method is the type of the event.
DOUBLED, DELAYED, SHUFFLED, LOST = "doubled", "delayed", "shuffled", "lost"
WRONG_SIGNATURE, TWO_SIGNATURES = "wrong-signature", "two-signatures"
WEBHOOK_KINDS = (DOUBLED, DELAYED, SHUFFLED, LOST, WRONG_SIGNATURE, TWO_SIGNATURES)
CALL_KINDS = (*WORDED, HTML_200, DOWN, HUNG, SLOW, RESET, *DONE)
KINDS = (*CALL_KINDS, *WEBHOOK_KINDS)
WEBHOOKS = "webhooks"
PROVIDERS = ("pagerduty", "slack", "*", WEBHOOKS)


@dataclass
class Fault:
    """One rule: calls of this provider and method go wrong in this way.

    `every`: one matching call in so many. `times`: at most so many calls, None is no end. `until`: epoch
    seconds of the sandbox's clock at which it ends by itself. `reads`: False spares calls that only read.
    `seconds`: how long SLOW and LATE last, and each byte of DRIP, by how much DELAYED and SHUFFLED come later, and
    what Retry-After says.
    `needed`: the scope that a missing-scope names. `status`: that of the web page that HTML answers.
    """

    provider: str
    kind: str
    method: str = "*"
    every: int = 1
    times: int | None = None
    seconds: float = 5.0
    until: float | None = None
    reads: bool = True
    needed: str = ""
    status: int = 502
    id: str = ""
    seen: int = 0
    used: int = 0
    lifted: threading.Event = field(default_factory=threading.Event, repr=False)

    def __post_init__(self) -> None:
        if self.provider not in PROVIDERS:
            raise ValueError(f"provider is {self.provider!r}. Choose one of: {', '.join(PROVIDERS)}.")
        kinds = WEBHOOK_KINDS if self.provider == WEBHOOKS else CALL_KINDS
        if self.kind not in kinds:
            raise ValueError(f"kind is {self.kind!r}. Choose one of: {', '.join(kinds)}.")
        if self.every < 1 or (self.times is not None and self.times < 1) or self.seconds < 0:
            raise ValueError("every and times are at least 1, seconds at least 0.")
        HTTPStatus(self.status)  # a ValueError that says what is wrong, too

    @property
    def refuses_connections(self) -> bool:
        """A provider that is down as a whole: nobody listens at its address."""
        everything = self.method == "*" and self.every == 1 and self.times is None and self.reads
        return self.kind == DOWN and everything

    def as_json(self) -> dict[str, object]:
        names = ("id", "provider", "method", "kind", "every", "times", "seconds", "until", "reads", "needed", "status")
        return {name: getattr(self, name) for name in (*names, "seen", "used")}


class Faults:
    """The rules that are on. The first one that matches a call is used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: dict[str, Fault] = {}
        self._count = 0

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._count += 1
            fault.id = f"F{self._count}"
            self._faults[fault.id] = fault
        return fault

    def remove(self, fault_id: str) -> bool:
        with self._lock:
            fault = self._faults.pop(fault_id, None)
        if fault is not None:
            fault.lifted.set()
        return fault is not None

    def clear(self) -> None:
        for fault in self.all():
            self.remove(fault.id)

    def all(self) -> list[Fault]:
        with self._lock:
            return list(self._faults.values())

    def pick(self, *, provider: str, method: str, reads: bool, now: float) -> Fault | None:
        """The fault that this call meets, counted as used; None when it goes well."""
        with self._lock:
            for fault in self._faults.values():
                everywhere = fault.provider == "*" and provider != WEBHOOKS
                if not (everywhere or fault.provider == provider) or fault.method not in (method, "*"):
                    continue
                if (reads and not fault.reads) or (fault.until is not None and now >= fault.until):
                    continue
                if fault.times is not None and fault.used >= fault.times:
                    continue
                fault.seen += 1
                if fault.seen % fault.every == 0:
                    fault.used += 1
                    return fault
        return None

    def refusing(self, provider: str, *, now: float) -> bool:
        """Whether nobody listens at this provider's address."""
        return any(
            fault.refuses_connections
            and fault.provider in (provider, "*")
            and (fault.until is None or now < fault.until)
            for fault in self.all()
        )
