"""What may be asked of the list of incidents, and a place in it."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

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
    """The words to look for: without accents, parted at whatever is no letter or digit."""
    plain = "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one))
    return tuple(dict.fromkeys(re.findall(r"[^\W_]+", plain.lower())))
