"""Incidents that PagerDuty opened by itself: shown as they are, and made full ones when somebody wants a channel."""

import re
from collections.abc import Collection, Iterable
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.utils import timezone

from incident_central.database import now, transaction
from incident_central.incidents import stale
from incident_central.incidents.inviting import expected_responders
from incident_central.incidents.models import FROM_PAGERDUTY, SLACK, Incident, Responder, Service
from incident_central.incidents.naming import draw_name, is_name
from incident_central.incidents.response import RESPONSE
from incident_central.incidents.text import clean
from incident_central.integrations.base import LogEntry, Page
from incident_central.jobs import runner

#: What one is called until somebody opens a channel for it; with PagerDuty's id, too, where there was another of that
#: number before, as of a trial account.
FIRST_NAME = re.compile(r"pagerduty-([0-9]{1,18})(?:-([A-Za-z0-9]+))?")


def take_in_logged(entries: Iterable[LogEntry]) -> list[Page]:
    """take_in() of all that the log says was triggered, also of what is over already: between two polls, nobody would
    see it open. What is new is for the caller to refresh(), with these entries: where they begin with what opened it,
    that is the whole log so far. (What is open may be triggered again.)"""
    triggered = [(entry.page, entry.at) for entry in entries if entry.page is not None]
    begun = {page.id for page, at in triggered if at - page.created_at < SLACK}
    return take_in((page for page, _ in triggered), whole_log_of=begun)


def take_in(pages: Iterable[Page], *, whole_log_of: Collection[str] = ()) -> list[Page]:
    """Make incidents of pages that nobody reported here, inside the caller's transaction; those that are new. Safe to
    repeat.

    One whose service the directory does not have yet is left to a later reading.
    """
    if not settings.PAGERDUTY_IMPORT_INCIDENTS:
        return []
    # What bears a name as ours do was reported: here, and is perhaps still in the journal; or to another hub.
    foreign = {page.id: page for page in pages if not is_name(page.key)}
    known = set(Incident.objects.filter(pagerduty_id__in=foreign).values_list("pagerduty_id", flat=True))
    services = Service.objects.in_bulk({page.service.id for page in foreign.values()})
    new = [page for page in foreign.values() if page.id not in known and page.service.id in services]
    taken = _numbers_taken(new)
    incidents = [
        Incident(
            id=f"pagerduty-{page.number}" if page.number not in taken else f"pagerduty-{page.number}-{page.id}",
            created_at=page.created_at,
            pagerduty_id=page.id,
            pagerduty_url=page.url,
            pagerduty_number=page.number,
            paged_at=page.created_at,
            reporter_name="PagerDuty",
            source=FROM_PAGERDUTY,
            sender=FROM_PAGERDUTY,
            report_id=uuid5(NAMESPACE_URL, page.id),
            title=clean(page.title),
            service=services[page.service.id],
            priority_id=None,
            whole_log_read=page.id in whole_log_of,
        )
        for page in sorted(new, key=lambda page: page.id)
    ]
    # The list and the log are read side by side, and may tell of the same one in the same moment.
    Incident.objects.bulk_create(incidents, ignore_conflicts=True)
    if to_read := [page.id for page in new if page.id not in whole_log_of]:
        stale.mark(Q(pagerduty_id__in=to_read))
    return new


def _numbers_taken(new: list[Page]) -> set[int | None]:
    """Numbers that others were taken in under, whatever their names are now."""
    if not new:
        return set()
    ours = Incident.objects.filter(source=FROM_PAGERDUTY, pagerduty_number__in=[page.number for page in new])
    return set(ours.values_list("pagerduty_number", flat=True))


def make_full(first_name: str, *, name: str, email: str) -> Incident | None:
    """Give the incident that was taken in under this name a name of ours, and begin everything of a response but the
    page. `name` and `email` are whose who wants it: they are in the channel, and in command where nobody is.

    Pressed twice, it is done once. None where there is no such incident. Raises django.db.Error.
    """
    for words in range(8):
        new_name = draw_name(timezone.localtime(now()), extra_words=words // 3)
        try:
            with transaction():
                return _make_full(first_name, new_name, name=name, email=email)
        except IntegrityError:
            continue  # the name is taken: draw another
    raise RuntimeError("eight names in a row were taken")


def _make_full(first_name: str, new_name: str, *, name: str, email: str) -> Incident | None:
    incident = _taken_in_as(first_name, Incident.objects.select_for_update())
    if incident is None or is_name(incident.name):
        return incident
    if Incident.objects.filter(pk=new_name).exists():
        raise IntegrityError(new_name)
    old_name, incident.pk = incident.pk, new_name
    Incident.objects.filter(pk=old_name).update(id=new_name)
    for relation in Incident._meta.related_objects:
        field = relation.field.name
        relation.related_model._default_manager.filter(**{field: old_name}).update(**{field: new_name})
    if (incident.reporter_name, incident.reporter_email) == ("PagerDuty", ""):  # nobody has said who it was
        incident.reporter_name, incident.reporter_email = name, email
    incident.incident_commander_email = incident.incident_commander_email or email  # somebody may have taken command
    incident.news_jobs = {}  # theirs were under the old name
    incident.save(
        update_fields=["reporter_name", "reporter_email", "incident_commander_email", "news_jobs", "updated_at"]
    )
    responders = expected_responders(incident)
    if email.lower() not in {one.email.lower() for one in responders}:
        responders.append(Responder(incident=incident, name=name or email, email=email, why="opened the channel"))
    Responder.objects.bulk_create(responders)
    incident.made_full(old_name, who=name or email)
    runner.begin(RESPONSE, new_name, incident)
    return incident


def present_name(name: str) -> str:
    """The name that it has now, if it had this one before somebody opened a channel for it; else this one."""
    found = _taken_in_as(name, Incident.objects.all())
    return name if found is None else found.name


def _taken_in_as(name: str, incidents: QuerySet[Incident]) -> Incident | None:
    """The incident that was taken in under this name, whatever its name is now."""
    first_name = FIRST_NAME.fullmatch(name)
    if first_name is None:
        return None
    if (same := incidents.filter(pk=name).first()) is not None:
        return same
    number, page_id = first_name.groups()
    renamed = incidents.filter(source=FROM_PAGERDUTY, pagerduty_number=int(number)).exclude(pk__startswith="pagerduty-")
    if page_id is not None:
        renamed = renamed.filter(pagerduty_id=page_id)
    return renamed.order_by("created_at").first()
