"""Filters as they stand in addresses: `/?status=open&priority=P1&priority=P2&created=7&q=refund`.

What cannot be understood is told, and left out of the filter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils import timezone

from incident_central.incidents.filters import Filters, words_of
from incident_central.incidents.models import Status, listing
from incident_central.incidents.text import clean
from incident_central.web.choices import Choice, Choices

STATUSES = {
    "open": ("Open", (Status.TRIGGERED.value, Status.ACKNOWLEDGED.value)),
    "triggered": ("Triggered", (Status.TRIGGERED.value,)),
    "acknowledged": ("Acknowledged", (Status.ACKNOWLEDGED.value,)),
    "resolved": ("Resolved", (Status.RESOLVED.value,)),
}
DAYS = (7, 14, 30, 60)  # offered; others may be asked for
LONGEST = 36_500  # days
NONE = "none"  # no priority
FIELDS = ("q", "status", "priority", "service", "team", "assigned", "created", "from", "until")
LONGEST_TEXT = 200  # of what is looked for


@dataclass(frozen=True)
class Problem:
    field: str
    text: str


@dataclass(frozen=True)
class Asked:
    """A filter that somebody asked for."""

    filters: Filters
    values: dict[str, list[str]]  # as the form shows them; what could not be understood is left out
    problems: list[Problem]
    told: list[str]  # in words, one for each filter

    @property
    def query(self) -> str:
        """The same filter as an address has it, always in the same order."""
        return urlencode([(field, value) for field in FIELDS for value in self.values.get(field, ())])

    @property
    def summary(self) -> str:
        return ", ".join(self.told) or "none, all incidents"


def asked(given: QueryDict, choices: Choices) -> Asked:
    return _Reading(given, choices).asked()


class _Reading:
    def __init__(self, given: QueryDict, choices: Choices) -> None:
        self._given, self._choices = given, choices
        self._values: dict[str, list[str]] = {}
        self._problems: list[Problem] = []
        self._told: list[str] = []

    def asked(self) -> Asked:
        words = self._words()
        statuses = self._status()
        priorities = self._priorities()
        services = self._services()
        assigned = self._assigned()
        since, until = self._created()
        filters = Filters(words, statuses, since, until, priorities, services, assigned)
        return Asked(filters, self._values, self._problems, self._told)

    def _words(self) -> tuple[str, ...]:
        text = self._text("q")
        if not text:
            return ()
        words = words_of(text)
        if not words:
            self._wrong("q", f"“{text}” has no letter or digit to look for")
            return ()
        self._keep("q", text, told=f"“{text}”")
        return words

    def _status(self) -> tuple[str, ...]:
        status = self._text("status").lower()
        if not status:
            return ()
        if status not in STATUSES:
            self._wrong("status", f"“{status}” is no status: there are {listing(list(STATUSES))}")
            return ()
        name, statuses = STATUSES[status]
        self._keep("status", status, told=name)
        return statuses

    def _priorities(self) -> tuple[str, ...]:
        found: dict[str, str] = {}
        for text in map(clean, self._given.getlist("priority")):
            if text.lower() == NONE:
                found[""] = "no priority"
            elif text and (choice := self._chosen("priority", text, "PagerDuty priority")) is not None:
                found[choice.value] = choice.name
        if found:
            self._values["priority"] = [value or NONE for value in found]
            self._told.append(" or ".join(found.values()))
        return tuple(found)

    def _services(self) -> tuple[str, ...] | None:
        """Of the service and the team, where both are given."""
        found: tuple[str, ...] | None = None
        text = self._text("service")
        if text and (service := self._chosen("service", text, "service in PagerDuty")) is not None:
            self._keep("service", service.value, told=service.name)
            found = (service.value,)
        text = self._text("team")
        if text and (team := self._chosen("team", text, "team in PagerDuty")) is not None:
            self._keep("team", team.value, told=f"team {team.name}")
            of_team = self._choices.services_of.get(team.value, ())
            found = of_team if found is None else tuple(one for one in found if one in of_team)
        return found

    def _assigned(self) -> str:
        """Any name may be asked for: perhaps nobody of that name was ever assigned. One that is offered is taken as it
        is: PagerDuty may write it with two blanks."""
        given = self._given.get("assigned", "")
        is_offered = any(one.value == given for one in self._choices.people)
        name = given if is_offered else self._text("assigned")
        if name:
            self._keep("assigned", name, told=f"assigned to {name}")
        return name

    def _created(self) -> tuple[datetime | None, datetime | None]:
        days = self._days()
        # To the minute: what is put together for a filter is kept for as long as it stays the same.
        now = timezone.now().replace(second=0, microsecond=0)
        since = None if days is None else now - timedelta(days=days)
        first, last = self._date("from", "from {}"), self._date("until", "until {}")
        if first is not None and last is not None and last < first:
            self._wrong("until", f"{last} is before {first}: nothing can lie in between")
            self._values.pop("until")
            self._told.pop()
            last = None
        if first is not None:
            since = max(filter(None, [since, _midnight(first)]))
        return since, None if last is None else _midnight(last, days=1)

    def _days(self) -> int | None:
        text = self._text("created")
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and 0 < int(text[:9]) <= LONGEST and len(text) < 9):
            self._wrong("created", f"“{text}” is no number of days: 1 to {LONGEST:,}")
            return None
        self._keep("created", str(int(text)), told="last day" if int(text) == 1 else f"last {int(text)} days")
        return int(text)

    def _date(self, field: str, told: str) -> date | None:
        text = self._text(field)
        if not text:
            return None
        try:
            found = date.fromisoformat(text)
        except ValueError:
            found = date.min
        if not 1970 <= found.year < 3000:
            self._wrong(field, f"“{text}” is no date such as {timezone.localdate()}")
            return None
        self._keep(field, str(found), told=told.format(found))
        return found

    def _chosen(self, field: str, text: str, what: str) -> Choice | None:
        """By its id, or by its name as people write it."""
        among: Sequence[Choice] = self._choices.by_field[field]
        tests: list[Callable[[Choice], bool]] = [
            lambda one: one.value == text,
            lambda one: one.listed and one.name.casefold() == text.casefold(),
            lambda one: one.name.casefold() == text.casefold(),
        ]
        for test in tests:
            if found := next((one for one in among if test(one)), None):
                return found
        self._wrong(field, f"There is no {what} “{text}”")
        return None

    def _text(self, field: str) -> str:
        return clean(self._given.get(field, ""))[:LONGEST_TEXT].strip()

    def _keep(self, field: str, value: str, *, told: str) -> None:
        self._values[field] = [value]
        self._told.append(told)

    def _wrong(self, field: str, text: str) -> None:
        self._problems.append(Problem(field, text))


def _midnight(day: date, *, days: int = 0) -> datetime:
    """The moment at which a day begins where we are, or the one so many days later."""
    return timezone.make_aware(datetime.combine(day + timedelta(days=days), datetime.min.time()))
