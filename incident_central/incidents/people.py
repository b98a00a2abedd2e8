"""Who somebody is in Slack: by a person's correction, else by their e-mail, else by another e-mail of theirs.

Everything is looked up in the copies of PagerDuty's users and Slack's members; nobody outside is asked. The page waits
for none of it: the response asks when it invites.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from incident_central.accounts.models import User
from incident_central.incidents.models import Correction, Member, MembersRead, OnCall, OtherEmail, Person
from incident_central.incidents.text import plain

MOST_FOUND = 20


@dataclass(frozen=True)
class Someone:
    """`id` is PagerDuty's user id, or `user:7` for the account of somebody who has no user there."""

    id: str
    name: str
    email: str


class State(StrEnum):
    MATCHED = "matched"
    GUEST = "guest"  # matched, but guests cannot be invited everywhere
    DEACTIVATED = "deactivated"
    AMBIGUOUS = "ambiguous"  # not known by e-mail, and several members have the name
    UNMATCHED = "unmatched"
    UNKNOWN = "unknown"  # Slack's members have not been read yet


class How(StrEnum):
    CORRECTION = "correction"
    EMAIL = "e-mail"
    OTHER_EMAIL = "other e-mail"
    NOT_AT_ALL = ""


@dataclass(frozen=True)
class Match:
    """Who somebody is in Slack, as far as we know. `candidates` may be meant where nobody has said so."""

    someone: Someone
    state: State
    how: How = How.NOT_AT_ALL
    member: Member | None = None
    candidates: tuple[Member, ...] = ()
    correction: Correction | None = None
    others: tuple[OtherEmail, ...] = ()
    turn: OnCall | None = None  # being on call now, or else next within a day
    is_on_call: bool = False  # now

    @property
    def needs_somebody(self) -> bool:
        return self.state in (State.DEACTIVATED, State.AMBIGUOUS, State.UNMATCHED)


# ── what the response asks ────────────────────────────────────────────────────────────────────────


def member_ids(emails: Iterable[str]) -> dict[str, str]:
    """By e-mail, the Slack member's id of those whom we know. A correction counts, whatever Slack says of e-mails."""
    said = _Said([email.lower() for email in emails])
    tried = {email: [email, *(one.email for one in said.others(email))] for email in said.ids}
    members = Member.objects.filter(email__in={each for emails in tried.values() for each in emails}, deactivated=False)
    by_email = dict(members.order_by("-id").values_list("email", "id"))
    found = {}
    for email, emails_of_them in tried.items():
        if (correction := said.correction(email)) is not None:
            found[email] = correction.member_id
        elif known := [by_email[each] for each in emails_of_them if each in by_email]:
            found[email] = known[0]
    return found


def emails_to_try(email: str) -> list[str]:
    """Theirs, this one first."""
    return [email, *(one.email for one in _Said([email.lower()]).others(email.lower()))]


def someone_with(email: str) -> Someone | None:
    """PagerDuty's user with that e-mail, or else the account; None for somebody who is neither."""
    person = Person.objects.filter(email=email.lower()).order_by("-listed", "id").first()
    if person is not None:
        return Someone(person.pk, person.name, person.email)
    user = User.objects.filter(email=email.lower()).first()
    return None if user is None else Someone(f"user:{user.pk}", str(user), user.email)


def ids_of(emails: Iterable[str]) -> dict[str, list[str]]:
    """By e-mail, what is said of them may be kept under, the current one first: they may have had an account before a
    user in PagerDuty, or another user there."""
    found: dict[str, list[str]] = {email: [] for email in emails}
    for id_, email in Person.objects.filter(email__in=found).order_by("-listed", "id").values_list("id", "email"):
        found[email].append(id_)
    for pk, email in User.objects.filter(email__in=found).values_list("id", "email"):
        found[email].append(f"user:{pk}")
    return found


class _Said:
    """What people have said of those with these e-mails, read at once."""

    def __init__(self, emails: Iterable[str]) -> None:
        self.ids = ids_of(emails)
        whose = {id_: email for email, ids in self.ids.items() for id_ in ids}
        self._corrections = Correction.objects.in_bulk(list(whose))
        self._others: dict[str, list[OtherEmail]] = {}
        for one in OtherEmail.objects.filter(whose__in=whose):
            self._others.setdefault(whose[one.whose], []).append(one)

    def correction(self, email: str) -> Correction | None:
        """Of several the one kept under what they are now."""
        return next((self._corrections[id_] for id_ in self.ids[email] if id_ in self._corrections), None)

    def others(self, email: str) -> Sequence[OtherEmail]:
        """In the order in which they were added."""
        return self._others.get(email, ())

    @property
    def member_ids(self) -> set[str]:
        return {one.member_id for one in self._corrections.values()}

    @property
    def emails(self) -> set[str]:
        """Theirs, the other ones as well."""
        return {*self.ids, *(one.email for others in self._others.values() for one in others)}


# ── what people look at ───────────────────────────────────────────────────────────────────────────


def matches() -> list[Match]:
    """Every user of PagerDuty but our own: who is on call now first, then who is next; of these, who needs somebody."""
    people = Person.objects.filter(listed=True).exclude(email=settings.PAGERDUTY_FROM_EMAIL.lower())
    turns = _turns()
    found = _Known([Someone(one.pk, one.name, one.email) for one in people]).matches()
    return sorted((_with_turn(one, turns.get(one.someone.id)) for one in found), key=_place)


def match(someone: Someone) -> Match:
    (found,) = _Known([someone]).matches()
    return _with_turn(found, _turns(someone.id).get(someone.id))


def _turns(*ids: str) -> dict[str, OnCall]:
    """By person, the lowest level at which they are on call now, or else their next turn."""
    moment = timezone.now()
    on_calls = OnCall.objects.filter(person__in=ids) if ids else OnCall.objects.all()
    coming = sorted(
        (one for one in on_calls if one.covers(moment) or (one.start is not None and one.start > moment)),
        key=lambda one: (one.level,) if one.covers(moment) else (1_000, one.start),
    )
    found: dict[str, OnCall] = {}
    for one in coming:
        found.setdefault(one.person_id, one)
    return found


def _with_turn(one: Match, turn: OnCall | None) -> Match:
    return one if turn is None else replace(one, turn=turn, is_on_call=turn.covers(timezone.now()))


def _place(one: Match) -> tuple[int, bool, bool, str]:
    turn = 0 if one.is_on_call else 1 if one.turn else 2
    return turn, not one.needs_somebody, one.state != State.GUEST, plain(one.someone.name)


@dataclass
class _Known:
    """All that the copies and the corrections say about some people, read at once."""

    them: Sequence[Someone]
    said: _Said = field(init=False)
    by_id: Mapping[str, Member] = field(init=False)
    by_email: dict[str, list[Member]] = field(init=False)

    def __post_init__(self) -> None:
        self.said = _Said([one.email for one in self.them])
        self.by_id = Member.objects.in_bulk(list(self.said.member_ids))
        self.by_email = {}
        for member in Member.objects.filter(email__in=self.said.emails).order_by("deactivated", "id"):
            self.by_email.setdefault(member.email, []).append(member)

    def matches(self) -> list[Match]:
        if not MembersRead.objects.filter(ended_at__isnull=False).exists():
            return [self._match(one, State.UNKNOWN) for one in self.them]
        found = [self._look_up(one) for one in self.them]
        alike = _named_alike([one.someone for one in found if one.needs_somebody])
        return [_with_candidates(one, alike.get(plain(one.someone.name), ())) for one in found]

    def _match(self, one: Someone, state: State, how: How = How.NOT_AT_ALL, member: Member | None = None) -> Match:
        correction, others = self.said.correction(one.email), tuple(self.said.others(one.email))
        return Match(one, state, how, member, correction=correction, others=others)

    def _look_up(self, one: Someone) -> Match:
        if (correction := self.said.correction(one.email)) is not None:
            member = self.by_id.get(correction.member_id)
            return self._match(one, _state(member), How.CORRECTION, member)
        by_first, by_others = self.by_email.get(one.email, []), self._by_others(one)
        if active := _active(by_first):
            return self._match(one, _state(active[0]), How.EMAIL, active[0])
        if active := _active(by_others):
            return self._match(one, _state(active[0]), How.OTHER_EMAIL, active[0])
        if gone := [*by_first, *by_others]:
            return self._match(one, State.DEACTIVATED, How.EMAIL if by_first else How.OTHER_EMAIL, gone[0])
        return self._match(one, State.UNMATCHED)

    def _by_others(self, one: Someone) -> list[Member]:
        return [member for other in self.said.others(one.email) for member in self.by_email.get(other.email, ())]


def _active(members: Iterable[Member]) -> list[Member]:
    return [one for one in members if not one.deactivated]


def _state(member: Member | None) -> State:
    """Of whoever was matched; None where a correction names a member whom Slack does not list any more."""
    if member is None:
        return State.UNMATCHED
    if member.deactivated:
        return State.DEACTIVATED
    return State.GUEST if member.guest else State.MATCHED


def _named_alike(them: Sequence[Someone]) -> dict[str, tuple[Member, ...]]:
    """By plain name, active members of the same name who are nobody else's by e-mail."""
    named = Member.objects.filter(plain__in={plain(one.name) for one in them} - {""}, deactivated=False)
    others = set(
        Person.objects.filter(email__in=[one.email for one in named if one.email]).values_list("email", flat=True)
    )
    found: dict[str, tuple[Member, ...]] = {}
    for member in named.order_by("name", "id"):
        if member.email not in others:
            found[member.plain] = (*found.get(member.plain, ()), member)
    return found


def _with_candidates(one: Match, alike: tuple[Member, ...]) -> Match:
    if not one.needs_somebody or not alike:
        return one
    several = len(alike) > 1 and one.state == State.UNMATCHED and one.correction is None
    return replace(one, candidates=alike, state=State.AMBIGUOUS if several else one.state)


def shows_no_emails() -> bool:
    """Without the scope users:read.email Slack lists people, but no e-mails."""
    return Member.objects.exists() and not Member.objects.exclude(email="").exists()


def search(text: str) -> list[Member]:
    """Active members whose name, handle or e-mail has every word in it, some MOST_FOUND of them."""
    words = plain(text).split()
    if not words:
        return []
    found = Member.objects.filter(deactivated=False)
    for word in words:
        found = found.filter(
            Q(plain__contains=word) | Q(handle__icontains=word) | Q(email__contains=word) | Q(id__iexact=word)
        )
    return list(found.order_by("plain", "id")[:MOST_FOUND])
