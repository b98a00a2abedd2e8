"""What people say about who somebody is in Slack: kept, and taken back. What follows from it is in people.py."""

import logging
import re
from collections.abc import Mapping, Sequence

from django.db.models import Q
from django.db.models.functions import Now

from incident_central.accounts.models import User
from incident_central.database import now
from incident_central.incidents.models import Correction, Member, OtherEmail, Person
from incident_central.incidents.people import Someone

EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+")
MOST_EMAILS = 10  # besides the first

log = logging.getLogger(__name__)


class CannotCorrect(Exception):
    """Nothing was changed; the text says what to do instead."""


def chosen(member_id: str, someone: Someone | None, *, is_admin: bool) -> Member:
    """The member, if they can be meant. Whoever is not an administrator may not choose somebody else's.

    Raises CannotCorrect.
    """
    member = Member.objects.filter(pk=member_id).first()
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
    if Correction.objects.filter(whose=someone.id, member_id=member.pk).exists():
        return
    said = {"member_id": member.pk, "member_name": member.name, "by": by, "at": Now()}
    Correction.objects.update_or_create(whose=someone.id, defaults=said)
    log.info("%s: %s is %s in Slack", by, someone.id, member.pk)


def correct_all(chosen: Mapping[Someone, Member], taken_back: Sequence[Someone], *, by: str) -> None:
    """All of these, and quickly: others wait to write meanwhile."""
    at = now()
    rows = [
        Correction(whose=someone.id, member_id=member.pk, member_name=member.name, by=by, at=at)
        for someone, member in sorted(chosen.items(), key=lambda pair: pair[0].id)  # the order in which all lock them
    ]
    columns = ["member_id", "member_name", "by", "at"]
    Correction.objects.bulk_create(rows, update_conflicts=True, unique_fields=["whose"], update_fields=columns)
    Correction.objects.filter(whose__in=[one.id for one in taken_back]).delete()
    log.info("%s corrected %s people, and took back what was said of %s", by, len(chosen), len(taken_back))


def take_back(someone: Someone, *, by: str) -> None:
    """From now on their e-mails count again. Safe to repeat."""
    if Correction.objects.filter(whose=someone.id).delete()[0]:
        log.info("%s: nothing is said of %s in Slack any more", by, someone.id)


def add_email(someone: Someone, typed: str, *, by: str, is_admin: bool) -> None:
    """Another e-mail to try. One that is theirs already changes nothing. Raises CannotCorrect."""
    email = typed.strip().lower()
    if not EMAIL.fullmatch(email) or len(email) > 254:
        raise CannotCorrect("Write an e-mail address, such as ana@example.com.")
    there = OtherEmail.objects.filter(email=email).first()
    if email == someone.email or (there is not None and there.whose == someone.id):
        return
    is_others = there is not None or Person.objects.filter(email=email, listed=True).exclude(pk=someone.id).exists()
    if not is_admin:  # whoever is, knows which account is whose
        is_others = is_others or User.objects.filter(email=email).exclude(email=someone.email).exists()
    if is_others:
        raise CannotCorrect(f"{email} is somebody else’s here. Each address can be one person’s alone.")
    if OtherEmail.objects.filter(whose=someone.id).count() >= MOST_EMAILS:
        raise CannotCorrect(f"These are {MOST_EMAILS} already. Remove one that is not used any more.")
    OtherEmail.objects.get_or_create(email=email, defaults={"whose": someone.id, "by": by})


def remove_email(someone: Someone, email: str) -> None:
    OtherEmail.objects.filter(whose=someone.id, email=email).delete()


def _whose(member: Member, someone: Someone | None) -> str:
    """The name of somebody else whom this member is already; empty where there is nobody."""
    id_, email = (someone.id, someone.email) if someone else ("", "")
    corrected = Correction.objects.filter(member_id=member.pk).exclude(whose=id_)
    people = Person.objects.filter(Q(pk__in=corrected.values("whose")) | Q(email=member.email, listed=True))
    accounts = User.objects.filter(email=member.email).exclude(email=email)
    if not member.email:
        people, accounts = people.filter(pk__in=corrected.values("whose")), accounts.none()
    other: object = people.exclude(pk=id_).first() or accounts.first()
    return str(other or ("somebody else" if corrected.exists() else ""))
