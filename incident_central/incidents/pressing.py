"""Somebody presses a button of an incident: what it asks for is checked, written down and begun. Calls nobody outside.

What `Action.asked` holds, by kind:

    escalate       level, people, policy, status, from: level
    reassign       user or policy, people, before: names, status, from: service
    wrong-service  service, policy, was, before: names, status, from: service
    priority       priority, from: priority
    note           text
    more-people    users, policies, people, message
    snooze         seconds
    command        name, email
    me-too         saw
    member         responder, name, member, is: a name

`status`, `from` and an escalation's `policy` are those of the incident as it was pressed.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from textwrap import shorten
from typing import Any
from uuid import UUID, uuid5

from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils import timezone

from incident_central.database import transaction
from incident_central.incidents import correcting, news, people
from incident_central.incidents.acting import ACTION, DOING, was_phoned
from incident_central.incidents.copies import our_user_id
from incident_central.incidents.directory import Database
from incident_central.incidents.models import (
    Action,
    EscalationPolicy,
    Incident,
    Member,
    OnCall,
    Person,
    Priority,
    Responder,
    Status,
    listing,
)
from incident_central.incidents.text import clean
from incident_central.jobs import runner

Kind = Action.Kind
TEXT_LIMIT = 5_000
HOURS = (1, 4, 8, 24)  # that an incident can be snoozed for
#: What a form sends beside what was typed and chosen in it: its own ids, and what it showed.
BESIDE = ("csrfmiddlewaretoken", "press", "report_id", "status", "was", "seen")
#: “Me too” is a button of the report form, too, and says nothing of these.
REPORTED = ("service", "priority")


@dataclass(frozen=True)
class Press:
    """`id` is made by the form, so that a repeat is recognised; `given` is what was typed and chosen in it."""

    id: UUID
    sender: str  # whose press it is, such as "user:7"
    who: str
    email: str
    kind: Action.Kind
    given: dict[str, list[str]]
    is_admin: bool = False

    def one(self, name: str) -> str:
        return self.given.get(name, [""])[0]


class CannotAct(Exception):
    """Nothing was done; the text says what to do instead."""


@dataclass(frozen=True)
class Wanted:
    """What a press asks for, in words and as the steps need it."""

    title: str  # as something to be done
    told: str  # in past tense, to be followed by who
    asked: dict[str, Any]


def press(incident: Incident, pressed: Press) -> Action | None:
    """Write the action, its entry in the timeline and its steps in one transaction; it starts as that commits.

    Safe to repeat: the same press is the same action, and so is another one that asks for what is still under way.
    None where there is nothing to do. Raises CannotAct, and CannotCorrect where somebody is not to be that member.
    """
    press_id = _press_id(incident, pressed)
    # First of all: what it asked for may be done by now, and could not be asked for again.
    if (earlier := _sent_before(pressed, press_id)) is not None:
        return earlier
    without_page = pressed.kind == Kind.RESOLVE and was_phoned(incident)
    if pressed.kind in DOING and incident.pagerduty_id is None and not without_page:
        raise CannotAct("PagerDuty does not have this incident yet, so nothing can be done with it there.")
    wanted = WANTED[pressed.kind](incident, pressed)
    try:
        with transaction():
            return _record(incident.name, pressed, wanted, press_id)
    except IntegrityError:  # the very same press got in between
        return Action.objects.get(sender=pressed.sender, press=press_id)


def _press_id(incident: Incident, pressed: Press) -> UUID:
    """The same form with another text in it, after going back, is another press."""
    beside = (*BESIDE, *REPORTED) if pressed.kind == Kind.ME_TOO else BESIDE
    given = {name: values for name, values in pressed.given.items() if name not in beside}
    of = [incident.sender, str(incident.report_id)]  # which stay, whatever its name becomes
    return uuid5(pressed.id, json.dumps([*of, pressed.kind, given], sort_keys=True))


def _sent_before(pressed: Press, press_id: UUID) -> Action | None:
    return Action.objects.filter(sender=pressed.sender, press=press_id).first()


def title_of(incident: Incident, pressed: Press) -> str:
    """As something to be done; or why it cannot be."""
    try:
        return WANTED[pressed.kind](incident, pressed).title
    except CannotAct as reason:
        return f"{pressed.kind.label} ({reason})"


def _check_as_shown(incident: Incident, pressed: Press) -> None:
    """Whoever has others paged knows who has it: nobody acknowledged it, and nobody moved it, since they looked."""
    if pressed.one("status") == Status.TRIGGERED and incident.status == Status.ACKNOWLEDGED:
        raise CannotAct(f"{incident.acknowledged_by or 'Somebody'} acknowledged it meanwhile. Choose again.")
    if pressed.one("was") not in ("", incident.service_id):
        raise CannotAct(f"It is on {incident.service} by now. Choose again.")


def _record(name: str, pressed: Press, wanted: Wanted, press_id: UUID) -> Action | None:
    incident = Incident.objects.select_for_update().get(pk=name)
    if (same := _same(incident, pressed, wanted, press_id)) is not None:
        return same
    _check_as_shown(incident, pressed)
    if pressed.kind == Kind.COMMAND and incident.incident_commander_email == wanted.asked["email"]:
        return None
    if pressed.kind == Kind.MEMBER and _is_inside(incident, wanted.asked):
        return None
    action = Action.objects.create(
        incident=incident,
        kind=pressed.kind,
        asked=wanted.asked,
        title=wanted.title,
        told=wanted.told,
        who=pressed.who,
        email=pressed.email,
        sender=pressed.sender,
        press=press_id,
    )
    action.refresh_from_db(fields=["pressed_at"])
    incident.asked(action)
    if pressed.kind == Kind.COMMAND:
        incident.command_taken(wanted.asked["name"], wanted.asked["email"], by=pressed.who)
        news.changed(incident, news.FACTS, at=action.pressed_at)
    elif pressed.kind == Kind.MEMBER:
        _say_who(incident, wanted.asked, pressed)
    runner.begin(ACTION, str(action.pk), action)
    return action


def _is_inside(incident: Incident, asked: dict[str, Any]) -> bool:
    """Somebody else has chosen the same member meanwhile, who has been invited since."""
    same = incident.responders.filter(pk=asked["responder"], member_id=asked["member"])
    return same.filter(state=Responder.State.INVITED).exists()


def _say_who(incident: Incident, asked: dict[str, Any], pressed: Press) -> None:
    """Here, and from now on, where we know who it is in PagerDuty or by an account. Raises CannotCorrect."""
    responder = incident.responders.get(pk=asked["responder"])
    someone = people.someone_with(responder.email)
    member = correcting.chosen(asked["member"], someone, is_admin=pressed.is_admin)
    responder.is_member(member.pk)
    if someone is not None:
        correcting.correct(someone, member, by=pressed.who)


def _same(incident: Incident, pressed: Press, wanted: Wanted, press_id: UUID) -> Action | None:
    """This press, if it came before; or what asks for the same and has not come to an end."""
    earlier = _sent_before(pressed, press_id)
    if earlier is not None or pressed.kind not in DOING:
        return earlier
    undone = incident.actions.filter(kind=pressed.kind, outcome=Action.Outcome.OPEN)
    same = _content(wanted.asked)
    return next((one for one in undone if _content(one.asked) == same and one.is_under_way), None)


def _content(asked: dict[str, Any]) -> dict[str, Any]:
    """Without what depends on the moment."""
    return {
        name: value
        for name, value in asked.items()
        if name not in ("message", "people", "before", "status", "from", "ended")
    }


# ── what is asked for ─────────────────────────────────────────────────────────────────────────────


def _acknowledge(incident: Incident, pressed: Press) -> Wanted:
    return Wanted("Acknowledge", "Acknowledged", {})


def _resolve(incident: Incident, pressed: Press) -> Wanted:
    return Wanted("Resolve", "Resolved", {})


def _escalate(incident: Incident, pressed: Press) -> Wanted:
    levels = incident.on_call_now()
    number, _, shown = pressed.one("level").partition(" ")
    level = _whole(number)
    if level not in levels:
        raise CannotAct("Choose the level to page: somebody must be on call there.")
    who = f"{_named(levels[level])}, level {level}"
    if shown and pressed.one("level") != level_as_shown(level, levels[level]):
        raise CannotAct(f"Meanwhile that would page {who}. Choose again.")
    people = [one.person_id for one in levels[level]]
    asked = {"level": level, "people": people, "policy": _followed(incident), "status": incident.status}
    asked |= {"from": incident.escalation_level, "ended": incident.paging_ended}
    return Wanted(f"Escalate to {who}", f"Escalated to {who}", asked)


def level_as_shown(level: int, on_calls: Sequence[OnCall]) -> str:
    """As a button sends it: whoever presses it means these people."""
    return " ".join([str(level), *sorted(one.person_id for one in on_calls)])


def _followed(incident: Incident) -> str | None:
    return None if incident.followed_policy is None else incident.followed_policy.pk


def people_to_page() -> QuerySet[Person]:
    """All but our own user, who has no phone."""
    return Person.objects.filter(listed=True).exclude(pk=our_user_id() or "")


def _reassign(incident: Incident, pressed: Press) -> Wanted:
    kind, _, id_ = clean(pressed.one("to")).partition(":")
    if kind == "policy":
        policy, on_calls = _policy(id_)
        if policy is None or not on_calls:
            raise CannotAct("Choose whom to page: nobody is on call there.")
        who = f"{policy} ({_named(on_calls)})"
        asked: dict[str, Any] = {"policy": id_, "people": [one.person_id for one in on_calls]}
    else:
        person = people_to_page().filter(pk=id_).first() if kind == "user" else None
        if person is None:
            raise CannotAct("Choose a person, or a team’s escalation policy.")
        who, asked = person.name, {"user": id_, "people": [id_]}
    asked |= {"before": list(incident.assigned), "status": incident.status, "from": incident.service_id}
    asked["ended"] = incident.paging_ended
    return Wanted(f"Reassign to {who}", f"Reassigned to {who}", asked)


def _wrong_service(incident: Incident, pressed: Press) -> Wanted:
    service = Database().service(clean(pressed.one("service")))
    if service is None:
        raise CannotAct("Choose the service that is affected.")
    if service.pk == incident.service_id:
        raise CannotAct(f"It is on {service} already. Choose the service that is affected instead.")
    why = service.why_unusable()
    if service.policy is None or why:
        raise CannotAct(f"Moving it to {service} would page nobody: {why}. Choose another service.")
    levels = service.on_call_now()
    who = f"{service} ({_named(levels[min(levels)])})"
    before, was = list(incident.assigned), incident.service.name
    asked = {"service": service.pk, "policy": service.policy.pk, "was": was, "before": before}
    asked |= {"status": incident.status, "from": incident.service_id}
    return Wanted(f"Move to {who}", f"Moved from {was} to {who}", asked)


def _change_priority(incident: Incident, pressed: Press) -> Wanted:
    priority = Priority.objects.filter(pk=clean(pressed.one("priority")), listed=True).first()
    if priority is None:
        raise CannotAct("Choose the new priority.")
    told = f"Priority changed from {incident.priority or 'none'} to {priority}"
    return Wanted(f"Change priority to {priority}", told, {"priority": priority.pk, "from": incident.priority_id})


def _add_note(incident: Incident, pressed: Press) -> Wanted:
    text = _text(pressed, "text")
    if not text:
        raise CannotAct("Write the note first.")
    return Wanted(f"Add note: {shorten(text, 40, placeholder='…')}", "Note", {"text": text})


def _more_people(incident: Incident, pressed: Press) -> Wanted:
    chosen = [clean(one).partition(":") for one in dict.fromkeys(pressed.given.get("to", []))]
    users = people_to_page().filter(pk__in=[id_ for kind, _, id_ in chosen if kind == "user"]).order_by("name", "pk")
    policies = [_policy(id_) for kind, _, id_ in chosen if kind == "policy"]
    if not users and not any(on_calls for _, on_calls in policies):
        raise CannotAct("Choose whom to page: at least one person, or a team with somebody on call.")
    if nobody := [str(policy) for policy, on_calls in policies if policy is not None and not on_calls]:
        raise CannotAct(f"Nobody is on call for {listing(nobody)} now. Choose others.")
    found = [(policy, on_calls) for policy, on_calls in policies if policy is not None]
    if len(users) + len(found) < len(chosen):
        raise CannotAct("Not all whom you chose are in PagerDuty any more. Choose again.")
    who = listing([*(one.name for one in users), *(f"{policy} ({_named(on_calls)})" for policy, on_calls in found)])
    at = timezone.now().astimezone(UTC)
    asked = {
        "users": [one.pk for one in users],
        "policies": [policy.pk for policy, _ in found],
        "people": [*(one.pk for one in users), *(one.person_id for _, on_calls in found for one in on_calls)],
        "message": f"{pressed.who} asks for your help with: {incident.title} "
        f"(through Incident Central, {at:%Y-%m-%d %H:%M:%S} UTC)",
    }
    return Wanted(f"Page {who}, too", f"Help asked of {who}", asked)


def _snooze(incident: Incident, pressed: Press) -> Wanted:
    hours = _whole(pressed.one("hours"))
    if hours not in HOURS:
        raise CannotAct("Choose for how long.")
    how_long = "1 hour" if hours == 1 else f"{hours} hours"
    return Wanted(f"Snooze for {how_long}", f"Snoozed for {how_long}", {"seconds": hours * 3600})


def _take_command(incident: Incident, pressed: Press) -> Wanted:
    """Of one's own, or for somebody else, named by e-mail."""
    email = clean(pressed.one("email")).lower() or pressed.email
    name = pressed.who if email == pressed.email else name_of(email)
    return Wanted(f"{name} in command", f"{name} put in command", {"name": name, "email": email})


def name_of(email: str) -> str:
    """As PagerDuty or Slack has it."""
    known = Person.objects.filter(email=email).first() or Member.objects.filter(email=email).first()
    return known.name if known is not None else email


def _me_too(incident: Incident, pressed: Press) -> Wanted:
    """What the person saw may be what they had typed into the report form."""
    if not incident.is_open:
        raise CannotAct("It is resolved. If you see it now, report it.")
    parts = [_text(pressed, "saw"), clean(pressed.one("title")), _text(pressed, "description")]
    return Wanted("Me too", "Seen", {"saw": "\n".join(filter(None, parts))})


def _member(incident: Incident, pressed: Press) -> Wanted:
    """Who somebody missing from the channel is in Slack. Whether the presser may speak for them, the door has asked;
    whether it may be this member is asked when it is written down."""
    responder = incident.responders.filter(pk=_whole(pressed.one("responder"))).first()
    member = Member.objects.filter(pk=clean(pressed.one("member"))).first()
    if responder is None or member is None:
        raise CannotAct("Choose who it is in Slack.")
    asked = {"responder": responder.pk, "name": responder.name, "member": member.pk, "is": _in_full(member)}
    return Wanted(f"Invite {responder.name} to the channel", f"Invited {responder.name}", asked)


def _in_full(member: Member) -> str:
    return f"{member} (@{member.handle})" if member.handle else str(member)


WANTED: dict[Action.Kind, Callable[[Incident, Press], Wanted]] = {
    Kind.ACKNOWLEDGE: _acknowledge,
    Kind.RESOLVE: _resolve,
    Kind.ESCALATE: _escalate,
    Kind.REASSIGN: _reassign,
    Kind.MOVE: _wrong_service,
    Kind.PRIORITY: _change_priority,
    Kind.NOTE: _add_note,
    Kind.HELP: _more_people,
    Kind.SNOOZE: _snooze,
    Kind.COMMAND: _take_command,
    Kind.ME_TOO: _me_too,
    Kind.MEMBER: _member,
}


def _whole(number: str) -> int:
    """0 for what is none that any form sends."""
    return int(number) if number.isdecimal() and len(number) < 18 else 0


def _text(pressed: Press, name: str) -> str:
    text = clean(pressed.one(name), lines=True)
    if len(text) > TEXT_LIMIT:
        raise CannotAct(f"Shorten the text to {TEXT_LIMIT:,} characters; it has {len(text):,}.")
    return text


def _policy(id_: str) -> tuple[EscalationPolicy | None, list[OnCall]]:
    """A policy, and who is on call at its first level that reaches somebody."""
    policy = EscalationPolicy.objects.filter(pk=id_).first()
    levels = policy.on_call_at(timezone.now()) if policy is not None else {}
    return policy, levels[min(levels)] if levels else []


def _named(on_calls: Sequence[OnCall]) -> str:
    return listing([one.person.name for one in on_calls])
