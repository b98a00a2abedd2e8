"""Reports while the hub's own database is gone: kept in a journal on local disk, paged from it, brought in afterwards.

Only the page goes out. The rest of the response begins when the incident is in the database, and its page is then
looked for before anything is sent again. What a report may name comes from a snapshot of the directory on disk.
"""

import logging
import threading
import time
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from uuid import uuid5

from django.db import Error
from django.utils import timezone

from incident_central.database import now, release_connection, transaction
from incident_central.incidents import reporting
from incident_central.incidents.directory import Snapshot, latest, read_snapshot, write_snapshot
from incident_central.incidents.drafts import Draft, note, noted, open_drafts
from incident_central.incidents.journal import Journal, abandoned_journals, open_journal
from incident_central.incidents.models import Incident, Priority, Service
from incident_central.incidents.naming import long_name
from incident_central.incidents.reporting import Report
from incident_central.incidents.response import LOOK_AT_MOST, PAGE, page_request
from incident_central.incidents.tools import pager
from incident_central.integrations.base import Page
from incident_central.integrations.pagerduty.calls import INVALID_PRIORITY
from incident_central.jobs.runner import ASK, SENDABLE, clock
from incident_central.outage import watch
from incident_central.outside import CallFailed, our_own_fault

THREADS = 6  # pages sent at the same time
SNAPSHOT_EVERY = 60.0  # seconds
ABANDONED_EVERY = 10.0  # seconds

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Kept:
    """A report in the journal, and how its page is getting on."""

    incident: Incident  # not in the database, as far as we know
    journal: Journal
    slot: int
    sendable_until: float  # clock(): until then nobody else can have paged it
    since: datetime  # when that may have been, at the earliest
    doubtful_since: float | None = None  # clock(): a page may have got through without our knowing
    page: Page | None = None
    error: str = ""
    attempts: int = 0
    next_at: float = 0.0  # clock()
    viewers: set[str] = field(default_factory=set)  # who looked at phone numbers
    busy: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_too_old(self) -> bool:
        return PAGE.ask_after is not None and timezone.now() > self.incident.created_at + PAGE.ask_after


class Standby:
    """Stands in for the database in one process. Raises OSError when the disk does not give the journal its room."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._snapshot = folder / "snapshot.json"
        self._latest = read_snapshot(self._snapshot)  # in memory: there may be no more files when it counts
        self._written: Snapshot | None = None
        self._snapshot_due = 0.0  # clock()
        self._database_in_use = threading.Event()
        self._journal = open_journal(folder)
        open_drafts(folder)
        self._abandoned: list[Journal] = []
        self._kept: dict[str, Kept] = {}  # by the incident's name; single operations on it are atomic
        self._taking = threading.Lock()
        self._to_send: SimpleQueue[Kept] = SimpleQueue()
        self._woken = threading.Event()
        self._take_over(self._journal)

    def start(self) -> None:
        """All threads now, since there may be no more when it counts. Raises RuntimeError."""
        global _here
        for target in (self._schedule, self._take_back, self._tend, *[self._send] * THREADS):
            threading.Thread(target=target, daemon=True).start()
        _here = self

    def use_database(self) -> None:
        """It is there, and up to date: from now on take snapshots of it, and bring in what is kept."""
        self._database_in_use.set()

    # ── what people ask of it ─────────────────────────────────────────────────────────────────────

    def snapshot(self) -> Snapshot | None:
        return self._latest

    @property
    def has_room(self) -> bool:
        return self._journal.has_room

    def find(self, name: str) -> Kept | None:
        return self._kept.get(name)

    def accept(self, report: Report, *, draft: Incident | None, snapshot: Snapshot) -> Incident:
        """Write the report through to the disk and send its page.

        `draft`: as what it may be in the database already, which nobody could find out. Safe to repeat
        like report_incident(): by one process because it remembers, after its death because the draft was noted and
        the page is looked for first, by several because the name follows from the report's id, and PagerDuty refuses a
        second page under one name while the first is open.
        Raises CannotReport, JournalFull, OSError.
        """
        with self._taking:
            with reporting.journalling(report) as earlier:
                if earlier is not None:
                    return earlier
                taken = None if draft else _taken_before(report)
                incident = draft or _named(reporting.check(report, snapshot), report, taken)
                since = _first_taken(incident)
                note(incident, is_journalled=True)
            try:
                slot = self._journal.keep(incident)
            except BaseException:
                note(incident)  # so whoever takes it now has nothing to look for
                reporting.not_journalled(report.sender, report.report_id)
                raise
            kept = Kept(incident, self._journal, slot, sendable_until=0.0 if taken else clock() + SENDABLE, since=since)
            self._kept[incident.name] = kept
            reporting.remember(incident)
        watch.suspect()
        self._start(kept)
        return incident

    # ── the page ──────────────────────────────────────────────────────────────────────────────────

    def _take_over(self, journal: Journal) -> None:
        """What a process that died has left. Whether it was paged is not known."""
        snapshot = self.snapshot()
        for slot, incident in journal.incidents().items():
            known = snapshot.service(incident.service_id) if snapshot else None
            incident.service = known or Service(pk=incident.service_id, name=incident.service_id)
            priorities = {one.pk: one for one in snapshot.priorities()} if snapshot else {}
            incident.priority = priorities.get(incident.priority_id or "")
            if incident.name in self._kept:
                journal.free(slot)  # it was sent again, to this process
                continue
            reporting.remember(incident)
            self._kept[incident.name] = Kept(incident, journal, slot, sendable_until=0.0, since=_first_taken(incident))

    def _take_over_abandoned(self) -> None:
        for journal in [one for one in self._abandoned if one.is_empty]:
            self._abandoned.remove(journal)
            journal.close()
        for journal in abandoned_journals(self._folder):
            self._abandoned.append(journal)
            self._take_over(journal)

    def _schedule(self) -> None:
        look_at = 0.0
        while True:
            if clock() >= look_at:
                look_at = clock() + ABANDONED_EVERY
                try:
                    self._take_over_abandoned()
                except OSError as error:
                    log.warning("journals of other processes cannot be read: %s", error)
            for kept in list(self._kept.values()):
                if kept.page is None and clock() >= kept.next_at:
                    self._start(kept)
            self._woken.wait(0.2)
            self._woken.clear()

    def _start(self, kept: Kept) -> None:
        if kept.busy.acquire(blocking=False):
            self._to_send.put(kept)

    def _send(self) -> None:
        while kept := self._to_send.get():
            try:
                if kept.page is None and self.find(kept.incident.name) is kept:
                    self._try(kept)
            except Exception as error:  # a bug must not leave it without a next try
                log.exception("%s could not be paged from the journal", kept.incident.name)
                self._failed(kept, our_own_fault(error))
            finally:
                kept.busy.release()

    def _try(self, kept: Kept) -> None:
        if kept.is_too_old:
            kept.error, kept.next_at = ASK, clock() + 60
            return
        if kept.doubtful_since is None and clock() > kept.sendable_until:
            kept.doubtful_since = clock()
        try:
            page = None if kept.doubtful_since is None else self._look(kept)
            kept.page = page or self._page(kept)
        except CallFailed as error:
            self._failed(kept, error)
        else:
            kept.error = ""
            log.warning("%s was paged from the journal: PagerDuty's #%s", kept.incident.name, kept.page.number)

    def _look(self, kept: Kept) -> Page | None:
        """The page of an earlier try. Where that cannot be found out for long, it is sent again with the same key."""
        incident, began = kept.incident, clock()
        kept.sendable_until = began + SENDABLE
        try:
            found = pager().find_page(incident.name, service_id=incident.service_id, since=kept.since)
        except CallFailed as error:
            if clock() > (kept.doubtful_since or began) + LOOK_AT_MOST.total_seconds():
                return None
            # The calls themselves wait for that, and the page is sent all the same after a while.
            error.retry_after = None
            raise
        kept.doubtful_since = began  # what was not found may come late, so it is looked for each time
        return found

    def _page(self, kept: Kept) -> Page:
        if clock() > kept.sendable_until:
            raise CallFailed("Not sent: Incident Central was held up for too long.", doubtful=True)
        return pager().page(page_request(kept.incident))

    def _failed(self, kept: Kept, error: CallFailed) -> None:
        log.warning("%s could not be paged from the journal: %s", kept.incident.name, error)
        kept.attempts, kept.error = kept.attempts + 1, str(error)
        if error.doubtful and kept.doubtful_since is None:
            kept.doubtful_since = clock()
        kept.next_at = clock() + error.pause(kept.attempts, slowest=PAGE.slowest_retry)
        if error.code == INVALID_PRIORITY and not kept.incident.priority_refused:
            kept.incident.priority_refused = True
            kept.next_at = 0.0
            self._woken.set()

    # ── the disk ──────────────────────────────────────────────────────────────────────────────────

    def _take_back(self) -> None:
        """What the disk failed to keep. On a thread of its own: a disk that hangs must hold up neither the pages nor
        what waits for the database, which may not come back for long."""
        while True:
            with suppress(OSError, MemoryError):
                self._journal.empty_failed()
            time.sleep(0.3)

    # ── the database ──────────────────────────────────────────────────────────────────────────────

    def _tend(self) -> None:
        """Keep the snapshot fresh, and bring in what is kept as soon as that is possible."""
        self._database_in_use.wait()
        while True:
            try:
                if clock() >= self._snapshot_due and watch.readable:
                    self._take_snapshot()
                if self._kept and watch.writable:
                    self._bring_in_all()
            except (Error, OSError, MemoryError) as error:
                log.warning("standing in for the database: %r", error)
                watch.suspect()
                time.sleep(2)
            finally:
                release_connection()
            time.sleep(0.3)

    def _take_snapshot(self) -> None:
        snapshot = latest()
        if not snapshot.services():
            self._snapshot_due = clock() + 1  # nothing was read from PagerDuty yet
            return
        self._snapshot_due = clock() + SNAPSHOT_EVERY
        self._latest = snapshot
        if snapshot is not self._written or not self._snapshot.exists():
            write_snapshot(self._snapshot, snapshot)
            self._written = snapshot

    def _bring_in_all(self) -> None:
        """Each for itself: one that the database does not take holds up no other."""
        failed: Error | OSError | None = None
        for kept in list(self._kept.values()):
            if watch.writable and kept.busy.acquire(blocking=False):
                try:
                    self._bring_in(kept)
                except (Error, OSError) as error:
                    failed = error
                finally:
                    kept.busy.release()
        if failed is not None:
            raise failed

    def _bring_in(self, kept: Kept) -> None:
        """Safe to repeat: the report's id is unique in the database."""
        incident = copy(kept.incident)  # that one is looked at meanwhile, and by whom must not ask the database
        incident.created_at = min(incident.created_at, now())
        with transaction():
            there = Incident.objects.filter(sender=incident.sender, report_id=incident.report_id).first()
            if there is not None and _pages_elsewhere(kept, there):
                return
            if there is not None and there.digest != incident.digest and there.name != incident.name:
                # Written anew and sent to another process, which could not know of this one: both were reported.
                incident.report_id = uuid5(incident.report_id, incident.name)
                there = Incident.objects.filter(sender=incident.sender, report_id=incident.report_id).first()
            if there is None:
                incident.service = _service_of(incident)
                incident.priority = Priority.objects.filter(pk=incident.priority_id).first()
                reporting.record(incident, begun_at=incident.created_at)
                incident.brought_in(kept.viewers)
                if kept.page is not None:
                    incident.paged(kept.page, asked_at=incident.created_at)
            elif there.name != incident.name:
                if kept.page or kept.doubtful_since:
                    there.also_paged_as(incident.name)
            elif there.digest != incident.digest:
                # Written anew and sent to another process, when neither could ask: of one report, so under one name.
                incident.service = _service_of(incident)
                there.also_reported(incident, kept.page)
            if there is not None:
                there.phones_looked_up(kept.viewers)
        kept.journal.free(kept.slot)
        del self._kept[incident.name]
        reporting.not_journalled(incident.sender, kept.incident.report_id)
        log.warning("%s was brought into the database", incident.name)


def _pages_elsewhere(kept: Kept, there: Incident) -> bool:
    """It is still to page another service than the incident of its name does: until it has, it is not done with."""
    is_sent = kept.page is not None or kept.doubtful_since is not None
    is_reworded = kept.incident.name == there.name and kept.incident.digest != there.digest
    is_other = is_reworded and kept.incident.service_id != there.service_id
    return is_other and not is_sent and not kept.is_too_old


def _taken_before(report: Report) -> Draft | None:
    """As what another process took it, which has died since or cannot ask either. Raises DifferentReport."""
    draft = noted(report.sender, report.report_id)
    if draft is not None:
        reporting.same_or_different(report, Incident(id=draft.name, digest=draft.digest))
    return draft


def _first_taken(incident: Incident) -> datetime:
    """When it may have been paged at the earliest, under its name."""
    draft = noted(incident.sender, incident.report_id)
    return draft.taken_at if draft is not None and draft.name == incident.name else incident.created_at


def _named(incident: Incident, report: Report, taken: Draft | None) -> Incident:
    incident.created_at = timezone.now()
    local = timezone.localtime(incident.created_at)
    incident.id = taken.name if taken else long_name(local, of=f"{report.sender} {report.report_id}")
    return incident


_here: Standby | None = None


def standby() -> Standby | None:
    """This process's, where it has one."""
    return _here


def _service_of(incident: Incident) -> Service:
    """As the database knows it. One that it does not know at all, in a backup that was restored, is made."""
    nameless = {"name": incident.service_id, "status": "", "listed": False}
    return Service.objects.get_or_create(pk=incident.service_id, defaults=nameless)[0]
