"""What people do with an incident from here. Each press is an Action, and this carries it out:

    act ─┬─ note      in PagerDuty, with the name of who pressed: PagerDuty itself shows our From user
         ├─ tell      a line in the Slack channel
         ├─ topic     of that channel
         └─ invite    whoever is paged because of it, or of whom somebody said who they are in Slack

`act` reads PagerDuty just before it writes, and never goes by what somebody saw when they pressed: an acknowledgement
that comes late would reopen what was resolved meanwhile. (fact sheet sections 0.3 and 7)
"""

from collections.abc import Callable
from datetime import UTC, datetime

from django.db.models import Q

from incident_central.database import now
from incident_central.incidents import inviting, news, people, response, stale, sync
from incident_central.incidents.actions import NAME
from incident_central.incidents.meant import ASK_AFTER, Asked, Doing, seconds_left, wanted_at, was_done, why_not
from incident_central.incidents.models import (
    THROUGH,
    WRITTEN_HERE,
    Action,
    EscalationPolicy,
    Incident,
    Status,
    names,
    our_user_id,
)
from incident_central.incidents.steps import ON_ITS_WAY, PAGED_BY_HAND, nothing, without_slack
from incident_central.incidents.tools import chat, pager
from incident_central.integrations.base import Message, Page
from incident_central.jobs.models import SETTLED, State, job_steps
from incident_central.jobs.workflow import NotNeeded, Record, Step, Workflow
from incident_central.outside import CallFailed

Kind, Outcome = Action.Kind, Action.Outcome

#: PagerDuty's codes for what is resolved, or acknowledged, already. (fact sheet section 5)
ALREADY = ("1001", "1002")


def _assigned_to_them(page: Page, asked: Asked) -> bool:
    return {one.id for one in page.assigned} == set(asked["people"])


def _is_theirs(page: Page, asked: Asked) -> bool:
    """Where a team was asked for, whoever is paged after them is of that team, too."""
    follows = None if page.assigned_by_hand else page.escalation_policy_id
    return _assigned_to_them(page, asked) and asked.get("policy", follows) == follows


def _reassign(page: Page, asked: Asked) -> Page:
    if policy_id := asked.get("policy"):
        return pager().delegate(page.id, policy_id=policy_id)
    return pager().reassign(page.id, user_id=asked["user"])


def _ask_for_help(page: Page, asked: Asked) -> Page:
    """Nothing changes in the page itself."""
    pager().ask_for_help(page.id, message=asked["message"], user_ids=asked["users"], policy_ids=asked["policies"])
    return page


DOING = {
    Kind.ACKNOWLEDGE: Doing(
        lambda page, asked: pager().acknowledge(page.id),
        lambda page, asked: page.status == Status.ACKNOWLEDGED,
        by=lambda page: [one.id for one in page.acknowledged_by],
    ),
    Kind.RESOLVE: Doing(
        lambda page, asked: pager().resolve(page.id),
        lambda page, asked: page.status == Status.RESOLVED,
        only_open=False,
        by=lambda page: [page.status_changed_by],
    ),
    Kind.ESCALATE: Doing(
        lambda page, asked: pager().escalate(page.id, level=asked["level"]),
        _assigned_to_them,
    ),
    Kind.REASSIGN: Doing(
        _reassign,
        _is_theirs,
    ),
    Kind.MOVE: Doing(
        lambda page, asked: pager().move(page.id, service_id=asked["service"], policy_id=asked["policy"]),
        lambda page, asked: page.service.id == asked["service"],
    ),
    Kind.PRIORITY: Doing(
        lambda page, asked: pager().change_priority(page.id, priority_id=asked["priority"]),
        lambda page, asked: page.priority_id == asked["priority"],
        only_open=False,
    ),
    Kind.HELP: Doing(
        _ask_for_help,
        lambda page, asked: asked["message"] in pager().help_asked(page.id),
    ),
    Kind.SNOOZE: Doing(
        lambda page, asked: pager().snooze(page.id, seconds=asked["seconds"]),
        lambda page, asked: False,
        only_acknowledged=True,
    ),
}


# ── act ───────────────────────────────────────────────────────────────────────────────────────────


def act(action: Action) -> Record:
    """Read, and do it if it still makes sense. After a lost answer look first; then what is so already is left alone.

    A snooze ends when it was to end as it was pressed, however often, and however late, it is done.
    """
    if _ends_here(action):
        return lambda: _resolved_here(action)
    doing, asked_at = DOING[Kind(action.kind)], now()
    page = pager().read_page(_page_id(action.incident))
    if reason := why_not(action, page, doing):
        return lambda: _came_to_nothing(action, page, asked_at, reason)
    asked_at = now()
    left = {"seconds": max(1, seconds_left(action))} if action.kind == Kind.SNOOZE else {}
    done = doing.do(page, action.asked | left)
    return lambda: _acted(action, done, asked_at)


def look_whether_acted(action: Action) -> Record | None:
    """What is so already may be so by somebody else: then it is not said to be the work of who pressed."""
    if action.incident.pagerduty_id is None or _ends_here(action):
        return None
    doing, asked_at = DOING[Kind(action.kind)], now()
    page = pager().read_page(_page_id(action.incident))
    if not was_done(action, page, doing):
        return None
    if doing.by is not None and our_user_id() not in doing.by(page):
        return lambda: _came_to_nothing(action, page, asked_at, why_not(action, page, doing))
    return lambda: _acted(action, page, asked_at)


def _ends_here(action: Action) -> bool:
    """There is nothing in PagerDuty that could be resolved, as far as we can see: it is over when somebody says so."""
    if action.kind != Kind.RESOLVE:
        return False
    incident = action.incident
    return was_phoned(incident) or (incident.missing_at is not None and sync.read_page(incident) is None)


def was_phoned(incident: Incident) -> bool:
    """Somebody phoned instead, so PagerDuty has nothing that could be acted on there."""
    page = job_steps(response.RESPONSE.name, incident.name).filter(name="page", state=State.BY_HAND)
    return incident.pagerduty_id is None and page.exists()


def _resolved_here(action: Action) -> None:
    incident, at = _fresh(action), now()
    if incident.is_open:
        if incident.pagerduty_id is not None and incident.missing_at is None:
            raise CallFailed("PagerDuty shows it again.")  # and is asked to resolve it, at the next try
        incident.over(action.who, at=at)
        news.changed(incident, incident.status, at=at)
    _settled(action)


def read_again(action: Action, error: CallFailed) -> bool:
    """PagerDuty says that it is resolved or acknowledged already: once, see whether that is so."""
    if error.code not in ALREADY or action.detail:
        return False
    Action.objects.filter(pk=action.pk).update(detail=str(error))
    return True


def _acted(action: Action, page: Page, asked_at: datetime) -> None:
    action.outcome, action.reached = Outcome.DONE, action.asked.get("people", [one.id for one in page.assigned])
    if action.kind == Kind.ACKNOWLEDGE:
        action.done_as = our_user_id() or ""
    elif page.assigned and (told := _told_of(action, page)):  # where it waited, others may be on call by now
        action.reached, action.told = [one.id for one in page.assigned], told
    action.save(update_fields=["outcome", "reached", "done_as", "told"])
    _take_over(action, page, asked_at)
    if action.kind in (Kind.ESCALATE, Kind.REASSIGN, Kind.MOVE):
        _fresh(action).paged_anew(since=wanted_at(action))


def _told_of(action: Action, page: Page) -> str:
    """Who was paged because of it; empty where that was no question."""
    who, asked = names(page.assigned), action.asked
    if action.kind == Kind.ESCALATE:
        return f"Escalated to {who}, level {asked['level']}"
    if action.kind == Kind.REASSIGN and "policy" in asked:
        return f"Reassigned to {EscalationPolicy.objects.get(pk=asked['policy'])} ({who})"
    return f"Moved from {asked['was']} to {page.service.name} ({who})" if action.kind == Kind.MOVE else ""


def _came_to_nothing(action: Action, page: Page, asked_at: datetime, why: str) -> None:
    action.outcome, action.detail = Outcome.NOTHING, why
    action.save(update_fields=["outcome", "detail"])
    _take_over(action, page, asked_at)
    _fresh(action).came_to_nothing(action)


def _take_over(action: Action, page: Page, asked_at: datetime) -> None:
    """What PagerDuty answered, at once; its log says the rest."""
    sync.refresh([page], asked_at=asked_at)
    stale.mark(Q(pk=action.incident_id))


# ── tell others ───────────────────────────────────────────────────────────────────────────────────


def note(action: Action) -> Record:
    """Not safe to repeat after a lost answer: look among the notes first."""
    _only_when_done(action)
    if action.kind == Kind.RESOLVE and action.incident.missing_at is not None:
        raise NotNeeded("PagerDuty does not show this incident, so it was resolved here alone.")
    pager().add_note(_page_id(action.incident), note_of(action))
    return lambda: _settled(action)


def look_for_note(action: Action) -> Record | None:
    there = note_of(action) in pager().notes(_page_id(action.incident))
    return (lambda: _settled(action)) if there else None


def note_of(action: Action) -> str:
    """With the time, so that it is told from another of its kind, and says when even where it was held up."""
    at = action.pressed_at.astimezone(UTC)
    signed = f"{action.who}{THROUGH}{at:%Y-%m-%d %H:%M:%S} UTC"
    if action.kind == Kind.NOTE:
        return f"{action.asked['text']}{WRITTEN_HERE}{signed}"
    return f"{action.told} by {signed}"


def tell(action: Action) -> Record:
    """Not safe to repeat after a lost answer: look for its marker first."""
    _only_when_done(action)
    chat().post(news.opened_channel(action.incident), message_of(action))
    return nothing


def look_for_message(action: Action) -> Record | None:
    marker = message_of(action).marker
    found = chat().find_message(news.opened_channel(action.incident), marker, since=action.incident.created_at)
    return None if found is None else nothing


def message_of(action: Action) -> Message:
    paragraphs = [
        f"{action.told}, says {action.who}." if action.kind == Kind.MOVE else f"{action.told} by {action.who}."
    ]
    mentions: tuple[str, ...] = ()
    if action.kind == Kind.MOVE:
        paragraphs.append(_for_the_first_team(action.asked))
        first_team = action.incident.responders.filter(name__in=action.asked["before"])
        mentions = tuple(people.member_ids(first_team.values_list("email", flat=True)).values())
    elif action.kind == Kind.COMMAND:
        paragraphs = [f"{action.asked['name']} is in command."]
    elif action.kind == Kind.ME_TOO:
        paragraphs = [f"{action.who} sees it too.", action.asked["saw"]]
    marker = f"{action.incident_id}/action/{action.pk}"
    return Message(marker=marker, paragraphs=tuple(paragraphs), mentions=mentions)


def _for_the_first_team(asked: Asked) -> str:
    before = ", ".join(asked["before"]) or asked["was"]
    return f"{before}: it is not {asked['was']}, so PagerDuty pages you for it no more. What you found out helps here."


def topic(action: Action) -> Record:
    """Safe to repeat."""
    _only_when_done(action)
    news.opened_channel(action.incident)
    return response.topic(action.incident)


def invite(action: Action) -> Record:
    """Safe to repeat: who is in the channel stays in it."""
    _only_when_done(action)
    news.opened_channel(action.incident)
    if action.kind == Kind.MEMBER:
        return inviting.invite_one(action.incident, action.asked["responder"], action.asked["member"])
    return inviting.invite_people(action.incident, action.reached, why="paged")


# ── shared by the steps ───────────────────────────────────────────────────────────────────────────


def _only_when_done(action: Action) -> None:
    """What follows depends on what came of it."""
    if DOING.get(Kind(action.kind)) is not None and action.outcome != Outcome.DONE:
        raise NotNeeded("Incident Central itself did nothing.")


def _settled(action: Action) -> None:
    """What PagerDuty is told and nothing else is done with the note."""
    Action.objects.filter(pk=action.pk, outcome=Outcome.OPEN).update(outcome=Outcome.DONE)


def _page_id(incident: Incident) -> str:
    """Raises CallFailed while the page is on its way, and NotNeeded where there is none and will be none."""
    if incident.pagerduty_id is not None:
        return incident.pagerduty_id
    page = job_steps(response.RESPONSE.name, incident.name).filter(name="page")
    # In this order: it may have been paged since the incident was read.
    if page.exclude(state__in=SETTLED).exists() or _fresh_id(incident) is not None:
        raise CallFailed(news.WAITS)
    raise NotNeeded(PAGED_BY_HAND)


def _fresh_id(incident: Incident) -> str | None:
    return Incident.objects.values_list("pagerduty_id", flat=True).get(pk=incident.pk)


def _fresh(action: Action) -> Incident:
    """The row as it is now, held until the transaction ends."""
    rows = Incident.objects.select_related("service", "priority").select_for_update(of=("self",))
    return rows.get(pk=action.incident_id)


# ── the graph ─────────────────────────────────────────────────────────────────────────────────────

NOTED = tuple(kind for kind in Kind if kind not in (Kind.ME_TOO, Kind.MEMBER))
TOLD = (Kind.MOVE, Kind.HELP, Kind.COMMAND, Kind.ME_TOO)
IN_TOPIC = (Kind.MOVE, Kind.PRIORITY, Kind.COMMAND)
PAGING = (Kind.ESCALATE, Kind.REASSIGN, Kind.MOVE, Kind.HELP)


def _off_unless(kinds: tuple[Action.Kind, ...]) -> Callable[[Action], str | None]:
    return lambda action: None if action.kind in kinds else "Not part of it."


def _off_in_slack_unless(kinds: tuple[Action.Kind, ...]) -> Callable[[Action], str | None]:
    def off(action: Action) -> str | None:
        if action.kind == Kind.ME_TOO and not action.asked["saw"]:
            return "Nothing was said."
        return _off_unless(kinds)(action) or without_slack(action.incident)

    return off


def _load(key: str) -> Action:
    return Action.objects.select_related("incident__service__policy", "incident__priority").get(pk=key)


QUICKLY = 15.0  # seconds between two tries at most: somebody waits

ACTION = Workflow(
    NAME,
    load=_load,
    steps=(
        Step(
            "act",
            act,
            look_whether_acted,
            lane="pagerduty",
            off=_off_unless(tuple(DOING)),
            slowest_retry=QUICKLY,
            ask_after=ASK_AFTER,
            on_its_way=ON_ITS_WAY,
            amend=read_again,
        ),
        Step(
            "note",
            note,
            look_for_note,
            after=("act",),
            lane="pagerduty",
            off=_off_unless(NOTED),
            slowest_retry=QUICKLY,
            on_its_way=ON_ITS_WAY,
        ),
        Step(
            "tell",
            tell,
            look_for_message,
            after=("act",),
            lane="slack",
            off=_off_in_slack_unless(TOLD),
            on_its_way=ON_ITS_WAY,
        ),
        Step("topic", topic, after=("act",), lane="slack", off=_off_in_slack_unless(IN_TOPIC)),
        Step("invite", invite, after=("act",), lane="slack", off=_off_in_slack_unless((*PAGING, Kind.MEMBER))),
    ),
)
