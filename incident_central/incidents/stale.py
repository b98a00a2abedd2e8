"""Incidents of which we know that something happened in PagerDuty, but not yet what: they are read again soon."""

from datetime import timedelta

from django.db import connection
from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.functions import Greatest, Now

from incident_central.incidents.models import Incident, MembersRead, Status
from incident_central.incidents.pace import rest_after
from incident_central.incidents.tools import pager
from incident_central.jobs import runner
from incident_central.jobs.models import State, StepRow
from incident_central.outside import CallFailed

#: The periodic work on PagerDuty and Slack, and those of its steps that are run out of turn: see sync.py.
PAGERDUTY_SYNC, SLACK_SYNC = "pagerduty-sync", "slack-sync"
POLL, POLL_LOG, CHANGED, DIRECTORY, MEMBERS = "poll", "log", "changed", "directory", "members"
AT_ONCE = timedelta(0)
PAUSE = timedelta(seconds=0.5)
#: What waits for its own turn. What failed may have been told to wait (Retry-After).
OWN_TURN = Q(state=State.WAITING, attempts=0)


def mark(which: Q) -> None:
    """Have these incidents read from PagerDuty, when the caller's transaction has been committed.

    Only then is the step woken: whoever reads holds the step's row and then wants the incidents', and the caller may
    hold one of those.
    """
    Incident.objects.filter(which, pagerduty_id__isnull=False).update(stale_since=Now())
    connection.on_commit(wake, robust=True)  # it is read soon in any case


def wake() -> None:
    """Have what is stale read now, though not sooner than PAUSE after the last time: in a flood, once for many."""
    just_read = When(_may_be_sooner(), finished_at__gt=Now() - PAUSE, then=F("finished_at") + PAUSE)
    _periodic(CHANGED).update(run_at=Case(just_read, When(_may_be_sooner(), then=Now()), default=F("run_at")))
    runner.wake()


def read_list_soon() -> None:
    """Have the open list read within a second, and a long one as soon as the budget lets it be."""
    sooner(POLL, within=rest_after(Incident.objects.exclude(status=Status.RESOLVED).count()))


def sooner(step: str, *, within: timedelta) -> None:
    """Have a step run in so long at most; asked for again and again, it is not put off. What failed keeps its time."""
    waiting = _periodic(step).filter(OWN_TURN)
    waiting.filter(run_at__gt=Now() + within).update(run_at=Now() + within)
    runner.wake()


def read_people_again() -> None:
    """Somebody wants PagerDuty's people and Slack's members read now. Between parts of the members there is a rest."""
    own_turn = _periodic(DIRECTORY, MEMBERS).filter(OWN_TURN)
    if MembersRead.objects.exclude(cursor="").exists():
        own_turn = own_turn.exclude(name=MEMBERS)
    own_turn.filter(run_at__gt=Now()).update(run_at=Now())
    runner.wake()


def run_again(*steps: str, after: timedelta) -> None:
    """When these steps of the periodic work run next. One that is under way says so itself when it ends, so it is left
    alone; if it is just ending, that is waited for: the condition is no filter, or PostgreSQL would not wait."""
    _periodic(*steps).update(run_at=Case(When(_may_be_sooner(), then=Now() + after), default=F("run_at")))


def put_off(error: CallFailed) -> None:
    """The reading of single incidents was told to wait, though not by the step that reads them: that keeps until when
    over a restart, for all who do."""
    until = Now() + timedelta(seconds=error.retry_after or 0.0)
    waiting = _periodic(CHANGED).filter(state=State.WAITING)
    waiting.update(run_at=Greatest("run_at", until), attempts=F("attempts") + 1, error=str(error))


def is_put_off() -> bool:
    return _periodic(CHANGED).filter(state=State.WAITING, attempts__gt=0, run_at__gt=Now()).exists()


def _may_be_sooner() -> Q:
    """What waits for its own turn, or failed in this very process, unless that was told to wait: a time that PagerDuty
    named is in the row alone once the process is killed."""
    if (here := runner.here) is None or pager().is_told_to_wait():
        return OWN_TURN
    return OWN_TURN | Q(state=State.WAITING, owner=here.ownership.owner)


def _periodic(*steps: str) -> QuerySet[StepRow]:
    return StepRow.objects.filter(job__workflow__in=(PAGERDUTY_SYNC, SLACK_SYNC), job__key="", name__in=steps)
