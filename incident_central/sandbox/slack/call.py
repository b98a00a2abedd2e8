"""One call of one method: what it may do, what it was given, and the words it answers with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from incident_central.sandbox.slack.arguments import Arguments
from incident_central.sandbox.slack.errors import SlackError
from incident_central.sandbox.slack.limits import Rate
from incident_central.sandbox.slack.records import Channel, Member, Message, Token
from incident_central.sandbox.slack.scopes import Scopes, union
from incident_central.sandbox.slack.workspace import Workspace

Answer = dict[str, object]


@dataclass(frozen=True)
class Method:
    """A row of the table in methods.py.

    `required`: arguments that must be there; `missing` names the error of those that have one of their own.
    `limited_by`: an argument whose values are limited one by one (the channel of chat.postMessage).
    """

    name: str
    handler: Callable[[Call], Answer]
    rate: Rate
    scopes: Scopes
    required: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    reads: bool = False
    limited_by: str = ""


@dataclass
class Call:
    """What a handler gets. It answers with the fields beside `ok`, or raises SlackError."""

    method: Method
    workspace: Workspace
    token: Token
    arguments: Arguments
    warnings: list[str]

    @property
    def caller(self) -> Member:
        return self.workspace.members[self.token.user_id]

    def on(self, switch: str) -> str:
        return self.workspace.switches[switch]

    def has_scope(self, scope: str) -> bool:
        return scope in self.token.scopes

    def require_scope(self, *any_of: str) -> None:
        """Raises missing_scope unless the token has one of these."""
        if not any(self.has_scope(scope) for scope in any_of):
            raise missing_scope(any_of[0], self.token)

    def require_kind(self, kind: str) -> None:
        """Raises missing_scope unless the token may use this method on such a conversation."""
        if kind not in self.method.scopes:
            raise SlackError("method_not_supported_for_channel_type")
        self.require_scope(*self.method.scopes[kind])

    def channel(self, argument: str = "channel") -> Channel:
        """The channel named by its id. Raises channel_not_found, also for an unseen one, or missing_scope."""
        channel = self.workspace.channel(self.arguments.text(argument), seen_by=self.token.user_id)
        self.require_kind(channel.kind)
        return channel

    def own_channel(self, argument: str = "channel") -> Channel:
        """A channel that the caller is in and that is open. Raises is_archived or not_in_channel too."""
        channel = self.channel(argument)
        if channel.is_archived:
            raise SlackError("is_archived")
        if self.token.user_id not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def message(self, channel: Channel, argument: str) -> Message:
        """Raises message_not_found."""
        message = channel.messages.get(self.arguments.text(argument))
        if message is None:
            raise SlackError("message_not_found")
        return message


def missing_scope(needed: str, token: Token) -> SlackError:
    return SlackError("missing_scope", needed=needed, provided=",".join(token.scopes))


def check_scopes(method: Method, token: Token) -> None:
    """Raises missing_scope when the token has none of the scopes that the method takes."""
    accepted = union(method.scopes)
    if accepted and not set(accepted) & set(token.scopes):
        raise missing_scope(next(iter(method.scopes.values()))[0], token)
