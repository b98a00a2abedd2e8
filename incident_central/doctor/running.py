"""The doctor runs by itself: each part is a step of one periodic job, done by exactly one of those who work.

Somebody who wants a part checked now has its step run out of turn. Its row in `Checked` says whether that was done.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from incident_central.database import now, transaction
from incident_central.doctor import history
from incident_central.doctor.models import Checked
from incident_central.doctor.parts import PARTS, Part
from incident_central.findings import Finding
from incident_central.incidents import periodic
from incident_central.jobs import runner
from incident_central.jobs.models import Job, State, StepRow, job_steps
from incident_central.jobs.workflow import Record

NAME = "doctor"
#: After the very first start, PagerDuty's directory is read first.
FIRST_AFTER = timedelta(seconds=30)
#: When a run follows one that decides nothing: it found something new, or gone, or could not look.
AGAIN_AFTER = timedelta(minutes=5)
#: How often somebody may have everything checked, or one part. A run makes some 35 calls where there are 1,000 people,
#: 25 of them in one part; PagerDuty allows 960 a minute. (fact sheet section 4)
PAUSE, PAUSE_OF_ONE = timedelta(seconds=30), timedelta(seconds=10)


def begin() -> None:
    """Make the rows of the periodic work. Safe to repeat, and by several processes at once."""
    with transaction():
        if not Job.objects.filter(workflow=NAME, key="").exists():
            runner.begin(WORKFLOW, "", None)
            waiting = {"state": State.WAITING, "run_at": Now() + FIRST_AFTER, "owner": "", "lease_until": None}
            _steps([part.name for part in PARTS]).update(**waiting)


def ask_for_run(part: str = "") -> bool:
    """Have a part checked now, or all of them, but for those that were asked for a moment ago; whether any is.

    Safe to repeat.
    """
    begin()
    names = [one.name for one in PARTS if part in ("", one.name)]
    with transaction():
        # In the order in which a run that ends holds them.
        list(_steps(names).select_for_update().order_by("pk"))
        for name in names:
            Checked.objects.get_or_create(part=name)
        pause = PAUSE_OF_ONE if part else PAUSE
        lately = Q(asked_at__gt=Now() - pause)
        wanted = list(Checked.objects.filter(part__in=names).exclude(lately).values_list("part", flat=True))
        Checked.objects.filter(part__in=wanted).update(asked_at=Now(), is_answered=False)
        _steps(wanted).filter(state=State.WAITING).update(run_at=Now(), attempts=0, error="")
        connection.on_commit(runner.wake)
    return bool(wanted)


def failed() -> dict[str, str]:
    """Parts that Incident Central itself failed at, with the error; they are tried again."""
    rows = _steps([part.name for part in PARTS]).exclude(error="")
    return {row.name: row.error for row in rows}


def _steps(names: Collection[str]) -> QuerySet[StepRow]:
    return job_steps(NAME, "").filter(name__in=names)


# ── one part ──────────────────────────────────────────────────────────────────────────────────────


def _check(part: Part) -> Callable[[object], Record]:
    def check(_: object) -> Record:
        began_at = now()
        findings = list(part.check())
        return partial(_write, part, findings, began_at)

    return check


def _write(part: Part, findings: list[Finding], began_at: datetime) -> None:
    at = now()
    row, _ = Checked.objects.select_for_update().get_or_create(part=part.name)
    row.checked(findings, began_at=began_at, at=at)
    is_unsure = history.take_in(part.name, findings, at=at)
    if not row.is_answered:  # somebody asked after this run had begun
        _run_again(part, timedelta(0))
    elif is_unsure:
        _run_again(part, min(AGAIN_AFTER, part.every))


def _run_again(part: Part, after: timedelta) -> None:
    """Sooner than in its turn. It has been set waiting in this very transaction."""
    _steps([part.name]).update(run_at=Now() + after)


WORKFLOW = periodic.workflow(
    NAME,
    [
        periodic.step(part.name, _check(part), every=part.every, lane="doctor", slowest_retry=AGAIN_AFTER)
        for part in PARTS
    ],
)
