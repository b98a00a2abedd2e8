"""What people say about who somebody is in Slack: kept, and taken back. What follows from it is in people.py."""

import logging
import re
from collections.abc import Mapping, Sequence

from django.db.models import Q
from django.db.models.functions import Now

from incident_central.accounts.models import User
from incident_central.database import now
from incident_central.incidents import people
from incident_central.incidents.models import Correction, Member, OtherEmail, Person
from incident_central.incidents.people import Someone

EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+")
MOST_EMAILS = 10  # besides the first
NOT_THEIRS = "{email} is somebody else’s here. Each address can be one person’s alone."

log = logging.getLogger(__name__)


class CannotCorrect(Exception):
    """Nothing was changed; the text says what to do instead."""


def chosen(member_id: str, someone: Someone | None, *, is_admin: bool) -> Member:
    """The member, if they can be meant. Whoever is not an administrator may not choose somebody else's.

    Held until the caller's transaction ends, so that of two people who choose the same one at once, one is refused.
    Raises CannotCorrect.
    """
    member = Member.objects.select_for_update().filter(pk=member_id).first()
    if member is None:
        raise CannotCorrect("Choose somebody whom Slack lists.")
    active(member)
    if not is_admin and (other := _whose(member, someone)):
        raise CannotCorrect(f"{member} is {other} already. If that is wrong, ask an administrator.")
    return member


def active(member: Member) -> Member:
    """Raises CannotCorrect for somebody who cannot be invited anyway."""
    if member.deactivated:
        raise CannotCorrect(f"{member} is deactivated in Slack and cannot be invited. Choose an active member.")
    return member


def correct(someone: Someone, member: Member, *, by: str) -> None:
    """From now on they are this member, whatever Slack says of e-mails. Saying so again changes nothing."""
    Correction.objects.filter(whose__in=_ids(someone)).exclude(whose=someone.id).delete()
    if Correction.objects.filter(whose=someone.id, member_id=member.pk).exists():
        return
    said = {"member_id": member.pk, "member_name": member.name, "by": by, "at": Now()}
    Correction.objects.update_or_create(whose=someone.id, defaults=said)
    log.info("%s: %s is %s in Slack", by, someone.id, member.pk)


def correct_all(chosen: Mapping[Someone, Member], taken_back: Sequence[Someone], *, by: str) -> None:
    """All of these, and quickly: others wait to write meanwhile."""
    at = now()
    everyone = [*chosen, *taken_back]
    ids = {id_ for ids in people.ids_of([one.email for one in everyone]).values() for id_ in ids}
    before = Correction.objects.filter(whose__in=ids).order_by("whose")
    list(before.select_for_update())  # in this order, or two files would wait for each other
    before.exclude(whose__in=[one.id for one in chosen]).delete()
    rows = [
        Correction(whose=someone.id, member_id=member.pk, member_name=member.name, by=by, at=at)
        for someone, member in sorted(chosen.items(), key=lambda pair: pair[0].id)  # the order in which all lock them
    ]
    columns = ["member_id", "member_name", "by", "at"]
    Correction.objects.bulk_create(rows, update_conflicts=True, unique_fields=["whose"], update_fields=columns)
    for one, member in chosen.items():
        log.info("%s: %s is %s in Slack", by, one.id, member.pk)
    for one in taken_back:
        log.info("%s: nothing is said of %s in Slack any more", by, one.id)


def take_back(someone: Someone, *, by: str) -> None:
    """From now on their e-mails count again. Safe to repeat."""
    if Correction.objects.filter(whose__in=_ids(someone)).delete()[0]:
        log.info("%s: nothing is said of %s in Slack any more", by, someone.id)


def add_email(someone: Someone, typed: str, *, by: str, is_admin: bool) -> None:
    """Another e-mail to try. One that is theirs already changes nothing. Raises CannotCorrect."""
    email = typed.strip().lower()
    if not EMAIL.fullmatch(email) or len(email) > 254:
        raise CannotCorrect("Write an e-mail address, such as ana@example.com.")
    ids = _ids(someone)
    if email == someone.email or OtherEmail.objects.filter(email=email, whose__in=ids).exists():
        return
    is_others = Person.objects.filter(email=email, listed=True).exists()
    if not is_admin:  # whoever is, knows which account and which member is whose
        members = Member.objects.select_for_update().filter(email=email).order_by("id")  # held: see chosen()
        is_others = (
            is_others or User.objects.filter(email=email).exists() or any(_whose(one, someone) for one in members)
        )
    if is_others:
        raise CannotCorrect(NOT_THEIRS.format(email=email))
    if OtherEmail.objects.filter(whose__in=ids).count() >= MOST_EMAILS:
        raise CannotCorrect(f"These are {MOST_EMAILS} already. Remove one that is not used any more.")
    there, _ = OtherEmail.objects.get_or_create(email=email, defaults={"whose": someone.id, "by": by})
    if there.whose not in ids:
        raise CannotCorrect(NOT_THEIRS.format(email=email))


def remove_email(someone: Someone, email: str) -> None:
    OtherEmail.objects.filter(whose__in=_ids(someone), email=email).delete()


def _ids(someone: Someone | None) -> list[str]:
    return [] if someone is None else people.ids_of([someone.email])[someone.email]


def _whose(member: Member, someone: Someone | None) -> str:
    """The name of somebody else whom this member is already, by what was said or by an e-mail; empty where there is
    nobody."""
    said_of = (Correction.objects.filter(member_id=member.pk), OtherEmail.objects.filter(email=member.email))
    whose = {each for said in said_of for each in said.values_list("whose", flat=True)} - set(_ids(someone))
    if member.email and (someone is None or member.email != someone.email):
        persons = Person.objects.filter(Q(pk__in=whose) | Q(email=member.email, listed=True))
        account = User.objects.filter(email=member.email).first()
    else:
        persons, account = Person.objects.filter(pk__in=whose), None
    return str(persons.first() or account or ("somebody else" if whose else ""))
