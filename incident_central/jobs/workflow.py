"""What a workflow is: named steps, what each waits for, and how to find out whether a doubtful one got through."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

#: What a step returns: a function that writes down what happened. It runs in the transaction that marks the step
#: done, so the two are one fact. It must not call outside.
Record = Callable[[], None]


class OutsideError(Protocol):
    """What the runner must know of an error raised by a call to another tool."""

    permanent: bool  # trying again cannot help
    doubtful: bool  # it may have got through
    retry_after: float | None  # seconds, the other side's own word


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
    #: Longest pause between two tries, seconds.
    slowest_retry: float = 300.0
    #: A permanent error is tried again every `slowest_retry` seconds instead of failing the step.
    never_give_up: bool = False
    #: After this long a person is asked before it is tried again.
    ask_after: timedelta | None = timedelta(hours=24)
    #: If looking fails for this long, do it all the same.
    look_at_most: timedelta | None = None
    #: `amend(subject, error)` may change the subject so that trying again at once makes sense; then it says True.
    amend: Callable[[Any, Any], bool] = lambda subject, error: False
    #: Periodic work: done means "again after this long".
    every: timedelta | None = None


@dataclass(frozen=True)
class Workflow:
    """Steps in the order in which a person reads them, and how to load what they work on by the job's key."""

    name: str
    steps: tuple[Step, ...]
    load: Callable[[str], Any]

    def step(self, name: str) -> Step | None:
        return next((step for step in self.steps if step.name == name), None)
