"""users.*: the people of the workspace (fact sheet 4)."""

from __future__ import annotations

from incident_central.sandbox.slack import shapes
from incident_central.sandbox.slack.call import Answer, Call
from incident_central.sandbox.slack.errors import SlackError
from incident_central.sandbox.slack.paging import page
from incident_central.sandbox.slack.records import Member
from incident_central.sandbox.slack.scopes import SEE_EMAIL

LARGE_WORKSPACE = 1000


def listed(call: Call) -> Answer:
    """users.list. Deactivated people are in it; a large workspace insists on a limit."""
    members = list(call.workspace.members.values())
    if call.arguments.number("limit") is None and len(members) > LARGE_WORKSPACE:
        raise SlackError("limit_required")
    chosen, cursor = page(
        call, members, label="user", key=lambda member: member.id, default=LARGE_WORKSPACE, strict=False
    )
    return {
        "members": [_shape(call, member) for member in chosen],
        "cache_ts": call.workspace.now,
        "response_metadata": {"next_cursor": cursor},
    }


def info(call: Call) -> Answer:
    member = call.workspace.members.get(call.arguments.text("user"))
    if member is None:
        raise SlackError("user_not_found")
    return {"user": _shape(call, member)}


def lookup_by_email(call: Call) -> Answer:
    """users_not_found for unknown and deactivated people alike; letter case does not count."""
    wanted = call.arguments.text("email").strip().lower()
    for member in call.workspace.members.values():
        if wanted and member.email.lower() == wanted and not member.deleted:
            if member.is_guest and call.on("guests_by_email") == "not found":
                break
            return {"user": _shape(call, member)}
    raise SlackError("users_not_found")


def _shape(call: Call, member: Member) -> shapes.Shape:
    return shapes.member(call.workspace, member, with_email=call.has_scope(SEE_EMAIL))
