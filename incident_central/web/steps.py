"""The response as people read it: one line a step, in words, with what needs the reader first."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.html import format_html

from incident_central.incidents.models import Incident, Responder, Status, listing
from incident_central.incidents.response import RESPONSE
from incident_central.jobs.models import SETTLED, UNDER_WAY, State, StepRow
from incident_central.jobs.workflow import Workflow
from incident_central.web.by_hand import ByHand, by_hand
from incident_central.web.templatetags.addresses import address
from incident_central.web.templatetags.times import clock_with_seconds, seconds_left

#: What a later step is said to wait for.
WHEN_DONE = {
    "page": "somebody is paged",
    "open_channel": "the channel is open",
    "invite": "people are invited",
    "find_missing": "everybody was looked for",
    "summary": "the summary is posted",
}


@dataclass(frozen=True)
class Line:
    state: str
    title: str
    told: str  # the state in words, or when it was done
    hint: str = ""
    step: str = ""  # names it on the page
    fix: ByHand | None = None
    sent_to: str = ""  # Retry and “I did it by hand”
    missing: Responder | None = None  # who is not in the channel

    @property
    def is_stuck(self) -> bool:
        """Somebody must do something now. A page that did not get out is, though it is tried again."""
        return self.state == "failed" or (self.step == "page" and self.fix is not None)

    @property
    def needs_reader(self) -> bool:
        return self.state in ("failed", "warn") or self.fix is not None


def rows_of(name: str) -> dict[str, StepRow]:
    """The steps of an incident's response. To be read before the incident, so that it has what they say was done."""
    return {row.name: row for _, row in rows_of_jobs(RESPONSE.name, [name])}


def rows_of_jobs(
    workflow: str, keys: Collection[str], *, settled_since: datetime | None = None
) -> Iterator[tuple[str, StepRow]]:
    """The steps of these jobs, each with its job's key; without those that were settled before."""
    query = f"""SELECT s.*, j.key AS job_key FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id
            WHERE j.workflow = %s AND j.key IN ({_marks(keys)})"""  # noqa: S608
    values: list[Any] = [workflow, *keys]
    if settled_since is not None:
        query += f" AND (s.state NOT IN ({_marks(SETTLED)}) OR s.finished_at > %s)"
        values += [*SETTLED, connection.ops.adapt_datetimefield_value(settled_since)]
    for row in StepRow.objects.raw(f"{query} ORDER BY s.id", values):
        yield vars(row)["job_key"], row


def _marks(values: Collection[object]) -> str:
    return ", ".join(["%s"] * len(values))


def lines(incident: Incident, rows: Mapping[str, StepRow]) -> list[Line]:
    """What needs the reader, then the rest in order."""
    page = format_html('<a href="{}">{}</a>', address("incident", incident.name), incident.name)
    recorded = Line("done", "Record the incident", clock_with_seconds(incident.created_at), hint=page)
    steps = [_line(incident, row, rows) for row in _grouped(rows.values())]
    found = [*_missing(incident), recorded, *steps]
    return most_urgent_first(found)


def most_urgent_first(found: Iterable[Line]) -> list[Line]:
    return sorted(found, key=_urgency)


def summary(found: Iterable[Line]) -> str:
    """5 of 9 done, 1 needs you."""
    counted = [line for line in found if line.state not in ("off", "warn")]
    done = sum(line.state in ("done", "by-hand") for line in counted)
    stuck = sum(line.is_stuck for line in counted)
    needs = f", {stuck} need{'s' if stuck == 1 else ''} you" if stuck else ""
    return f"{done} of {len(counted)} done{needs}"


def title_of(step: str, incident: Incident) -> str:
    """The step as something to be done; also what the timeline says that somebody did by hand."""
    if step == "page":
        return f"Page the on-call: {listing(incident.assigned) or incident.service.name}"
    if step == "invite":
        count = len(incident.responders.all())
        return f"Invite {count} {'person' if count == 1 else 'people'} to the channel"
    if step == "announce":
        return f"Announce it in #{settings.SLACK_ANNOUNCE_CHANNEL or 'a channel'}"
    return TITLES.get(step, step)


TITLES = {
    "open_channel": "Open the Slack channel",
    "find_missing": "Look for anybody missing from the channel",
    "topic": "Set the topic",
    "bookmark_incident": "Bookmark this incident in the channel",
    "summary": "Post the summary",
    "pin": "Pin the summary",
    "note": "Add the Slack link to the PagerDuty incident",
    "bookmark_page": "Bookmark the PagerDuty incident in the channel",
    "invite_paged": "Invite anybody else whom PagerDuty paged",
}


# ── one line ──────────────────────────────────────────────────────────────────────────────────────


def _line(incident: Incident, row: StepRow, rows: Mapping[str, StepRow]) -> Line:
    state = "running" if row.state in UNDER_WAY and row.state != State.LOOKING else row.state
    return Line(
        state=state,
        title=title_of(row.name, incident),
        told=told_of(row),
        hint=_hint(incident, row, rows),
        step=row.name,
        fix=by_hand(row.name, incident) if went_wrong(row) and not row.by_hand else None,
        sent_to=address("step", incident.name, row.name),
    )


def went_wrong(row: StepRow) -> bool:
    return row.state == State.FAILED or (row.state == State.WAITING and row.attempts > 0)


def told_of(row: StepRow) -> str:
    if row.state == State.DONE and row.finished_at is not None:
        return clock_with_seconds(row.finished_at)
    if row.state == State.OFF and row.finished_at is not None:
        return "Not needed"
    if row.state == State.WAITING and row.run_at is not None:
        seconds = seconds_left(row.run_at)
        return f"Retry in {seconds} s" if seconds else "Trying now"
    return str(State(row.state).label)


def _hint(incident: Incident, row: StepRow, rows: Mapping[str, StepRow]) -> str:
    if row.state == State.BY_HAND:
        return f"{row.by_hand} did this by hand."
    if row.by_hand:
        return f"{row.by_hand} did this by hand. We look once more whether it got through before."
    if row.state == State.DONE:
        return _result(incident, row)
    if row.state == State.QUEUED:
        step = RESPONSE.step(row.name)
        awaited = [name for name in (step.after if step else ()) if name in rows and rows[name].state not in SETTLED]
        return f"Starts when {listing([WHEN_DONE[name] for name in awaited])}." if awaited else ""
    if row.state == State.LOOKING and not row.error:
        return f"The answer was lost: looking whether {'the page' if row.name == 'page' else 'it'} got through."
    return " ".join(filter(None, [row.error, tried(row), doubt(row, RESPONSE)]))


def tried(row: StepRow) -> str:
    return {0: "", 1: "Tried once.", 2: "Tried twice."}.get(row.attempts, f"Tried {row.attempts} times.")


def doubt(row: StepRow, workflow: Workflow) -> str:
    """Nothing where it is no matter: what may be done twice is simply done again."""
    if not row.doubtful_since or workflow.step(row.name).look is None:
        return ""
    return (
        "Looking whether it got through." if row.state == State.LOOKING else "It may have got through: we look first."
    )


def _result(incident: Incident, row: StepRow) -> str:
    if row.name == "page" and incident.pagerduty_url:
        refused = " PagerDuty refused its priority, so it was paged without." if incident.priority_refused else ""
        answer = {
            Status.TRIGGERED: "Not acknowledged yet.",
            Status.ACKNOWLEDGED: f"Acknowledged by {incident.acknowledged_by or 'somebody'}.",
        }.get(Status(incident.status), "Resolved.")
        link = '<a class="out" href="{}">#{}</a>'
        return format_html(
            "PagerDuty incident " + link + ". {}{}", incident.pagerduty_url, incident.pagerduty_number, answer, refused
        )
    if row.name == "open_channel" and incident.slack_channel_url:
        return format_html(
            '<a class="out" href="{}">#{}</a>', incident.slack_channel_url, incident.slack_channel_name or ""
        )
    if row.name == "invite":
        inside = [one.name for one in incident.responders.all() if one.state == Responder.State.INVITED]
        return f"{listing(inside)}." if inside else ""
    return ""


# ── the whole list ────────────────────────────────────────────────────────────────────────────────


def _grouped(rows: Iterable[StepRow]) -> list[StepRow]:
    """In the order of the response. Steps that are all off for the same reason are one line."""
    order = {step.name: place for place, step in enumerate(RESPONSE.steps)}
    kept, reasons = [], set()
    for row in sorted(rows, key=lambda row: order.get(row.name, len(order))):
        if row.state == State.OFF and row.finished_at is None:
            if row.error in reasons:
                continue
            reasons.add(row.error)
        kept.append(row)
    return kept


def _missing(incident: Incident) -> list[Line]:
    """People who should be in the channel and cannot be brought there."""
    return [
        Line(
            "warn",
            f"{one.name} is not in the channel",
            "Look at it",
            hint=f"{one.why[:1].upper()}{one.why[1:]}. {one.detail}. PagerDuty pages people whether or not they are in "
            "Slack. Who knows them there: type /invite in the channel.",
            missing=one,
        )
        for one in incident.responders.all()
        if one.is_missing
    ]


def _urgency(line: Line) -> int:
    if not line.needs_reader:
        return 4
    if line.step == "page":
        return 0
    return {"failed": 1, "warn": 2}.get(line.state, 3)
