"""Whether what somebody pressed is still to be done, as PagerDuty is now: it may have waited for hours."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from incident_central.database import now
from incident_central.incidents.models import (
    SLACK,
    Action,
    EscalationPolicy,
    Service,
    Status,
    names,
    our_user_id,
)
from incident_central.incidents.tools import pager
from incident_central.integrations.base import LogEntry, Page
from incident_central.jobs.models import State

Asked = dict[str, Any]
Kind = Action.Kind

#: An action that waits longer is not done without asking again: the incident has gone on.
ASK_AFTER = timedelta(hours=4)
#: What somebody changed in PagerDuty so long before a press was, as a rule, on the page where it was pressed.
LONGEST_UNSEEN = timedelta(minutes=10)
RESOLVED = "It was resolved meanwhile, and this would have reopened it."
SO_ALREADY = "It is so already."
#: Of these choices the last one counts, in whichever order they are done. (A move pages another team.)
OVERRULED_BY = {
    Kind.REASSIGN: (Kind.REASSIGN, Kind.MOVE),
    Kind.MOVE: (Kind.MOVE,),
    Kind.PRIORITY: (Kind.PRIORITY,),
    Kind.SNOOZE: (Kind.SNOOZE,),
}


@dataclass(frozen=True)
class Doing:
    """How one kind of action is done in PagerDuty, and how to see that it is so already."""

    do: Callable[[Page, Asked], Page]
    is_so: Callable[[Page, Asked], bool]
    #: On an incident that is resolved it would reopen it, or be refused.
    only_open: bool = True
    only_acknowledged: bool = False
    #: The ids of those who made it so, where people are told who it was.
    by: Callable[[Page], Collection[str]] | None = None


def why_not(action: Action, page: Page, doing: Doing) -> str:
    """Why it is not to be done any more, as PagerDuty is now; empty when it is."""
    asked = action.asked
    if page.status == Status.RESOLVED and doing.only_open:
        return RESOLVED
    if asked.get("status") == Status.TRIGGERED and _acknowledged_since(action, page):
        return f"{names(page.acknowledged_by) or 'Somebody'} acknowledged it meanwhile, so nobody else was paged."
    if action.kind == Kind.ESCALATE and (otherwise := _escalated_otherwise(action, page)):
        return otherwise
    if _is_overruled(action):
        return "Another choice was made after this one."
    if action.kind in CHOSEN_OTHERWISE and (otherwise := CHOSEN_OTHERWISE[Kind(action.kind)](action, page)):
        return otherwise
    if action.kind == Kind.SNOOZE and seconds_left(action) <= 0:
        return "The time for which it was to be snoozed is over."
    if doing.only_acknowledged and page.status != Status.ACKNOWLEDGED:
        return "Nobody has acknowledged it, and only what is acknowledged can be snoozed."
    if not doing.is_so(page, asked) or _rings_again(action, page):
        return _began_anew(action, page)
    if page.status == Status.ACKNOWLEDGED and action.kind == Kind.ACKNOWLEDGE:
        return f"{names(page.acknowledged_by) or 'Somebody'} acknowledged it before."
    return "It was resolved before." if action.kind == Kind.RESOLVE else SO_ALREADY


def was_done(action: Action, page: Page, doing: Doing) -> bool:
    """After a lost answer. What was so before it was pressed is done once the log says that we did it."""
    if not (action.asked.get("ended") or _rings_again(action, page)):
        return doing.is_so(page, action.asked)
    paged = _log(page, wanted_at(action) - SLACK, "escalate", "assign", "delegate")
    return any(entry.actor_id == our_user_id() for entry in paged)


def _rings_again(action: Action, page: Page) -> bool:
    """PagerDuty has stopped paging whoever has it: only when it is told once more does their phone ring."""
    ended = page.status == Status.TRIGGERED and action.incident.paging_ended
    return ended and action.kind in (Kind.ESCALATE, Kind.REASSIGN)


def _acknowledged_since(action: Action, page: Page) -> bool:
    """Not where it was pressed here before this was, and waited, too: then whoever pressed this knew of it."""
    if page.status != Status.ACKNOWLEDGED:
        return False
    ours = action.incident.actions.filter(kind=Kind.ACKNOWLEDGE).exclude(outcome=Action.Outcome.NOTHING).first()
    by_us = {one.id for one in page.acknowledged_by} == {our_user_id()}
    return not by_us or ours is None or _pressed_at(ours) > _pressed_at(action)


def _is_overruled(action: Action) -> bool:
    """Not by one that PagerDuty refused, or that came to nothing itself: then this one is the last."""
    others = action.incident.actions.filter(kind__in=OVERRULED_BY.get(Kind(action.kind), ())).exclude(pk=action.pk)
    stand = others.exclude(~Q(detail=SO_ALREADY), outcome=Action.Outcome.NOTHING)
    pressed_at = _pressed_at(action)
    return any(_pressed_at(one) > pressed_at and one.step.state != State.FAILED for one in stand)


def _escalated_otherwise(action: Action, page: Page) -> str:
    asked = action.asked
    if asked.get("policy", page.escalation_policy_id) != page.escalation_policy_id:
        return "It follows another escalation policy by now, so this would have paged somebody else."
    policy = EscalationPolicy.objects.filter(pk=page.escalation_policy_id).first()
    if policy is None or page.assigned_by_hand or asked.get("from") is None:
        return ""
    reached = policy.level_of(one.id for one in page.assigned) or 0
    # Who is on a level changes, too: the log says whether it was escalated.
    if asked["from"] < asked["level"] < reached and _happened_since(action, page, "escalate"):
        back = f"this would have gone back to level {asked['level']}"
        return f"PagerDuty has reached level {reached} meanwhile, so {back}."
    return ""


def _reassigned_otherwise(action: Action, page: Page) -> str:
    """By somebody else, in PagerDuty. What escalates by itself, nobody chose."""
    if otherwise := _moved_otherwise(action, page):
        return otherwise
    if action.asked.get("before") == [one.name for one in page.assigned]:
        return ""
    since = wanted_at(action)
    entries = _log(page, since - LONGEST_UNSEEN, "assign", "delegate")
    others = [one for one in entries if one.actor and one.actor_id != our_user_id()]
    # What they did before it was pressed was not seen here, where it made those the assignees who are.
    theirs = [one for one in others if one.at > since or set(one.people) == set(page.assigned)]
    return f"{theirs[-1].actor} assigned it to {names(theirs[-1].people)} meanwhile." if theirs else ""


def _moved_otherwise(action: Action, page: Page) -> str:
    """By somebody else, in PagerDuty."""
    pressed = action.incident.actions.filter(kind=Kind.MOVE)
    ours = {action.asked.get("from", page.service.id), *(one.asked["service"] for one in pressed)}
    # What our copy of the directory lacks, pages here do not show, however often it is pressed.
    if page.service.id in ours or not Service.objects.filter(pk=page.service.id).exists():
        return ""
    return f"It was moved to {page.service.name} meanwhile."


def _prioritised_otherwise(action: Action, page: Page) -> str:
    """By somebody else, in PagerDuty."""
    pressed = action.incident.actions.filter(kind=Kind.PRIORITY)
    ours = {action.asked.get("from", page.priority_id), *(one.asked["priority"] for one in pressed)}
    if page.priority_id in ours or (page.priority is None and action.incident.priority_refused):
        return ""
    return f"It was changed to {page.priority.name if page.priority else 'none'} meanwhile."


#: Why somebody else's choice stays.
CHOSEN_OTHERWISE = {
    Kind.REASSIGN: _reassigned_otherwise,
    Kind.MOVE: _moved_otherwise,
    Kind.PRIORITY: _prioritised_otherwise,
}


def _began_anew(action: Action, page: Page) -> str:
    """Something else may be wrong by now than what was meant when it was pressed, before PagerDuty was away."""
    if action.kind == Kind.PRIORITY or page.status_changed_at < wanted_at(action) + SLACK:
        return ""
    if action.kind == Kind.ACKNOWLEDGE:
        before = "It was acknowledged or resolved after this was pressed, and is triggered again"
        return f"{before}. Press again if you have it now."
    if _happened_since(action, page, "resolve"):
        return "It was resolved after this was pressed, and reopened since. Press again if you still want it."
    return ""


def _happened_since(action: Action, page: Page, kind: str) -> bool:
    """Whether PagerDuty's log has an entry of that kind after it was pressed."""
    return bool(_log(page, wanted_at(action), kind))


def _log(page: Page, since: datetime, *kinds: str) -> list[LogEntry]:
    """PagerDuty's entries of these kinds after `since`, oldest first."""
    return [entry for entry in pager().log_of(page.id, since=since) if entry.kind in kinds and entry.at > since]


def seconds_left(action: Action) -> int:
    """Whole seconds until a snooze is to end."""
    end: datetime = _pressed_at(action) + timedelta(seconds=action.asked["seconds"])
    return int((end - now()).total_seconds())


def wanted_at(action: Action) -> datetime:
    """When it was pressed, by PagerDuty's clock."""
    return pager().now() - (now() - _pressed_at(action))


def _pressed_at(action: Action) -> datetime:
    """Or pressed once more, by Retry."""
    ask_at = action.step.ask_at
    return action.pressed_at if ask_at is None else ask_at - ASK_AFTER
