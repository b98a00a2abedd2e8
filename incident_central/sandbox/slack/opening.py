"""The workspace as it is when the sandbox opens: the company's people, some bots, a few channels and tokens."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from incident_central.sandbox.clock import Clock
from incident_central.sandbox.company import SLACK_TOKEN, Person
from incident_central.sandbox.slack.methods import ALL_SCOPES
from incident_central.sandbox.slack.records import PRIVATE, PUBLIC, Channel, Line, Member, Token
from incident_central.sandbox.slack.workspace import Workspace, slack_id

# Tokens beside the good one. What else is needed can be planted.
USER_TOKEN = "xoxp-sandbox-installer"
REVOKED_TOKEN = "xoxb-sandbox-revoked"
FEW_SCOPES_TOKEN = "xoxb-sandbox-few-scopes"
APP_TOKEN = "xapp-sandbox-incident-central"
FEW_SCOPES = ("channels:read", "chat:write", "users:read")


def opened_workspace(*, clock: Clock, name: str, url: str, people: Iterable[Person]) -> Workspace:
    """`url` is what auth.test names; `people` are those of the company, in Slack or not."""
    in_slack = [(_member(person), person) for person in people if person.slack]
    bot = _bot("incident_central", "Incident Central")
    slackbot = Member("USLACKBOT", "slackbot", "Slackbot")
    installer = next((member for member, person in in_slack if person.role == "owner"), in_slack[0][0])
    installer.is_admin = True
    members = [slackbot, bot, _bot("deploys", "Deploys"), *(member for member, _ in in_slack)]
    workspace = Workspace(clock=clock, name=name, url=url, members=members, bot=bot, installer=installer)
    _add_channels(workspace)
    _add_tokens(workspace)
    return workspace


def _member(person: Person) -> Member:
    email = person.slack_email or person.email
    plain = unicodedata.normalize("NFKD", person.name).encode("ascii", "ignore").decode().lower()
    return Member(
        id=slack_id("U", email),
        name=re.sub(r"[^a-z0-9]+", ".", plain),
        real_name=person.name,
        email=email,
        title=person.title,
        deleted=person.slack_deactivated,
        is_ultra_restricted=person.slack_guest,
    )


def _bot(name: str, real_name: str) -> Member:
    return Member(
        id=slack_id("U", f"bot {name}"),
        name=name,
        real_name=real_name,
        bot_id=slack_id("B", name),
        app_id=slack_id("A", name),
    )


def _add_channels(workspace: Workspace) -> None:
    staff = [m for m in workspace.members.values() if m.email and not m.deleted]
    employees = [m.id for m in staff if not m.is_guest]
    guests = [m.id for m in staff if m.is_guest]
    installer, bot = workspace.installer.id, workspace.bot.id
    _add_channel(workspace, "general", employees, "Company-wide news").is_general = True
    _add_channel(workspace, "incidents", [bot, *employees[:6]], "Every incident is announced here")
    _add_channel(workspace, "contractors", [installer, *guests], "Work with people from outside")
    # The bot cannot see this one, but its name is taken all the same.
    _add_channel(workspace, "leadership", [installer], "", kind=PRIVATE)


def _add_channel(workspace: Workspace, name: str, members: list[str], purpose: str, *, kind: str = PUBLIC) -> Channel:
    installer = workspace.installer.id
    channel = Channel(slack_id("C", name), name, kind, workspace.now, installer)
    channel.members = dict.fromkeys(members)
    channel.purpose = Line(purpose, installer, workspace.now) if purpose else Line()
    workspace.channels[channel.id] = channel
    return channel


def _add_tokens(workspace: Workspace) -> None:
    bot, installer = workspace.bot.id, workspace.installer.id
    for token in (
        Token(SLACK_TOKEN, "bot", bot, ALL_SCOPES),
        Token(FEW_SCOPES_TOKEN, "bot", bot, FEW_SCOPES),
        Token(REVOKED_TOKEN, "bot", bot, ALL_SCOPES, state="token_revoked"),
        Token(USER_TOKEN, "user", installer, ("channels:write", *ALL_SCOPES)),
        Token(APP_TOKEN, "app", bot, ("connections:write",)),
    ):
        workspace.tokens[token.secret] = token
