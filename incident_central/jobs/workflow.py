"""What a workflow is: named steps, what each waits for, and how to find out whether a doubtful one got through."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from incident_central.outside import CallFailed

#: What a step returns: a function that writes down what happened. It runs in the transaction that marks the step
#: done, so the two are one fact. It must not call outside.
Record = Callable[[], None]


class NotNeeded(Exception):
    """Raised by a step that turns out to have nothing to do; the text says why and is shown."""


@dataclass(frozen=True)
class Step:
    """One call to one tool, safe to repeat.

    `do(subject)` makes the call and returns what to write down. `look(subject)` asks the other side whether an earlier
    call got through: what to write down if so, None if not. A step without `look` is safe to simply do again.
    """

    name: str
    do: Callable[[Any], Record]
    look: Callable[[Any], Record | None] | None = None
    after: tuple[str, ...] = ()
    #: Steps of one lane share a few threads, so that a tool that hangs holds up nobody but itself.
    lane: str = "default"
    #: Why this step is not to be done for this subject at all, or None.
    off: Callable[[Any], str | None] = lambda subject: None
    #: Longest pause between two tries, seconds. Where many wait for a tool that limits us, a longer one would leave
    #: turns unused that it allows.
    slowest_retry: float = 60.0
    #: A permanent error is tried again every minute instead of failing the step.
    never_give_up: bool = False
    #: After this long a person is asked before it is tried again.
    ask_after: timedelta | None = timedelta(hours=24)
    #: If looking fails for this long, do it all the same.
    look_at_most: timedelta | None = None
    #: A call whose sender died may arrive this much later: until then, not finding it proves nothing.
    on_its_way: timedelta = timedelta(0)
    #: What can be done until then all the same, since of two such calls only one gets through; None where it did not.
    meanwhile: Callable[[Any], Record | None] = lambda subject: None
    #: `amend(subject, error)` may change the subject so that trying again at once makes sense; then it says True.
    amend: Callable[[Any, CallFailed], bool] = lambda subject, error: False
    #: Periodic work: done means "again after this long".
    every: timedelta | None = None
    #: Names that it had in earlier versions.
    was: tuple[str, ...] = ()


@dataclass(frozen=True)
class Workflow:
    """Steps in the order in which a person reads them, and how to load what they work on by the job's key."""

    name: str
    steps: tuple[Step, ...]
    load: Callable[[str], Any]
    #: What a job is begun with is as good as loaded: its first steps run with it, and the database is not asked first.
    begins_as_loaded: bool = False

    def step(self, name: str) -> Step:
        """The step that has or had this name, or one that says that this version does not do it any more."""
        known = (step for step in self.steps if name == step.name or name in step.was)
        return next(known, Step(name, _not_any_more, lane=self.steps[0].lane))


def _not_any_more(subject: object) -> Record:
    raise NotNeeded("This version does not do this any more.")
