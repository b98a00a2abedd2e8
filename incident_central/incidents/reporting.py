"""report_incident(): the one way in, whichever door a report comes by.

While the database is gone, standby.py takes reports instead, with what is shared here.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, OperationalError
from django.utils import timezone

from incident_central.database import transaction
from incident_central.incidents.directory import Database, Directory, chosen_service, fallback_service
from incident_central.incidents.drafts import Draft, note, noted
from incident_central.incidents.inviting import expected_responders
from incident_central.incidents.models import Incident, Priority, Service
from incident_central.incidents.naming import draw_name
from incident_central.incidents.response import RESPONSE
from incident_central.incidents.text import clean
from incident_central.jobs import runner
from incident_central.rows import insert

TITLE_LIMIT = 120
DESCRIPTION_LIMIT = 20_000
REMEMBERED = 200  # reports that this process has accepted


@dataclass(frozen=True)
class Report:
    """What somebody told us. `report_id` is made by their client, so that a repeat is recognised."""

    report_id: UUID
    sender: str  # whose report_id it is, such as "user:7"
    reporter_name: str
    reporter_email: str
    source: str  # web, slack, api, cli
    service_id: str  # or UNKNOWN_SERVICE
    priority_id: str
    title: str
    description: str = ""


class CannotReport(Exception):
    """Not accepted. Nothing was written, nobody was paged."""


class InvalidReport(CannotReport):
    """`errors` says by field what to write instead, as an instruction."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = errors


class DifferentReport(CannotReport):
    """This report_id came before with other content; `earlier` is the incident it became."""

    def __init__(self, earlier: Incident) -> None:
        super().__init__(f"This form was sent before, with other content, and became {earlier.name}.")
        self.earlier = earlier


class NotSetUp(CannotReport):
    """PagerDuty is not set up: a report could not page anybody."""


class Acceptance:
    """How far the accepting of one report has come, for whoever waits for it and may give up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given_up = False
        self._draft: Incident | None = None

    def raise_if_given_up(self) -> None:
        """Raises OperationalError when nobody waits any more: then others, who wait to write, are not kept waiting."""
        if self._given_up:
            raise OperationalError("given up: the database took too long")

    def commits(self, draft: Incident) -> None:
        """From now on it may be in the database as this. Raises OperationalError when nobody waits any more."""
        with self._lock:
            self.raise_if_given_up()
            self._draft = copy(draft)

    def refused(self) -> None:
        """It is certain that the last one was not taken."""
        with self._lock:
            self._draft = None

    def give_up(self) -> Incident | None:
        """Nothing is committed from now on. As what it may have been, or None: then it never was."""
        with self._lock:
            self._given_up = True
            return self._draft


def report_incident(
    report: Report, *, acceptance: Acceptance | None = None, directory: Database | None = None
) -> Incident:
    """Accept a report: write the incident and its first steps in one transaction, and start paging as it commits.

    Safe to repeat: the same report_id by the same sender with the same content is the same incident. Makes no call
    outside. Raises CannotReport, and django.db.Error when the database is gone or not well: then ask `acceptance`.
    """
    acceptance = acceptance or Acceptance()
    if (earlier := remembered(report)) is not None:
        return earlier
    try:
        draft = check(report, directory or Database())
    except CannotReport:
        # What it became stands, whatever has become of its service since.
        if (earlier := _earlier(report)) is not None:
            return earlier
        raise
    taken = _journalled_before(report)
    for words in range(8):
        try:
            with transaction(urgent=True) as draft.created_at:
                acceptance.raise_if_given_up()
                if taken is not None and words == 0:
                    draft.id = taken.name
                    record(draft, begun_at=taken.taken_at)
                else:
                    draft.id = draw_name(timezone.localtime(draft.created_at), extra_words=words // 3)
                    record(draft, may_start=partial(_remember_unless_journalled, draft))
                with _deciding:
                    if (report.sender, report.report_id) in _left_to_journal:
                        raise OperationalError("sent twice: the journal has it, since the database took too long")
                    acceptance.commits(draft)
                    note(draft)
        except IntegrityError:
            # Either the very same report came before, or the name is taken: draw another.
            acceptance.refused()
            if (earlier := _earlier(report)) is not None:
                return earlier
        else:
            remember(draft)  # a process that runs no steps was not asked for it as it committed
            return draft
    # By chance that does not happen: the database is not well, as after a crash that made it count anew.
    raise OperationalError("eight drafts in a row were refused")


def record(
    incident: Incident, *, begun_at: datetime | None = None, may_start: Callable[[], bool] = lambda: True
) -> None:
    """Write the incident, whom to expect, and its response, inside the caller's transaction.

    `begun_at` says that it has been paged without the database since then, and `may_start` is asked once it is
    committed, as in runner.begin(). Raises IntegrityError when its name is taken, or when the same report is there
    already.
    """
    responders = expected_responders(incident)
    incident.assigned = [one.name for one in responders if one.why == "on call, level 1"]
    insert([incident])
    insert(responders)
    incident.reported()
    runner.begin(RESPONSE, incident.id, incident, begun_at=begun_at, may_start=may_start)


def missing_settings() -> list[str]:
    """What keeps the hub from paging at all."""
    return [name for name in ("PAGERDUTY_API_KEY", "PAGERDUTY_FROM_EMAIL") if not getattr(settings, name)]


# ── the same again ────────────────────────────────────────────────────────────────────────────────


def _earlier(report: Report) -> Incident | None:
    return same_or_different(report, Incident.objects.filter(sender=report.sender, report_id=report.report_id).first())


def same_or_different(report: Report, earlier: Incident | None) -> Incident | None:
    """What the report became before, if its id came before. Raises DifferentReport where the content is another."""
    if earlier is not None and earlier.digest != _digest(report):
        raise DifferentReport(earlier)
    return earlier


def _digest(report: Report) -> str:
    content = [report.service_id, report.priority_id, clean(report.title), clean(report.description, lines=True)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _journalled_before(report: Report) -> Draft | None:
    """By another process of this folder, which cannot ask the database and may page it. Raises DifferentReport."""
    taken = noted(report.sender, report.report_id)
    if taken is None or not taken.is_journalled:
        return None
    same_or_different(report, Incident(id=taken.name, digest=taken.digest))
    return taken


_deciding = threading.Lock()
_left_to_journal: set[tuple[str, UUID]] = set()


def _remember_unless_journalled(incident: Incident) -> bool:
    """Whether what has just been committed is ours to page: what was left to the journal is paged from there."""
    with _deciding:
        if (incident.sender, incident.report_id) in _left_to_journal:
            return False
        remember(incident)
        return True


@contextmanager
def journalling(report: Report) -> Iterator[Incident | None]:
    """What happens in here decides that the report goes to the journal, unless it has become an incident already: if
    the same was sent twice, and the other one still waits for the database, that one is not written, or not paged from
    there. Until not_journalled(). Raises DifferentReport."""
    with _deciding:
        earlier = remembered(report)
        yield earlier
        if earlier is None:
            _left_to_journal.add((report.sender, report.report_id))


def not_journalled(sender: str, report_id: UUID) -> None:
    """It could not be, or is in the database by now."""
    with _deciding:
        _left_to_journal.discard((sender, report_id))


_remembered: OrderedDict[tuple[str, UUID], Incident] = OrderedDict()


def remember(incident: Incident) -> None:
    """So that the same report is known when it comes again and the database cannot be asked."""
    _remembered[incident.sender, incident.report_id] = incident
    if len(_remembered) > REMEMBERED:
        _remembered.popitem(last=False)


def remembered(report: Report) -> Incident | None:
    """What this process accepted lately. Raises DifferentReport."""
    return same_or_different(report, _remembered.get((report.sender, report.report_id)))


# ── is it a report? ───────────────────────────────────────────────────────────────────────────────


def check(report: Report, directory: Directory) -> Incident:
    """The incident that the report becomes, without a name and not saved. Raises InvalidReport, NotSetUp."""
    missing = missing_settings()
    if missing:
        raise NotSetUp(f"{' and '.join(missing)} must be set before anybody can be paged.")
    errors: dict[str, str] = {}
    title, description = clean(report.title), clean(report.description, lines=True)
    service = _service(report.service_id, directory, errors)
    priority = _priority(report.priority_id, directory, errors)
    if not title:
        errors["title"] = "Say in one line what is going wrong."
    elif len(title) > TITLE_LIMIT:
        errors["title"] = (
            f"Say it in at most {TITLE_LIMIT} characters; this has {len(title):,}. The rest fits in the field below."
        )
    if len(description) > DESCRIPTION_LIMIT:
        errors["description"] = (
            f"Shorten this to {DESCRIPTION_LIMIT:,} characters; it has {len(description):,}. "
            "Logs can go into the Slack channel later."
        )
    if errors or service is None:
        raise InvalidReport(errors)
    return Incident(
        reporter_email=report.reporter_email,
        reporter_name=report.reporter_name,
        incident_commander_email=report.reporter_email,
        source=report.source,
        sender=report.sender,
        report_id=report.report_id,
        digest=_digest(report),
        title=title,
        description=description,
        service=service,
        priority=priority,
    )


def _service(service_id: str, directory: Directory, errors: dict[str, str]) -> Service | None:
    service = chosen_service(directory, service_id)
    if service is None:
        errors["service"] = "Choose the service that is affected."
        if fallback_service(directory) is not None:
            errors["service"] += " If you don’t know, choose “I don’t know”."
    elif why := service.why_unusable():
        errors["service"] = f"A report on {service.name} would page nobody: {why}. Choose another service."
    return service


def _priority(priority_id: str, directory: Directory, errors: dict[str, str]) -> Priority | None:
    priorities = directory.priorities()
    priority = next((one for one in priorities if one.pk == priority_id), None)
    if priority is None and priorities:
        errors["priority"] = "Choose how bad it is. Your best guess is enough."
    return priority
