"""What an incident's channel is told as things change: the pinned summary, the topic, and a message where it matters.

    status changed ─┬─ tell (acknowledged, resolved, paging again; the reporter is mentioned)
                    ├─ update the summary
                    └─ set the topic
    title, priority, service, commander, … changed: the last two

Each change is a job of its own, known by what it was and when. Its steps say what is true when they run, so one that
comes late says nothing that is not so any more.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from incident_central.incidents import people
from incident_central.incidents.importing import present_name
from incident_central.incidents.models import Incident, ReadUpTo, Status, listing
from incident_central.incidents.response import RESPONSE
from incident_central.incidents.steps import look_for_message, nothing
from incident_central.incidents.tools import chat
from incident_central.incidents.wording import summary_of, topic_of
from incident_central.integrations.base import Message
from incident_central.jobs import runner
from incident_central.jobs.models import SETTLED, State, job_steps
from incident_central.jobs.workflow import NotNeeded, Record, Step, Workflow
from incident_central.outside import CallFailed
from incident_central.rows import update

#: After so long without an acknowledgement the page says so, and the channel is told once.
UNACKNOWLEDGED = timedelta(minutes=5)

PAGERDUTY = "pagerduty"  # names the row that says when its open list was read last
FACTS, REMINDER, ENDED = "facts", "reminder", "ended"
LATEST = "latest"  # whatever changed last, if the summary shows it
WAITS = "Waits for the response to the report."


@dataclass(frozen=True)
class News:
    """`what` is a status, FACTS, or a message alone: REMINDER, or that paging has ENDED."""

    incident: Incident
    what: str
    marker: str


def changed(incident: Incident, what: str, *, at: datetime) -> None:
    """Have the channel told, when the caller's transaction has been committed. The same of one moment is told once."""
    if settings.SLACK_BOT_TOKEN and (incident.slack_channel_id or _is_awaited(incident, "open_channel")):
        key = f"{incident.name}/{what}/{at.isoformat()}"
        incident.news_jobs = incident.news_jobs | {what: key} | ({} if what in (REMINDER, ENDED) else {LATEST: key})
        update(incident, "news_jobs")
        runner.begin(NEWS, key, News(incident, what, key))


def steps_that_matter(incident: Incident) -> set[tuple[str, str]]:
    """Keys of jobs and names of their steps: what its channel was told last, as far as it is still true."""
    messages = [incident.status, *(what for what in (REMINDER, ENDED) if _is_still_so(incident, what))]
    wanted = [(what, "tell") for what in messages] + [(LATEST, "update_summary"), (LATEST, "update_topic")]
    return {(incident.news_jobs[what], step) for what, step in wanted if what in incident.news_jobs}


def facts(incident: Incident) -> tuple[object, ...]:
    """What summary and topic show of PagerDuty's, besides the status."""
    policy_id = incident.policy_id or incident.service.policy_id
    return incident.title, incident.service_id, policy_id, incident.priority_id, incident.acknowledged_by


def unacknowledged_for(incident: Incident) -> timedelta | None:
    """How long nobody had acknowledged it when PagerDuty's open list was last read, if that is too long. Of what is not
    in it any more nobody knows."""
    since = incident.status_changed_at
    if incident.status != Status.TRIGGERED or since is None or incident.missing_at is not None:
        return None
    waited = (pagerduty_read_at() or since) - since
    return None if waited < UNACKNOWLEDGED else waited


def pagerduty_read_at() -> datetime | None:
    """By its own clock, as its own times are, and whichever process has read it: this one need not know that clock."""
    return ReadUpTo.objects.filter(name=PAGERDUTY).values_list("at", flat=True).first()


# ── the steps ─────────────────────────────────────────────────────────────────────────────────────


def tell(news: News) -> Record:
    """Not safe to repeat after a lost answer: look for its marker first."""
    incident = news.incident
    if not _is_still_so(incident, news.what):
        raise NotNeeded(f"It is {incident.status} by now.")
    chat().post(opened_channel(incident), message_of(news))
    return nothing


def _is_still_so(incident: Incident, what: str) -> bool:
    if what == REMINDER:  # of this time; it may have been triggered again since
        return incident.status == Status.TRIGGERED and incident.reminded_of == incident.status_changed_at
    return incident.rings_nobody if what == ENDED else incident.status == what


def look_for_it(news: News) -> Record | None:
    return look_for_message(news.incident, news.marker)


def message_of(news: News) -> Message:
    incident, mentions = news.incident, _reporter(news.incident)
    if news.what == REMINDER:
        minutes = int(UNACKNOWLEDGED.total_seconds() / 60)
        text = f"Nobody has acknowledged for {minutes} minutes. {_paging(incident)}"
        return Message(marker=news.marker, paragraphs=(text,))
    if news.what == ENDED:
        text = "PagerDuty has stopped paging: there is nobody left to escalate to."
        return Message(marker=news.marker, paragraphs=(f"{text} Phone somebody, or page somebody else.",))
    if news.what == Status.ACKNOWLEDGED:
        text = f"Acknowledged by {incident.acknowledged_by or listing(incident.assigned) or 'nobody'}."
    elif news.what == Status.RESOLVED:
        text = f"Resolved. It was merged into {incident.merged_into}." if incident.merged_into else "Resolved."
    else:
        return Message(marker=news.marker, paragraphs=(f"Triggered again: {_paging(incident)}",))
    return Message(marker=news.marker, paragraphs=(text,), mentions=mentions)


def _paging(incident: Incident) -> str:
    if incident.on_our_user:
        return "PagerDuty has it on Incident Central’s own user, who has no phone. Escalate it, or phone somebody."
    if incident.paging_ended:
        return "PagerDuty has stopped paging."
    return f"PagerDuty is paging {listing(incident.assigned) or 'nobody'}."


def _reporter(incident: Incident) -> tuple[str, ...]:
    return tuple(people.member_ids([incident.reporter_email]).values())


def update_summary(news: News) -> Record:
    """Safe to repeat."""
    incident = news.incident
    if not incident.summary_ts:
        _await(incident, "summary")
        raise NotNeeded("The summary was not posted by us.")
    chat().update(opened_channel(incident), incident.summary_ts, summary_of(incident))
    return nothing


def update_topic(news: News) -> Record:
    """Safe to repeat."""
    _await(news.incident, "topic")  # else its own topic, older than this, would come later
    chat().set_topic(opened_channel(news.incident), topic_of(news.incident))
    return nothing


def opened_channel(incident: Incident) -> str:
    """Its id in Slack. Raises CallFailed while it is being opened, and NotNeeded where nobody knows it."""
    if incident.slack_channel_id is None:
        _await(incident, "open_channel")
        raise NotNeeded("The channel was not opened by us.")
    return incident.slack_channel_id


def _await(incident: Incident, step: str) -> None:
    """Raises CallFailed, so that this is tried again, while a step of the response has not had its turn."""
    if _is_awaited(incident, step):
        raise CallFailed(WAITS)


def _is_awaited(incident: Incident, step: str) -> bool:
    rows = job_steps(RESPONSE.name, incident.name).filter(name=step)
    return rows.exclude(state__in=[*SETTLED, State.FAILED]).exists()


def _load(key: str) -> News:
    return news_of(Incident.objects.select_related("service", "priority").get(pk=name_in(key)), key)


def name_in(key: str) -> str:
    """Of the incident that the job of this key tells of, as it is called now: somebody may have opened a channel."""
    return present_name(key.split("/")[0])


def news_of(incident: Incident, key: str) -> News:
    """What the job of this key tells."""
    return News(incident, key.split("/")[1], key)


def _only_for_messages(news: News) -> str | None:
    return "No message is needed." if news.what == FACTS else None


def _only_for_changes(news: News) -> str | None:
    return "Nothing of it has changed." if news.what in (REMINDER, ENDED) else None


NEWS = Workflow(
    "news",
    load=_load,
    steps=(
        Step("tell", tell, look_for_it, lane="slack", off=_only_for_messages, on_its_way=timedelta(seconds=2)),
        Step("update_summary", update_summary, lane="slack", off=_only_for_changes),
        Step("update_topic", update_topic, lane="slack", off=_only_for_changes),
    ),
)
