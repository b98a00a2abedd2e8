"""Checks of people: whether those who are on call can be invited to Slack channels.

By our own copies of PagerDuty's users and Slack's members; nobody outside is asked. Whoever is not known is paged all
the same.
"""

from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db import Error

from incident_central.doctor.findings import PEOPLE
from incident_central.findings import Finding
from incident_central.incidents import people, stale
from incident_central.incidents.models import Member
from incident_central.incidents.people import Match, State
from incident_central.incidents.sync import freshness
from incident_central.incidents.text import listing

MOST_NAMED = 3


def check_people() -> Iterator[Finding]:
    if not settings.SLACK_BOT_TOKEN:
        yield _not_checked("Slack is not set up, so nobody is invited to a channel.")
        return
    try:
        yield from _check()
    except Error as error:
        yield _not_checked(" ".join(str(error).split()))


def _not_checked(said: str) -> Finding:
    return PEOPLE.found("people.not-checked", said)


def _check() -> Iterator[Finding]:
    everyone = people.matches()
    if not everyone:
        yield _not_checked("PagerDuty's users have not been read yet: Incident Central does that while it runs.")
        return
    if any(one.state == State.UNKNOWN for one in everyone):
        yield _not_checked("Slack's members have not been read yet: Incident Central does that while it runs.")
        return
    if people.shows_no_emails():
        yield _not_checked("Slack shows us nobody's e-mail, as when the app lacks the scope `users:read.email`.")
        return
    on_call = [one for one in everyone if one.turn is not None]
    for one in on_call:
        yield from _check_on_call(one)
    yield from _check_others([one for one in everyone if one.turn is None and one.needs_somebody])
    if old := _old():
        yield _not_checked(f"This is how it was when both were last read. {old}")
    elif not on_call:
        yield _not_checked("PagerDuty names nobody who is on call now or in the next 24 hours.")
    elif all(one.state == State.MATCHED for one in on_call):
        said = f"By e-mail, or as somebody said: all {len(on_call)} who are on call now or in the next 24 hours."
        yield PEOPLE.found("people.on-call-known", said)


# ── on call now, or in the next 24 hours ──────────────────────────────────────────────────────────


def _check_on_call(one: Match) -> Iterator[Finding]:
    """A match that is as it should be gives nothing: one finding for all of them says so."""
    address = f"{settings.BASE_URL}/people/{one.someone.id}"
    about = {"person": one.someone.name, "when": "now" if one.is_on_call else "in the next 24 hours", "url": address}
    if one.state == State.UNMATCHED:
        yield PEOPLE.found("people.not-in-slack", _why_unmatched(one), **about)
    elif one.state == State.DEACTIVATED and one.member is not None:
        said = f"Slack says so of {_named([one.member])}.{_maybe(one)}"
        yield PEOPLE.found("people.deactivated", said, **about)
    elif one.state == State.AMBIGUOUS:
        said = f"Slack lists {_named(one.candidates)}, and nobody has said which of them it is."
        yield PEOPLE.found("people.ambiguous", said, **about)
    elif one.state == State.GUEST and one.member is not None:
        said = f"Slack says that {_named([one.member])} is a {one.member.guest}. It may refuse to invite them."
        yield PEOPLE.found("people.guest", said, **about)


def _why_unmatched(one: Match) -> str:
    if (said := one.correction) is not None:
        return f"{said.by} said that it is {said.member_name} ({said.member_id}), whom Slack does not list any more."
    emails = listing([one.someone.email, *(other.email for other in one.others)])
    return f"Slack lists nobody with {emails}.{_maybe(one)}"


def _maybe(one: Match) -> str:
    return f" It may be {_named(one.candidates)}." if one.candidates else ""


def _named(members: Sequence[Member]) -> str:
    return listing([f"{member.name} (@{member.handle})" if member.handle else member.name for member in members])


# ── everybody else ────────────────────────────────────────────────────────────────────────────────


def _check_others(unknown: Sequence[Match]) -> Iterator[Finding]:
    if unknown:
        names = [one.someone.name for one in unknown]
        more = [f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
        said = f"By e-mail, or as somebody said, it is not known of {listing([*names[:MOST_NAMED], *more])}."
        yield PEOPLE.found("people.others-not-known", said, count=len(unknown))


def _old() -> str:
    """Why what we know may not be true any more; empty where it is read as it should be."""
    known = freshness()
    steps = {"PagerDuty's users": known.get(stale.DIRECTORY), "Slack's members": known.get(stale.MEMBERS)}
    failing = {what: one.error for what, one in steps.items() if one is not None and one.failing}
    return " ".join(f"{what}: {error or 'nobody works who would read them.'}" for what, error in failing.items())
