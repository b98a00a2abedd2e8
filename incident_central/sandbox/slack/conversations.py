"""conversations.*: opening, naming and closing channels (fact sheet 3)."""

from __future__ import annotations

from incident_central.sandbox.slack import shapes
from incident_central.sandbox.slack.call import Answer, Call
from incident_central.sandbox.slack.errors import SlackError
from incident_central.sandbox.slack.names import checked_name
from incident_central.sandbox.slack.paging import page
from incident_central.sandbox.slack.records import IM, MPIM, PRIVATE, PUBLIC, Channel

LONGEST_TOPIC = 250
KIND_OF_TYPE = {"public_channel": PUBLIC, "private_channel": PRIVATE, "im": IM, "mpim": MPIM}
MOST_IN_DIRECT_MESSAGE = 8


def create(call: Call) -> Answer:
    kind = PRIVATE if call.arguments.flag("is_private") else PUBLIC
    call.require_kind(kind)
    name = _name(call)
    if call.on("channel_creation") == "restricted":
        raise SlackError("restricted_action")
    call.workspace.check_name_is_free(name)
    return _answer(call, call.workspace.open_channel(name, kind=kind, creator=call.caller))


def rename(call: Call) -> Answer:
    channel = call.own_channel()
    name = _name(call)
    if channel.is_direct:
        raise SlackError("method_not_supported_for_channel_type")
    if channel.is_general or (call.caller.is_bot and channel.creator != call.caller.id):
        raise SlackError("not_authorized")
    if name != channel.name:
        call.workspace.check_name_is_free(name)
        call.workspace.rename(channel, name, by=call.caller.id)
    return _answer(call, channel)


def set_topic(call: Call) -> Answer:
    topic = _line(call, "topic")
    channel = call.own_channel()
    call.workspace.set_topic(channel, topic, by=call.caller.id)
    return _answer(call, channel)


def set_purpose(call: Call) -> Answer:
    purpose = _line(call, "purpose")
    channel = call.own_channel()
    call.workspace.set_purpose(channel, purpose, by=call.caller.id)
    return _answer(call, channel)


def archive(call: Call) -> Answer:
    channel = call.channel()
    if channel.is_direct:
        raise SlackError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise SlackError("already_archived")
    if channel.is_general:
        raise SlackError("cant_archive_general")
    if call.caller.id not in channel.members:
        raise SlackError("not_in_channel")
    call.workspace.archive(channel, by=call.caller.id)
    return {}


def unarchive(call: Call) -> Answer:
    """A bot is refused with not_in_channel, a word the reference does not list here (fact sheet 0a.4)."""
    channel = call.channel()
    if not channel.is_archived:
        raise SlackError("not_archived")
    if call.caller.is_bot and call.on("unarchive_by_bot") == "refused":
        raise SlackError("not_in_channel")
    call.workspace.unarchive(channel, by=call.caller.id)
    return {}


def info(call: Call) -> Answer:
    channel = call.channel()
    shape = shapes.channel(call.workspace, channel, viewer=call.caller.id)
    if call.arguments.flag("include_num_members"):
        shape["num_members"] = len(channel.members)
    return {"channel": shape}


def listed(call: Call) -> Answer:
    """conversations.list: what the caller can see. Direct messages and private channels only its own."""
    visible = [
        channel
        for channel in call.workspace.channels.values()
        if channel.kind == PUBLIC or call.caller.id in channel.members
    ]
    chosen, cursor = _chosen(call, visible)
    channels = [
        shapes.channel(call.workspace, channel, viewer=call.caller.id)
        | ({} if channel.kind == IM else {"num_members": len(channel.members)})
        for channel in chosen
    ]
    return {"channels": channels, "response_metadata": {"next_cursor": cursor}}


def of_user(call: Call) -> Answer:
    """users.conversations: the caller's own channels, or those of `user` that the caller can see."""
    user = call.arguments.text("user") or call.caller.id
    theirs = [
        channel
        for channel in call.workspace.channels_of(user)
        if channel.kind == PUBLIC or call.caller.id in channel.members
    ]
    chosen, cursor = _chosen(call, theirs)
    channels = [shapes.channel(call.workspace, channel, viewer=call.caller.id, membership=False) for channel in chosen]
    return {"channels": channels, "response_metadata": {"next_cursor": cursor}}


def members(call: Call) -> Answer:
    channel = call.channel()
    chosen, cursor = page(call, list(channel.members), label="user", key=str, default=100)
    return {"members": chosen, "response_metadata": {"next_cursor": cursor}}


def opened(call: Call) -> Answer:
    """conversations.open: the direct message with these people, made when there is none."""
    if call.arguments.text("channel"):
        channel = call.workspace.channel(call.arguments.text("channel"), seen_by=call.caller.id)
        if not channel.is_direct:
            raise SlackError("method_not_supported_for_channel_type")
        return _opened(call, channel, already=True)
    users = [user for user in dict.fromkeys(call.arguments.words("users")) if user != call.caller.id]
    _check_people(call, users)
    call.require_kind(IM if len(users) == 1 else MPIM)
    everybody = {call.caller.id, *users}
    for channel in call.workspace.channels.values():
        if channel.is_direct and set(channel.members) == everybody:
            return _opened(call, channel, already=True)
    if call.arguments.flag("prevent_creation"):
        raise SlackError("channel_not_found")
    return _opened(call, call.workspace.open_direct(call.caller, users), already=False)


def _name(call: Call) -> str:
    return checked_name(call.arguments.text("name"), non_latin=call.on("non_latin_names") == "accepted")


def _line(call: Call, argument: str) -> str:
    line = call.arguments.text(argument)
    if len(line) > LONGEST_TOPIC:
        raise SlackError("too_long")
    return line


def _answer(call: Call, channel: Channel) -> Answer:
    return {"channel": shapes.channel(call.workspace, channel, viewer=call.caller.id)}


def _chosen(call: Call, channels: list[Channel]) -> tuple[list[Channel], str]:
    types = call.arguments.words("types") or ["public_channel"]
    if not set(types) <= set(KIND_OF_TYPE):
        raise SlackError("invalid_types")
    kinds = [KIND_OF_TYPE[each] for each in types]
    for kind in kinds:
        call.require_kind(kind)
    without_archived = call.arguments.flag("exclude_archived")
    wanted = [
        channel for channel in channels if channel.kind in kinds and not (without_archived and channel.is_archived)
    ]
    return page(call, wanted, label="team", key=lambda channel: channel.id, default=100)


def _check_people(call: Call, users: list[str]) -> None:
    if not users:
        raise SlackError("users_list_not_supplied")
    if len(users) > MOST_IN_DIRECT_MESSAGE:
        raise SlackError("too_many_users")
    for user in users:
        member = call.workspace.members.get(user)
        if member is None:
            raise SlackError("user_not_found")
        if member.deleted:
            raise SlackError("user_disabled")


def _opened(call: Call, channel: Channel, *, already: bool) -> Answer:
    shape: shapes.Shape = {"id": channel.id}
    if call.arguments.flag("return_im"):
        shape = shapes.channel(call.workspace, channel, viewer=call.caller.id)
    return {"channel": shape} | ({"no_op": True, "already_open": True} if already else {})
