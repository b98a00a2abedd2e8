"""A queue for threads of which each has a connection of its own."""

import threading
from collections import deque
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class _Slot(threading.local):
    """Of each thread, what it was handed."""

    def __init__(self) -> None:
        self.handed: SimpleQueue[object] = SimpleQueue()


class LatestFirst(Generic[T]):
    """Hands what comes to the thread that has waited for the shortest time; what comes while all are busy waits.

    So few threads do most of the work, and their connections know the database already. In a SimpleQueue the thread
    that has waited longest is next: then each in turn gets a connection, which takes memory, and none is ever warm.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[SimpleQueue[object]] = []  # threads, the latest last
        self._left: deque[T] = deque()
        self._slot = _Slot()

    def put(self, item: T) -> None:
        with self._lock:
            if self._waiting:
                self._waiting[-1].put(item)
                self._waiting.pop()  # after that: where there is no memory for it, the thread goes on waiting
            else:
                self._left.append(item)

    def get(self) -> T:
        slot = self._slot.handed
        with self._lock:
            if self._left:
                return self._left.popleft()
            self._waiting.append(slot)
        item: T = slot.get()  # type: ignore[assignment]  # what was put
        return item
