"""A place in the list as an address has it, with how many come before it: `50~r~2026-11-23T03:22:04.5Z~name`."""

from dataclasses import dataclass
from datetime import UTC, datetime

from incident_central.incidents.filters import Position
from incident_central.incidents.models import Status
from incident_central.incidents.text import clean

MANY = 1_000_000_000
LONGEST = 300


@dataclass(frozen=True)
class Place:
    position: Position
    before: int  # incidents on the pages before, as they were then

    def __str__(self) -> str:
        position = self.position
        if position.resolved_at is not None:
            return f"{self.before}~r~{_told(position.resolved_at)}~{position.name}"
        rank = "" if position.rank is None else position.rank
        at = "" if position.created_at is None else _told(position.created_at)
        return f"{self.before}~{position.status[:1]}~{rank}~{at}~{position.name}"


def place(text: str) -> Place | None:
    """None, for the beginning, where it makes no sense."""
    kind, *parts = (clean(text)[:LONGEST]).split("~")[1:] or [""]
    try:
        before = int(text.partition("~")[0])
        if not 0 <= before < MANY:
            return None
        if kind == "r":
            at, name = parts
            return Place(Position(name, resolved_at=_moment(at)), before)
        rank, at, name = parts
        status = {"t": Status.TRIGGERED, "a": Status.ACKNOWLEDGED}[kind]
        return Place(Position(name, status=status, rank=_rank(rank), created_at=_moment(at)), before)
    except (ValueError, KeyError):
        return None


def _told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def _moment(text: str) -> datetime:
    """Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or not 1970 <= moment.year < 3000:
        raise ValueError(text)
    return moment


def _rank(text: str) -> int | None:
    rank = int(text) if text else None
    if rank is not None and not 0 <= rank < MANY:
        raise ValueError(text)
    return rank
