"""Who is brought into the channel: the steps that invite, and who is who in Slack."""

from collections.abc import Iterable

from incident_central.incidents import people
from incident_central.incidents.copies import INVITED_LEVELS
from incident_central.incidents.models import Incident, Invitee, Person, Responder
from incident_central.incidents.steps import PAGED_BY_HAND, channel_of, fresh, nothing, post_once
from incident_central.incidents.tools import chat, pager
from incident_central.incidents.wording import missing_message
from incident_central.jobs.workflow import NotNeeded, Record


def expected_responders(incident: Incident) -> list[Responder]:
    """The reporter and the people on call now at the first levels, each once. Who they are in Slack is looked up when
    they are invited: the page does not wait for it."""
    expected: dict[str, Responder] = {}
    for level, on_calls in list(incident.service.on_call_now().items())[:INVITED_LEVELS]:
        for one in on_calls:
            email = one.person.email
            expected.setdefault(email, Responder(name=one.person.name, email=email, why=f"on call, level {level}"))
    if reporter := incident.reporter_email:
        name = incident.reporter_name or reporter
        expected.setdefault(reporter, Responder(name=name, email=reporter, why="reporter"))
    for responder in expected.values():
        responder.incident = incident
    return list(expected.values())


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
        post_once(incident, missing_message(incident, absent))
    return lambda: fresh(incident).invited(invitees)


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
    return lambda: fresh(incident).invited(invitees)


def _ask_to_invite(incident: Incident, invitees: list[Invitee]) -> None:
    refused = chat().invite(channel_of(incident), list(dict.fromkeys(one.member_id for one in invitees)))
    for one in invitees:
        word = refused.get(one.member_id)
        one.state = Responder.State.REFUSED if word else Responder.State.INVITED
        one.detail = f"Slack said {word}" if word else ""
