"""The directory: copies of what PagerDuty and Slack have. Kept by copying.py; nobody else writes them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils import timezone

#: On-calls that ended this long ago would have been replaced, had PagerDuty been read.
OLD = timedelta(minutes=5)


class DirectoryVersion(models.Model):
    """Another one whenever something in the directory is: what was read of it holds until then. One row.

    Drawn, not counted: after a backup was restored it is none that anybody has met.
    """

    version = models.UUIDField(default=uuid4)

    def __str__(self) -> str:
        return str(self.version)


class Team(models.Model):
    id = models.TextField(primary_key=True)
    name = models.TextField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Person(models.Model):
    """A PagerDuty user. `phones` is for people signed in, and only while nobody could be paged."""

    id = models.TextField(primary_key=True)
    name = models.TextField()
    email = models.TextField(db_index=True)
    url = models.TextField(blank=True)
    phones = models.JSONField(default=list)  # [[label, number], …]
    listed = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name


def our_user_id() -> str | None:
    """Of the PagerDuty user by whom we act there; None until the directory has been read."""
    ours = Person.objects.filter(email=settings.PAGERDUTY_FROM_EMAIL.lower()).order_by("-listed")
    return ours.values_list("pk", flat=True).first()


class Member(models.Model):
    """A member of the Slack workspace."""

    id = models.TextField(primary_key=True)
    name = models.TextField()
    email = models.TextField(db_index=True, blank=True)
    deactivated = models.BooleanField(default=False)
    handle = models.TextField(blank=True, default="", db_default="")
    guest = models.TextField(blank=True, default="", db_default="")  # which kind of guest; empty for most
    plain = models.TextField(
        db_index=True, blank=True, default="", db_default=""
    )  # the name, for comparing: text.plain()
    read_at = models.DateTimeField(null=True)  # when Slack listed it last

    def __str__(self) -> str:
        return self.name


class MembersRead(models.Model):
    """How far Slack's members have been read. One row."""

    cursor = models.TextField(blank=True)  # where it goes on; empty for the beginning
    began_at = models.DateTimeField()  # of the reading that is under way, or was the last
    ended_at = models.DateTimeField(null=True)  # of the last whole one

    def __str__(self) -> str:
        return f"{self.began_at}: {self.cursor or 'all'}"


class Priority(models.Model):
    id = models.TextField(primary_key=True)
    name = models.TextField()
    description = models.TextField(blank=True)
    rank = models.IntegerField()  # 1 is the most severe
    listed = models.BooleanField(default=True)

    class Meta:
        ordering = ["rank"]

    def __str__(self) -> str:
        return self.name


INVITED_LEVELS = 2  # of the service's escalation policy, to the channel


class EscalationPolicy(models.Model):
    id = models.TextField(primary_key=True)
    name = models.TextField()
    url = models.TextField(blank=True)
    minutes = models.JSONField(default=list)  # minutes before the next level is tried, one number a level

    def __str__(self) -> str:
        return self.name

    def on_call_at(self, moment: datetime) -> dict[int, list["OnCall"]]:
        """Who is on call at `moment`, by level, lowest first; levels that reach nobody are left out.

        Where all that we know of a level has ended, our copy is old, not the level empty: PagerDuty has not been read
        since. Then the last people known are the best answer, and nobody is kept from reporting.
        """
        known: dict[int, list[OnCall]] = {}
        for one in self.on_calls.all():
            known.setdefault(one.level, []).append(one)
        levels = {}
        for level in sorted(known):
            now = [one for one in known[level] if one.covers(moment)] or _last_known(known[level], moment)
            if now:
                levels[level] = list({one.person_id: one for one in now}.values())
        return levels

    def level_of(self, people: Iterable[str]) -> int | None:
        """The lowest level at which one of these people is on call now. PagerDuty does not say which level it has
        reached: it is where those who are paged are on call."""
        paged, levels = set(people), self.on_call_at(timezone.now())
        return min((level for level, ones in levels.items() if paged & {one.person_id for one in ones}), default=None)


class OnCall(models.Model):
    policy = models.ForeignKey(EscalationPolicy, on_delete=models.CASCADE, related_name="on_calls")
    level = models.IntegerField()
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    schedule = models.TextField(blank=True)  # its name; empty for somebody named in the policy itself
    start = models.DateTimeField(null=True)
    end = models.DateTimeField(null=True)

    class Meta:
        ordering = ["level", "start", "id"]

    def __str__(self) -> str:
        return f"{self.person} at level {self.level}"

    def covers(self, moment: datetime) -> bool:
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)


def _last_known(rows: list[OnCall], moment: datetime) -> list[OnCall]:
    ends = [one.end for one in rows if one.end is not None]
    if len(ends) < len(rows) or max(ends) > moment - OLD:
        return []
    return [one for one in rows if one.end == max(ends)]


class Service(models.Model):
    id = models.TextField(primary_key=True)
    name = models.TextField()
    description = models.TextField(blank=True)
    status = models.TextField()  # PagerDuty's word
    url = models.TextField(blank=True)
    policy = models.ForeignKey(EscalationPolicy, on_delete=models.SET_NULL, null=True, related_name="services")
    teams = models.ManyToManyField(Team, related_name="services")
    listed = models.BooleanField(default=True)  # still there at the last good read

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def on_call_now(self) -> dict[int, list[OnCall]]:
        return self.policy.on_call_at(timezone.now()) if self.policy else {}

    def why_unusable(self) -> str:
        """Why a report on it would page nobody, in a few words; empty when it would."""
        if not self.listed:
            return "not in PagerDuty any more"
        if self.status == "disabled":
            return "disabled in PagerDuty"
        if self.status == "maintenance":
            return "in maintenance"
        if self.policy is None:
            return "has no escalation policy"
        if not self.on_call_now():
            return "nobody is on call"
        return ""
