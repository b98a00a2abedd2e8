"""Step 2: the Slack app, its token, the announce channel."""

from incident_central import parse
from incident_central.guide.asking import Terminal
from incident_central.guide.settings_file import SettingsFile
from incident_central.integrations.slack.checks import check_slack
from incident_central.integrations.slack.client import Slack
from incident_central.integrations.slack.manifest import manifest

API_URL = "https://slack.com/api/"


def ask(terminal: Terminal, file: SettingsFile) -> None:
    terminal.say("\nStep 2: Slack. Without it Incident Central pages and records, and opens no channel.")
    has_token = bool(file.value("SLACK_BOT_TOKEN"))
    if terminal.wants("Show the manifest that the Slack app is made from?", default=not has_token):
        terminal.say(
            "  At https://api.slack.com/apps press Create New App → From a manifest, paste this, then Install to "
            "Workspace. The token is under OAuth & Permissions."
        )
        print(manifest(file.value("BASE_URL")), flush=True)
    token = _ask_for_token(terminal, file)
    file.put("SLACK_BOT_TOKEN", token)
    if token:
        file.put("SLACK_ANNOUNCE_CHANNEL", _ask_for_channel(terminal, file, token))


def _ask_for_token(terminal: Terminal, file: SettingsFile) -> str:
    token = file.value("SLACK_BOT_TOKEN")
    while True:
        token = terminal.ask_secret(
            "Bot User OAuth Token, xoxb-…; it is not shown", parse.header_text, kept=token, optional=True
        )
        if not token or _takes(terminal, file, token, ""):
            return token


def _ask_for_channel(terminal: Terminal, file: SettingsFile, token: str) -> str:
    channel = file.value("SLACK_ANNOUNCE_CHANNEL")
    while True:
        channel = terminal.ask(
            "Channel that is told of every incident, such as incidents", str, default=channel, optional=True
        ).lstrip("#")
        if not channel or _takes(terminal, file, token, channel):
            return channel


def _takes(terminal: Terminal, file: SettingsFile, token: str, channel: str) -> bool:
    api_url = file.value("SLACK_API_URL", API_URL)
    slack = Slack(token=token, api_url=api_url, before_send=lambda: None)
    return terminal.takes(
        check_slack(slack, token=token, announce_channel=channel, api_url=api_url, channel_opened=None)
    )
