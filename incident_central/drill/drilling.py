"""A drill from top to bottom: one person is paged, on a service that reaches nobody else; then it is put away.

    start ── page ─┬─ seen ── acknowledged
                   ├─ open channel ─┬─ invite
                   │                ├─ topic
                   │                └─ summary
                   └─ end ─┬─ last look ── resolve
                           └─ archive    (waits for open channel, too)

Unlike in a response, nothing begins before the page: it is what may be refused. `end` waits until somebody ends the
drill, or its time is up; what has not been done by then is not done any more. What puts it away never gives up, however
late that is.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from incident_central.accounts.models import User
from incident_central.database import now, transaction
from incident_central.drill.making import pager
from incident_central.drill.models import SENT_WITHIN, Drill, DrillService
from incident_central.incidents.inviting import members_of
from incident_central.incidents.naming import draw_name
from incident_central.incidents.steps import ON_ITS_WAY, nothing
from incident_central.incidents.tools import chat, spare_pager
from incident_central.integrations.base import IntegrationError, Link, Message, PageRequest
from incident_central.integrations.pagerduty import drill_service
from incident_central.integrations.pagerduty.drill_service import Reached
from incident_central.jobs import runner
from incident_central.jobs.models import SETTLED, TO_RUN, Job, State, job_steps, retry
from incident_central.jobs.workflow import NotNeeded, Record, Step, Workflow

Do = Callable[[Drill], Record]
Look = Callable[[Drill], Record | None]

NAME = "drill"
OVER = "The drill was over before."
NOT_PAGED = "Nothing was paged."
NO_CHANNEL = "There is no channel."
#: How often PagerDuty is asked whether somebody has acknowledged.
ASKED_EVERY = 2.0  # seconds
#: How often it is looked whether the drill has ended: an end that came in between is seen then.
LOOKED_EVERY = 3.0  # seconds
#: How much later than its call PagerDuty may list a page, as far as we wait for it: nobody knows how long it takes.
#: Until then, not finding it proves nothing, and it is not written off.
LISTED_WITHIN = timedelta(seconds=70)
#: What has to come to an end before a drill is put away.
PUTS_AWAY = ("page", "open_channel", "end", "last_look", "resolve", "archive")


class CannotStart(Exception):
    """No drill was begun; the text says what to do."""


def start(user: User, press: UUID) -> Drill:
    """Begin a drill of this person's, on their own drill service. Calls nobody.

    Safe to repeat: the same press is the same drill, and while one is under way there is no other. Raises CannotStart.
    """
    for words in range(8):
        name = draw_name(timezone.localtime(now()), extra_words=words // 3, kind="drill")
        if (same := _same(user, press)) is not None:
            return same
        try:
            with transaction():
                return _begin(user, press, name)
        except IntegrityError:
            continue  # the same press came in between, or the name is taken
    raise RuntimeError("eight names in a row were taken")


def _same(user: User, press: UUID) -> Drill | None:
    mine = Drill.objects.filter(user=user)
    return mine.filter(press=press).first() or mine.filter(ended_at=None).first()


def _begin(user: User, press: UUID, name: str) -> Drill:
    made = DrillService.objects.select_for_update().filter(user=user).first()
    if made is None or not made.is_made:
        raise CannotStart("There is no drill service of yours in PagerDuty yet: have it made first.")
    drill = Drill(
        name=name,
        user=user,
        press=press,
        who=str(user),
        email=user.email,
        person_id=made.person_id,
        policy_id=made.policy_id,
        service_id=made.service_id,
        started_at=now(),
    )
    drill.save(force_insert=True)
    runner.begin(WORKFLOW, name, drill)
    return drill


def end(drill: Drill, *, by: str) -> None:
    """Somebody ends it: the page is resolved and the channel archived, soon. Again, it tries what failed of that."""
    with transaction():
        if _hold_steps(drill) is None:
            return
        _fresh(drill).over(f"ended by {by}")
        _hurry(drill)
        for row in job_steps(NAME, drill.name).filter(name__in=PUTS_AWAY):
            retry(row.pk, ask_after=None)


def delete(drill: Drill) -> bool:
    """Forget it, once nothing is left to be done; whether it is forgotten. Safe to repeat."""
    with transaction():
        job = _hold_steps(drill)
        if job is not None:
            if not is_done(drill):
                return False
            job.delete()
            drill.delete()
    return True


def _hold_steps(drill: Drill) -> Job | None:
    """Whatever settles a step holds its job first, and then what the step is about: so does whoever reaches in. None
    once the drill was deleted."""
    return Job.objects.select_for_update().filter(workflow=NAME, key=drill.name).first()


def is_done(drill: Drill) -> bool:
    """Over, with the page resolved and the channel archived, and nothing under way any more. What failed, and what
    waits for that, stays as it is."""
    left = Q(name__in=PUTS_AWAY) & ~Q(state__in=SETTLED) | Q(state__in=TO_RUN)
    return drill.is_over and not job_steps(NAME, drill.name).filter(left).exists()


# ── the page ──────────────────────────────────────────────────────────────────────────────────────


def page(drill: Drill) -> Record:
    """Read back from PagerDuty whom it would reach, and page only if that is this one person.

    It is assigned to the person, so no escalation policy is followed, whatever somebody does to it in the moment
    between. Safe to repeat while it is open, as in the response; it is looked for in every state before.
    """
    if _is_over(drill):
        raise NotNeeded(OVER)
    if now() > drill.started_at + SENT_WITHIN:
        return _refused(drill, ["It could not be sent within two minutes, so it was not sent any more."])
    try:
        found = drill_service.differences(
            pager(),
            email=drill.email,
            from_email=settings.PAGERDUTY_FROM_EMAIL,
            person_id=drill.person_id,
            service_id=drill.service_id,
            policy_id=drill.policy_id,
        )
        if found:
            return _refused(drill, found)
        made = pager().page(page_request(drill))
    except IntegrationError as error:
        if not error.permanent:
            raise
        return _refused(drill, [str(error)])
    return lambda: _fresh(drill).paged(made)


def look_for_page(drill: Drill) -> Record | None:
    found = pager().find_page(drill.name, service_id=drill.service_id, since=drill.started_at)
    return None if found is None else lambda: _fresh(drill).paged(found)


def _refused(drill: Drill, reasons: list[str]) -> Record:
    def record() -> None:
        _fresh(drill).not_sent(reasons)
        _hurry(drill)

    return record


def page_request(drill: Drill) -> PageRequest:
    details = [
        f"This is a DRILL that {drill.who} ({drill.email}) started in Incident Central. Nothing is broken.",
        "It pages nobody else. Acknowledge it to see that your phone works; it is resolved by itself.",
        address_of(drill),
    ]
    return PageRequest(
        key=drill.name,
        service_id=drill.service_id,
        title=f"DRILL by {drill.who}: nothing is broken, acknowledge this",
        details="\n\n".join(filter(None, details)),
        priority_id=None,
        only_person_id=drill.person_id,
    )


def seen(drill: Drill) -> Record:
    """That PagerDuty has it, and who it reached: an accepted request is not a page."""
    _must_be_paged(drill)
    try:
        found = _reached(drill)
    except IntegrationError as error:
        if error.code != "404":
            raise
        raise IntegrationError("PagerDuty accepted the page, but says now that it does not have it (404).") from error
    return _seen(drill, found)


def acknowledged(drill: Drill) -> Record:
    """Asks until somebody has, somebody else is reached, or the drill is over."""
    _must_be_paged(drill)
    spare_pager()
    found = _reached(drill)
    if found.page.status == "triggered" and not found.others:
        raise IntegrationError("Nobody has acknowledged yet.", retry_after=ASKED_EVERY)
    return _seen(drill, found)


def _reached(drill: Drill) -> Reached:
    return drill_service.reached(pager(), drill.pagerduty_id, person_id=drill.person_id, service_id=drill.service_id)


def _seen(drill: Drill, found: Reached) -> Record:
    def record() -> None:
        _fresh(drill).seen(found.page, found.others)
        if found.others:
            _hurry(drill)

    return record


# ── the channel ───────────────────────────────────────────────────────────────────────────────────


def open_channel(drill: Drill) -> Record:
    """Not safe to repeat after a lost answer: look first. What Slack refuses ends no drill."""
    _must_be_paged(drill)
    try:
        for name in _channel_names(drill):
            channel = chat().open_channel(name)
            if channel is not None:
                return lambda: _fresh(drill).channel_opened(channel)
    except IntegrationError as error:
        if not error.permanent:
            raise
        word = str(error)
        return lambda: _fresh(drill).no_channel(word)
    return lambda: _fresh(drill).no_channel(f"Slack said name_taken for #{drill.name} and two more names.")


def look_for_channel(drill: Drill) -> Record | None:
    for channel in chat().own_channels(_channel_names(drill)):
        return lambda: _fresh(drill).channel_opened(channel)
    return None


def _channel_names(drill: Drill) -> list[str]:
    return [drill.name, f"{drill.name}-2", f"{drill.name}-3"]


def invite(drill: Drill) -> Record:
    """The one person. Safe to repeat: who is in stays in."""
    channel = _channel(drill)
    member_id = members_of([drill.email]).get(drill.email.lower(), "")
    if not member_id:
        raise IntegrationError(f"Slack has no active member with the e-mail {drill.email}.", permanent=True)
    if word := chat().invite(channel, [member_id]).get(member_id):
        raise IntegrationError(f"Slack said {word}.", code=word, permanent=True)
    return nothing


def topic(drill: Drill) -> Record:
    """Safe to repeat."""
    chat().set_topic(_channel(drill), f"DRILL by {drill.who} · nothing is broken · nobody else is paged")
    return nothing


def summary(drill: Drill) -> Record:
    """Not safe to repeat after a lost answer: look for its marker first."""
    chat().post(_channel(drill), summary_of(drill))
    return nothing


def look_for_summary(drill: Drill) -> Record | None:
    channel = _channel(drill)
    found = chat().find_message(channel, summary_of(drill).marker, since=drill.started_at)
    return None if found is None else nothing


def summary_of(drill: Drill) -> Message:
    return Message(
        marker=f"{drill.name}/summary",
        title=f"DRILL by {drill.who}: nothing is broken",
        paragraphs=("This channel is archived by itself when the drill is over. Nobody else is paged.",),
        facts=(("Paged", f"{drill.who}, and nobody else"),),
        links=(Link("The drill, link by link", address_of(drill)),) if address_of(drill) else (),
    )


# ── the end ───────────────────────────────────────────────────────────────────────────────────────


def wait_for_end(drill: Drill) -> Record:
    """Calls nobody."""
    left = (drill.ends_at - now()).total_seconds()
    if not _is_over(drill) and left > 0:
        raise IntegrationError("The drill is under way.", retry_after=min(left, LOOKED_EVERY))

    def record() -> None:
        _fresh(drill).over("its time was up")
        _hurry(drill)

    return record


def last_look(drill: Drill) -> Record:
    """What PagerDuty says before we resolve it: who acknowledged a moment ago, and who was reached since."""
    if not drill.pagerduty_id:
        raise NotNeeded(NOT_PAGED)
    try:
        found = _reached(drill)
    except IntegrationError as error:
        if error.code != "404":
            raise
        return lambda: _fresh(drill).not_there()
    return _seen(drill, found)


def resolve(drill: Drill) -> Record:
    """Safe to repeat: what is resolved is left alone."""
    if not drill.pagerduty_id:
        raise NotNeeded(NOT_PAGED)
    try:
        if pager().read_page(drill.pagerduty_id).status != "resolved":
            pager().resolve(drill.pagerduty_id)
    except IntegrationError as error:
        if error.code != "404":
            raise
        raise NotNeeded("PagerDuty does not have it.") from error
    return nothing


def archive(drill: Drill) -> Record:
    """Safe to repeat."""
    if not drill.channel_id:
        raise NotNeeded(NO_CHANNEL)
    try:
        chat().archive(drill.channel_id)
    except IntegrationError as error:
        if error.code != "channel_not_found":
            raise
        raise NotNeeded("Slack does not have it.") from error
    return nothing


# ── shared by the steps ───────────────────────────────────────────────────────────────────────────


def address_of(drill: Drill) -> str:
    """The drill's page, to be opened by people; empty where BASE_URL is not set."""
    return f"{settings.BASE_URL}/drills/{drill.name}" if settings.BASE_URL else ""


def _must_be_paged(drill: Drill) -> None:
    if not drill.pagerduty_id:
        raise NotNeeded(NOT_PAGED)
    if _is_over(drill):
        raise NotNeeded(OVER)


def _channel(drill: Drill) -> str:
    if not drill.channel_id:
        raise NotNeeded(NO_CHANNEL)
    if _is_over(drill):
        raise NotNeeded(OVER)
    return drill.channel_id


def _is_over(drill: Drill) -> bool:
    """As the row says now: it may have ended since this step began."""
    return Drill.objects.filter(pk=drill.pk).exclude(ended_at=None).exists()


def _fresh(drill: Drill) -> Drill:
    """The row as it is now, held until the transaction ends."""
    return Drill.objects.select_for_update().get(pk=drill.pk)


def _hurry(drill: Drill) -> None:
    """It is over: what waits looks at once, and finds that out."""
    job_steps(NAME, drill.name).filter(state=State.WAITING).update(run_at=Now())
    connection.on_commit(runner.wake)


def _without_slack(drill: Drill) -> str | None:
    return None if settings.SLACK_BOT_TOKEN else "Slack is not set up."


def _load(name: str) -> Drill:
    return Drill.objects.get(pk=name)


#: Nobody is asked before a step is done late: each asks itself whether the drill is over.
_step = partial(Step, ask_after=None)


def _slack(name: str, do: Do, *after: str, look: Look | None = None, never_give_up: bool = False) -> Step:
    return _step(
        name,
        do,
        look,
        after=after,
        lane="slack",
        off=_without_slack,
        slowest_retry=5,
        on_its_way=ON_ITS_WAY,
        never_give_up=never_give_up,
    )


def _puts_away(name: str, do: Do, *after: str, slowest_retry: float) -> Step:
    return _step(name, do, after=after, lane="pagerduty", slowest_retry=slowest_retry, never_give_up=True)


WORKFLOW = Workflow(
    NAME,
    load=_load,
    steps=(
        _step("page", page, look_for_page, lane="page", slowest_retry=5, on_its_way=LISTED_WITHIN, never_give_up=True),
        _step("seen", seen, after=("page",), lane="pagerduty", slowest_retry=5),
        _step("acknowledged", acknowledged, after=("seen",), lane="pagerduty", slowest_retry=1),
        _slack("open_channel", open_channel, "page", look=look_for_channel, never_give_up=True),
        _slack("invite", invite, "open_channel"),
        _slack("topic", topic, "open_channel"),
        _slack("summary", summary, "open_channel", look=look_for_summary),
        _puts_away("end", wait_for_end, "page", slowest_retry=1),
        _puts_away("last_look", last_look, "end", slowest_retry=5),
        _puts_away("resolve", resolve, "last_look", slowest_retry=15),
        _slack("archive", archive, "end", "open_channel", never_give_up=True),
    ),
)
