"""What each part of the doctor found when it was last run, what was found since when and until when, and what people
were told of that."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from incident_central.findings import Finding, Level

#: So many runs of a part in a row must say the same before it counts as so.
SURE = 2
#: What is gone is forgotten after so long.
KEPT = timedelta(days=90)


class Checked(models.Model):
    """One part: what its last run found, and whether somebody waits for another one."""

    part = models.TextField(primary_key=True)
    findings = models.JSONField(default=list)
    checked_at = models.DateTimeField(null=True)
    first_at = models.DateTimeField(null=True)
    runs = models.IntegerField(default=0)
    asked_at = models.DateTimeField(null=True)  # when somebody last wanted it checked now
    is_answered = models.BooleanField(default=True)  # a run that began after that has come to its end

    class Meta:
        db_table = "doctor_checked"

    def __str__(self) -> str:
        return self.part

    def found(self) -> list[Finding]:
        return [Finding.from_json(one) for one in self.findings]

    def checked(self, findings: Collection[Finding], *, began_at: datetime, at: datetime) -> None:
        self.findings = [finding.as_json() for finding in findings]
        self.checked_at, self.first_at, self.runs = at, self.first_at or at, self.runs + 1
        self.is_answered = self.is_answered or (self.asked_at is not None and began_at >= self.asked_at)
        self.save()


class Notice(models.Model):
    """One message to people: what broke, and what was mended, since the one before."""

    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "doctor_notice"

    def __str__(self) -> str:
        return f"notice {self.pk}"


class TroubleQuerySet(models.QuerySet["Trouble"]):
    def there(self) -> "TroubleQuerySet":
        return self.filter(gone_at=None)

    def broken(self) -> "TroubleQuerySet":
        """What keeps a page from arriving, or a channel from opening, and is there for certain."""
        return self.there().filter(level=Level.FAIL).exclude(broken_at=None)


class Trouble(models.Model):
    """A finding that does not pass, from when it was first seen until it was gone. A check that could not be made is
    none."""

    part = models.TextField()
    key = models.TextField()  # the finding's
    level = models.TextField()
    finding = models.JSONField()  # as it was last seen
    blind = models.JSONField(default=list)  # keys of what kept others from being looked at when it was last seen
    since = models.DateTimeField()
    runs = models.IntegerField(default=0)  # in a row that saw it, up to SURE
    broken_at = models.DateTimeField(null=True)  # when so many had
    missing_since = models.DateTimeField(null=True)  # the first run of those in a row that did not see it
    gone_at = models.DateTimeField(null=True)  # the same, once there were so many
    told_broken = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, related_name="broke")
    told_mended = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, related_name="mended")

    objects = TroubleQuerySet.as_manager()

    class Meta:
        db_table = "doctor_trouble"
        constraints = [models.UniqueConstraint(fields=["part", "key"], condition=Q(gone_at=None), name="one_at_a_time")]
        indexes = [models.Index(fields=["gone_at"], name="troubles_gone")]

    def __str__(self) -> str:
        return f"{self.key} since {self.since}"

    @property
    def found(self) -> Finding:
        return Finding.from_json(self.finding)

    @property
    def is_unsure(self) -> bool:
        """The next run decides whether it is broken, or gone."""
        return self.gone_at is None and (self.broken_at is None or self.missing_since is not None)

    # ── what happened ─────────────────────────────────────────────────────────────────────────────

    def seen(self, finding: Finding, *, blind: Collection[str], at: datetime) -> None:
        self.level, self.finding, self.blind = finding.level, finding.as_json(), sorted(blind)
        self.since, self.missing_since = self.since or at, None
        self.runs = min(self.runs + 1, SURE)
        if self.runs == SURE:
            self.broken_at = self.broken_at or at
        self.save()

    def missed(self, *, at: datetime) -> None:
        """A run that would have seen it did not."""
        self.runs = 0
        self.gone_at, self.missing_since = self.missing_since, self.missing_since or at
        self.save()

    def is_hidden_by(self, blind: Collection[str]) -> bool:
        """What could be checked when it was last seen and could not in a run, may have kept that from seeing it."""
        return not set(blind) <= set(self.blind)


class Heartbeat(models.Model):
    """When the watcher outside last answered: one row at most."""

    host = models.TextField()
    answered_at = models.DateTimeField()

    class Meta:
        db_table = "doctor_heartbeat"

    def __str__(self) -> str:
        return f"{self.host} at {self.answered_at}"
