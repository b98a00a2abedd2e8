"""auth.test, team.info, bots.info: who am I, and where."""

from __future__ import annotations

from incident_central.sandbox.slack import shapes
from incident_central.sandbox.slack.call import Answer, Call
from incident_central.sandbox.slack.errors import SlackError


def auth_test(call: Call) -> Answer:
    """A user token's answer has no bot_id: so a doctor notices a pasted xoxp (fact sheet 3)."""
    workspace, caller = call.workspace, call.caller
    answer: Answer = {
        "url": workspace.url,
        "team": workspace.name,
        "user": caller.name,
        "team_id": workspace.id,
        "user_id": caller.id,
        "is_enterprise_install": call.on("installation") == "organisation",
    }
    if caller.is_bot:
        answer |= {"bot_id": caller.bot_id, "app_id": caller.app_id}
    return answer


def team_info(call: Call) -> Answer:
    workspace = call.workspace
    if call.arguments.text("team", workspace.id) != workspace.id:
        raise SlackError("team_not_found")
    return {
        "team": {
            "id": workspace.id,
            "name": workspace.name,
            "url": workspace.url,
            "domain": workspace.domain,
            "email_domain": "example.com",
            "icon": {"image_default": True},
        }
    }


def bots_info(call: Call) -> Answer:
    wanted = call.arguments.text("bot")
    for member in call.workspace.members.values():
        if member.is_bot and member.bot_id == wanted:
            return {"bot": shapes.bot(member)}
    raise SlackError("bot_not_found")
