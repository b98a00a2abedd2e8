"""What may be asked of the list of incidents, and a place in it."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime

from incident_central.incidents.migrations._search import NO_MARKS
from incident_central.incidents.models import Status


@dataclass(frozen=True)
class Filters:
    """Empty lets everything through. `since` and `until` are of the creation, the latter excluded."""

    words: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    priorities: tuple[str, ...] = ()  # ids; "" is for none
    services: tuple[str, ...] | None = None  # ids; None for any
    assigned: str = ""

    @property
    def wants_open(self) -> bool:
        return not self.statuses or self.statuses != (Status.RESOLVED,)

    @property
    def wants_resolved(self) -> bool:
        return not self.statuses or Status.RESOLVED in self.statuses


@dataclass(frozen=True)
class Position:
    """A place in the list: right behind an incident as it was then."""

    name: str
    resolved_at: datetime | None = None  # None: in the part that is open
    status: str = ""
    rank: int | None = None
    created_at: datetime | None = None


def words_of(text: str) -> tuple[str, ...]:
    """The words to look for, parted at whatever is no letter, digit or mark of one.

    Case and accents stay: each database leaves out of them what it left out of its own words.
    """
    parted = "".join(one if _is_of_a_word(one) else " " for one in unicodedata.normalize("NFC", text))
    return tuple(dict.fromkeys(word for word in parted.split() if any(one.isalnum() for one in word)))


def _is_of_a_word(character: str) -> bool:
    is_mark = unicodedata.category(character) in ("Mn", "Mc") and character not in NO_MARKS
    return is_mark or character.isalnum()
