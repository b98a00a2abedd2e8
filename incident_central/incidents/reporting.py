"""report_incident(): the one way in, whichever door a report comes by."""

import hashlib
import json
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Q
from django.utils import timezone

from incident_central.database import now, transaction
from incident_central.incidents.models import Incident, Priority, Responder, Service
from incident_central.incidents.naming import draw_name
from incident_central.incidents.response import RESPONSE, expected_responders
from incident_central.incidents.text import clean
from incident_central.jobs import runner

TITLE_LIMIT = 120
DESCRIPTION_LIMIT = 20_000
UNKNOWN_SERVICE = "unknown"


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


def report_incident(report: Report) -> Incident:
    """Accept a report: write the incident and its first steps in one transaction, and start paging as it commits.

    Safe to repeat: the same report_id by the same sender with the same content is the same incident. Makes no call
    outside. Raises CannotReport.
    """
    digest = _digest(report)
    if (earlier := _earlier(report, digest)) is not None:
        return earlier
    missing = missing_settings()
    if missing:
        raise NotSetUp(f"{' and '.join(missing)} must be set before anybody can be paged.")
    service, priority, title, description = _check(report)
    for words in range(8):
        created_at = now()
        try:
            with transaction():
                incident = Incident(
                    id=draw_name(timezone.localtime(created_at), extra_words=words // 3),
                    created_at=created_at,
                    reporter_email=report.reporter_email,
                    reporter_name=report.reporter_name,
                    incident_commander_email=report.reporter_email,
                    source=report.source,
                    sender=report.sender,
                    report_id=report.report_id,
                    digest=digest,
                    title=title,
                    description=description,
                    service=service,
                    priority=priority,
                )
                responders = expected_responders(incident)
                incident.assigned = [one.name for one in responders if one.why == "on call, level 1"]
                incident.save(force_insert=True)
                Responder.objects.bulk_create(responders)
                incident.reported()
                runner.begin(RESPONSE, incident.id, incident)
            return incident
        except IntegrityError:
            # Either the very same report got in between, or the name is taken: draw another.
            if (earlier := _earlier(report, digest)) is not None:
                return earlier
    raise RuntimeError("eight names in a row were taken")


def missing_settings() -> list[str]:
    """What keeps the hub from paging at all."""
    return [name for name in ("PAGERDUTY_API_KEY", "PAGERDUTY_FROM_EMAIL") if not getattr(settings, name)]


def fallback_service() -> Service | None:
    """What “I don’t know” pages, where FALLBACK_SERVICE names a service that exists."""
    wanted = settings.FALLBACK_SERVICE
    return Service.objects.filter(Q(id=wanted) | Q(name=wanted), listed=True).first() if wanted else None


def _digest(report: Report) -> str:
    content = [report.service_id, report.priority_id, clean(report.title), clean(report.description, lines=True)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _earlier(report: Report, digest: str) -> Incident | None:
    found = Incident.objects.filter(sender=report.sender, report_id=report.report_id).first()
    if found is not None and found.digest != digest:
        raise DifferentReport(found)
    return found


def _check(report: Report) -> tuple[Service, Priority | None, str, str]:
    errors: dict[str, str] = {}
    title, description = clean(report.title), clean(report.description, lines=True)
    service = _service(report.service_id, errors)
    priority = _priority(report.priority_id, errors)
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
    return service, priority, title, description


def _service(service_id: str, errors: dict[str, str]) -> Service | None:
    if service_id == UNKNOWN_SERVICE and (fallback := fallback_service()) is not None:
        return fallback
    service = Service.objects.select_related("policy").filter(id=service_id).first() if service_id else None
    if service is None:
        errors["service"] = "Choose the service that is affected."
        if fallback_service() is not None:
            errors["service"] += " If you don’t know, choose “I don’t know”."
    elif why := service.why_unusable():
        errors["service"] = f"A report on {service.name} would page nobody: {why}. Choose another service."
    return service


def _priority(priority_id: str, errors: dict[str, str]) -> Priority | None:
    priority = Priority.objects.filter(id=priority_id, listed=True).first() if priority_id else None
    if priority is None and Priority.objects.filter(listed=True).exists():
        errors["priority"] = "Choose how bad it is. Your best guess is enough."
    return priority
