"""Which OAuth scopes open which method, by kind of conversation (fact sheet 2): any one of them will do."""

from __future__ import annotations

from collections.abc import Mapping

from incident_central.sandbox.slack.records import IM, MPIM, PRIVATE, PUBLIC

Scopes = Mapping[str, tuple[str, ...]]  # kind of conversation -> any one of

KINDS = (PUBLIC, PRIVATE, IM, MPIM)
NONE: Scopes = {}


def everywhere(*any_of: str) -> Scopes:
    return dict.fromkeys(KINDS, any_of)


def _by_kind(public: tuple[str, ...], private: tuple[str, ...], im: str, mpim: str) -> Scopes:
    return {PUBLIC: public, PRIVATE: private, IM: (im,), MPIM: (mpim,)}


MANAGE = _by_kind(("channels:manage", "channels:write"), ("groups:write",), "im:write", "mpim:write")
INVITE = _by_kind(
    ("channels:manage", "channels:write.invites"),
    ("groups:write", "groups:write.invites"),
    "im:write",
    "mpim:write",
)
TOPIC: Scopes = {
    PUBLIC: ("channels:manage", "channels:write.topic"),
    PRIVATE: ("groups:write", "groups:write.topic"),
    IM: ("im:write", "im:write.topic"),
    MPIM: ("mpim:write", "mpim:write.topic"),
}
KICK: Scopes = {PUBLIC: ("channels:manage",), PRIVATE: ("groups:write",)}
OPEN: Scopes = {
    IM: ("im:write",),
    MPIM: ("mpim:write",),
    PUBLIC: ("channels:manage",),
    PRIVATE: ("groups:write",),
}
READ = _by_kind(("channels:read",), ("groups:read",), "im:read", "mpim:read")
HISTORY = _by_kind(("channels:history",), ("groups:history",), "im:history", "mpim:history")
JOIN: Scopes = {PUBLIC: ("channels:join",)}

POST_ANYWHERE = "chat:write.public"
POST_UNDER_ANOTHER_NAME = "chat:write.customize"
SEE_EMAIL = "users:read.email"
# With `commands` no method here is called, but slash commands and shortcuts need it.
WITHOUT_A_METHOD = ("commands", POST_ANYWHERE, POST_UNDER_ANOTHER_NAME, SEE_EMAIL)


def union(scopes: Scopes) -> list[str]:
    """Every scope named, once, in order."""
    return list(dict.fromkeys(scope for any_of in scopes.values() for scope in any_of))
