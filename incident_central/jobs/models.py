"""The rows behind durable work. A step's row is what people see of it, too."""

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

from incident_central.rows import fetch


class State(models.TextChoices):
    QUEUED = "queued", "Next"
    RUNNING = "running", "Running"
    LOOKING = "looking", "Looking"  # an answer was lost: finding out whether it got through
    WAITING = "waiting", "Waiting"  # will be tried at run_at
    DONE = "done", "Done"
    FAILED = "failed", "Failed"  # a person has to decide
    BY_HAND = "by-hand", "By hand"
    OFF = "off", "Not set up"


UNDER_WAY = (State.RUNNING, State.LOOKING)
TO_RUN = [State.WAITING, *UNDER_WAY]
SETTLED = (State.DONE, State.BY_HAND, State.OFF)


class Job(models.Model):
    workflow = models.TextField()
    key = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "key"], name="one_job_per_key")]

    def __str__(self) -> str:
        return f"{self.workflow} {self.key}"


class StepRow(models.Model):
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="steps")
    name = models.TextField()
    state = models.TextField(choices=State, default=State.QUEUED)
    attempts = models.IntegerField(default=0)
    run_at = models.DateTimeField(null=True)  # for a waiting step: when it is tried next
    ask_at = models.DateTimeField(null=True)  # from then on a person is asked first
    doubtful_since = models.DateTimeField(null=True)  # a call may have got through without our knowing
    error = models.TextField(blank=True, default="")  # the last one, for people
    by_hand = models.TextField(blank=True, default="")  # who said "I did it by hand"
    finished_at = models.DateTimeField(null=True)
    # Whose it is while under way. `fence` grows with every owner: an outcome is written only under its own fence.
    owner = models.TextField(blank=True, default="")
    fence = models.IntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "jobs_step"
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="one_row_per_step")]
        indexes = [models.Index(fields=["run_at"], name="steps_to_run", condition=models.Q(state__in=TO_RUN))]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.name}: {self.state}"


def job_steps(workflow: str, key: str) -> models.QuerySet[StepRow]:
    return StepRow.objects.filter(job__workflow=workflow, job__key=key)


def retry(step_id: int, *, ask_after: timedelta | None) -> None:
    """A person pressed Retry: try as soon as a thread is free. Pressing twice is one try."""
    tried = StepRow.objects.filter(pk=step_id, state__in=[State.WAITING, State.FAILED])
    tried.update(state=State.WAITING, run_at=Now(), by_hand="", ask_at=None if ask_after is None else Now() + ask_after)


def done_by_hand(step_id: int, *, who: str) -> bool:
    """A person says they did it; whether nobody had. The tries end, after one last look when a call may have got
    through. Inside the caller's transaction, which has not held the step before."""
    # Whatever starts or settles a step holds its job first: a step that is just being started is not taken from it.
    fetch(Job, fetch(StepRow, step_id).job_id, held=True)
    unsettled = StepRow.objects.filter(pk=step_id, by_hand="").exclude(state__in=SETTLED)
    unsettled.filter(state__in=[State.QUEUED, State.WAITING, State.FAILED]).update(state=State.WAITING, run_at=Now())
    return unsettled.update(by_hand=who) > 0
