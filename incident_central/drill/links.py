"""The links of a drill's chain, each with its time and what came of it, as the page shows them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from incident_central.drill.drilling import NAME, OVER
from incident_central.drill.models import Drill
from incident_central.jobs.models import UNDER_WAY, State, StepRow, job_steps


@dataclass(frozen=True)
class ChainLink:
    """`state` is the page's: pass, fail, warn, running, queued, skipped. `at`: when it was so."""

    title: str
    state: str
    told: str
    hint: str = ""
    at: datetime | None = None

    def after(self, start: datetime) -> str:
        """Seconds from there to here, as people read them. PagerDuty’s own times are whole seconds, by its clock."""
        seconds = 0.0 if self.at is None else max((self.at - start).total_seconds(), 0.0)
        return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60):02} s"


#: The step behind each link, how it is called when it is done, and while it is not.
STEPS = {
    "page": ("PagerDuty was read back, and accepted the page", "Read back whom it would reach, then page"),
    "seen": ("PagerDuty has the page, and it is yours alone", "See that PagerDuty has the page"),
    "acknowledged": ("Acknowledged", "Acknowledge it on your phone"),
    "open_channel": ("Channel open", "Open the channel"),
    "invite": ("You are in the channel", "Invite you"),
    "topic": ("The topic says DRILL", "Set the topic"),
    "summary": ("Summary posted", "Post the summary"),
    "last_look": ("PagerDuty was asked a last time", "Ask PagerDuty a last time"),
    "resolve": ("PagerDuty’s incident resolved", "Resolve PagerDuty’s incident"),
    "archive": ("Channel archived", "Archive the channel"),
}
WORDS = {State.QUEUED: "Next", State.WAITING: "Waiting", State.LOOKING: "Looking", State.RUNNING: "Now"}


def links_of(drill: Drill) -> list[tuple[ChainLink, str]]:
    """Each with how long after the start it was so; empty where it is not yet."""
    rows = {row.name: row for row in job_steps(NAME, drill.name)}
    return [(one, one.after(drill.started_at) if one.at else "") for one in _links(drill, rows)]


def _links(drill: Drill, rows: dict[str, StepRow]) -> Iterator[ChainLink]:
    yield ChainLink("The drill was accepted", "pass", "Done", at=drill.started_at)
    for name, (done, to_do) in STEPS.items():
        row = rows.get(name)
        if row is not None:
            yield _special(drill, name) or _link(row, done, to_do)


def _special(drill: Drill, name: str) -> ChainLink | None:
    """What came of a step is told by the drill itself, where it is not simply done."""
    if name == "page" and drill.refused:
        return ChainLink("Nothing was sent", "fail", "Refused")
    if name == "seen" and drill.reached_others:
        return ChainLink("It did not reach you alone", "fail", "Fix this")
    if name == "seen" and drill.page_is_missing:
        hint = "PagerDuty accepted the page, and says that it does not have it (404)."
        return ChainLink("The page does not exist in PagerDuty", "fail", "Fix this", hint=hint)
    if name == "seen" and drill.seen_at:
        return ChainLink(STEPS["seen"][0], "pass", "Done", at=drill.seen_at)
    if name == "acknowledged" and drill.acknowledged_at is not None:
        by = drill.acknowledged_by
        title = f"Acknowledged by {by}" if by else "Resolved at once"
        return ChainLink(title, "pass", "Done", at=drill.acknowledged_at)
    if name == "acknowledged" and drill.reached_others:
        return ChainLink(STEPS["acknowledged"][1], "skipped", "Not done", hint=OVER)
    if name == "acknowledged" and drill.seen_at and drill.is_over:
        return ChainLink("Nobody acknowledged", "warn", "Look at it", hint="Did your phone ring?")
    if name == "open_channel" and drill.channel_refused:
        return ChainLink("No channel", "fail", "Fix this", hint=drill.channel_refused)
    return None


def _link(row: StepRow, done: str, to_do: str) -> ChainLink:
    if row.state in (State.DONE, State.BY_HAND):
        return ChainLink(done, "pass", "Done", at=row.finished_at)
    if row.state == State.OFF:
        return ChainLink(to_do, "skipped", "Not done", hint=row.error)
    if row.state == State.FAILED:
        return ChainLink(to_do, "fail", "Failed", hint=row.error)
    state = "running" if row.state in (*UNDER_WAY, State.WAITING) else "queued"
    return ChainLink(to_do, state, WORDS.get(State(row.state), ""), hint=row.error)
