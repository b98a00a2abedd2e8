"""A person's drill service, and their drills. A drill is no incident: whatever counts or lists incidents knows nothing
of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from incident_central.accounts.models import User
from incident_central.database import now
from incident_central.integrations.base import Channel, Page, PagerUser

#: It is over by itself after this long.
LONGEST = timedelta(minutes=10)
#: What could not be sent for so long is not sent any more: whoever pressed has gone on to something else.
SENT_WITHIN = timedelta(minutes=2)


class DrillService(models.Model):
    """The service in PagerDuty that pages this person alone. Empty ids: it is being made."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="drill_service")
    person_id = models.TextField(blank=True)  # PagerDuty's, of the same person
    policy_id = models.TextField(blank=True)
    service_id = models.TextField(blank=True)
    asked_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.user}: {self.service_id or 'being made'}"

    @property
    def is_made(self) -> bool:
        return bool(self.service_id)

    def policy_made(self, person: PagerUser, policy_id: str) -> None:
        self.person_id, self.policy_id = person.id, policy_id
        self.save(update_fields=["person_id", "policy_id"])

    def service_made(self, service_id: str) -> None:
        self.service_id = service_id
        self.save(update_fields=["service_id"])


class DrillPlan(models.Model):
    """That a drill of this person's starts by itself, once a week. Whoever wants none has no row."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="drill_plan")
    weekday = models.IntegerField()  # 0 is Monday
    hour = models.IntegerField()
    zone = models.TextField()  # the clock that these two are of
    next_at = models.DateTimeField()
    not_started = models.TextField(blank=True)  # why the last one that was due was not started; empty where it was

    def __str__(self) -> str:
        return f"{self.user}: {self.next_at}"


class Drill(models.Model):
    """One drill. The times of its chain are those of its steps, but for what PagerDuty says itself."""

    name = models.TextField(primary_key=True)  # also the key of its page, and its channel
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="drills")
    press = models.UUIDField()  # of the form: the same again is the same drill
    who = models.TextField()
    email = models.TextField()
    person_id = models.TextField()
    policy_id = models.TextField()
    service_id = models.TextField()
    started_at = models.DateTimeField()
    refused = models.TextField(blank=True)  # why nothing was sent, a reason on each line
    pagerduty_id = models.TextField(blank=True)
    pagerduty_url = models.TextField(blank=True)
    seen_at = models.DateTimeField(null=True)  # when PagerDuty was seen to have the page
    missing_at = models.DateTimeField(null=True)  # when PagerDuty said in the end that it does not have it
    reached_others = models.TextField(blank=True)  # whom else PagerDuty's incident reached, a line each
    acknowledged_at = models.DateTimeField(null=True)  # by PagerDuty's clock
    acknowledged_by = models.TextField(blank=True)
    channel_id = models.TextField(blank=True)
    channel_name = models.TextField(blank=True)
    channel_url = models.TextField(blank=True)
    channel_refused = models.TextField(blank=True)  # Slack's word
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(blank=True)  # who, or why by itself

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(fields=["user", "press"], name="one_drill_per_press"),
            models.UniqueConstraint(fields=["user"], condition=Q(ended_at=None), name="one_drill_at_a_time"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None

    @property
    def ends_at(self) -> datetime:
        return self.started_at + LONGEST

    @property
    def page_is_missing(self) -> bool:
        """PagerDuty accepted it, was never seen to have it, and said in the end that it does not."""
        return self.missing_at is not None and self.seen_at is None

    @property
    def is_unseen(self) -> bool:
        """Over, and nobody has looked yet whether PagerDuty has the page."""
        return self.is_over and bool(self.pagerduty_id) and self.seen_at is None and self.missing_at is None

    # ── what happened ─────────────────────────────────────────────────────────────────────────────

    def not_sent(self, reasons: list[str]) -> None:
        self.refused = "\n".join(dict.fromkeys(reasons))
        self._save("refused")
        self.over("nothing was sent")

    def paged(self, page: Page) -> None:
        self.pagerduty_id, self.pagerduty_url = page.id, page.url
        self._save("pagerduty_id", "pagerduty_url")

    def seen(self, page: Page, others: Sequence[str]) -> None:
        """PagerDuty has it. Whom else it had reached stays, and so does who answered first."""
        self.seen_at = self.seen_at or now()
        self.reached_others = "\n".join(dict.fromkeys([*self.reached_others.splitlines(), *others]))
        self._save("seen_at", "reached_others")
        if page.status != "triggered" and self.acknowledged_at is None:
            self._answered(page)
        if others:
            self.over("it reached somebody else")

    def _answered(self, page: Page) -> None:
        """It was acknowledged, or resolved at once."""
        self.acknowledged_at = page.acknowledged_at or page.status_changed_at
        self.acknowledged_by = ", ".join(one.name for one in page.acknowledged_by)
        self._save("acknowledged_at", "acknowledged_by")

    def not_there(self) -> None:
        """PagerDuty said that it does not have the page (404)."""
        self.missing_at = now()
        self._save("missing_at")

    def channel_opened(self, channel: Channel) -> None:
        self.channel_id, self.channel_name, self.channel_url = channel.id, channel.name, channel.url
        self._save("channel_id", "channel_name", "channel_url")

    def no_channel(self, word: str) -> None:
        self.channel_refused = word
        self._save("channel_refused")

    def over(self, by: str) -> None:
        """The first to say so counts."""
        if self.ended_at is None:
            self.ended_at, self.ended_by = now(), by
            self._save("ended_at", "ended_by")

    def _save(self, *fields: str) -> None:
        self.save(update_fields=fields)
