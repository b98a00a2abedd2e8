"""Everybody in PagerDuty and who they are in Slack; one person; and who is missing from an incident's channel."""

from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from incident_central.incidents import people, stale
from incident_central.incidents.correcting import CannotCorrect
from incident_central.incidents.models import Action, Incident, MembersRead, Person, Responder
from incident_central.incidents.people import Match, Someone, State
from incident_central.incidents.pressing import CannotAct, Press, press
from incident_central.incidents.text import clean, plain
from incident_central.web.acting import press_id
from incident_central.web.house import House
from incident_central.web.in_slack import ONLY_ADMINISTRATORS, NotAllowed, change, in_slack, status_of, told
from incident_central.web.redirects import SeeOther
from incident_central.web.renamed import by_present_name
from incident_central.web.security import SignedIn, signed_in

PAGE = 100
#: As rows of the table have it: a state of the design's, and the word beside it.
SHOWN = {
    State.MATCHED: ("pass", "Found"),
    State.GUEST: ("warn", "Guest"),
    State.DEACTIVATED: ("fail", "Deactivated"),
    State.AMBIGUOUS: ("fail", "Several possible"),
    State.UNMATCHED: ("fail", "Not found"),
    State.UNKNOWN: ("warn", "Not known yet"),
}


@dataclass(frozen=True)
class Row:
    match: Match

    @property
    def state(self) -> str:
        state, _ = SHOWN[self.match.state]
        return "warn" if state == "fail" and self.match.turn is None else state

    @property
    def word(self) -> str:
        return SHOWN[self.match.state][1]

    @property
    def told(self) -> str:
        return told(self.match)


@dataclass(frozen=True)
class Asked:
    """Which of them to show."""

    q: str
    show: str  # "look" for those that somebody should look at, else all
    page: int

    def address(self, **other: str | int) -> str:
        asked = {name: value for name, value in (vars(self) | {"page": 1} | other).items() if value not in ("", 1)}
        return reverse("people") + (f"?{urlencode(asked)}" if asked else "")


@require_http_methods(["GET", "POST"])
@signed_in
def everybody(request: SignedIn) -> HttpResponse:
    """From our own copies, and how old they are. Sent as a form, it has Slack and PagerDuty read again soon."""
    if request.method == "POST":
        if not request.user.is_admin:
            return list_of_people(request, refused=["Only an administrator can have them read again."], status=403)
        stale.read_people_again()
        return SeeOther(reverse("people"))
    return list_of_people(request)


def list_of_people(request: SignedIn, *, refused: list[str] | None = None, status: int = 200) -> HttpResponse:
    """`refused`: what kept something that was sent from being done, a line each."""
    everyone = people.matches()
    to_look_at = [one for one in everyone if one.needs_somebody or one.state == State.GUEST]
    number = request.GET.get("page", "")
    page = max(int(number), 1) if number.isascii() and number.isdecimal() and len(number) < 6 else 1
    asked = Asked(clean(request.GET.get("q", ""))[:100], "look" if request.GET.get("show") == "look" else "", page)
    wanted = [one for one in (to_look_at if asked.show else everyone) if _has(one, asked.q)]
    house = House()
    context = {
        "here": "on-call",
        "house": house,
        "heading": _heading(everyone),
        "directory": house.freshness.get("directory"),
        "slack": house.slack,
        "members_read_at": MembersRead.objects.values_list("ended_at", flat=True).first(),
        "without_emails": bool(settings.SLACK_BOT_TOKEN) and people.shows_no_emails(),
        "rows": [Row(one) for one in wanted[(page - 1) * PAGE : page * PAGE]],
        "number": len(everyone),
        "number_to_look_at": len(to_look_at),
        "asked": asked,
        "everybody_address": asked.address(show=""),
        "look_address": asked.address(show="look"),
        "earlier": asked.address(page=page - 1) if page > 1 else "",
        "later": asked.address(page=page + 1) if len(wanted) > page * PAGE else "",
        "refused": refused or [],
        "done": _done(request),
    }
    return render(request, "web/people.html", context, status=status)


def _done(request: SignedIn) -> str:
    """What came of a file, as the address says after it was sent."""
    told = {"corrected": "corrected", "taken_back": "taken back", "same": "as before"}
    counts = {name: request.GET.get(name, "")[:9] for name in told}
    if not all(count.isascii() and count.isdecimal() for count in counts.values()):
        return ""
    return ", ".join(f"{count} {told[name]}" for name, count in counts.items())


def _has(one: Match, q: str) -> bool:
    member = f"{one.member.name} {one.member.handle} {one.member.email}" if one.member else ""
    text = plain(f"{one.someone.name} {one.someone.email} {member}")
    return all(word in text for word in plain(q).split())


def _heading(everyone: list[Match]) -> str:
    on_call = [one for one in everyone if one.is_on_call and one.needs_somebody]
    others = sum(one.needs_somebody for one in everyone) - len(on_call)
    if any(one.state == State.UNKNOWN for one in everyone) or not everyone:
        return "Who is who in Slack is not known yet"
    if on_call:
        who = f"{on_call[0].someone.name} is on call and" if len(on_call) == 1 else f"{len(on_call)} people on call"
        return f"{who} cannot be invited to Slack channels"
    if others:
        return f"Everybody on call is known in Slack, {others} {'other is' if others == 1 else 'others are'} not"
    return "Everybody in PagerDuty is known in Slack"


# ── one person ────────────────────────────────────────────────────────────────────────────────────


@require_http_methods(["GET", "POST"])
@signed_in
def person(request: SignedIn, id: str) -> HttpResponse:
    """Everybody may look; administrators say who it is."""
    found = get_object_or_404(Person, pk=id)
    someone = Someone(found.pk, found.name, found.email)
    refused, status = "", 200
    if request.method == "POST":
        try:
            if not request.user.is_admin:
                raise NotAllowed(ONLY_ADMINISTRATORS)
            change(request, someone)
            return SeeOther(reverse("person", args=[id]))
        except CannotCorrect as reason:
            refused, status = str(reason), status_of(reason)
    shown = in_slack(request, people.match(someone), may_change=request.user.is_admin, refused=refused)
    context = {"here": "on-call", "person": found, "in_slack": shown, "match": shown.match}
    return render(request, "web/person.html", context, status=status)


# ── somebody missing from an incident's channel ───────────────────────────────────────────────────


@require_http_methods(["GET", "POST"])
@signed_in
@by_present_name
def missing(request: SignedIn, name: str, number: int) -> HttpResponse:
    """Say who it is in Slack, and they are invited. Administrators do it for anybody, and everybody for themselves."""
    incident = get_object_or_404(Incident.objects.select_related("service"), pk=name)
    responder = get_object_or_404(Responder, incident=incident, pk=number)
    someone = people.someone_with(responder.email)
    user = request.user
    may_change = user.is_admin or responder.email.lower() == user.email
    refused, status, press_now = "", 200, press_id(request.POST.get("press", ""))
    if request.method == "POST":
        try:
            if not may_change:
                raise NotAllowed(ONLY_ADMINISTRATORS)
            given = {"responder": [str(responder.pk)], "member": [request.POST.get("member", "")]}
            sender, kind = f"user:{user.pk}", Action.Kind.MEMBER
            press(incident, Press(press_now, sender, str(user), user.email, kind, given, is_admin=user.is_admin))
            return SeeOther(reverse("incident", args=[name]))
        except (CannotCorrect, CannotAct) as reason:
            refused, status = str(reason), status_of(reason)
    match = people.match(someone) if someone else None
    shown = in_slack(request, match, may_change=may_change, refused=refused)
    if match is None and may_change and not shown.q:
        shown = replace(shown, q=responder.name, found=people.search(responder.name))
    context = {"incident": incident, "responder": responder, "in_slack": shown, "press": press_now}
    return render(request, "web/missing.html", context, status=status)
