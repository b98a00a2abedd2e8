"""Acting from an incident's page: its buttons, what came of them, and what a person must do by hand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID, uuid4

from django.db.models import QuerySet
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from incident_central.incidents.acting import ACTION, DOING, was_phoned
from incident_central.incidents.directory import Database
from incident_central.incidents.models import (
    Action,
    EscalationPolicy,
    Incident,
    OnCall,
    Priority,
    Status,
    listing,
)
from incident_central.incidents.news import WAITS
from incident_central.incidents.pressing import HOURS, CannotAct, Press, level_as_shown, people_to_page, press, title_of
from incident_central.incidents.text import clean
from incident_central.jobs.models import SETTLED, State, StepRow, job_steps
from incident_central.rows import fetch_all
from incident_central.web import deciding, steps
from incident_central.web.acting_by_hand import by_hand
from incident_central.web.by_hand import ByHand
from incident_central.web.choices import SECONDS, Lately
from incident_central.web.deciding import Undecided
from incident_central.web.redirects import SeeOther
from incident_central.web.renamed import by_present_name
from incident_central.web.report import could_not_join
from incident_central.web.security import SignedIn, signed_in
from incident_central.web.templatetags.addresses import address
from incident_central.web.templatetags.times import clock_with_seconds
from incident_central.web.who_answers import services_by_team

Kind, Outcome = Action.Kind, Action.Outcome

#: What came of a press stays beside the buttons for so long; after that it is in the timeline.
NEWS = timedelta(minutes=1)

FOLLOW_UPS = {
    "note": "Say in PagerDuty who it was",
    "tell": "Tell the channel",
    "topic": "Set the channel’s topic",
    "invite": "Invite whoever is paged to the channel",
}


@require_http_methods(["GET", "POST"])
@signed_in
@by_present_name
def act(request: SignedIn, name: str, kind: str) -> HttpResponse:
    """One action as a page of its own; sent, it is begun, or shown again with what keeps it from that."""
    if kind not in Kind.values or kind == Kind.MEMBER:  # that one has a page of its own
        raise Http404
    incident = get_object_or_404(_incidents(), pk=name)
    pressed = _press(request, Kind(kind))
    if request.method == "GET":
        return _form(request, incident, pressed)
    try:
        press(incident, pressed)
    except CannotAct as reason:
        if "report_id" in request.POST:  # “Me too” is a button of the report form, too
            return could_not_join(request, refused=str(reason))
        return _form(request, incident, pressed, refused=str(reason))
    return SeeOther(reverse("incident", args=[name]))


def would_do(request: SignedIn, name: str, kind: Action.Kind, given: QueryDict) -> str:
    """As it is told before it is sent. Raises Http404."""
    return title_of(get_object_or_404(_incidents(), pk=name), _press_of(request, kind, given))


@require_POST
@signed_in
@by_present_name
def decide(request: SignedIn, name: str, number: int, step: str) -> HttpResponse:
    """Somebody pressed Retry or “I did it by hand” at a step of an action. Pressing twice changes nothing."""
    deciding.decide(request, undecided(name, number, step))
    return SeeOther(reverse("incident", args=[name]))


def undecided(name: str, number: int, step: str) -> Undecided:
    """Raises Http404."""
    action = get_object_or_404(Action.objects.select_related("incident"), incident=name, pk=number)
    step_id = get_object_or_404(job_steps(ACTION.name, str(number)), name=step).pk
    return Undecided(step_id, ACTION.step(step), action.incident, _title(action, step))


def _press(request: SignedIn, kind: Action.Kind) -> Press:
    return _press_of(request, kind, request.POST)


def _press_of(request: SignedIn, kind: Action.Kind, post: QueryDict) -> Press:
    user = request.user
    return Press(
        id=press_id(post.get("press") or post.get("report_id") or ""),
        sender=f"user:{user.pk}",
        who=str(user),
        email=user.email,
        kind=kind,
        given={name: post.getlist(name) for name in post},
    )


def press_id(text: str) -> UUID:
    """A form that lost its id gets a new one."""
    try:
        return UUID(text)
    except ValueError:
        return uuid4()


def _incidents() -> QuerySet[Incident]:
    return Incident.objects.select_related("service__policy", "policy", "priority").prefetch_related(
        "service__policy__on_calls__person", "policy__on_calls__person"
    )


# ── one action as a page ──────────────────────────────────────────────────────────────────────────


def _form(request: SignedIn, incident: Incident, pressed: Press, *, refused: str = "") -> HttpResponse:
    kind = pressed.kind
    context = {
        "incident": incident,
        "acting": acting_on(incident).by(request.user.email, press=pressed.id),
        "kind": kind.value,
        "label": kind.label,
        "press": pressed.id,
        "refused": refused,
        "text": pressed.one("text") or pressed.one("saw"),
        "chosen": pressed.given.get("to", []),
    }
    if kind == Kind.MOVE:
        context |= {"teams": services_by_team(Database()), "service": clean(pressed.one("service"))}
    if kind in (Kind.REASSIGN, Kind.HELP):
        policies = EscalationPolicy.objects.filter(on_calls__isnull=False).distinct().order_by("name")
        context |= {"policies": policies, "people": people_to_page().order_by("name")}
    return render(request, "web/act.html", context, status=422 if refused else 200)


# ── beside an incident's own page ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Level:
    number: int
    names: str
    shown: str  # what the button sends: the level, and who was shown on it


@dataclass(frozen=True)
class Line:
    """What came of a press, or of one of the steps that follow."""

    state: str
    title: str
    told: str
    hint: str
    fix: ByHand | None
    sent_to: str  # Retry and “I did it by hand”


@dataclass(frozen=True)
class Acting:
    """What the page offers, and what was pressed lately."""

    incident: Incident
    on_call: frozenset[str]  # e-mails
    levels: list[Level]  # the next one first
    priorities: list[Priority]
    lines: list[Line]
    phoned: bool  # PagerDuty does not have it, and will not
    too: str  # who sees it too
    said: str  # for screen readers
    hours: tuple[int, ...] = HOURS
    press: UUID | str = ""
    reader: str = ""  # e-mail

    def by(self, reader: str, *, press: UUID | str) -> "Acting":
        """The same for one reader."""
        return replace(self, press=press, reader=reader)

    @property
    def concerns(self) -> frozenset[str]:
        """E-mails of those who are offered something else than all others."""
        return self.on_call | {self.incident.incident_commander_email or ""}

    @property
    def in_pagerduty(self) -> bool:
        """It can be acted on there."""
        return self.incident.pagerduty_id is not None

    @property
    def is_commander(self) -> bool:
        return self.reader == self.incident.incident_commander_email

    @property
    def acknowledge_first(self) -> bool:
        return self.in_pagerduty and self.incident.status == Status.TRIGGERED and self.reader in self.on_call


def acting_on(incident: Incident) -> Acting:
    """The same for all readers."""
    levels = incident.on_call_now()
    pressed = fetch_all(Action, "incident", incident)
    lines = _lines(reversed(pressed)) if pressed else []
    too = {one.email: one.who for one in pressed if one.kind == Kind.ME_TOO}
    return Acting(
        incident,
        on_call=frozenset(one.person.email for people in levels.values() for one in people),
        levels=_next_levels(incident, levels),
        priorities=_priorities(),
        lines=lines,
        phoned=incident.pagerduty_id is None and was_phoned(incident),
        too=listing(list(too.values())),
        said=" ".join(f"{line.title}: {_spoken(line)}." for line in lines),
    )


def _read_priorities() -> list[Priority]:
    return list(Priority.objects.filter(listed=True))


_priorities = Lately(_read_priorities, seconds=SECONDS)


def _spoken(line: Line) -> str:
    """Without a count-down, which would be spoken every second."""
    return "nothing to do" if line.state == "off" else State(line.state).label.lower()


def _next_levels(incident: Incident, levels: dict[int, list[OnCall]]) -> list[Level]:
    """Those above the one that is reached; once that is the last one, all of them."""
    found = {number: [one.person.name for one in people] for number, people in levels.items()}
    reached = _reached(incident, found)
    above = [number for number in found if number > reached] or list(found)
    return [Level(number, listing(found[number]), level_as_shown(number, levels[number])) for number in above]


def _reached(incident: Incident, levels: dict[int, list[str]]) -> int:
    """As PagerDuty told, or else where those who are assigned are on call."""
    assigned = (number for number, people in levels.items() if set(people) & set(incident.assigned))
    return incident.escalation_level or max(assigned, default=0)


def _lines(actions: Iterable[Action]) -> list[Line]:
    """What is not done, and the latest news of each kind; what needs somebody first."""
    by_id = {str(one.pk): one for one in actions}
    job_steps: dict[str, dict[str, StepRow]] = {}
    for key, row in steps.rows_of_jobs(ACTION.name, by_id, settled_since=timezone.now() - NEWS):
        job_steps.setdefault(key, {})[row.name] = row
    lines: list[Line] = []
    seen: set[str] = set()
    for key, action in by_id.items():
        shown = _worth_showing(action, job_steps.get(key, {}), is_latest=action.kind not in seen)
        lines += [_line(action, row) for row in shown]
        seen.add(action.kind)
    return sorted(lines, key=lambda line: line.fix is None)


def _worth_showing(action: Action, rows: Mapping[str, StepRow], *, is_latest: bool) -> list[StepRow]:
    """The step that matters, until it is done, and while that is news; the others only when they go wrong."""
    main = "act" if action.kind in DOING else "note" if action.kind == Kind.NOTE else ""
    return [
        row
        for row in rows.values()
        if (is_latest or row.state not in SETTLED if row.name == main else steps.went_wrong(row) and row.error != WAITS)
    ]


def _line(action: Action, row: StepRow) -> Line:
    nothing = action.outcome == Outcome.NOTHING and row.name == "act"
    told = "Nothing to do" if nothing else steps.told_of(row)
    if row.state == State.WAITING and row.attempts == 0:
        told = "Next"
    return Line(
        state="off" if nothing else "running" if row.state == State.RUNNING else row.state,
        title=_title(action, row.name),
        told=told,
        hint=_hint(action, row, nothing=nothing),
        fix=by_hand(action, row.name) if row.state == State.FAILED else None,
        sent_to=address("action-step", action.incident_id, action.pk, row.name),
    )


def _title(action: Action, step: str) -> str:
    follows = step in FOLLOW_UPS and action.kind not in (Kind.NOTE, Kind.MEMBER)
    return f"{FOLLOW_UPS[step]}: {action.title}" if follows else action.title


def _hint(action: Action, row: StepRow, *, nothing: bool) -> str:
    pressed = f"{action.who} pressed it at {clock_with_seconds(action.pressed_at)}."
    if row.by_hand:
        return f"{pressed} {row.by_hand} did it by hand."
    if nothing:
        return f"{pressed} {action.detail}"
    if row.state in SETTLED:
        return pressed
    waits = "It is kept, and done as soon as that works." if row.state == State.WAITING and row.error else ""
    return " ".join(filter(None, [pressed, row.error, steps.tried(row), steps.doubt(row, ACTION), waits]))
