"""What people do in Slack's own app. Slash commands, buttons and modals join here."""

from __future__ import annotations

from incident_central.sandbox.slack.mrkdwn import escaped
from incident_central.sandbox.slack.records import Member, Message
from incident_central.sandbox.slack.workspace import Workspace


def write(workspace: Workspace, *, channel_id: str, user_id: str, text: str) -> Message:
    """A person writes in a channel, joining a public one first.

    `user_id` may also be their e-mail. Raises ValueError, in words for a person, where they cannot.
    """
    with workspace.lock:
        channel = workspace.channels.get(channel_id)
        if channel is None:
            raise ValueError(f"Slack has no channel {channel_id!r}.")
        member = _member(workspace, user_id)
        if channel.is_archived:
            raise ValueError(f"#{channel.name} is archived: nobody can write there.")
        if not channel.is_visible_to(member.id):
            raise ValueError(f"{member.real_name} is not in the private channel #{channel.name}.")
        if not text.strip():
            raise ValueError("The message is empty. Write something first.")
        if member.id not in channel.members:
            workspace.join(channel, member)
        message = Message(ts=workspace.next_ts(), user=member.id, text=escaped(text))
        workspace.post(channel, message)
        return message


def _member(workspace: Workspace, user_id: str) -> Member:
    for member in workspace.members.values():
        if user_id in (member.id, member.email) and not (member.deleted or member.is_bot):
            return member
    raise ValueError(f"Slack has no active person {user_id!r}.")
