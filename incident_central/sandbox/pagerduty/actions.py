"""What can be done with an incident besides changing it: notes, snooze, merge, status updates (fact sheet 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from incident_central.sandbox.pagerduty import escalation, history
from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.errors import invalid, not_found, refused
from incident_central.sandbox.pagerduty.events import announce
from incident_central.sandbox.pagerduty.records import (
    BY_API,
    RESOLVED,
    TRIGGERED,
    Incident,
    Note,
    StatusUpdate,
    User,
    fresh_id,
)

LONGEST_SNOOZE = 604_800  # seconds: a week
MOST_ALERTS = 1000


# ── notes ──


def add_note(account: Account, incident: Incident, content: object, *, requester: User, channel: str = "api") -> Note:
    now, text = account.clock.now(), _note_text(content)
    note = Note(fresh_id(), requester.id, text, now, now)
    incident.notes.append(note)
    summary, told = f"Note added by {requester.name}", {"summary": text}
    agent = requester.id
    history.log(account, incident, "annotate", summary, at=now, agent=agent, channel="note", channel_more=told)
    announce(account, incident, "incident.annotated", at=now, agent=agent, channel=channel, about=note)
    return note


def change_note(account: Account, incident: Incident, note_id: str, content: object) -> Note:
    """No log entry and no event are known for it."""
    note, text = _note(incident, note_id), _note_text(content)
    note.content, note.updated_at = text, account.clock.now()
    return note


def delete_note(incident: Incident, note_id: str) -> None:
    incident.notes.remove(_note(incident, note_id))


def _note(incident: Incident, note_id: str) -> Note:
    found = next((note for note in incident.notes if note.id == note_id), None)
    if found is None:
        raise not_found()
    return found


def _note_text(content: object) -> str:
    if not isinstance(content, str) or not content.strip():
        raise invalid("Content cannot be empty.")
    return content


# ── status updates ──


def publish(
    account: Account,
    incident: Incident,
    given: Mapping[str, object],
    *,
    requester: User,
    channel: str = "api",
) -> StatusUpdate:
    """A status update. A subject and a message in HTML come both or neither."""
    now, message = account.clock.now(), given.get("message")
    subject, html = (str(given.get(name) or "") or None for name in ("subject", "html_message"))
    if not isinstance(message, str) or not message.strip():
        raise invalid("Message cannot be empty.")
    if (subject is None) != (html is None):
        raise invalid("Subject and html_message must be given together")
    update = StatusUpdate(fresh_id(), requester.id, message, now, subject, html)
    incident.status_updates.append(update)
    summary = f"Status update posted by {requester.name}"
    history.log(
        account, incident, "status_update", summary, at=now, agent=requester.id, channel=channel, message=message
    )
    event = "incident.status_update_published"
    announce(account, incident, event, at=now, agent=requester.id, channel=channel, about=update)
    return update


# ── snooze ──


def snooze(account: Account, incident: Incident, duration: object, *, requester: User, channel: str = "api") -> None:
    """Silence for so many seconds; then it is triggered again. Only an acknowledged incident can be snoozed.

    What a triggered one says is not known: a switch refuses, or lets the snooze acknowledge it as the website does.
    """
    now = account.clock.now()
    if not incident.is_open:
        raise refused(400, 1001, "Incident Already Resolved", ["Incident Already Resolved"])
    if isinstance(duration, bool) or not isinstance(duration, int) or not 1 <= duration <= LONGEST_SNOOZE:
        raise refused(400, 1013, "Snooze Duration Invalid", [f"Duration must be between 1 and {LONGEST_SNOOZE}"])
    if incident.status == TRIGGERED:
        if account.switches["snooze_triggered"] == "refused":
            raise refused(400, 1012, "Incident Not Acknowledged", ["Incident must be acknowledged"])
        escalation.acknowledge(account, incident, by=requester.id, at=now, channel=channel)
    incident.unacknowledges_at = now + duration
    incident.updated_at = now
    history.log(
        account,
        incident,
        "snooze",
        f"Snoozed by {requester.name}",
        at=now,
        agent=requester.id,
        channel=channel,
        channel_more={"duration": duration},
        changed_actions=[{"type": "unacknowledge", "at": incident.unacknowledges_at}],
    )


# ── merge ──


def is_mergeable(account: Account, incident: Incident) -> bool:
    """Whoever holds alerts, or was made by hand in the website. Whether the API counts as a hand is not known."""
    return incident.alerts > 0 or incident.origin != BY_API or account.switches["merging_api_incidents"] == "accepted"


def merge(
    account: Account, target: Incident, source_ids: Sequence[str], *, requester: User, channel: str = "api"
) -> None:
    """The sources' alerts go to the target, and the sources are resolved. All of them, or none (Refused)."""
    now = account.clock.now()
    if not target.is_open:
        raise refused(400, 1001, "Incident Already Resolved", ["The target incident must be open"])
    sources = [_source(account, target, id_) for id_ in dict.fromkeys(source_ids)]
    if not sources:
        raise invalid("Source incidents cannot be empty")
    if not all(is_mergeable(account, incident) for incident in (target, *sources)):
        raise invalid("Only incidents with alerts, or created manually, can be merged")
    if target.alerts + sum(source.alerts for source in sources) > MOST_ALERTS:
        raise invalid(f"An incident cannot have more than {MOST_ALERTS} alerts")
    for source in sources:
        target.alerts, source.alerts = target.alerts + source.alerts, 0
        if source.is_open:
            source.merged_into = target.id
            escalation.resolve(account, source, by=requester.id, at=now, channel=channel)
        source.merged_into = target.id
    target.updated_at = now
    numbers = ", ".join(f"#{source.number}" for source in sources)
    history.log(
        account,
        target,
        "merge",
        f"Merged {numbers} into this incident",
        at=now,
        agent=requester.id,
        channel=channel,
        source_ids=[source.id for source in sources],
    )


def _source(account: Account, target: Incident, source_id: str) -> Incident:
    source = account.incidents.get(source_id)
    if source is None:
        raise refused(400, 5001, "Incident Not Found", [])
    if source is target:
        raise invalid("An incident cannot be merged into itself")
    if source.status == RESOLVED and source.merged_into is not None:
        raise refused(400, 1019, "Incident Already Merged", [])
    return source
