"""What PagerDuty and Slack say now becomes what we say: periodic work, each piece run by one replica alone.

`refresh()` is where every news about an incident ends, whether the poll, the log or a webhook brought it.
"""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import F, Max, Q, QuerySet
from django.db.models.functions import Now

from incident_central.database import now, transaction
from incident_central.incidents import copying, importing, models, news, periodic, stale, subscribing
from incident_central.incidents.models import Incident, RefusedWebhook, Status, Webhook, WebhookSubscription
from incident_central.incidents.pace import Budget, Parts, rest_after
from incident_central.incidents.tools import pager, spare_pager
from incident_central.integrations.base import (
    IntegrationError,
    LogEntry,
    Page,
)
from incident_central.integrations.pagerduty.webhooks import Heard, is_signed
from incident_central.jobs.models import StepRow
from incident_central.jobs.workflow import Record, Workflow

log = logging.getLogger(__name__)

#: Work that is not begun so long after its time has nobody to do it.
OVERDUE = timedelta(seconds=60)
#: What happened in PagerDuty is read within so long as a rule; after that, pages say that it has not been.
READ_WITHIN = timedelta(seconds=30)

#: How often PagerDuty is asked of its own accord; and while webhooks arrive, that is, one did lately.
POLLED_EVERY, SLOWLY = timedelta(seconds=15), timedelta(seconds=30)
HEARD_LATELY = timedelta(minutes=5)

#: Entries of the log may show up so much later than others of their time.
LATE = timedelta(minutes=2)
#: Where the first reading of the log begins. Incidents that are open have theirs read from its own beginning.
BEGINNING = timedelta(hours=1)
#: Whether what begins or ends a part of the log is in it is not documented: so much of it is read twice.
OVERLAP = timedelta(seconds=1)

#: Calls that reading single incidents may make, and makes for each, of PagerDuty’s 960 a minute; those by which the log
#: is caught up with are among them. In its worst minute, twice the first, it stays below a quarter with the poll (8 a
#: minute) and the directory (6 to 73).
CALLS_A_MINUTE, CALLS_EACH = 75, 2
#: Incidents of which something was heard come before the log of long ago.
LEFT_BY_LOG = CALLS_A_MINUTE / 2
#: What PagerDuty says it does not have is asked for again after so long.
MISSING_FOR = timedelta(hours=1)
#: By which answers it says so, or that we may not see it.
SAYS_MISSING = ("403", "404")
#: One that could not be read, though PagerDuty answers, is left alone for so many seconds, and keeps nobody waiting.
LEFT_ALONE = 15.0
#: Incidents read in one go, so that the first of them are not shown late.
MOST_INCIDENTS = 5

LOG = "log"

#: So many polls have a first call of their own in the budget; what else they take is paid from CALLS_A_MINUTE.
POLLS_A_MINUTE = 4

#: For incidents that are read by themselves, and for the log where one call does not tell all of it.
_by_themselves = Budget("by themselves", CALLS_A_MINUTE)
_polls = Budget("polls", POLLS_A_MINUTE)
_could_not_be_read: dict[str, float] = {}  # by name, when: time.monotonic()
# The log is read more often than a long list is: then what it tells of an open incident is not left to the list.
_list_is_long = False
_parts = Parts()


# ── incidents ─────────────────────────────────────────────────────────────────────────────────────


def refresh(pages: Iterable[Page], entries: Iterable[LogEntry] = (), *, asked_at: datetime) -> None:
    """Bring our incidents up to what PagerDuty said when it was asked, in the caller's transaction.

    Saying the same twice changes nothing, and neither does an answer that comes late. Pages and entries of incidents
    that are not ours are left out.
    """
    by_id = {page.id: page for page in pages}
    by_name = {page.key: page for page in by_id.values() if page.key}
    logs: dict[str, list[LogEntry]] = {}
    for entry in entries:
        logs.setdefault(entry.page_id, []).append(entry)
    # By its key only as long as we do not know its id: a second page with the same key is not the one that we follow.
    wanted = Q(pagerduty_id__in={*by_id, *logs}) | Q(id__in=by_name, pagerduty_id=None)
    ours = Incident.objects.select_related("service", "priority", "policy").filter(wanted).order_by("id")
    services = dict(models.Service.objects.values_list("id", "name")) if logs else {}
    clock_ahead = pager().now() - now() if logs else timedelta()
    for incident in ours.select_for_update(of=("self",)):
        was_known = incident.pagerduty_id is not None
        page = by_id.get(incident.pagerduty_id or "") if was_known else by_name[incident.name]
        if page is not None:
            _take_over(incident, page, asked_at)
        logged, ended = logs.get(incident.pagerduty_id or "", ()), incident.paging_ended
        is_news = incident.logged(logged, services=services, clock_ahead=clock_ahead)
        if incident.rings_nobody and incident.paging_ended > ended:
            news.changed(incident, news.ENDED, at=max(entry.at for entry in logged))
        if not was_known or (is_news and page is None and (_list_is_long or not incident.is_open)):
            stale.mark(Q(pk=incident.pk))  # its log, or what it says itself, is not known


def _take_over(incident: Incident, page: Page, asked_at: datetime) -> None:
    """What it says now, and tell its channel of what is new in that."""
    if incident.missing_at is not None and not incident.is_old_news(asked_at):
        incident.shown_again()
    status, before = incident.status, news.facts(incident)
    incident.paged(page, asked_at=asked_at)
    if incident.status != status:
        news.changed(incident, incident.status, at=asked_at)  # PagerDuty’s time is whole seconds, which two may share
    elif news.facts(incident) != before:
        news.changed(incident, news.FACTS, at=asked_at)


def poll(_: object) -> Record:
    """Read PagerDuty's open list. What of ours left it is looked for among what was resolved lately, and else read by
    itself, as far as the budget goes; what came back reopens."""
    global _list_is_long
    spare_pager()
    asked_at = now()
    listed = pager().open_pages()
    read_at = pager().now()
    _list_is_long = rest_after(len(listed)) > POLLED_EVERY
    _by_themselves.took(rows=len(listed), of_which_free=int(_polls.take(1)))
    seen = {page.id for page in listed}
    ours = Incident.objects.exclude(status=Status.RESOLVED).filter(_can_be_read())
    gone = {one.pagerduty_id: one for one in ours if one.pagerduty_id not in seen}
    found: list[Page] = []
    if len(gone) > 1 and _by_themselves.take(1):
        found = [page for page in pager().resolved_lately() if gone.pop(page.id, None) is not None]
    # What it did not show before either comes last: it may be many, and the budget ends.
    missing, unread = [], sorted(gone.values(), key=lambda one: one.missing_at is not None)
    told_to_wait: IntegrationError | None = None
    while unread and not stale.is_put_off() and _by_themselves.take(1):
        incident = unread[0]
        try:
            page = _read_page(incident, hidden=SAYS_MISSING)
        except IntegrationError as error:  # the others, and the list, are known all the same
            log.warning("%s cannot be read: %s", incident.name, error)
            told_to_wait = None if error.retry_after is None else error
            break
        unread.pop(0)
        if page is None:
            missing.append(incident.pk)
        else:
            found.append(page)
    left = [incident.pk for incident in unread]
    return lambda: _polled(listed, found, missing, left, told_to_wait, asked_at, read_at)


def _polled(
    listed: list[Page],
    found: list[Page],
    missing: list[str],
    left: list[str],
    told_to_wait: IntegrationError | None,
    asked_at: datetime,
    read_at: datetime,
) -> None:
    if told_to_wait is not None:
        stale.put_off(told_to_wait)
    importing.take_in(listed)
    refresh([*listed, *found], asked_at=asked_at)
    for incident in Incident.objects.filter(pk__in=missing).order_by("id").select_for_update():
        incident.not_there(asked_at=asked_at)
    Incident.objects.filter(pk__in=left, stale_since=None).update(stale_since=asked_at)  # as long as they are not read
    models.ReadUpTo.objects.update_or_create(name=news.PAGERDUTY, defaults={"at": read_at})
    stale.run_again(stale.POLL, after=max(_pace(), rest_after(len(listed))))


def _can_be_read() -> Q:
    """What PagerDuty said it does not have is asked for again after a while."""
    return Q(pagerduty_id__isnull=False) & (Q(missing_at=None) | Q(missing_at__lt=Now() - MISSING_FOR))


def read_page(incident: Incident) -> Page | None:
    """None for one that PagerDuty will not show us any more. That 403 says only where we may see other things."""
    return _read_page(incident, hidden=("404",) if _poll_fails() else SAYS_MISSING)


def _read_page(incident: Incident, *, hidden: tuple[str, ...]) -> Page | None:
    """None where PagerDuty gives one of these answers: it must not keep us from the others."""
    try:
        return pager().read_page(incident.pagerduty_id or "")
    except IntegrationError as error:
        if error.code not in hidden:
            raise
        log.warning("%s cannot be read any more: %s", incident.name, error)
        return None


def _pace() -> timedelta:
    """Webhooks tell of most things sooner; not of a new title or urgency, and some are lost."""
    webhooks_arrive = Webhook.objects.filter(received_at__gt=Now() - HEARD_LATELY).exists()
    return SLOWLY if webhooks_arrive else POLLED_EVERY


# ── nobody acknowledges ───────────────────────────────────────────────────────────────────────────


def remind(_: object) -> Record:
    """Write down, and tell the channel once, that nobody has acknowledged for too long; while PagerDuty does not say
    how it is, later. Asks nobody outside."""
    return _remind


def _remind() -> None:
    poll, read_at = freshness().get(stale.POLL), news.pagerduty_read_at()
    if poll is None or poll.failing or read_at is None:
        return  # somebody may have acknowledged without our knowing
    too_long = read_at - news.UNACKNOWLEDGED
    waiting = Incident.objects.filter(status=Status.TRIGGERED, status_changed_at__lt=too_long)
    waiting = waiting.filter(stale_since=None, missing_at=None)  # of others nobody knows
    for incident in waiting.exclude(reminded_of=F("status_changed_at")).order_by("id").select_for_update():
        incident.nobody_acknowledged(int(news.UNACKNOWLEDGED.total_seconds() / 60))
        if incident.status_changed_at is not None:
            news.changed(incident, news.REMINDER, at=incident.status_changed_at)


# ── webhooks ──────────────────────────────────────────────────────────────────────────────────────


class NotFromPagerDuty(Exception):
    """A webhook without a signature of PagerDuty's."""


def heard(webhook_id: str, told: Heard, *, body: bytes, signatures: str) -> None:
    """Write down that a webhook came, and have the incident that it tells of read. The same one again changes nothing.

    Raises NotFromPagerDuty.
    """
    secrets = [*settings.PAGERDUTY_WEBHOOK_SECRETS, *WebhookSubscription.objects.values_list("secret", flat=True)]
    if not secrets:
        raise NotFromPagerDuty("no secret is known here: see docs/setup/1-pagerduty.md")
    if not is_signed(body, signatures, secrets):
        raise NotFromPagerDuty("its signature is wrong")
    with transaction():
        _, is_new = Webhook.objects.get_or_create(id=webhook_id, defaults={"event_type": told.event_type})
        if is_new and told.page_id:
            stale.mark(Q(pagerduty_id=told.page_id))
        if is_new and told.is_of_new_page and settings.PAGERDUTY_IMPORT_INCIDENTS:
            connection.on_commit(stale.read_list_soon, robust=True)


def refused(why: str) -> None:
    """Keep that a webhook was refused, instead of the one before, so that the doctor can say so."""
    with transaction():
        RefusedWebhook.objects.update_or_create(pk=1, defaults={"why": why, "at": Now()})


# ── PagerDuty's log ───────────────────────────────────────────────────────────────────────────────


def poll_log(_: object) -> Record:
    """Read the account's log from where the last reading ended, and a little before: entries may show up late.

    What is too much to be read at once is read in parts, the oldest first. A part that turns out to be too long is kept
    as far as it was read, and read again in halves. All times are by PagerDuty's clock.
    """
    spare_pager()
    asked_at, mark = now(), models.ReadUpTo.objects.filter(name=LOG).first()
    since = min(mark.at, pager().now()) - LATE if mark else pager().now() - BEGINNING
    until = _parts.end(since, settled=pager().now() - LATE)
    most, with_pages = _parts.most(since, until), settings.PAGERDUTY_IMPORT_INCIDENTS
    entries, rows = pager().log_entries(since=since, until=until, most=most, with_pages=with_pages)
    _by_themselves.took(rows=rows)
    read_up_to, goes_on, settled = max((entry.at for entry in entries), default=None), False, pager().now() - LATE
    if not _parts.was_all(rows, since=since, until=until, settled=settled):
        read_up_to, goes_on = since + LATE, _parts.end(since, settled=settled) is not None
    elif until is not None:
        read_up_to, goes_on = until - OVERLAP + LATE, True
    at_once = goes_on and _by_themselves.take(1, leaving=LEFT_BY_LOG)
    return lambda: _log_polled(entries, read_up_to, asked_at, is_first=mark is None, at_once=at_once)


def _log_polled(
    entries: list[LogEntry], read_up_to: datetime | None, asked_at: datetime, *, is_first: bool, at_once: bool
) -> None:
    """What is older than `read_up_to` by LATE has been read for good."""
    refresh(importing.take_in_logged(entries), entries, asked_at=asked_at)
    if read_up_to is not None:
        models.ReadUpTo.objects.update_or_create(name=LOG, defaults={"at": read_up_to})
    if is_first:
        stale.mark(~Q(status=Status.RESOLVED) & Q(whole_log_read=False))
    stale.run_again(stale.POLL_LOG, after=stale.AT_ONCE if at_once else _pace())


# ── what is stale ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Reading:
    """One incident as PagerDuty has it. `page` is None where PagerDuty will not show it any more."""

    incident: Incident
    page: Page | None
    entries: tuple[LogEntry, ...]
    asked_at: datetime


def read_changed(_: object) -> Record:
    """Read the incidents of which something was heard, those first that wait longest, as far as the budget goes.

    However often one was heard of, it is read once. What was heard meanwhile is read by the next run.
    """
    spare_pager()
    readings: list[Reading] = []
    # Where nothing can be read, it was not for what was wrong with these.
    answers = not _poll_fails()
    lately = [name for name, at in _could_not_be_read.copy().items() if answers and time.monotonic() < at + LEFT_ALONE]
    waiting = _waiting().exclude(pk__in=lately).order_by("stale_since")
    for incident in waiting[:MOST_INCIDENTS]:
        if not _by_themselves.take(CALLS_EACH):
            break
        try:
            readings.append(_read(incident))
        except IntegrationError as error:
            if answers and error.retry_after is None:
                log.warning("%s cannot be read: %s", incident.name, error)
                _could_not_be_read[incident.pk] = time.monotonic()
            elif not readings:
                raise
            break
        _could_not_be_read.pop(incident.pk, None)
    return lambda: _changed_read(readings)


def _poll_fails() -> bool:
    poll = freshness().get(stale.POLL)
    return poll is None or poll.failing


def _waiting() -> QuerySet[Incident]:
    """Also those that PagerDuty did not show lately: something was heard of them since."""
    return Incident.objects.filter(pagerduty_id__isnull=False, stale_since__isnull=False)


def _read(incident: Incident) -> Reading:
    asked_at = now()
    page = read_page(incident)
    entries: list[LogEntry] = []
    if page is not None:
        logged = incident.timeline.filter(log_entry_id__isnull=False)
        since = logged.aggregate(last=Max("at"))["last"] if incident.whole_log_read else None
        entries = pager().log_of(page.id, since=since - LATE if since else None)
        _by_themselves.took(rows=len(entries))
    return Reading(incident, page, tuple(entries), asked_at)


def _changed_read(readings: list[Reading]) -> None:
    for one in sorted(readings, key=lambda one: one.incident.pk):  # the order in which everybody locks them
        refresh([one.page] if one.page else [], one.entries, asked_at=one.asked_at)
        same = Incident.objects.filter(pk=one.incident.pk)
        same.filter(stale_since__lte=one.incident.stale_since).update(stale_since=None)
        if one.page is None:
            for incident in same.select_for_update():
                incident.not_there(asked_at=one.asked_at)
        else:
            same.filter(whole_log_read=False).update(whole_log_read=True)
    if _waiting().exists():
        stale.run_again(stale.CHANGED, after=stale.AT_ONCE if readings else timedelta(seconds=2))


# ── when, and how it goes ─────────────────────────────────────────────────────────────────────────


PAGERDUTY_SYNC = periodic.workflow(
    stale.PAGERDUTY_SYNC,
    [
        periodic.step(stale.POLL, poll, every=POLLED_EVERY, lane="sync"),
        periodic.step(stale.POLL_LOG, poll_log, every=POLLED_EVERY, lane="sync"),
        periodic.step(stale.CHANGED, read_changed, every=POLLED_EVERY, lane="changed"),
        periodic.step("remind", remind, every=POLLED_EVERY, lane="sync"),
        periodic.step("webhooks", subscribing.tend, every=timedelta(minutes=5), lane="sync"),
        periodic.step(stale.DIRECTORY, copying.read_directory, every=timedelta(minutes=1), lane="sync"),
    ],
)
SLACK_SYNC = periodic.workflow(
    stale.SLACK_SYNC,
    # Tried again soon, for every page says whether Slack answers.
    [
        periodic.step(
            stale.MEMBERS, copying.read_members, every=timedelta(minutes=5), lane="sync", slowest_retry=POLLED_EVERY
        )
    ],
)


def periodic_work() -> list[Workflow]:
    """What there is to do regularly, given what is set up."""
    pagerduty = [PAGERDUTY_SYNC] if settings.PAGERDUTY_API_KEY and settings.PAGERDUTY_FROM_EMAIL else []
    return pagerduty + ([SLACK_SYNC] if settings.SLACK_BOT_TOKEN else [])


def begin_periodic_work() -> None:
    """Make the rows of the periodic work. Safe to repeat, and by several processes at once."""
    for workflow in periodic_work():
        periodic.begin(workflow)


@dataclass(frozen=True)
class Freshness:
    """How old what we know of one kind is. `error` is empty when the last try went well."""

    read_at: datetime | None
    error: str
    overdue: bool  # the next try is long past, or was given up: nobody is working

    @property
    def failing(self) -> bool:
        return bool(self.error) or self.overdue


def freshness() -> dict[str, Freshness]:
    """By periodic step: poll, log, changed, webhooks, directory, members, … Of a tool that is not set up, none."""
    rows = StepRow.objects.filter(job__workflow__in=[workflow.name for workflow in periodic_work()])
    late = now() - OVERDUE
    return {
        row.name: Freshness(row.finished_at, row.error, overdue=(row.run_at or row.lease_until or late) < late)
        for row in rows
    }


def behind_since() -> datetime | None:
    """Since when something that happened in PagerDuty waits to be read, where that is longer than it takes: more
    happened than it lets us ask for, or it answers other questions, but not these."""
    waiting = _waiting().order_by("stale_since")
    fresh = freshness()
    unread = [fresh[name].read_at for name in (stale.POLL_LOG, stale.CHANGED) if name in fresh and fresh[name].error]
    since = min(filter(None, [waiting.values_list("stale_since", flat=True).first(), *unread]), default=None)
    return since if since is not None and since < now() - READ_WITHIN else None
