"""What may come of a call to another tool, as far as it decides when and how to try again."""

import random

#: Seconds to the next try of what was refused, where somebody goes on all the same.
REFUSED_RETRY = 60.0


class CallFailed(Exception):
    """A call did not do what it was made for. `str()` of it is a sentence for people.

    code         the other tool's own word
    permanent    trying again cannot help: a person must change something
    doubtful     the answer was lost, so it may have been done: look before doing it again
    retry_after  seconds, when the other tool said how long to wait
    """

    def __init__(
        self,
        said: str,
        *,
        code: str = "",
        permanent: bool = False,
        doubtful: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(said)
        self.code = code
        self.permanent = permanent
        self.doubtful = doubtful
        self.retry_after = retry_after

    def pause(self, attempts: int, *, slowest: float) -> float:
        """Seconds to the next try: 1, 2, 4 … up to `slowest`, with jitter, never before the other tool's own word."""
        pause = REFUSED_RETRY if self.permanent else min(slowest, 2.0 ** min(attempts - 1, 20))
        return max(pause * random.uniform(0.75, 1.25), (self.retry_after or 0) + random.random())  # noqa: S311


def our_own_fault(error: Exception) -> CallFailed:
    """A bug of ours that was met somewhere around a call: it may have been made, and has to get its next try."""
    said = f"Incident Central itself failed here ({type(error).__name__}); its log says more."
    return CallFailed(said, doubtful=True)
