"""How much PagerDuty is asked: so many calls a minute, and so much of its log at once.

What is left of the calls is in the database, for the work moves among processes, and some are killed. How long parts of
the log may be is known to one process and forgotten with it: that costs some of those calls and loses nothing.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.db import models

from incident_central.database import transaction

#: Rows of a list that PagerDuty tells in one call.
A_CALL = 100
#: A list that takes several calls is read so seldom at least, for each of them.
EACH_CALL_OF_LIST = timedelta(seconds=5)
#: Entries of the log that are read at once; in parts, one call tells those of each, but for the shortest.
MOST_AT_ONCE, MOST_IN_SHORTEST = 5 * A_CALL, 20 * A_CALL
SHORTEST_PART = timedelta(seconds=2)  # PagerDuty's times are whole seconds, and one of them is read twice
#: What is left when the log has been read up to so long ago is read at once.
NEARLY_ALL = timedelta(seconds=30)


def calls_for(rows: int) -> int:
    """That a list of so many rows takes."""
    return max(1, -(-rows // A_CALL))


def rest_after(listed: int) -> timedelta:
    """Until the list of so many open incidents may be read again."""
    return EACH_CALL_OF_LIST * calls_for(listed) if listed > A_CALL else timedelta(seconds=1)


class CallsLeft(models.Model):
    """Of one budget, and when."""

    name = models.TextField(primary_key=True)
    left = models.FloatField()  # below 0: owed
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.left}"


class Budget:
    """So many calls a minute, and at most as many at once, of all processes together: what is left is in the database.

    What is taken is committed before the calls are made. What a process took that is killed meanwhile stays taken.
    """

    def __init__(self, name: str, calls: int) -> None:
        self._name, self._calls = name, calls

    def take(self, calls: int, *, leaving: float = 0) -> bool:
        """Whether so many may be made now, with as many left for others as `leaving` says. In a transaction of its own,
        as is took()."""
        with self._held() as row:
            if row.left < calls + leaving:
                return False
            row.left -= calls
            return True

    def took(self, *, rows: int, of_which_free: int = 1) -> None:
        """A list was read. So many of its calls are counted otherwise; what its rows took besides is owed, for a minute
        at most."""
        if owed := calls_for(rows) - of_which_free:
            with self._held() as row:
                row.left = max(-self._calls, row.left - owed)

    @contextmanager
    def _held(self) -> Iterator[CallsLeft]:
        with transaction() as at:
            row, _ = CallsLeft.objects.select_for_update().get_or_create(
                name=self._name, defaults={"left": self._calls, "at": at}
            )
            row.left = refilled(row.left, self._calls, (at - row.at).total_seconds())
            row.at = at
            yield row
            row.save(update_fields=["left", "at"])


class LocalBudget:
    """The same of this process alone, and forgotten with it: for what must not wait for the database."""

    def __init__(self, calls: int) -> None:
        self._calls, self._left, self._at = calls, float(calls), time.monotonic()
        self._lock = threading.Lock()

    def take(self, calls: int) -> bool:
        with self._lock:
            passed, self._at = time.monotonic() - self._at, time.monotonic()
            self._left = refilled(self._left, self._calls, passed)
            if self._left < calls:
                return False
            self._left -= calls
            return True


def refilled(left: float, calls: int, seconds: float) -> float:
    """A clock that was set back brings nothing, and takes nothing away."""
    return min(calls, left + max(0.0, seconds) * calls / 60)


class Parts:
    """The log in parts, where there is too much of it to be read at once. How long they may be, the last ones tell."""

    def __init__(self) -> None:
        self._length: timedelta | None = None  # None: all that there is
        self._too_much_until = datetime.min.replace(tzinfo=UTC)

    def end(self, since: datetime, *, settled: datetime) -> datetime | None:
        """Up to when to read; None is all that there is. Of what is not settled more may show up: it is never cut."""
        if self._length is None or settled - since <= NEARLY_ALL:
            return None
        length = self._length
        if since < self._too_much_until:  # where its first half was not, the rest of it still is
            length = min(length, max((self._too_much_until - since) / 2, SHORTEST_PART))
        return min(since + length, settled)

    def most(self, since: datetime, until: datetime | None) -> int:
        """How many entries to read at most."""
        if until is None:
            return MOST_AT_ONCE
        return A_CALL if until - since > SHORTEST_PART else MOST_IN_SHORTEST

    def was_all(self, entries: int, *, since: datetime, until: datetime | None, settled: datetime) -> bool:
        """Whether so many entries are all that there are; and learn from them how long the next part may be."""
        length = (until or settled) - since
        if entries >= self.most(since, until) and (until is None or length > SHORTEST_PART):
            self._length, self._too_much_until = max(length / 2, SHORTEST_PART), until or settled
            return False
        if until is None:
            self._length = None
        elif entries < A_CALL / 3:
            self._length = 2 * length
        return True
