"""Incidents and what we know of the people and services around them.

Methods of Incident say what happened; each writes its own timeline entry, in the caller's transaction. The directory
(services, policies, people) is a copy of PagerDuty's and Slack's, kept by `sync.py`; nobody else writes it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from incident_central.integrations.base import Channel, Page, Reference

#: On-calls that ended this long ago would have been replaced, had PagerDuty been read.
OLD = timedelta(minutes=5)

# ── the directory: what PagerDuty and Slack have ─────────────────────────────────────────────────


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


class Member(models.Model):
    """A member of the Slack workspace."""

    id = models.TextField(primary_key=True)
    name = models.TextField()
    email = models.TextField(db_index=True, blank=True)
    deactivated = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


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


# ── incidents ─────────────────────────────────────────────────────────────────────────────────────


class Status(models.TextChoices):
    TRIGGERED = "triggered", "Triggered"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    RESOLVED = "resolved", "Resolved"


class IncidentQuerySet(models.QuerySet["Incident"]):
    def open(self) -> Self:
        """Worst first: nobody on it, then by priority, then the oldest."""
        unknown_last = models.F("priority__rank").asc(nulls_last=True)
        return self.exclude(status=Status.RESOLVED).order_by("-status", unknown_last, "created_at", "id")

    def resolved(self) -> Self:
        return self.filter(status=Status.RESOLVED).order_by("-resolved_at", "-id")


def _resolved_indexes() -> list[models.Index]:
    """The list's order under each filter. `created_at` is there so that a range of it is told from the index alone."""
    order = ["-resolved_at", "-id", "created_at"]
    under = {"first": [], "by_service": ["service"], "by_priority": ["priority"], "by_both": ["service", "priority"]}
    return [
        models.Index(fields=[*fields, *order], name=f"resolved_{name}", condition=Q(status=Status.RESOLVED))
        for name, fields in under.items()
    ]


class Incident(models.Model):
    """Our record. Status, number and assignees are PagerDuty's; the first ten columns are as they have always been."""

    id = models.TextField(primary_key=True)  # its name; also the key of its page
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(auto_now=True)
    pagerduty_id = models.TextField(null=True, unique=True)
    pagerduty_url = models.TextField(null=True)
    slack_channel_id = models.TextField(null=True, unique=True)
    slack_channel_name = models.TextField(null=True)
    slack_channel_url = models.TextField(null=True)
    reporter_email = models.TextField()
    incident_commander_email = models.TextField(null=True)

    reporter_name = models.TextField(blank=True)
    source = models.TextField()  # web, slack, api, cli
    sender = models.TextField()  # whose report_id it is: a person or a token
    report_id = models.UUIDField()
    digest = models.TextField()  # of the report's content, to tell a repeat from another report
    title = models.TextField()
    description = models.TextField(blank=True)
    service = models.ForeignKey(Service, on_delete=models.PROTECT)
    priority = models.ForeignKey(Priority, on_delete=models.PROTECT, null=True)
    priority_refused = models.BooleanField(default=False)
    status = models.TextField(choices=Status, default=Status.TRIGGERED)
    pagerduty_number = models.BigIntegerField(null=True)
    assigned = models.JSONField(default=list)  # names of who is being paged, or is on it
    paged_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.TextField(blank=True)
    resolved_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)  # when PagerDuty was last asked
    summary_ts = models.TextField(blank=True)  # the pinned message

    objects = IncidentQuerySet.as_manager()

    class Meta:
        db_table = "incidents"
        constraints = [models.UniqueConstraint(fields=["sender", "report_id"], name="one_incident_per_report")]
        indexes = [
            models.Index(fields=["service"], name="open_by_service", condition=~Q(status=Status.RESOLVED)),
            *_resolved_indexes(),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def name(self) -> str:
        return self.id

    @property
    def is_open(self) -> bool:
        return self.status != Status.RESOLVED

    # ── what happened ─────────────────────────────────────────────────────────────────────────────

    def reported(self) -> None:
        who = self.reporter_name or self.reporter_email
        self._note(f"Reported by {who}", body=self.description, source="report", at=self.created_at)

    def brought_in(self, viewers: Iterable[str]) -> None:
        """It was taken while the database was gone; `viewers` looked at phone numbers in the meantime."""
        self._note("Brought into the database, which was gone when this was reported")
        for viewer in sorted(viewers):
            self.phones_shown(viewer)

    def also_paged_as(self, name: str) -> None:
        """The report came again while the database was gone, by a process that did not know it."""
        self._note(f"Sent again while the database was gone, and paged a second time as {name}")

    def paged(self, page: Page, *, asked_at: datetime) -> None:
        """PagerDuty has the page. Saying so again changes nothing."""
        if self.pagerduty_id is None:
            self.pagerduty_id, self.pagerduty_url, self.pagerduty_number = page.id, page.url, page.number
            self.paged_at = page.created_at
            self._save("pagerduty_id", "pagerduty_url", "pagerduty_number", "paged_at")
            who = names(page.assigned) or self.service.name
            self._note(f"Paged {who}", body=f"PagerDuty incident #{page.number}", source="pagerduty")
        self.refreshed(page, asked_at=asked_at)

    def refreshed(self, page: Page, *, asked_at: datetime) -> None:
        """Take over what PagerDuty said when it was asked at `asked_at`, with an entry for each change of status.

        An answer to an older question than the last one taken over is old news, and left alone.
        """
        if self.read_at is not None and asked_at < self.read_at:
            return
        before = (self.status, self.assigned, self.acknowledged_by)
        if page.status != self.status:
            self._status_changed(page)
        elif page.status == Status.ACKNOWLEDGED:
            self.acknowledged_by = names(page.acknowledged_by)
        if page.assigned or page.status != Status.RESOLVED:
            self.assigned = [one.name for one in page.assigned]
        if self.read_at is None or (self.status, self.assigned, self.acknowledged_by) != before:
            self.read_at = asked_at
            self._save("status", "assigned", "read_at", "acknowledged_at", "acknowledged_by", "resolved_at")

    def _status_changed(self, page: Page) -> None:
        before, self.status = self.status, page.status
        if page.status == Status.ACKNOWLEDGED:
            self.acknowledged_at = self.acknowledged_at or page.acknowledged_at or timezone.now()
            self.acknowledged_by = names(page.acknowledged_by)
            at = page.acknowledged_at
            self._note(f"Acknowledged by {self.acknowledged_by or 'somebody'}", source="pagerduty", at=at)
        elif page.status == Status.RESOLVED:
            self.resolved_at = page.resolved_at or timezone.now()
            self._note("Resolved", source="pagerduty", at=self.resolved_at)
        else:
            self.acknowledged_by = ""
            was = "Reopened" if before == Status.RESOLVED else "No longer acknowledged"
            self._note(f"{was}: {names(page.assigned) or 'nobody'} paged", source="pagerduty")
        if page.status != Status.RESOLVED:
            self.resolved_at = None

    def priority_was_refused(self, error: Exception) -> None:
        self.priority_refused = True
        self._save("priority_refused")
        self._note(f"Paged without priority {self.priority}", body=str(error), source="pagerduty")

    def channel_opened(self, channel: Channel) -> None:
        self.slack_channel_id, self.slack_channel_name = channel.id, channel.name
        self.slack_channel_url = channel.url
        self._save("slack_channel_id", "slack_channel_name", "slack_channel_url")
        self._note(f"Slack channel #{channel.name} opened", source="slack")

    def invited(self, responders: Iterable["Responder"]) -> None:
        """Keep what came of inviting each of them."""
        inside = []
        for responder in responders:
            responder.save()
            if responder.state == Responder.State.INVITED:
                inside.append(responder.name)
        if inside:
            self._note(f"Invited {listing(inside)} to the channel", source="slack")

    def summary_posted(self, message_id: str) -> None:
        self.summary_ts = message_id
        self._save("summary_ts")
        self._note("Summary posted in the channel", source="slack")

    def announced(self, channel: str) -> None:
        self._note(f"Announced in #{channel}", source="slack")

    def phones_shown(self, viewer: str) -> None:
        """Somebody looked at phone numbers. Once a person is enough."""
        text = f"{viewer} looked up phone numbers of people on call"
        if not self.timeline.filter(text=text).exists():
            self._note(text)

    def done_by_hand(self, what: str, who: str) -> None:
        self._note(f"{who} did this by hand: {what}")

    def _note(self, text: str, *, body: str = "", source: str = "hub", at: datetime | None = None) -> None:
        at_some_time = {} if at is None else {"at": at}
        self.timeline.create(text=text, body=body, source=source, **at_some_time)

    def _save(self, *fields: str) -> None:
        self.save(update_fields=[*fields, "updated_at"])


class Responder(models.Model):
    """Somebody who should be in the channel, and whether they are."""

    class State(models.TextChoices):
        EXPECTED = "expected"
        INVITED = "invited"
        NOT_FOUND = "not found"
        REFUSED = "refused"

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="responders")
    name = models.TextField()
    email = models.TextField()
    why = models.TextField()  # on call, reporter, paged
    member_id = models.TextField(blank=True)
    state = models.TextField(choices=State, default=State.EXPECTED)
    detail = models.TextField(blank=True)  # Slack's word when it refused
    told = models.BooleanField(default=False)  # named in the channel as missing

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["incident", "email"], name="one_responder_per_email")]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"


class TimelineEntry(models.Model):
    """One thing that happened, in past tense."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="timeline")
    at = models.DateTimeField(db_default=Now())
    source = models.TextField()  # report, pagerduty, slack, hub
    text = models.TextField()
    body = models.TextField(blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["incident", "-at", "-id"], name="timeline_newest_first")]

    def __str__(self) -> str:
        return self.text


def names(references: Iterable[Reference]) -> str:
    return listing([one.name for one in references])


def listing(words: Sequence[str]) -> str:
    """Ana, Mei and Oskar."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
