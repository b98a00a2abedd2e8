"""PagerDuty's rate limits (fact sheet 4): 960 requests a minute for each key, less on a few calls."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from incident_central.sandbox.clock import Clock
from incident_central.sandbox.pagerduty.errors import refused
from incident_central.sandbox.switches import Switches

REQUESTS_A_MINUTE = 960
MINUTE = 60.0
# These have a limit of their own that PagerDuty does not publish; the switch gives one.
SPECIAL = {
    "POST /incidents": "creation_limit",
    "PUT /incidents": "creation_limit",
    "GET /oncalls": "oncalls_limit",
}


@dataclass
class Window:
    began: float
    used: int = 0


@dataclass
class Limits:
    """Counts calls in windows of one minute. Called under no lock: a lost count does no harm."""

    clock: Clock
    switches: Switches
    _windows: dict[str, Window] = field(default_factory=dict)

    def count(self, key: str, route: str) -> dict[str, str]:
        """Count one call; the headers for its answer. Raises Refused (429) when it is one too many."""
        if self.switches["rate_limits"] == "off":
            return {}
        others = int(self.switches["other_requests"])
        states = [self._state(key, REQUESTS_A_MINUTE, others=others)]
        special = self.switches[SPECIAL[route]] if route in SPECIAL else "none"
        if special != "none":
            states.append(self._state(f"{key} {SPECIAL[route]}", int(special)))
        limit, remaining, reset = min(states, key=lambda state: state[1])
        headers = {
            "ratelimit-limit": str(limit),
            "ratelimit-remaining": str(max(0, remaining)),
            "ratelimit-reset": str(reset),
        }
        if remaining < 0:
            raise refused(429, 2020, "Rate Limit Exceeded", headers=headers)
        return headers

    def _state(self, name: str, limit: int, *, others: int = 0) -> tuple[int, int, int]:
        """Limit, calls left after this one (-1 is one too many), seconds until the window ends."""
        now = self.clock.now()
        window = self._windows.get(name)
        if window is None or now >= window.began + MINUTE:
            window = self._windows[name] = Window(now)
        window.used += 1
        return limit, max(-1, limit - others - window.used), math.ceil(window.began + MINUTE - now)
