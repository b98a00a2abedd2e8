"""What people did with an incident from here."""

from django.db import models
from django.db.models.functions import Now

from incident_central.jobs.models import SETTLED, State, StepRow, job_steps

#: Of the workflow in acting.py that carries them out.
NAME = "action"


class Action(models.Model):
    """Something that somebody did with an incident from here. Carried out by acting.py, where it has to be."""

    class Kind(models.TextChoices):
        ACKNOWLEDGE = "acknowledge", "Acknowledge"
        RESOLVE = "resolve", "Resolve"
        ESCALATE = "escalate", "Escalate"
        REASSIGN = "reassign", "Reassign"
        MOVE = "wrong-service", "Wrong service"
        PRIORITY = "priority", "Change priority"
        NOTE = "note", "Add note"
        HELP = "more-people", "Page more people"
        SNOOZE = "snooze", "Snooze"
        COMMAND = "command", "Take command"
        ME_TOO = "me-too", "Me too"
        MEMBER = "member", "Say who it is in Slack"

    class Outcome(models.TextChoices):
        OPEN = ""
        DONE = "done"
        NOTHING = "nothing"  # not needed any more, or too late: `detail` says why

    incident = models.ForeignKey("incidents.Incident", on_delete=models.CASCADE, related_name="actions")
    kind = models.TextField(choices=Kind)
    asked = models.JSONField(default=dict)  # by kind: see pressing.py
    title = models.TextField()  # as something to be done: Escalate to Oskar Lindqvist
    told = models.TextField()  # in past tense, without who: Escalated to Oskar Lindqvist
    who = models.TextField()
    email = models.TextField()
    sender = models.TextField()  # whose press it is
    press = models.UUIDField()  # of the form and what was asked in it: the same again is the same action
    pressed_at = models.DateTimeField(db_default=Now())
    outcome = models.TextField(choices=Outcome, blank=True, default=Outcome.OPEN)
    detail = models.TextField(blank=True)
    done_as = models.TextField(blank=True)  # who acknowledged it, in PagerDuty: our From user
    reached = models.JSONField(default=list)  # ids of the people whom PagerDuty pages because of it

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["sender", "press"], name="one_action_per_press")]

    def __str__(self) -> str:
        return f"{self.title} ({self.who})"

    @property
    def step(self) -> StepRow:
        """The one that acts in PagerDuty."""
        return job_steps(NAME, str(self.pk)).get(name="act")

    @property
    def is_under_way(self) -> bool:
        return self.step.state not in (*SETTLED, State.FAILED)
