"""Runs the steps: claims what is due, makes the call on a thread of its lane, writes down what came of it.

A step is `running` in the database before its call and settled after it, together with the steps that follow, so a
call costs one commit before (shared with its predecessor's) and one after. A step found `running` without a living
thread behind it is doubtful: `look` before `do`.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import Error, InterfaceError, OperationalError, connection
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Now

from incident_central.database import now, release_connection, transaction
from incident_central.jobs.models import SETTLED, UNDER_WAY, Job, State, StepRow
from incident_central.jobs.ownership import WORD, Ownership
from incident_central.jobs.workflow import NotNeeded, Record, Step, Workflow
from incident_central.latest_first import LatestFirst
from incident_central.outside import CallFailed, our_own_fault
from incident_central.rows import fetch, fetch_all, insert, update, update_all

log = logging.getLogger(__name__)

May = Callable[[], bool]
# How long a lease lasts: somebody looks within a second of its end. And how long a row that was just claimed has to
# reach its thread.
LEASE, GRACE = timedelta(seconds=28), timedelta(seconds=2)
# Seconds from one renewal of the leases to the next; and after one in which a call may begin, since it then ends, or
# times out, before somebody else takes over.
HEARTBEAT, SENDABLE = 5.0, 15.0
# Rows claimed in one go; seconds for which a claimed row is not read again.
AT_ONCE, FRESH = 64, 0.2
# Only a job that is there already is passed over. Any other conflict, like a number that is handed out twice after a
# crash, must raise, or its incident would be committed without a job.
NEW_JOB = "INSERT INTO jobs_job (workflow, key) VALUES (%s, %s) ON CONFLICT (workflow, key) DO NOTHING RETURNING *"
ASK = "This has waited so long that it may not be wanted any more. Press Retry if it is."

#: Goes on while the machine sleeps, where the system has such a clock.
clock = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(eq=False)
class Attempt:
    """One try of one step by this process. `doubtful`: an earlier call may have got through, and nobody knows yet."""

    row: StepRow  # as it was when it was claimed
    step: Step
    at: datetime  # by the database's clock, when it was claimed
    subject: Any = None  # from the start where a job begins with it
    doubtful: bool = False
    claimed_at: float = field(default_factory=clock)
    deadline: float = field(default_factory=lambda: clock() + SENDABLE)

    def now(self) -> datetime:
        return self.at + timedelta(seconds=clock() - self.claimed_at)


_attempt: ContextVar[Attempt | None] = ContextVar("attempt", default=None)
here: "Runner | None" = None  # this process's, where it has one


def before_send() -> None:
    """To be called just before each call outside: frees the connection, and raises CallFailed when this process was
    frozen for so long, or is cut off from the database, that another may have taken the step over."""
    attempt, runner = _attempt.get(), here
    if attempt is not None and (clock() > attempt.deadline or (runner is not None and not runner.may_send)):
        raise CallFailed("Not sent: Incident Central was held up for too long.", doubtful=attempt.doubtful)
    release_connection()


def begin(
    workflow: Workflow, key: str, subject: object, *, begun_at: datetime | None = None, may_start: May = lambda: True
) -> None:
    """Write the job and its steps, inside the caller's transaction; the first steps start when it commits.

    They are born `running` and owned by this process, or, where no runner lives in it that may send, due at once for
    whoever has one. A job that exists is left alone, so calling this again does nothing. `begun_at` says that it was
    begun then without any row: its first steps may have been done already, so they are born doubtful. `may_start` is
    asked once it is committed: where it says no, they may be done otherwise meanwhile, and are looked for first.
    """
    new = list(Job.objects.raw(NEW_JOB, [workflow.name, key]))
    attempts = _advance(new[0], workflow, subject, (), begun_at) if new else []
    if (runner := here) is not None and attempts:
        connection.on_commit(lambda: runner.start_attempts(attempts if may_start() else []))


def wake() -> None:
    """Something became due, or does as this is committed: whoever runs steps looks now instead of at the next tick."""
    if here is not None:
        connection.on_commit(here.woken.set)
    if connection.vendor == "postgresql" and not (here and here.may_send):
        connection.cursor().execute(f"NOTIFY {WORD}")


def _advance(
    job: Job, workflow: Workflow, subject: Any, there: Sequence[StepRow], begun_at: datetime | None = None
) -> list[Attempt]:
    """Start every queued step whose predecessors are settled. The caller holds the lock of the job, with the rows that
    are `there`, or has just made it."""
    rows = {workflow.step(row.name).name: row for row in there}
    # All of them in a job that has just begun; in one that an older version began, those that it did not know.
    born = [_born(job, step, step.off(subject), begun_at) for step in workflow.steps if step.name not in rows]
    rows |= {row.name: row for row in born}
    settled = {name for name, row in rows.items() if row.state in SETTLED}
    # Those that this version does not do any more are run, too: they say so.
    queued = [step for step in map(workflow.step, rows) if rows[step.name].state == State.QUEUED]
    ready = {step: rows[step.name] for step in queued if settled.issuperset(step.after)}
    # Until it may send again, what is ready only becomes due: begun, it would be refused, and put off.
    runner, at = here if here and here.may_send else None, now() if there and ready else job.created_at
    new = subject if workflow.begins_as_loaded and not there and begun_at is None else None
    _claim(list(ready.values()), State.RUNNING, at, runner)
    insert(born)
    if runner is None:
        wake()
    return [Attempt(row, step, at, new) for step, row in ready.items()] if runner else []


def _claim(rows: Sequence[StepRow], state: State, at: datetime, runner: "Runner | None") -> None:
    """Make them this process's, or, where no runner lives in it, due for whoever has one. `at` is now, not when the
    locks were first waited for: the lease begins then. Raises DoesNotExist where one was claimed by somebody since."""
    mine = (state, runner.ownership.owner, at + LEASE, None) if runner else (State.WAITING, "", None, at)
    for row in rows:
        row.fence, (row.state, row.owner, row.lease_until, row.run_at) = row.fence + 1, mine
    there = [row for row in rows if row.pk]
    update_all(there, "fence", "state", "owner", "lease_until", "run_at", "doubtful_since", counted="fence")


def _born(job: Job, step: Step, off: str | None, begun_at: datetime | None) -> StepRow:
    state = State.QUEUED if off is None else State.OFF
    doubtful_since = None if begun_at is None or step.after else job.created_at
    ask_at = None if step.ask_after is None else (begun_at or job.created_at) + step.ask_after
    return StepRow(job=job, name=step.name, state=state, error=off or "", ask_at=ask_at, doubtful_since=doubtful_since)


class Runner:
    """The worker of one process."""

    def __init__(self, workflows: Sequence[Workflow], *, ownership: Ownership, lanes: dict[str, int]) -> None:
        self.woken = threading.Event()
        self.ownership = ownership
        self._workflows = {workflow.name: workflow for workflow in workflows}
        self._rows = StepRow.objects.filter(job__workflow__in=self._workflows)
        self._lanes: dict[str, LatestFirst[Attempt]] = {lane: LatestFirst() for lane in lanes}
        # Started before there is any work: when it counts, the system may not have any more threads.
        new = partial(threading.Thread, daemon=True)
        self._threads = [new(target=self._run, args=[self._lanes[lane]]) for lane, n in lanes.items() for _ in range(n)]
        self._threads += [new(target=self._loop), new(target=ownership.keep, args=[self.woken.set])]
        self._active: set[Attempt] = set()  # only added to, discarded from and copied: each of these is atomic
        self._beat_at, self._session, self._stopping = clock(), 1, False
        self._last_at: datetime | None = None  # by the database's clock

    def start(self) -> None:
        """Take back what a dead predecessor left, then work until stop(). Raises RuntimeError when out of threads."""
        global here
        here = self
        for thread in self._threads:
            thread.start()

    def stop(self, *, within: float = 10.0) -> None:
        """Take nothing new and let what is under way finish; what does not is looked up by the next owner."""
        global here
        here = None
        self._stopping, until = True, clock() + within
        while self._active and clock() < until:
            time.sleep(0.02)

    @property
    def may_send(self) -> bool:
        """Whether whoever looks sees that this process lives, and saw it ever since the leases were renewed."""
        return self.ownership.session == self._session != 0

    def start_attempts(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            self._active.add(attempt)
            self._lanes[attempt.step.lane].put(attempt)

    # ── what is due, and whose it is ──────────────────────────────────────────────────────────────

    def _loop(self) -> None:
        while not self._stopping:
            self.woken.clear()
            try:
                if clock() > self._beat_at + HEARTBEAT or not self.may_send:
                    self._renew_leases()
                self.start_attempts(self._claim_due())
                pause = self._until_next() if self.may_send else 1.0
            except (Error, MemoryError, StepRow.DoesNotExist) as error:
                log.warning("cannot look for due steps: %r", error)
                pause = 1.0
            release_connection()
            self.woken.wait(pause)

    def _renew_leases(self) -> None:
        """Of what truly runs here: only then is the moment put off up to which it may send. What was taken over must
        not be sent any more."""
        began, session, active = clock(), self.ownership.session, self._active.copy()
        mine = StepRow.objects.filter(pk__in=[one.row.pk for one in active], owner=self.ownership.owner)
        with transaction() as at:
            held = set(mine.order_by("pk").select_for_update().values_list("pk", "fence"))
            mine.update(lease_until=Now() + LEASE)
            last = self._last_at or self._rows.filter(state=State.WAITING).aggregate(last=Max("finished_at"))["last"]
            if last and at < last:  # the clock was set back: until it has caught up, nothing would be due or abandoned
                self._rows.filter(state=State.WAITING, run_at__gt=at).update(run_at=at)
                self._rows.filter(lease_until__gt=at + LEASE).update(lease_until=at + LEASE)
        for attempt in active:
            attempt.deadline = began + SENDABLE if (attempt.row.pk, attempt.row.fence) in held else 0.0
        self._beat_at, self._session, self._last_at = began, session, at

    def _claim_due(self) -> list[Attempt]:
        """What is due, claimed. None while it may not send: each would be refused, and put off for longer than the last
        time."""
        if not (self.may_send and self._due()[0].exists()):
            return []
        with transaction() as at:  # which waits for nobody's rows
            rows, dead = self._due()  # whoever is dead cannot come back to life until this is committed
            locked = rows.select_related("job").select_for_update(skip_locked=True, of=("self",))[:AT_ONCE]
            return [self._take(row, at, dead.get(row.owner, 0.0)) for row in locked]

    def _due(self) -> tuple[QuerySet[StepRow], dict[str, float]]:
        """Steps whose time has come, and steps under way with nobody behind them: an owner that died, a lease that ran
        out, or an outcome that this very process could not write down. And the owners that died."""
        owners = StepRow.objects.filter(state__in=UNDER_WAY).order_by().values_list("owner", flat=True).distinct()
        dead = self.ownership.dead(owners)
        mine = [attempt.row.pk for attempt in self._active.copy()]
        lost_by_us = Q(owner=self.ownership.owner, lease_until__lt=Now() + LEASE - GRACE)
        abandoned = Q(owner__in=dead) | Q(lease_until__lt=Now()) | lost_by_us
        due = Q(state=State.WAITING, run_at__lte=Now()) | (Q(state__in=UNDER_WAY) & abandoned & ~Q(pk__in=mine))
        return self._rows.filter(due).order_by("pk"), dead

    def _take(self, row: StepRow, at: datetime, dead_for: float) -> Attempt:
        """In doubt since its owner died: what that one sent has been on its way for so long already. Where it was in
        doubt before, the time in which nobody looked does not count."""
        step = self._workflows[row.job.workflow].step(row.name)
        since = row.doubtful_since and min(at, row.doubtful_since + (at - (row.run_at or at)))
        row.doubtful_since = at - timedelta(seconds=dead_for) if row.state in UNDER_WAY else since
        _claim([row], State.LOOKING if step.look and row.doubtful_since else State.RUNNING, at, self)
        return Attempt(row, step, at)

    def _until_next(self) -> float:
        """Seconds until a step is due or an owner may be found dead, at most one: other processes write rows, too."""
        next_up = self._rows.filter(state=State.WAITING).order_by("run_at").values_list("run_at", Now()).first()
        return min(self.ownership.decides_in, max(0.01, (next_up[0] - next_up[1]).total_seconds()) if next_up else 1.0)

    # ── one try ───────────────────────────────────────────────────────────────────────────────────

    def _run(self, lane: LatestFirst[Attempt]) -> None:
        while True:
            _attempt.set(attempt := lane.get())
            try:
                self._try(attempt)
            except StepRow.DoesNotExist:
                log.warning("%s of %s was taken over: outcome dropped", attempt.step.name, attempt.row.job.key)
            except (Error, MemoryError) as error:
                # The row still says `running`; with no thread behind it, it is taken back, and looked up first.
                log.warning("%s of %s: outcome not written: %r", attempt.step.name, attempt.row.job.key, error)
            finally:
                self._active.discard(attempt)
                release_connection()

    def _try(self, attempt: Attempt) -> None:
        row = attempt.row if clock() < attempt.claimed_at + FRESH else _ours(attempt)
        at, attempt.doubtful = attempt.now(), row.doubtful_since is not None  # before it is looked for
        try:
            attempt.subject = attempt.subject or self._workflows[attempt.row.job.workflow].load(attempt.row.job.key)
            if record := self._look(attempt, row):
                self._settle(attempt, State.DONE, record=record)
            elif row.by_hand:
                self._settle(attempt, State.BY_HAND)
            elif row.ask_at is not None and row.ask_at < at:
                self._settle(attempt, State.FAILED, error=ASK)
            elif not row.doubtful_since or (left := row.doubtful_since + attempt.step.on_its_way - at) <= timedelta():
                self._settle(attempt, State.DONE, record=attempt.step.do(attempt.subject))
            elif record := attempt.step.meanwhile(attempt.subject):
                self._settle(attempt, State.DONE, record=record)
            else:
                # Not finding a call proves nothing while it may be on its way; it is looked for again meanwhile.
                with transaction() as at:
                    row = _ours(attempt, held=True)
                    row.state, row.run_at = State.WAITING, at + min(left, timedelta(seconds=attempt.step.slowest_retry))
                    update(row)
                self.woken.set()
        except NotNeeded as reason:
            self._settle(attempt, State.OFF, error=str(reason))
        except CallFailed as error:
            self._failed(attempt, error)
        except (OperationalError, InterfaceError, StepRow.DoesNotExist):
            raise
        except Exception as error:  # a bug in a step must not leave it without a next try
            log.exception("%s of %s failed", attempt.step.name, attempt.row.job.key)
            self._failed(attempt, our_own_fault(error))

    def _look(self, attempt: Attempt, row: StepRow) -> Record | None:
        """What to write down if an earlier call got through. Raises while that cannot be found out, though not for ever
        where the step says so, and not where a person has done it by hand."""
        try:
            record = attempt.step.look(attempt.subject) if attempt.step.look and attempt.doubtful else None
        except CallFailed as error:
            at_most, doubted_for = attempt.step.look_at_most, attempt.now() - (row.doubtful_since or attempt.at)
            if row.by_hand or (at_most and doubted_for > at_most):
                return None
            if at_most:  # what is done all the same after a while waits no longer than that
                error.retry_after = min(error.retry_after or 0.0, (at_most - doubted_for).total_seconds())
            raise
        attempt.doubtful = False
        return record

    def _settle(self, attempt: Attempt, state: State, *, error: str = "", record: Record = lambda: None) -> None:
        """Write the outcome and what it means in one transaction, and start what follows."""
        with transaction() as at:
            job, row = fetch(Job, attempt.row.job_id, held=True), _ours(attempt, held=True)
            row.state, row.error, row.finished_at = state, error, at
            row.doubtful_since = None if state in SETTLED else row.doubtful_since
            if attempt.step.every is not None:
                row.state, row.run_at, row.attempts = State.WAITING, at + attempt.step.every, 0
            update(row)
            record()
            following = _advance(job, self._workflows[job.workflow], attempt.subject, fetch_all(StepRow, "job", job))
        self.start_attempts(following)

    def _failed(self, attempt: Attempt, error: CallFailed) -> None:
        """Write down the error and when it is tried next, or that a person has to decide."""
        with transaction() as at:
            row = _ours(attempt, held=True)
            row.state, row.attempts, row.error = State.WAITING, row.attempts + 1, str(error)
            if not attempt.doubtful:  # once in doubt it stays so: what was looked for may come late
                row.doubtful_since = at if error.doubtful or row.doubtful_since else None
            row.run_at = at + timedelta(seconds=error.pause(row.attempts, slowest=attempt.step.slowest_retry))
            if row.by_hand or attempt.step.amend(attempt.subject, error):
                row.run_at = at
            elif error.permanent and not attempt.step.never_give_up:
                row.state, row.run_at = State.FAILED, None
            update(row)
        self.woken.set()


def _ours(attempt: Attempt, *, held: bool = False) -> StepRow:
    """The attempt's row as it is now. Raises DoesNotExist when somebody else has taken it over."""
    row = fetch(StepRow, attempt.row.pk, held=held)
    if row.fence != attempt.row.fence or row.state not in UNDER_WAY:
        raise StepRow.DoesNotExist
    return row
