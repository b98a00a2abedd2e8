"""The sandbox's clock: real time, which can be advanced, and a tick on which waiting things happen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

TICK_SECONDS = 0.2


class Clock:
    """Seconds since 1970, like time.time(), plus an offset that only grows."""

    def __init__(self) -> None:
        self.offset = 0.0
        self._on_tick: list[Callable[[], None]] = []
        self._ticking = threading.Lock()
        self._stopped = threading.Event()

    def now(self) -> float:
        return time.time() + self.offset

    def on_tick(self, callback: Callable[[], None]) -> None:
        """Call this at every tick and after every advance; never twice at the same time."""
        self._on_tick.append(callback)

    def advance(self, seconds: float) -> None:
        """Let time pass at once. Whatever falls due in between has happened when this returns."""
        if seconds < 0:
            raise ValueError("Time only goes forward: give seconds of 0 or more.")
        self.offset += seconds
        self.tick()

    def tick(self) -> None:
        with self._ticking:
            for callback in self._on_tick:
                callback()

    def start(self) -> None:
        threading.Thread(target=self._run, name="clock", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            self.tick()
