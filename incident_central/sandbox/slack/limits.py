"""Slack's rate limits: per method and workspace a bucket of calls that fills up again (fact sheet 1)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rate:
    """So many calls a minute; `burst` of them may come at once."""

    per_minute: float
    burst: int


TIER = {number: Rate(each, each) for number, each in ((1, 1), (2, 20), (3, 50), (4, 100))}
# No figure is published for the "special" ones; Slack only says that hundreds a minute are fine.
SPECIAL = Rate(300, 100)
# About one message a second in each channel; "short bursts" are allowed, without a number.
POSTING = Rate(60, 5)
DISTRIBUTED_APP_READING = Rate(1, 1)


@dataclass
class Limits:
    """How many calls are left, by method (and channel). Not thread-safe: the workspace's lock guards it."""

    _left: dict[str, tuple[float, float]] = field(default_factory=dict)

    def wait(self, key: str, rate: Rate, *, now: float) -> float:
        """Take one call. Returns 0 when it may go, else the seconds until one may, taking nothing."""
        left, since = self._left.get(key, (float(rate.burst), now))
        per_second = rate.per_minute / 60
        left = min(rate.burst, left + max(0.0, now - since) * per_second)
        if left >= 1:
            self._left[key] = (left - 1, now)
            return 0.0
        self._left[key] = (left, now)
        return (1 - left) / per_second
