"""What may come of a call to another tool, as far as it decides when and how to try again."""


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
