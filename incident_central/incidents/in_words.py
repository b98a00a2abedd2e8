"""What PagerDuty's log says, as sentences for the timeline: what happened, and who did it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from django.db.models import TextChoices

from incident_central.incidents.text import clean, listing
from incident_central.integrations.base import Change, LogEntry

#: How somebody pressed it, where that is worth a word.
BY_WAY_OF = {
    "mobile": " in PagerDuty’s app",
    "phone": " by phone",
    "sms": " by text message",
    "email": " by e-mail",
    "website": " on PagerDuty’s website",
}
NOTIFIED_BY = {"phone": " by phone call", "sms": " by text message", "push": " by push", "email": " by e-mail"}
TIMED_OUT = " by PagerDuty: it was open for longer than the service allows"
FIELDS = {"incident_type": "type", "conference_bridge": "conference bridge"}


class Kind(TextChoices):
    """What an entry of the timeline is about."""

    STATUS = "status", "Status"
    PEOPLE = "people", "People"
    NOTE = "note", "Notes"
    CHANGE = "change", "Changes"
    STEP = "step", "Steps"


class Status(TextChoices):
    TRIGGERED = "triggered", "Triggered"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    RESOLVED = "resolved", "Resolved"


@dataclass(frozen=True)
class Told:
    """`facts` are the values that it gave to what we show, so that the same told twice is known: see sync.py."""

    kind: Kind
    text: str
    body: str = ""
    facts: tuple[str, ...] = ()


def told(entry: LogEntry, *, services: Mapping[str, str]) -> Told:
    """`services` has names by id: a move is logged with ids alone. What nobody knows yet is told in PagerDuty's own
    words."""
    if entry.kind in ("priority_change", "field_value_change") and entry.changes:
        return _changed(entry, services)
    tell = WORDS.get(entry.kind)
    if tell is None:
        return Told(Kind.STATUS, (entry.summary or entry.kind.replace("_", " ").capitalize()) + _unless_named(entry))
    return tell(entry)


MISSING, SHOWN_AGAIN = "missing", "shown again"  # by PagerDuty, to us
STATUS, PAGING = "status:", "paging:"
PAGING_ENDED, PAGING_GOES_ON = f"{PAGING}ended", f"{PAGING}goes on"


def status_fact(status: str) -> str:
    return f"{STATUS}{status}"


def priority_fact(name: str) -> str:
    return f"priority:{name}"


def title_fact(title: str) -> str:
    return f"title:{title}"


def service_fact(service_id: str) -> str:
    return f"service:{service_id}"


def report_fact(digest: str) -> str:
    return f"reported:{digest}"


def changed_from(what: str, old: str, new: str) -> str:
    """Priority changed from P2 to P1"""
    return f"{what} changed from {old or 'none'} to {new or 'none'}"


def title_changed(old: str, new: str) -> str:
    return f"Title changed from “{old}” to “{new}”"


def moved(old: str, new: str) -> str:
    return f"Moved from {old} to {new}"


# ── status ────────────────────────────────────────────────────────────────────────────────────────


def _triggered(entry: LogEntry) -> Told:
    return Told(Kind.STATUS, f"Opened in PagerDuty{_by(entry)}", entry.text)


def _acknowledged(entry: LogEntry) -> Told:
    return Told(Kind.STATUS, f"Acknowledged{_by(entry)}{_how(entry)}", facts=(status_fact(Status.ACKNOWLEDGED),))


def _unacknowledged(entry: LogEntry) -> Told:
    why = _by(entry) or ": the time for it ran out"
    return Told(Kind.STATUS, f"No longer acknowledged{why}", facts=(status_fact(Status.TRIGGERED), PAGING_GOES_ON))


def _resolved(entry: LogEntry) -> Told:
    why = _by(entry) or (TIMED_OUT if entry.channel in ("timeout", "auto") else _by_monitoring(entry))
    return Told(Kind.STATUS, f"Resolved{why}{_how(entry)}", entry.text, (status_fact(Status.RESOLVED),))


def _by_monitoring(entry: LogEntry) -> str:
    return " by its monitoring" + (f" ({entry.machine})" if entry.machine else "")


def _reopened(entry: LogEntry) -> Told:
    return Told(Kind.STATUS, f"Reopened{_by(entry)}", facts=(status_fact(Status.TRIGGERED), PAGING_GOES_ON))


def _merged(entry: LogEntry) -> Told:
    others = listing([f"“{one.name}”" for one in entry.sources])
    return Told(Kind.STATUS, f"Merged {others} into this incident{_by(entry)}" if others else entry.summary)


def _snoozed(entry: LogEntry) -> Told:
    duration = f" for {_rough(entry.seconds)}" if entry.seconds else ""
    return Told(Kind.STATUS, f"Snoozed{duration}{_by(entry)}")


def _acknowledge_limit(entry: LogEntry) -> Told:
    return Told(Kind.STATUS, "Acknowledged as often as PagerDuty allows")


def _trigger_limit(entry: LogEntry) -> Told:
    return Told(Kind.STATUS, "Triggered as often as PagerDuty allows")


# ── people ────────────────────────────────────────────────────────────────────────────────────────


def _assigned(entry: LogEntry) -> Told:
    return Told(Kind.PEOPLE, f"Assigned to {_people(entry)}{_by(entry)}", facts=(PAGING_GOES_ON,))


def _escalated(entry: LogEntry) -> Told:
    why = _by(entry) or ": nobody had acknowledged in time"
    return Told(Kind.PEOPLE, f"Escalated to {_people(entry)}{why}", facts=(PAGING_GOES_ON,))


def _delegated(entry: LogEntry) -> Told:
    told = f"Handed to another escalation policy{_by(entry)}: {_people(entry)}"
    return Told(Kind.PEOPLE, told, entry.summary, (PAGING_GOES_ON,))


def _notified(entry: LogEntry) -> Told:
    return Told(Kind.PEOPLE, f"{_people(entry)} paged{NOTIFIED_BY.get(entry.notified_by, '')}")


def _round_again(entry: LogEntry) -> Told:
    text = "Nobody acknowledged at any level: the escalation policy begins again"
    return Told(Kind.PEOPLE, text, facts=(PAGING_GOES_ON,))


def _exhausted(entry: LogEntry) -> Told:
    text = "Nobody acknowledged, and there is nobody left to escalate to"
    return Told(Kind.PEOPLE, text, facts=(PAGING_ENDED,))


def _asked(entry: LogEntry) -> Told:
    return Told(Kind.PEOPLE, f"{_people(entry)} asked to help{_by(entry)}", entry.text)


def _joined(entry: LogEntry) -> Told:
    return Told(Kind.PEOPLE, f"{_people(entry)} joined")


def _declined(entry: LogEntry) -> Told:
    return Told(Kind.PEOPLE, f"{_people(entry)} declined to help")


# ── notes and changes ─────────────────────────────────────────────────────────────────────────────


def _noted(entry: LogEntry) -> Told:
    return Told(Kind.NOTE, f"Note{_by(entry)}", entry.text)


def _status_update(entry: LogEntry) -> Told:
    return Told(Kind.NOTE, f"Status update{_by(entry)}", entry.text)


def _urgency(entry: LogEntry) -> Told:
    return Told(Kind.CHANGE, (entry.summary or "Urgency changed") + _unless_named(entry))


def _changed(entry: LogEntry, services: Mapping[str, str]) -> Told:
    told = [_change(one, services) for one in entry.changes]
    texts = listing([text for text, _ in told])
    return Told(Kind.CHANGE, f"{texts}{_by(entry)}", facts=tuple(fact for _, fact in told if fact))


def _custom_fields(entry: LogEntry) -> Told:
    """Fields of the account's own. They may be called as ours are, and say nothing of those."""
    told = listing([changed_from(f"custom field {one.field}", one.old, one.new) for one in entry.changes])
    if not told:
        return Told(Kind.CHANGE, (entry.summary or "A custom field changed") + _unless_named(entry))
    return Told(Kind.CHANGE, f"{told[0].upper()}{told[1:]}{_by(entry)}")


def _change(change: Change, services: Mapping[str, str]) -> tuple[str, str]:
    """The sentence, and the fact if it is of something that we show."""
    if change.field == "title":
        return title_changed(change.old, change.new), title_fact(clean(change.new))
    if change.field == "priority":
        old, new = ("" if name == "none" else name for name in (change.old, change.new))
        return changed_from("Priority", old, new), priority_fact(new)
    if change.field == "service":
        old, new = services.get(change.old, change.old), services.get(change.new, change.new)
        return moved(old, new), service_fact(change.new)
    return f"{FIELDS.get(change.field, change.field).capitalize()} changed", ""


WORDS: dict[str, Callable[[LogEntry], Told]] = {
    "trigger": _triggered,
    "acknowledge": _acknowledged,
    "unacknowledge": _unacknowledged,
    "resolve": _resolved,
    "reopen": _reopened,
    "merge": _merged,
    "snooze": _snoozed,
    "reach_ack_limit": _acknowledge_limit,
    "reach_trigger_limit": _trigger_limit,
    "assign": _assigned,
    "escalate": _escalated,
    "delegate": _delegated,
    "notify": _notified,
    "repeat_escalation_path": _round_again,
    "exhaust_escalation_path": _exhausted,
    "responder_request": _asked,
    "responder_accept": _joined,
    "responder_decline": _declined,
    "annotate": _noted,
    "status_update": _status_update,
    "urgency_change": _urgency,
    "custom_field_value_change": _custom_fields,
}


def _by(entry: LogEntry) -> str:
    return f" by {entry.actor}" if entry.actor else ""


def _unless_named(entry: LogEntry) -> str:
    return "" if entry.actor and entry.actor in entry.summary else _by(entry)


def _how(entry: LogEntry) -> str:
    return BY_WAY_OF.get(entry.channel, "") if entry.actor else ""


def _people(entry: LogEntry) -> str:
    return _names(one.name for one in entry.people) or "nobody"


def _names(names: Iterable[str]) -> str:
    return listing([name for name in names if name])


def _rough(seconds: int) -> str:
    minutes = max(1, round(seconds / 60))
    hours, left = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes} min"
    return f"{hours} h {left} min" if left else f"{hours} h"
