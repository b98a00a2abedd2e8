"""Runs the steps: claims what is due, makes the call on a thread of its lane, writes down what came of it.

A step is `running` in the database before its call and settled after it, together with the steps that follow, so a
call costs one commit before (shared with its predecessor's) and one after. A step found `running` without a living
thread behind it is doubtful: `look` before `do`.
"""

import logging
import random
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from django.db import DatabaseError, connection
from django.db import transaction as django_transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from incident_central.database import release_connection, transaction
from incident_central.jobs.models import SETTLED, UNDER_WAY, Job, State, StepRow
from incident_central.jobs.ownership import WORD, Ownership
from incident_central.jobs.workflow import NotNeeded, OutsideError, Record, Step, Workflow

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
HEARTBEAT = 5.0  # seconds
#: A call may begin only while this much of the lease is left: it ends, or times out, before somebody else takes over.
MARGIN = 12.0  # seconds
GRACE = timedelta(seconds=2)
SENDABLE = LEASE.total_seconds() - MARGIN
AT_ONCE = 64  # rows claimed in one go
FOREVER = timedelta(days=36500)
ASK = "This has waited so long that it may not be wanted any more. Press Retry if it is."

#: Goes on while the machine sleeps, where the system has such a clock.
_clock_id = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _clock() -> float:
    return time.clock_gettime(_clock_id)


class LeaseLost(Exception):
    """This process was frozen or cut off for so long that another may have taken the step over: do not send."""


@dataclass
class Attempt:
    """One try of one step by this process."""

    row_id: int
    fence: int
    workflow: Workflow
    key: str
    step: Step
    deadline: float = field(default_factory=lambda: _clock() + SENDABLE)


_attempt: ContextVar[Attempt | None] = ContextVar("attempt", default=None)
_here: "Runner | None" = None


def before_send() -> None:
    """To be called just before each call outside: raises LeaseLost past the deadline, and frees the connection."""
    attempt = _attempt.get()
    if attempt is not None and _clock() > attempt.deadline:
        raise LeaseLost(attempt.step.name)
    release_connection()


def begin(workflow: Workflow, key: str, subject: object) -> None:
    """Write the job and its steps, inside the caller's transaction; the first steps start when it commits.

    They are born `running` and owned by this process, or, where no runner lives in it, due at once for whoever has one.
    A job that exists is left alone, so calling this again does nothing.
    """
    job, created = Job.objects.get_or_create(workflow=workflow.name, key=key)
    if not created:
        return
    StepRow.objects.bulk_create(_born(job, step, step.off(subject)) for step in workflow.steps)
    attempts = _advance(job, workflow)
    if _here is not None:
        django_transaction.on_commit(lambda: _here.start_attempts(attempts) if _here else None)


def wake() -> None:
    """Something became due: whoever runs steps looks now instead of at the next tick."""
    if _here is not None:
        _here.woken.set()
    elif connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {WORD}")


def _born(job: Job, step: Step, off: str | None) -> StepRow:
    if off is not None:
        return StepRow(job=job, name=step.name, state=State.OFF, error=off)
    ask_at = None if step.ask_after is None else Now() + step.ask_after
    return StepRow(job=job, name=step.name, ask_at=ask_at)


def _advance(job: Job, workflow: Workflow) -> list[Attempt]:
    """Start every queued step whose predecessors are settled. The caller holds the job's lock, or has just made it."""
    rows = {row.name: row for row in job.steps.all()}
    # A newer version may know steps that this job was begun without.
    for step in workflow.steps:
        if step.name not in rows:
            rows[step.name] = _born(job, step, None)
            rows[step.name].save()
    settled = {name for name, row in rows.items() if row.state in SETTLED} | (rows.keys() - _names(workflow))
    ready = [
        step for step in workflow.steps if rows[step.name].state == State.QUEUED and settled.issuperset(step.after)
    ]
    queryset = StepRow.objects.filter(pk__in=[rows[step.name].pk for step in ready])
    if _here is None:
        queryset.update(state=State.WAITING, run_at=Now())
        wake()
        return []
    queryset.update(**_here.claim(State.RUNNING))
    return [Attempt(rows[s.name].pk, rows[s.name].fence + 1, workflow, job.key, s) for s in ready]


def _names(workflow: Workflow) -> set[str]:
    return {step.name for step in workflow.steps}


class Runner:
    """The worker of one process. `expected` is the error that a call outside raises: an OutsideError."""

    def __init__(
        self, workflows: Sequence[Workflow], *, expected: type[Exception], ownership: Ownership, lanes: dict[str, int]
    ) -> None:
        self.woken = threading.Event()
        self._workflows = {workflow.name: workflow for workflow in workflows}
        self._expected = expected
        self._ownership = ownership
        self._pools = {lane: ThreadPoolExecutor(n, thread_name_prefix=lane) for lane, n in lanes.items()}
        self._active: dict[int, Attempt] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Take back what a dead predecessor left, then work until stop()."""
        global _here
        _here = self
        for loop in (self._claim_loop, self._beat_loop, self._listen_loop):
            threading.Thread(target=loop, name=loop.__name__, daemon=True).start()

    def stop(self, *, within: float = 10.0) -> None:
        """Take nothing new and let what is under way finish; what does not is looked up by the next owner."""
        global _here
        _here = None
        self._stopping.set()
        self.woken.set()
        until = _clock() + within
        while self._active and _clock() < until:
            time.sleep(0.02)
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        self._ownership.close()

    def claim(self, state: State) -> dict[str, Any]:
        """The column values that make a step this process's."""
        owner, lease = self._ownership.owner, Now() + LEASE
        return {"state": state, "owner": owner, "fence": F("fence") + 1, "lease_until": lease, "run_at": None}

    def start_attempts(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            with self._lock:
                self._active[attempt.row_id] = attempt
            self._pools[attempt.step.lane].submit(self._run, attempt)

    # ── what is due ───────────────────────────────────────────────────────────────────────────────

    def _claim_loop(self) -> None:
        while not self._stopping.is_set():
            self.woken.clear()
            try:
                self.start_attempts(self._claim_due())
                pause = self._until_next()
            except DatabaseError as error:
                log.warning("cannot look for due steps: %s", error)
                connection.close()
                pause = 1.0
            release_connection()
            self.woken.wait(pause)

    def _claim_due(self) -> list[Attempt]:
        """Steps whose time has come, and steps under way with nobody behind them: an owner that died, a lease that ran
        out, or an outcome that this very process could not write down."""
        owners = StepRow.objects.filter(state__in=UNDER_WAY).order_by().values_list("owner", flat=True).distinct()
        dead = [owner for owner in owners if self._ownership.is_dead(owner)]
        with self._lock:
            mine = list(self._active)
        # A row that was claimed a moment ago may not have reached its thread yet.
        lost_by_us = Q(owner=self._ownership.owner, lease_until__lt=Now() + LEASE - GRACE)
        abandoned = Q(owner__in=dead) | Q(lease_until__lt=Now()) | lost_by_us
        due = Q(state=State.WAITING, run_at__lte=Now()) | (Q(state__in=UNDER_WAY) & abandoned & ~Q(pk__in=mine))
        rows = StepRow.objects.filter(due, job__workflow__in=self._workflows).order_by("pk")
        if not rows.exists():
            return []
        with transaction():
            locked = rows.select_related("job").select_for_update(skip_locked=True, of=("self",))[:AT_ONCE]
            return [attempt for row in locked if (attempt := self._take(row))]

    def _take(self, row: StepRow) -> Attempt | None:
        workflow = self._workflows[row.job.workflow]
        step = workflow.step(row.name)
        mine = StepRow.objects.filter(pk=row.pk)
        if step is None:
            mine.update(state=State.OFF, error="This version does not do this any more.")
            return None
        doubtful = row.doubtful or row.state in UNDER_WAY
        if doubtful:
            mine.update(doubtful_since=Coalesce("doubtful_since", Now()))
        mine.update(**self.claim(State.LOOKING if doubtful and step.look else State.RUNNING))
        return Attempt(row.pk, row.fence + 1, workflow, row.job.key, step)

    def _until_next(self) -> float:
        """Seconds to the next due step, at most one: other processes write rows, too."""
        waiting = StepRow.objects.filter(state=State.WAITING, run_at__isnull=False)
        next_up = waiting.order_by("run_at").values_list("run_at", Now()).first()
        return 1.0 if next_up is None else min(1.0, max(0.01, (next_up[0] - next_up[1]).total_seconds()))

    # ── one try ───────────────────────────────────────────────────────────────────────────────────

    def _run(self, attempt: Attempt) -> None:
        token = _attempt.set(attempt)
        try:
            self._try(attempt)
        except LeaseLost:
            log.warning("%s of %s not sent: its lease ran out", attempt.step.name, attempt.key)
        except DatabaseError as error:
            # The row still says `running`; with no thread behind it, the claim loop takes it back and looks first.
            log.warning("%s of %s: the database failed: %s", attempt.step.name, attempt.key, error)
            connection.close()
        finally:
            _attempt.reset(token)
            with self._lock:
                self._active.pop(attempt.row_id, None)
            release_connection()

    def _try(self, attempt: Attempt) -> None:
        row = StepRow.objects.filter(pk=attempt.row_id, fence=attempt.fence).first()
        if row is None:
            return  # taken over before it began
        subject = attempt.workflow.load(attempt.key)
        looked = False
        try:
            record = self._look(attempt.step, row, subject) if row.doubtful else None
            looked = True
            if record is None and row.by_hand:
                self._settle(attempt, State.BY_HAND)
            elif record is None and _too_old(row):
                self._settle(attempt, State.FAILED, error=ASK)
            else:
                self._settle(attempt, State.DONE, record=record or attempt.step.do(subject))
        except NotNeeded as reason:
            self._settle(attempt, State.OFF, error=str(reason))
        except self._expected as error:
            self._failed(attempt, subject, cast(OutsideError, error), doubtful=row.doubtful and not looked)
        except (LeaseLost, DatabaseError):
            raise
        except Exception as error:  # a bug in a step must not leave it without a next try
            log.exception("%s of %s failed", attempt.step.name, attempt.key)
            self._failed(attempt, subject, _Bug(error), doubtful=True)

    def _look(self, step: Step, row: StepRow, subject: object) -> Record | None:
        """What to write down if a call got through. Raises while looking fails, though not for ever where the step says
        so, and not where a person has done it by hand."""
        if step.look is None:
            return None
        try:
            return step.look(subject)
        except self._expected:
            doubted = StepRow.objects.filter(pk=row.pk, doubtful_since__lt=Now() - (step.look_at_most or FOREVER))
            if row.by_hand or doubted.exists():
                return None
            raise

    def _settle(self, attempt: Attempt, state: State, *, error: str = "", record: Record | None = None) -> None:
        """Write the outcome and what it means in one transaction, and start what follows."""
        with transaction():
            job = Job.objects.select_for_update().get(workflow=attempt.workflow.name, key=attempt.key)
            if not (row := self._still_ours(attempt)):
                return
            row.state, row.error, row.doubtful_since, row.finished_at = state, error, None, Now()
            if attempt.step.every is not None:
                row.state, row.run_at, row.attempts = State.WAITING, Now() + attempt.step.every, 0
            row.save()
            if record is not None:
                record()
            following = _advance(job, attempt.workflow) if state in SETTLED else []
        self.start_attempts(following)

    def _failed(self, attempt: Attempt, subject: object, error: OutsideError, *, doubtful: bool) -> None:
        """Write down the error and when it is tried next, or that a person has to decide."""
        step = attempt.step
        with transaction():
            if not (row := self._still_ours(attempt)):
                return
            row.attempts, row.error = row.attempts + 1, str(error)
            row.doubtful_since = (row.doubtful_since or Now()) if doubtful or error.doubtful else None
            row.state, row.run_at = State.WAITING, Now() + timedelta(seconds=_pause(step, row.attempts, error))
            if row.by_hand or step.amend(subject, error):
                row.run_at = Now()
            elif error.permanent and not step.never_give_up:
                row.state, row.run_at = State.FAILED, None
            row.save()
        self.woken.set()

    def _still_ours(self, attempt: Attempt) -> StepRow | None:
        row = StepRow.objects.select_for_update().filter(pk=attempt.row_id, fence=attempt.fence, state__in=UNDER_WAY)
        if not (found := row.first()):
            log.warning("%s of %s was taken over: outcome dropped", attempt.step.name, attempt.key)
        return found

    def _listen_loop(self) -> None:
        while not self._stopping.is_set():
            self._ownership.listen(self.woken.set)
            self._stopping.wait(HEARTBEAT)

    # ── the lease ─────────────────────────────────────────────────────────────────────────────────

    def _beat_loop(self) -> None:
        """Renew the leases of what truly runs here, and only then put off the moment up to which it may send."""
        while not self._stopping.wait(HEARTBEAT):
            with self._lock:
                active = dict(self._active)
            if not active:
                continue
            try:
                began = _clock()
                ours = StepRow.objects.filter(pk__in=active, owner=self._ownership.owner, state__in=UNDER_WAY)
                with transaction():
                    ours.update(lease_until=Now() + LEASE)
                    renewed = list(ours.values_list("pk", "fence"))
                for pk, fence in renewed:
                    if active[pk].fence == fence:
                        active[pk].deadline = began + SENDABLE
            except DatabaseError as error:
                log.warning("cannot renew leases: %s", error)
                connection.close()
            release_connection()


class _Bug(Exception):
    """An error of our own inside a step: tried again, and looked up first."""

    permanent = False
    doubtful = True
    retry_after: float | None = None

    def __init__(self, error: Exception) -> None:
        super().__init__(f"Incident Central itself failed here ({type(error).__name__}); its log says more.")


def _too_old(row: StepRow) -> bool:
    return StepRow.objects.filter(pk=row.pk, ask_at__lt=Now()).exists()


def _pause(step: Step, attempts: int, error: OutsideError) -> float:
    """Seconds to the next try: 1, 2, 4 … with jitter, never before the other side's own Retry-After."""
    pause = step.slowest_retry if error.permanent else min(step.slowest_retry, 2.0 ** min(attempts - 1, 20))
    return max(pause * random.uniform(0.75, 1.25), (error.retry_after or 0) + random.random())  # noqa: S311
