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

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Q

from incident_central.database import now
from incident_central.incidents import people, stale
from incident_central.incidents.models import FROM_PAGERDUTY, Incident, Invitee, Person, Responder, listing
from incident_central.incidents.tools import chat, pager
from incident_central.integrations.base import Channel, IntegrationError, Link, Message, Page, PageRequest
from incident_central.integrations.pagerduty.client import INVALID_PRIORITY
from incident_central.jobs.workflow import NotNeeded, Record, Step, Workflow
from incident_central.outside import CallFailed
from incident_central.rows import fetch

Do = Callable[[Incident], Record]
Look = Callable[[Incident], Record | None]
Off = Callable[[Incident], str | None]

PAGED_BY_HAND = "Paged by hand: we do not know the PagerDuty incident."
INVITED_LEVELS = 2  # of the service's escalation policy
#: Slack and PagerDuty answer in less; what is not there this long after its sender died never was on its way.
ON_ITS_WAY = timedelta(seconds=2)
#: If looking for the page fails for so long, it is sent again: a possible second page beats none.
LOOK_AT_MOST = timedelta(seconds=30)


def expected_responders(incident: Incident) -> list[Responder]:
    """The reporter and the people on call now at the first levels, each once. Who they are in Slack is looked up when
    they are invited: the page does not wait for it."""
    expected: dict[str, Responder] = {}
    for level, on_calls in list(incident.service.on_call_now().items())[:INVITED_LEVELS]:
        for one in on_calls:
            email = one.person.email
            expected.setdefault(email, Responder(name=one.person.name, email=email, why=f"on call, level {level}"))
    reporter = incident.reporter_email
    expected.setdefault(reporter, Responder(name=incident.reporter_name or reporter, email=reporter, why="reporter"))
    for responder in expected.values():
        responder.incident = incident
    return list(expected.values())


# ── page ──────────────────────────────────────────────────────────────────────────────────────────


def page(incident: Incident) -> Record:
    """Safe to repeat while it is open: PagerDuty refuses a second page with our name as its key.

    What it answers is taken for as old as the report: the page does not wait for the database to tell the time, and
    whoever has read the incident in PagerDuty meanwhile knows better.
    """
    made = pager().page(page_request(incident))
    return lambda: _paged(incident, made, incident.created_at)


def look_for_page(incident: Incident) -> Record | None:
    if incident.pagerduty_id is not None:
        return lambda: stale.mark(Q(pk=incident.pk))  # it was paged without the database, and we know as what
    asked_at = now()
    found = pager().find_page(incident.name, service_id=incident.service_id, since=incident.created_at)
    return None if found is None else lambda: _paged(incident, found, asked_at)


def _paged(incident: Incident, made: Page, asked_at: datetime) -> None:
    _fresh(incident).paged(made, asked_at=asked_at)
    stale.mark(Q(pk=incident.pk))  # its log says whom PagerDuty paged how


def page_failed(incident: Incident, error: CallFailed) -> bool:
    """A page without its priority beats none: try again at once without it. Where PagerDuty does not answer, have that
    seen on every page soon."""
    if error.code == INVALID_PRIORITY and not incident.priority_refused:
        _fresh(incident).priority_was_refused(error)
        return True
    if not error.permanent:
        connection.on_commit(lambda: stale.sooner(stale.POLL, within=timedelta(seconds=1)))
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


def details_of(incident: Incident) -> str:
    lines = [
        incident.description[:8000],
        f"Reported by {incident.reporter_name} ({incident.reporter_email}) through Incident Central.",
        address_of(incident),
    ]
    return "\n\n".join(filter(None, lines))


# ── open the channel ──────────────────────────────────────────────────────────────────────────────


def open_channel(incident: Incident) -> Record:
    """A name that is taken means the next one. Not safe to repeat after a lost answer: look first."""
    for name in _channel_names(incident):
        channel = chat().open_channel(name)
        if channel is not None:
            return _opened(incident, channel)
    raise IntegrationError(f"Slack said name_taken for #{incident.name} and nine more names.", permanent=True)


def look_for_channel(incident: Incident) -> Record | None:
    """Ours is one that we made under one of the names and that no incident has."""
    for channel in chat().own_channels(_channel_names(incident)):
        if not Incident.objects.filter(slack_channel_id=channel.id).exclude(pk=incident.pk).exists():
            return _opened(incident, channel)
    return None


def _opened(incident: Incident, channel: Channel) -> Record:
    return lambda: _fresh(incident).channel_opened(channel)


def _channel_names(incident: Incident) -> list[str]:
    return [incident.name, *(f"{incident.name}-{number}" for number in range(2, 11))]


def slack_failed(incident: Incident, error: CallFailed) -> bool:
    """Where Slack does not answer, have that seen on every page soon. To be told to wait is an answer."""
    if not error.permanent and error.retry_after is None:
        connection.on_commit(lambda: stale.sooner(stale.MEMBERS, within=timedelta(seconds=1)))
    return False


# ── people ────────────────────────────────────────────────────────────────────────────────────────


def invite(incident: Incident) -> Record:
    """Everybody we know in Slack, in one call. Safe to repeat: who is in the channel stays in it."""
    missing = _not_inside(incident)
    ids = people.member_ids(one.email for one in missing)
    known = [Invitee(one, id_) for one in missing if (id_ := _chosen(one) or ids.get(one.email.lower()))]
    if not known:
        raise NotNeeded("Nobody of them is known in Slack yet.")
    return _invite(incident, known)


def find_missing(incident: Incident) -> Record:
    """Ask Slack for whoever we did not know, invite them, and name in the channel those it does not know either.

    Safe to repeat: an invitation may be, and the message is looked for before it is posted.
    """
    return _bring_in(incident, _not_inside(incident))


def invite_paged(incident: Incident) -> Record:
    """Whoever PagerDuty really paged, if we had not expected them. Safe to repeat like find_missing.

    Its answer to the page has told their names. It is asked who they are only where those are not the people whom we
    expected: most responses are done a call sooner.
    """
    if incident.pagerduty_id is None:
        raise NotNeeded(PAGED_BY_HAND)
    if _paged_as_expected(incident):
        return _bring_in(incident, _not_inside(incident))
    return invite_people(incident, [one.id for one in pager().read_page(incident.pagerduty_id).assigned], why="paged")


def _paged_as_expected(incident: Incident) -> bool:
    """Whether PagerDuty named nobody else, and nobody else in our copy of its people has one of these names."""
    names = set(incident.assigned)
    expected = {one.email: one.name for one in incident.responders.all()}
    namesakes = Person.objects.filter(name__in=names).exclude(email__in=expected)
    return bool(names) and names.issubset(expected.values()) and not namesakes.exists()


def invite_people(incident: Incident, person_ids: Iterable[str], *, why: str) -> Record:
    """People of PagerDuty, if we had not expected them, and whoever is not inside yet. Repeats like find_missing."""
    expected = incident.responders.values_list("email", flat=True)
    others = Person.objects.filter(id__in=person_ids).exclude(email__in=expected)
    unexpected = [Responder(incident=incident, name=one.name, email=one.email, why=why) for one in others]
    return _bring_in(incident, [*_not_inside(incident), *unexpected])


def invite_one(incident: Incident, responder_id: int, member_id: str) -> Record:
    """Somebody of whom a person said that they are this member. Safe to repeat: who is in the channel stays in it."""
    responder = incident.responders.get(pk=responder_id)
    if responder.member_id not in ("", member_id):
        raise NotNeeded("Somebody has said since that it is another member.")
    return _invite(incident, [Invitee(responder, member_id)])


def _bring_in(incident: Incident, missing: list[Responder]) -> Record:
    if not missing:
        return nothing
    ids = members_of([one.email for one in missing if not _chosen(one)])
    invitees = [Invitee(one, _chosen(one) or ids.get(one.email.lower(), "")) for one in missing]
    found = [one for one in invitees if one.member_id]
    if found:
        _ask_to_invite(incident, found)
    absent = [one for one in invitees if one.state != Responder.State.INVITED]
    for one in absent:
        one.told = True
        one.detail = one.detail or f"Slack has no active member with the e-mail {one.responder.email}"
    if absent:
        _post_once(incident, _missing_message(incident, absent))
    return lambda: _fresh(incident).invited(invitees)


def _chosen(responder: Responder) -> str:
    """The member whom somebody chose for them on the incident's page, and who has not been invited yet."""
    return responder.member_id if responder.state == Responder.State.EXPECTED else ""


def members_of(emails: Iterable[str]) -> dict[str, str]:
    """By e-mail in lower case, the id of the member whom we know, or else whom Slack finds by one of their e-mails."""
    emails = [email.lower() for email in emails]
    found = people.member_ids(emails)
    for email in emails:
        if email not in found and (member_id := _ask_slack(email)):
            found[email] = member_id
    return found


def _ask_slack(email: str) -> str:
    """The id of the first active member with one of their e-mails, or nothing."""
    for one in people.emails_to_try(email):
        if (member := chat().member_by_email(one)) is not None:
            return member.id
    return ""


def _not_inside(incident: Incident) -> list[Responder]:
    return list(incident.responders.exclude(state=Responder.State.INVITED).filter(told=False))


def _invite(incident: Incident, invitees: list[Invitee]) -> Record:
    _ask_to_invite(incident, invitees)
    return lambda: _fresh(incident).invited(invitees)


def _ask_to_invite(incident: Incident, invitees: list[Invitee]) -> None:
    refused = chat().invite(_channel(incident), list(dict.fromkeys(one.member_id for one in invitees)))
    for one in invitees:
        word = refused.get(one.member_id)
        one.state = Responder.State.REFUSED if word else Responder.State.INVITED
        one.detail = f"Slack said {word}" if word else ""


def _missing_message(incident: Incident, absent: list[Invitee]) -> Message:
    who = listing([f"{one.responder.name} ({one.responder.email})" for one in absent])
    text = (
        f"{who} should be here, but could not be invited: {'; '.join({one.detail for one in absent})}. "
        "PagerDuty pages people by itself, whether or not they are in Slack. Who knows them here: please invite them."
    )
    return Message(
        marker=f"{incident.name}/missing/{','.join(sorted(one.responder.email for one in absent))}", paragraphs=(text,)
    )


# ── the channel's topic, bookmarks and summary ────────────────────────────────────────────────────


def topic(incident: Incident) -> Record:
    """Safe to repeat."""
    chat().set_topic(_channel(incident), topic_of(incident))
    return nothing


def topic_of(incident: Incident) -> str:
    priority = f"{incident.priority.name} " if incident.priority else ""
    status = incident.get_status_display()
    commander = incident.commander or "nobody"
    return f"{priority}{incident.service.name} · {incident.title} · {status} · Commander: {commander}"


def bookmark_incident(incident: Incident) -> Record:
    """Looks before it adds, so safe to repeat."""
    return _bookmark(incident, "Incident", address_of(incident))


def bookmark_page(incident: Incident) -> Record:
    """Looks before it adds, so safe to repeat."""
    return _bookmark(incident, "PagerDuty", incident.pagerduty_url or "")


def _bookmark(incident: Incident, title: str, link: str) -> Record:
    if not link:
        raise NotNeeded(f"There is no address for {title}.")
    chat().add_bookmark(_channel(incident), title=title, link=link)
    return nothing


def look_for_incident_bookmark(incident: Incident) -> Record | None:
    return nothing if address_of(incident) in chat().bookmarks(_channel(incident)) else None


def look_for_page_bookmark(incident: Incident) -> Record | None:
    return nothing if (incident.pagerduty_url or "") in chat().bookmarks(_channel(incident)) else None


def summary(incident: Incident) -> Record:
    """Not safe to repeat after a lost answer: look for its marker first."""
    message_id = chat().post(_channel(incident), summary_of(incident))
    return lambda: _fresh(incident).summary_posted(message_id)


def look_for_summary(incident: Incident) -> Record | None:
    message_id = chat().find_message(_channel(incident), summary_of(incident).marker, since=incident.created_at)
    return None if message_id is None else lambda: _fresh(incident).summary_posted(message_id)


def pin(incident: Incident) -> Record:
    """Safe to repeat: pinned is pinned."""
    channel = _channel(incident)
    if not incident.summary_ts:
        raise NotNeeded("The summary was posted by hand: pin it by hand, too.")
    chat().pin(channel, incident.summary_ts)
    return nothing


def summary_of(incident: Incident) -> Message:
    priority = f"{incident.priority.name} " if incident.priority else ""
    on_call = [one.name for one in incident.responders.all() if one.why.startswith("on call")]
    description = incident.description
    if len(description) > 2500:
        description = description[:2500] + "… (the rest is on the incident’s page)"
    return Message(
        marker=f"{incident.name}/summary",
        title=f"{priority}{incident.title}",
        paragraphs=(description,) if description else (),
        facts=(
            ("Service", incident.service.name),
            ("On call", listing(on_call) or "nobody that we know of"),
            ("Reporter", incident.reporter_name or incident.reporter_email),
            ("Commander", incident.commander or "nobody"),
            ("Status", _status_of(incident)),
        ),
        links=(Link("Details and timeline", address_of(incident)),) if address_of(incident) else (),
    )


def _status_of(incident: Incident) -> str:
    by = f" by {incident.acknowledged_by}" if incident.acknowledged_by and incident.status == "acknowledged" else ""
    return f"{incident.get_status_display()}{by}"


# ── tell others ───────────────────────────────────────────────────────────────────────────────────


def announce(incident: Incident) -> Record:
    """Not safe to repeat after a lost answer: look for its marker first."""
    channel = settings.SLACK_ANNOUNCE_CHANNEL
    chat().post(channel, announcement_of(incident))
    return lambda: _fresh(incident).announced(channel)


def look_for_announcement(incident: Incident) -> Record | None:
    channel = settings.SLACK_ANNOUNCE_CHANNEL
    if not was_announced(announcement_of(incident).marker, since=incident.created_at):
        return None
    return lambda: _fresh(incident).announced(channel)


def was_announced(marker: str, *, since: datetime) -> bool:
    """Whether a message of ours is in the announce channel. Where the bot is not in the channel it cannot read it, and
    then an announcement twice beats none."""
    channel = settings.SLACK_ANNOUNCE_CHANNEL
    channel_id = chat().find_channel(channel) or (channel if channel[:1] in "CG" and channel.isupper() else None)
    return channel_id is not None and chat().find_message(channel_id, marker, since=since) is not None


def announcement_of(incident: Incident) -> Message:
    priority = f"{incident.priority.name} " if incident.priority else ""
    reporter = incident.reporter_name or incident.reporter_email
    return Message(
        marker=f"{incident.name}/announcement",
        title=f"{priority}{incident.title}",
        paragraphs=(f"{incident.service.name}, reported by {reporter}.",),
        links=tuple(_channel_link(incident)),
    )


def note(incident: Incident) -> Record:
    """The channel's link on PagerDuty's incident. Not safe to repeat after a lost answer: look among the notes."""
    if incident.pagerduty_id is None:
        raise NotNeeded(PAGED_BY_HAND)
    _channel(incident)  # or there is nothing to tell
    pager().add_note(incident.pagerduty_id, note_of(incident))
    return nothing


def look_for_note(incident: Incident) -> Record | None:
    return nothing if note_of(incident) in pager().notes(incident.pagerduty_id or "") else None


def note_of(incident: Incident) -> str:
    return f"Slack channel #{incident.slack_channel_name}: {incident.slack_channel_url}\n{address_of(incident)}".strip()


# ── shared by the steps ───────────────────────────────────────────────────────────────────────────


def address_of(incident: Incident) -> str:
    """The incident's page, to be opened by people; empty where BASE_URL is not set."""
    return f"{settings.BASE_URL}/incidents/{incident.name}" if settings.BASE_URL else ""


def look_for_message(incident: Incident, marker: str) -> Record | None:
    """Whether it was posted in the channel before."""
    found = chat().find_message(_channel(incident), marker, since=incident.created_at)
    return None if found is None else nothing


def _post_once(incident: Incident, message: Message) -> None:
    if chat().find_message(_channel(incident), message.marker, since=incident.created_at) is None:
        chat().post(_channel(incident), message)


def _channel(incident: Incident) -> str:
    if incident.slack_channel_id is None:
        raise NotNeeded("The channel was opened by hand: we do not know which it is.")
    return incident.slack_channel_id


def _channel_link(incident: Incident) -> Iterable[Link]:
    if incident.slack_channel_url:
        yield Link(f"#{incident.slack_channel_name}", incident.slack_channel_url)


def _fresh(incident: Incident) -> Incident:
    """The row as it is now, held until the transaction ends: other steps wrote to it while this one was calling."""
    return fetch(Incident, incident.pk, held=True)


def nothing() -> None:
    """Nothing to write down."""


# ── the graph ─────────────────────────────────────────────────────────────────────────────────────


def without_slack(incident: Incident) -> str | None:
    return None if settings.SLACK_BOT_TOKEN else "Slack is not set up."


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
        _step("open_channel", open_channel, look=look_for_channel),
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
