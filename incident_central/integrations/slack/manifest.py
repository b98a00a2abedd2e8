"""Our Slack app: the scopes that it asks for, each with the reason, and the manifest that it is made from.

This is the one place where they stand. docs/setup/2-slack.md, docs/setup/slack-manifest.yaml, the Set-up page and the
doctor say the same, which a test compares.
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """`why` we ask for it; `without` it the app cannot do this."""

    name: str
    why: str
    without: str


OPENS_CHANNELS = "channels:manage"

SCOPES = (
    Scope(
        OPENS_CHANNELS,
        "open the incident's channel, invite people, set the topic, archive the channel of a drill",
        "open channels",
    ),
    Scope(
        "channels:read",
        "after a lost answer, find the channel that was opened all the same",
        "find a channel whose answer was lost, and may open it twice",
    ),
    Scope(
        "groups:read",
        "the same look-up asks for private channels too; and an announce channel may be private",
        "see private channels, and may open a channel twice after a lost answer",
    ),
    Scope(
        "channels:history",
        "after a lost answer, find the message that was posted all the same",
        "find a message whose answer was lost, and may post it twice",
    ),
    Scope(
        "groups:history",
        "the same in a private announce channel",
        "find a message in a private announce channel, and may post it twice",
    ),
    Scope(
        "chat:write",
        "post the summary, the announcement, and who is missing",
        "post the summary, the announcement and who is missing",
    ),
    Scope("pins:write", "pin the summary", "pin the summary"),
    Scope(
        "bookmarks:read",
        "see which bookmarks are there before adding one",
        "see which bookmarks are there, and adds none",
    ),
    Scope(
        "bookmarks:write",
        "add the bookmarks to PagerDuty and to the incident's page",
        "add the bookmarks to PagerDuty and to the incident's page",
    ),
    Scope("users:read", "know the members, so that inviting needs no look-up", "know the members, and invites nobody"),
    Scope(
        "users:read.email",
        "match them with PagerDuty's users, by e-mail",
        "match members by e-mail, and invites nobody",
    ),
)

#: Slack calls nothing of ours yet, so the hub's address stands only in what the app says of itself.
LONG_DESCRIPTION = (
    "Anyone in the company says what is broken. Incident Central pages the people who are on call, once, and opens a "
    "channel with them in it: the summary pinned, the topic true, and everybody named who could not be invited. "
    "Report an incident at {address}"
)


def manifest(address: str) -> str:
    """As YAML, to be pasted at https://api.slack.com/apps; `address` is the hub's own, or empty where nobody knows it
    yet. (fact sheet section 9; long_description: 175 to 4,000 characters)"""
    told = json.dumps(LONG_DESCRIPTION.format(address=address), ensure_ascii=False)  # which is YAML, too
    about = f"\n  long_description: {told}" if address else ""
    scopes = "\n".join(f"      - {scope.name}" for scope in SCOPES)
    return f"""\
# The Slack app of Incident Central: https://api.slack.com/apps → Create New App → From a manifest.
# docs/setup/2-slack.md says what each scope is for.
_metadata:
  major_version: 2
  minor_version: 1
display_information:
  name: Incident Central
  description: Opens a channel for every incident, with the right people in it{about}
  background_color: "#1f2937"
features:
  bot_user:
    display_name: Incident Central
    always_online: true
oauth_config:
  scopes:
    bot:
{scopes}
settings:
  org_deploy_enabled: false
  socket_mode_enabled: false
  token_rotation_enabled: false
"""
