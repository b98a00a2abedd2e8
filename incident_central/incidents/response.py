"""The response to a report, from top to bottom. Paging waits for nothing.

    report ─┬─ page                      (threads of its own)
            └─ open channel ─┬─ invite ── tell who is missing
                             ├─ topic
                             ├─ bookmark of the incident
                             ├─ summary ── pin
                             └─ announce
    page + open channel ──── note in PagerDuty, bookmark of the page, invite whoever was really paged

A step makes its one call and returns what to write down; `look_…` finds out whether an earlier call got through. Each
step's docstring says what makes a repeat safe. A step that is renamed says what it `was`.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Q

from incident_central.database import now
from incident_central.incidents import stale
from incident_central.incidents.inviting import find_missing, invite, invite_paged
from incident_central.incidents.models import FROM_PAGERDUTY, Incident
from incident_central.incidents.steps import ON_ITS_WAY, PAGED_BY_HAND, channel_of, fresh, nothing, without_slack
from incident_central.incidents.tools import chat, pager
from incident_central.incidents.wording import address_of, announcement_of, details_of, note_of, summary_of, topic_of
from incident_central.integrations.base import Channel, IntegrationError, Page, PageRequest
from incident_central.integrations.pagerduty.calls import INVALID_PRIORITY
from incident_central.jobs.workflow import NotNeeded, Record, Step, Workflow
from incident_central.outside import CallFailed
from incident_central.rows import fetch

Do = Callable[[Incident], Record]
Look = Callable[[Incident], Record | None]
Off = Callable[[Incident], str | None]

#: If looking for the page fails for so long, it is sent again: a possible second page beats none.
LOOK_AT_MOST = timedelta(seconds=30)


# ── page ──────────────────────────────────────────────────────────────────────────────────────────


def page(incident: Incident) -> Record:
    """Safe to repeat while it is open: PagerDuty refuses a second page with our name as its key.

    What it answers is taken for as old as the report: the page does not wait for the database to tell the time, and
    whoever has read the incident in PagerDuty meanwhile knows better.
    """
    if incident.pagerduty_id is not None:
        return _known(incident)
    made = pager().page(page_request(incident))
    return lambda: _paged(incident, made, incident.created_at)


def _known(incident: Incident) -> Record:
    """It was paged without the database, or PagerDuty showed it before it answered; and we know as what."""
    return lambda: stale.mark(Q(pk=incident.pk))


def look_for_page(incident: Incident) -> Record | None:
    if incident.pagerduty_id is not None:
        return _known(incident)
    asked_at = now()
    found = pager().find_page(incident.name, service_id=incident.service_id, since=incident.created_at)
    return None if found is None else lambda: _paged(incident, found, asked_at)


def _paged(incident: Incident, made: Page, asked_at: datetime) -> None:
    fresh(incident).paged(made, asked_at=asked_at)
    stale.mark(Q(pk=incident.pk))  # its log says whom PagerDuty paged how


def page_failed(incident: Incident, error: CallFailed) -> bool:
    """A page without its priority beats none: try again at once without it. Where PagerDuty does not answer, have that
    seen on every page soon."""
    if error.code == INVALID_PRIORITY and not incident.priority_refused:
        fresh(incident).priority_was_refused(error)
        return True
    if not error.permanent:
        connection.on_commit(stale.read_list_soon, robust=True)
    return False


def page_request(incident: Incident) -> PageRequest:
    """Asks the database nothing."""
    return PageRequest(
        key=incident.name,
        service_id=incident.service_id,
        title=incident.title,
        details=details_of(incident),
        priority_id=None if incident.priority_refused else incident.priority_id,
    )


# ── open the channel ──────────────────────────────────────────────────────────────────────────────


def open_channel(incident: Incident) -> Record:
    """A name that is taken means the next one. Not safe to repeat after a lost answer: look first."""
    for name in _channel_names(incident):
        channel = chat().open_channel(name)
        if channel is not None:
            return _opened(incident, channel)
    raise IntegrationError(f"Slack said name_taken for #{incident.name} and nine more names.", permanent=True)


def open_under_own_name(incident: Incident) -> Record | None:
    """Safe to repeat, also while an earlier call may be on its way: Slack gives a name once. Where it is taken, perhaps
    by that call, whose the channel is shows when nothing is on its way any more."""
    channel = chat().open_channel(incident.name)
    return None if channel is None else _opened(incident, channel)


def look_for_channel(incident: Incident) -> Record | None:
    """Ours is one that we made under one of the names and that no incident has."""
    for channel in chat().own_channels(_channel_names(incident)):
        if not Incident.objects.filter(slack_channel_id=channel.id).exclude(pk=incident.pk).exists():
            return _opened(incident, channel)
    return None


def _opened(incident: Incident, channel: Channel) -> Record:
    return lambda: fresh(incident).channel_opened(channel)


def _channel_names(incident: Incident) -> list[str]:
    return [incident.name, *(f"{incident.name}-{number}" for number in range(2, 11))]


def slack_failed(incident: Incident, error: CallFailed) -> bool:
    """Where Slack does not answer, have that seen on every page soon. To be told to wait is an answer."""
    if not error.permanent and error.code != "429":
        connection.on_commit(lambda: stale.sooner(stale.MEMBERS, within=timedelta(seconds=1)), robust=True)
    return False


# ── the channel's topic, bookmarks and summary ────────────────────────────────────────────────────


def topic(incident: Incident) -> Record:
    """Safe to repeat."""
    chat().set_topic(channel_of(incident), topic_of(incident))
    return nothing


def bookmark_incident(incident: Incident) -> Record:
    """Looks before it adds, so safe to repeat."""
    return _bookmark(incident, "Incident", address_of(incident))


def bookmark_page(incident: Incident) -> Record:
    """Looks before it adds, so safe to repeat."""
    return _bookmark(incident, "PagerDuty", incident.pagerduty_url or "")


def _bookmark(incident: Incident, title: str, link: str) -> Record:
    if not link:
        raise NotNeeded(f"There is no address for {title}.")
    chat().add_bookmark(channel_of(incident), title=title, link=link)
    return nothing


def look_for_incident_bookmark(incident: Incident) -> Record | None:
    return nothing if address_of(incident) in chat().bookmarks(channel_of(incident)) else None


def look_for_page_bookmark(incident: Incident) -> Record | None:
    return nothing if (incident.pagerduty_url or "") in chat().bookmarks(channel_of(incident)) else None


def summary(incident: Incident) -> Record:
    """Not safe to repeat after a lost answer: look for its marker first."""
    message_id = chat().post(channel_of(incident), summary_of(incident))
    return lambda: fresh(incident).summary_posted(message_id)


def look_for_summary(incident: Incident) -> Record | None:
    message_id = chat().find_message(channel_of(incident), summary_of(incident).marker, since=incident.created_at)
    return None if message_id is None else lambda: fresh(incident).summary_posted(message_id)


def pin(incident: Incident) -> Record:
    """Safe to repeat: pinned is pinned."""
    channel = channel_of(incident)
    if not incident.summary_ts:
        raise NotNeeded("The summary was posted by hand: pin it by hand, too.")
    chat().pin(channel, incident.summary_ts)
    return nothing


# ── tell others ───────────────────────────────────────────────────────────────────────────────────


def announce(incident: Incident) -> Record:
    """Not safe to repeat after a lost answer: look for its marker first."""
    channel = settings.SLACK_ANNOUNCE_CHANNEL
    chat().post(channel, announcement_of(incident))
    return lambda: fresh(incident).announced(channel)


def look_for_announcement(incident: Incident) -> Record | None:
    channel = settings.SLACK_ANNOUNCE_CHANNEL
    if not was_announced(announcement_of(incident).marker, since=incident.created_at):
        return None
    return lambda: fresh(incident).announced(channel)


def was_announced(marker: str, *, since: datetime) -> bool:
    """Whether a message of ours is in the announce channel. Where the bot is not in the channel it cannot read it, and
    then an announcement twice beats none."""
    channel = settings.SLACK_ANNOUNCE_CHANNEL
    channel_id = chat().find_channel(channel) or (channel if channel[:1] in "CG" and channel.isupper() else None)
    return channel_id is not None and chat().find_message(channel_id, marker, since=since) is not None


def note(incident: Incident) -> Record:
    """The channel's link on PagerDuty's incident. Not safe to repeat after a lost answer: look among the notes."""
    if incident.pagerduty_id is None:
        raise NotNeeded(PAGED_BY_HAND)
    channel_of(incident)  # or there is nothing to tell
    pager().add_note(incident.pagerduty_id, note_of(incident))
    return nothing


def look_for_note(incident: Incident) -> Record | None:
    return nothing if note_of(incident) in pager().notes(incident.pagerduty_id or "") else None


# ── the graph ─────────────────────────────────────────────────────────────────────────────────────


def _without_announce_channel(incident: Incident) -> str | None:
    return without_slack(incident) or (None if settings.SLACK_ANNOUNCE_CHANNEL else "No announce channel is set.")


def _paged_already(incident: Incident) -> str | None:
    return "PagerDuty opened it by itself." if incident.source == FROM_PAGERDUTY else None


def _step(
    name: str,
    do: Do,
    *after: str,
    look: Look | None = None,
    lane: str = "slack",
    off: Off = without_slack,
    repeatable: bool = False,
) -> Step:
    """`repeatable`: doing it twice is doing it once, even at the same time."""
    on_its_way = timedelta(0) if repeatable else ON_ITS_WAY
    step = Step(name, do, look, after=after, lane=lane, off=off, on_its_way=on_its_way)
    return replace(step, amend=slack_failed) if lane == "slack" else step


def _load(name: str) -> Incident:
    return fetch(Incident, name)


PAGE = Step(
    "page",
    page,
    look_for_page,
    lane="page",
    slowest_retry=5,
    never_give_up=True,
    ask_after=timedelta(hours=4),
    look_at_most=LOOK_AT_MOST,
    amend=page_failed,
    off=_paged_already,
)
RESPONSE = Workflow(
    "response",
    load=_load,
    begins_as_loaded=True,
    steps=(
        PAGE,
        replace(_step("open_channel", open_channel, look=look_for_channel), meanwhile=open_under_own_name),
        _step("invite", invite, "open_channel", repeatable=True),
        _step("find_missing", find_missing, "invite"),
        _step("topic", topic, "open_channel", repeatable=True),
        _step("bookmark_incident", bookmark_incident, "open_channel", look=look_for_incident_bookmark),
        _step("summary", summary, "open_channel", look=look_for_summary),
        _step("pin", pin, "summary", repeatable=True),
        _step("announce", announce, "open_channel", look=look_for_announcement, off=_without_announce_channel),
        _step("note", note, "page", "open_channel", look=look_for_note, lane="pagerduty"),
        _step("bookmark_page", bookmark_page, "page", "open_channel", look=look_for_page_bookmark),
        _step("invite_paged", invite_paged, "page", "find_missing", lane="pagerduty"),
    ),
)
