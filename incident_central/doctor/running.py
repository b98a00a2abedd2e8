"""A run of the doctor as durable work: each part is a step, done by whoever works, and its row shows how far it is."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.db.models.functions import Now

from incident_central.database import now, transaction
from incident_central.doctor.models import Checked
from incident_central.doctor.parts import PARTS, Part
from incident_central.findings import Finding
from incident_central.jobs import runner
from incident_central.jobs.models import SETTLED, Job, State, StepRow
from incident_central.jobs.workflow import Record, Step, Workflow

NAME = "doctor"
#: A run makes some 35 calls where there are 1,000 people; PagerDuty allows 960 a minute.
PAUSE = timedelta(seconds=30)


def ask_for_run() -> bool:
    """Begin a run, unless one is under way or was begun less than PAUSE ago; whether it was. Safe to repeat."""
    with transaction():
        last = Job.objects.select_for_update().filter(workflow=NAME).order_by("-pk").first()
        if last is not None:
            if not _is_over(last) or now() - last.created_at < PAUSE:
                return False
            last.delete()
        runner.begin(WORKFLOW, f"{now():%Y-%m-%d %H:%M:%S.%f}", None)
    return True


def progress() -> dict[str, StepRow]:
    """The parts of the last run by name, those done included; none where there was no run."""
    last = Job.objects.filter(workflow=NAME).order_by("-pk").first()
    return {} if last is None else {row.name: row for row in last.steps.select_related("job")}


def _is_over(job: Job) -> bool:
    return not job.steps.exclude(state__in=[*SETTLED, State.FAILED]).exists()


def _check(part: Part) -> Callable[[object], Record]:
    def check(_: object) -> Record:
        findings = list(part.check())
        return partial(_write, part.name, findings)

    return check


def _write(part: str, findings: list[Finding]) -> None:
    told = [finding.as_json() for finding in findings]
    Checked.objects.update_or_create(part=part, defaults={"findings": told, "checked_at": Now()})


def _no_subject(key: str) -> None:
    return None


#: A part that fails by a mistake of ours is tried again for a minute, and then left.
WORKFLOW = Workflow(
    NAME,
    load=_no_subject,
    steps=tuple(Step(part.name, _check(part), lane="doctor", ask_after=timedelta(minutes=1)) for part in PARTS),
)
