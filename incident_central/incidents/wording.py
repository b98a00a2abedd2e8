"""What is said of an incident in PagerDuty and in Slack."""

from collections.abc import Iterable

from django.conf import settings

from incident_central.incidents.copies import INVITED_LEVELS
from incident_central.incidents.models import Incident, Invitee, listing
from incident_central.integrations.base import Link, Message


def address_of(incident: Incident) -> str:
    """The incident's page, to be opened by people; empty where BASE_URL is not set."""
    return f"{settings.BASE_URL}/incidents/{incident.name}" if settings.BASE_URL else ""


def details_of(incident: Incident) -> str:
    lines = [
        incident.description[:8000],
        f"Reported by {incident.reporter_name} ({incident.reporter_email}) through Incident Central.",
        address_of(incident),
    ]
    return "\n\n".join(filter(None, lines))


def topic_of(incident: Incident) -> str:
    priority = f"{incident.priority.name} " if incident.priority else ""
    status = incident.get_status_display()
    commander = incident.commander or "nobody"
    return f"{priority}{incident.service.name} · {incident.title} · {status} · Commander: {commander}"


def summary_of(incident: Incident) -> Message:
    priority = f"{incident.priority.name} " if incident.priority else ""
    description = incident.description
    if len(description) > 2500:
        description = description[:2500] + "… (the rest is on the incident’s page)"
    return Message(
        marker=f"{incident.name}/summary",
        title=f"{priority}{incident.title}",
        paragraphs=(description,) if description else (),
        facts=(
            ("Service", incident.service.name),
            ("On call", listing(_on_call(incident)) or "nobody that we know of"),
            ("Reporter", incident.reporter_name or incident.reporter_email),
            ("Commander", incident.commander or "nobody"),
            ("Status", _status_of(incident)),
        ),
        links=(Link("Details and timeline", address_of(incident)),) if address_of(incident) else (),
    )


def _on_call(incident: Incident) -> list[str]:
    """At the first levels of what its page follows now; as it was reported where we do not know that."""
    levels = list(incident.on_call_now().values())[:INVITED_LEVELS]
    reported = [one.name for one in incident.responders.all() if one.why.startswith("on call")]
    return list(dict.fromkeys(one.person.name for level in levels for one in level)) or reported


def _status_of(incident: Incident) -> str:
    by = f" by {incident.acknowledged_by}" if incident.acknowledged_by and incident.status == "acknowledged" else ""
    return f"{incident.get_status_display()}{by}"


def announcement_of(incident: Incident) -> Message:
    priority = f"{incident.priority.name} " if incident.priority else ""
    reporter = incident.reporter_name or incident.reporter_email
    return Message(
        marker=f"{incident.name}/announcement",
        title=f"{priority}{incident.title}",
        paragraphs=(f"{incident.service.name}, reported by {reporter}.",),
        links=tuple(_channel_link(incident)),
    )


def _channel_link(incident: Incident) -> Iterable[Link]:
    if incident.slack_channel_url:
        yield Link(f"#{incident.slack_channel_name}", incident.slack_channel_url)


def missing_message(incident: Incident, absent: list[Invitee]) -> Message:
    who = listing([f"{one.responder.name} ({one.responder.email})" for one in absent])
    text = (
        f"{who} should be here, but could not be invited: {'; '.join({one.detail for one in absent})}. "
        "PagerDuty pages people by itself, whether or not they are in Slack. Who knows them here: please invite them."
    )
    return Message(
        marker=f"{incident.name}/missing/{','.join(sorted(one.responder.email for one in absent))}", paragraphs=(text,)
    )


def note_of(incident: Incident) -> str:
    return f"Slack channel #{incident.slack_channel_name}: {incident.slack_channel_url}\n{address_of(incident)}".strip()
