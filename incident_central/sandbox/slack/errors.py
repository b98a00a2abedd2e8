"""How a Slack method says no."""

from __future__ import annotations

from collections.abc import Sequence


class SlackError(Exception):
    """A refusal, answered as `{"ok": false, "error": …}` with HTTP status 200.

    `messages` goes out as response_metadata.messages (fact sheet 1: bad arguments name what is wrong there),
    `more` as further top-level fields, `errors` for conversations.invite for example.
    """

    def __init__(self, error: str, *, messages: Sequence[str] = (), **more: object) -> None:
        super().__init__(error)
        self.error = error
        self.messages = list(messages)
        self.more = more

    def as_json(self) -> dict[str, object]:
        answer: dict[str, object] = {"ok": False, "error": self.error, **self.more}
        if self.messages:
            answer["response_metadata"] = {"messages": [f"[ERROR] {message}" for message in self.messages]}
        return answer
