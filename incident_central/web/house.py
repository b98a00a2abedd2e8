"""What every page says about the whole house: how many incidents are open, and whether the tools answer."""

from collections import Counter
from datetime import datetime
from functools import cached_property

from django.conf import settings

from incident_central.doctor.in_words import would_keep
from incident_central.doctor.models import Trouble
from incident_central.incidents.models import Status
from incident_central.incidents.reporting import missing_settings
from incident_central.incidents.search import open_now
from incident_central.incidents.search_sql import CAP
from incident_central.incidents.sync import Freshness, behind_since, freshness
from incident_central.web.choices import Lately
from incident_central.web.templatetags.times import age

#: When the tools were last read; asked for at most once a second, however many people look.
_freshness = Lately(freshness, seconds=1.0)
_behind_since = Lately(behind_since, seconds=1.0)
#: What the doctor knows for certain to be broken, in a sentence.
_broken = Lately(lambda: would_keep(one.found for one in Trouble.objects.broken()), seconds=1.0)


def capped(count: int) -> str:
    """31, or 1,000+ where nobody counted further."""
    return f"{CAP:,}+" if count > CAP else f"{count:,}"


class House:
    """Read from the database when a template first asks, and then once."""

    @cached_property
    def _open(self) -> list[tuple[str, str, str | None]]:
        return open_now()

    @cached_property
    def by_status(self) -> Counter[str]:
        return Counter(status for status, *_ in self._open)

    @property
    def without_page(self) -> list[str]:
        """Names of open incidents that PagerDuty does not have, or not yet."""
        return [name for _, name, pagerduty_id in self._open if pagerduty_id is None]

    @property
    def open(self) -> int:
        return self.by_status.total()

    @property
    def triggered(self) -> int:
        return self.by_status[Status.TRIGGERED]

    @property
    def open_text(self) -> str:
        return capped(self.open)

    @property
    def state(self) -> str:
        """The dot in the mark: the worst that is open."""
        if self.triggered:
            return "triggered"
        return "acknowledged" if self.open else "quiet"

    @cached_property
    def freshness(self) -> dict[str, Freshness]:
        return _freshness()

    @property
    def broken(self) -> str:
        """What would keep a page from arriving; empty where nothing is known to."""
        return _broken()

    @property
    def pagerduty(self) -> Freshness | None:
        return None if missing_settings() else self.freshness.get("poll")

    @property
    def behind(self) -> datetime | None:
        """Since when what PagerDuty told is not all here, though it answers."""
        return None if missing_settings() else _behind_since()

    @property
    def slack(self) -> Freshness | None:
        return self.freshness.get("members") if settings.SLACK_BOT_TOKEN else None

    @property
    def tools(self) -> str:
        """PagerDuty and Slack are answering; or which of them is not, and since when."""
        said = {"PagerDuty": _answers(self.pagerduty), "Slack": _answers(self.slack)}
        if set(said.values()) == {"answers"}:
            return "PagerDuty and Slack are answering"
        return "; ".join(f"{tool} {how}" for tool, how in said.items())


def _answers(read: Freshness | None) -> str:
    if read is None:
        return "is not set up"
    if read.overdue:
        return "is not asked: nobody works here"
    if read.failing:
        return f"has not answered for {age(read.read_at)}" if read.read_at else "has not answered yet"
    return "answers" if read.read_at else "has not been asked yet"
