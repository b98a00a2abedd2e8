"""conversations.invite, join, kick and leave: who is in a channel (fact sheet 3)."""

from __future__ import annotations

from incident_central.sandbox.slack import shapes
from incident_central.sandbox.slack.arguments import wrong
from incident_central.sandbox.slack.call import Answer, Call
from incident_central.sandbox.slack.errors import SlackError
from incident_central.sandbox.slack.records import IM, MPIM, PUBLIC, Channel


def invite(call: Call) -> Answer:
    """All or nobody; with `force` the good ones, the others reported in `errors`."""
    users = list(dict.fromkeys(call.arguments.words("users")))
    if not users:
        raise SlackError("no_user")
    if len(users) > int(call.on("invite_maximum")):
        raise wrong(f"must not have more than {call.on('invite_maximum')} items [json-pointer:/users]")
    channel = call.own_channel()
    if channel.is_direct:
        raise SlackError("method_not_supported_for_channel_type")
    refused = [(user, error) for user in users if (error := _refusal(call, channel, user))]
    errors = [{"user": user, "ok": False, "error": error} for user, error in refused]
    invited = [user for user in users if user not in dict(refused)]
    if refused and not (call.arguments.flag("force") and invited):
        raise SlackError(refused[0][1], errors=errors)
    for user in invited:
        call.workspace.join(channel, call.workspace.members[user], inviter=call.caller.id)
    shape = shapes.channel(call.workspace, channel, viewer=call.caller.id)
    if not refused:
        return {"channel": shape}
    if call.on("forced_invite") == "not ok":
        raise SlackError(refused[0][1], errors=errors)
    return {"channel": shape, "errors": errors}


def join(call: Call) -> Answer:
    channel = call.workspace.channel(call.arguments.text("channel"), seen_by=call.caller.id)
    call.require_kind(channel.kind)
    if channel.is_archived:
        raise SlackError("is_archived")
    if call.caller.id in channel.members:
        call.warnings.append("already_in_channel")
    else:
        call.workspace.join(channel, call.caller)
    return {"channel": shapes.channel(call.workspace, channel, viewer=call.caller.id)}


def kick(call: Call) -> Answer:
    channel = call.channel()
    member = call.workspace.members.get(call.arguments.text("user"))
    if member is None:
        raise SlackError("user_not_found")
    if member is call.caller:
        raise SlackError("cant_kick_self")
    if channel.is_general:
        raise SlackError("cant_kick_from_general")
    if member.id not in channel.members or call.caller.id not in channel.members:
        raise SlackError("not_in_channel")
    call.workspace.leave(channel, member)
    return {"errors": {}}


def leave(call: Call) -> Answer:
    channel = call.channel()
    if channel.kind in (IM, MPIM):
        raise SlackError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise SlackError("is_archived")
    if channel.is_general:
        raise SlackError("cant_leave_general")
    if call.caller.id not in channel.members:
        return {"ok": False, "not_in_channel": True}
    if channel.kind != PUBLIC and len(channel.members) == 1:
        raise SlackError("last_member")
    call.workspace.leave(channel, call.caller)
    return {}


def _refusal(call: Call, channel: Channel, user: str) -> str:
    """Why this user cannot be invited, in Slack's word; "" when they can."""
    member = call.workspace.members.get(user)
    if member is None:
        return "user_not_found"
    if member is call.caller:
        return "cant_invite_self"
    if member.id == "USLACKBOT":
        return "cant_invite"
    if member.deleted:
        return call.on("deactivated_invitee")
    if user in channel.members:
        return "already_in_channel"
    if member.is_ultra_restricted and any(not each.is_direct for each in call.workspace.channels_of(user)):
        return "ura_max_channels"
    return ""
