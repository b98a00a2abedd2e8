"""What the steps of several workflows share."""

from datetime import timedelta

from django.conf import settings

from incident_central.incidents.models import Incident
from incident_central.incidents.tools import chat
from incident_central.integrations.base import Message
from incident_central.jobs.workflow import NotNeeded, Record
from incident_central.rows import fetch

PAGED_BY_HAND = "Paged by hand: we do not know the PagerDuty incident."
#: Slack and PagerDuty answer in less; what is not there this long after its sender died never was on its way.
ON_ITS_WAY = timedelta(seconds=2)


def nothing() -> None:
    """Nothing to write down."""


def fresh(incident: Incident) -> Incident:
    """The row as it is now, held until the transaction ends: other steps wrote to it while this one was calling."""
    return fetch(Incident, incident.pk, held=True)


def channel_of(incident: Incident) -> str:
    """Its id in Slack. Raises NotNeeded where nobody knows it."""
    if incident.slack_channel_id is None:
        raise NotNeeded("The channel was opened by hand: we do not know which it is.")
    return incident.slack_channel_id


def look_for_message(incident: Incident, marker: str) -> Record | None:
    """Whether it was posted in the channel before."""
    found = chat().find_message(channel_of(incident), marker, since=incident.created_at)
    return None if found is None else nothing


def post_once(incident: Incident, message: Message) -> None:
    if chat().find_message(channel_of(incident), message.marker, since=incident.created_at) is None:
        chat().post(channel_of(incident), message)


def without_slack(incident: Incident) -> str | None:
    return None if settings.SLACK_BOT_TOKEN else "Slack is not set up."
