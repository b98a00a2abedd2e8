"""Who somebody is in Slack, and the forms by which that is put right: on their page, one's own, and an incident's."""

from dataclasses import dataclass

from incident_central.database import transaction
from incident_central.incidents import correcting, people
from incident_central.incidents.correcting import CannotCorrect
from incident_central.incidents.models import Member
from incident_central.incidents.people import How, Match, Someone, State
from incident_central.incidents.text import clean
from incident_central.web.security import SignedIn
from incident_central.web.templatetags.times import clock

ONLY_ADMINISTRATORS = "Only an administrator can say who somebody else is in Slack."


class NotAllowed(CannotCorrect):
    """Somebody else may, but not this person."""


def status_of(reason: Exception) -> int:
    """Of the answer to a form that was refused."""
    return 403 if isinstance(reason, NotAllowed) else 422


@dataclass(frozen=True)
class InSlack:
    """What the pages show. `may_change` says whether there are forms; `q` is what was searched for."""

    match: Match | None  # None for somebody who is neither in PagerDuty nor has an account
    may_change: bool
    q: str
    found: list[Member]
    refused: str
    typed: str  # an e-mail that was refused

    @property
    def candidates(self) -> tuple[Member, ...]:
        return self.match.candidates if self.match else ()

    @property
    def told(self) -> str:
        return told(self.match) if self.match else ""


def in_slack(request: SignedIn, match: Match | None, *, may_change: bool, refused: str = "") -> InSlack:
    """`q` in the address is what is searched for."""
    q = clean(request.GET.get("q") or request.POST.get("q") or "")[:100]
    typed = clean(request.POST.get("add_email", "")) if refused else ""
    return InSlack(match, may_change, q, people.search(q) if may_change else [], refused, typed)


def change(request: SignedIn, someone: Someone) -> None:
    """Do what the form asks for. Safe to repeat. Raises CannotCorrect."""
    post, by, is_admin = request.POST, str(request.user), request.user.is_admin
    with transaction():
        if "member" in post:
            member = correcting.chosen(clean(post["member"]), someone, is_admin=is_admin)
            correcting.correct(someone, member, by=by)
        elif "take_back" in post:
            correcting.take_back(someone, by=by)
        elif "add_email" in post:
            correcting.add_email(someone, clean(post["add_email"]), by=by, is_admin=is_admin)
        elif "remove_email" in post:
            correcting.remove_email(someone, clean(post["remove_email"]))
        else:
            raise CannotCorrect("Choose what to change.")


def told(match: Match) -> str:
    """How we know, or why we do not, in a sentence or two."""
    return " ".join(filter(None, [_how(match), _but(match)]))


def _how(match: Match) -> str:
    if (said := match.correction) is not None:
        return f"{said.by} said so, {clock(said.at)}."
    if match.member is None:
        return ""
    if match.how == How.OTHER_EMAIL:
        return f"Slack has the other e-mail {match.member.email}."
    return "Slack has the same e-mail." if match.how == How.EMAIL else ""


def _but(match: Match) -> str:
    if match.state == State.GUEST and match.member is not None:
        return f"A {match.member.guest}: Slack may refuse to invite them."
    if match.state == State.DEACTIVATED:
        return "That account is deactivated in Slack and cannot be invited."
    if match.state == State.AMBIGUOUS:
        return "Several members may be meant."
    if match.state == State.UNKNOWN:
        return "Slack’s members have not been read yet."
    if match.state == State.UNMATCHED and match.correction is not None:
        return f"But Slack does not list {match.correction.member_name} ({match.correction.member_id}) any more."
    return "Slack has no member with this e-mail." if match.state == State.UNMATCHED else ""
