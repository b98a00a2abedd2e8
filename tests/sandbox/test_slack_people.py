"""Slack's people: who is found and how they are described (fact sheet 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse


def refusal(method: Callable[..., SlackResponse], **arguments: Any) -> SlackResponse:
    with pytest.raises(SlackApiError) as refused:
        method(**arguments)
    response: SlackResponse = refused.value.response
    return response


def test_people_are_found_by_the_email_of_their_profile(slack: WebClient) -> None:
    user = slack.users_lookupByEmail(email="Mei.Tanaka@example.com")["user"]
    assert user["real_name"] == user["profile"]["real_name"] == "Mei Tanaka"
    assert user["profile"]["email"] == "mei.tanaka@example.com"
    assert slack.users_info(user=user["id"])["user"] == user


@pytest.mark.parametrize(
    "email", ["nobody@example.com", "henrik.aalto@example.com", "ana.costa@example.com", "incident-central@example.com"]
)
def test_unknown_deactivated_and_differently_named_people_are_not_found(slack: WebClient, email: str) -> None:
    assert refusal(slack.users_lookupByEmail, email=email)["error"] == "users_not_found"


def test_the_list_tells_deactivated_people_guests_and_bots_apart(slack: WebClient) -> None:
    members = {member["profile"]["real_name"]: member for member in slack.users_list()["members"]}
    assert members["Henrik Aalto"]["deleted"] is True
    assert members["Yusuf Demir"]["is_ultra_restricted"] is True
    assert members["Ana Costa"]["profile"]["email"] == "ana@example.com"
    assert members["Incident Central"]["is_bot"] is True
    assert members["Incident Central"]["profile"]["bot_id"] == slack.auth_test()["bot_id"]
    assert members["Slackbot"]["id"] == "USLACKBOT"
    assert members["Slackbot"]["is_bot"] is False


def test_open_questions_about_people_have_switches(slack: WebClient, sandbox: Any) -> None:
    guest = "yusuf@contractor.example"
    assert slack.users_lookupByEmail(email=guest)["ok"]
    sandbox.switch("slack", "guests_by_email", "not found")
    assert refusal(slack.users_lookupByEmail, email=guest)["error"] == "users_not_found"
    sandbox.switch("slack", "slackbot_is_bot", "yes")
    assert slack.users_info(user="USLACKBOT")["user"]["is_bot"] is True


def test_the_list_comes_in_pages(slack: WebClient) -> None:
    pages = [page.data for page in slack.users_list(limit=4)]
    ids = [member["id"] for page in pages for member in page["members"]]
    assert len(ids) == len(set(ids)) == len(slack.users_list()["members"])
    assert all(len(page["members"]) <= 4 for page in pages)


def test_planted_changes_are_seen_at_once(slack: WebClient, sandbox: Any) -> None:
    mei = slack.users_lookupByEmail(email="mei.tanaka@example.com")["user"]["id"]
    sandbox.plant("slack", "members", mei, values={"email": "mei@elsewhere.example"})
    assert slack.users_lookupByEmail(email="mei@elsewhere.example")["user"]["id"] == mei
    sandbox.plant("slack", "members", mei, delete=True)
    assert refusal(slack.users_info, user=mei)["error"] == "user_not_found"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"collection": "emoji", "create": {}}, "There are: members, channels, tokens"),
        ({"collection": "members", "id": "U0NOBODY", "set": {}}, "has the id 'U0NOBODY'"),
        ({"collection": "members", "delete": True}, "has the id None"),
        ({"collection": "members", "create": {"shoe_size": 42}}, "no field 'shoe_size'"),
        ({"collection": "members", "create": {"deleted": "yes"}}, "is true or false"),
        ({"collection": "tokens", "create": {"kind": "magic"}}, "is one of bot, user, app"),
        ({"collection": "tokens", "create": {"user_id": "U0NOBODY"}}, "no member with the id U0NOBODY"),
        ({"collection": "channels", "create": {"members": ["U0NOBODY"]}}, "no member with the id U0NOBODY"),
        ({"collection": "channels", "create": {"members": "everybody"}}, "is a list of texts"),
    ],
)
def test_what_cannot_be_planted_is_said_in_words(sandbox: Any, body: dict[str, Any], words: str) -> None:
    refused = sandbox.http.post("/plant", json={"provider": "slack", **body})
    assert refused.status_code == 400
    assert words in refused.json()["error"]


def test_the_bot_can_be_planted_out_of_a_channel_and_back_in(slack: WebClient, sandbox: Any) -> None:
    bot = slack.auth_test()["user_id"]
    incidents = next(each["id"] for each in slack.conversations_list()["channels"] if each["name"] == "incidents")
    sandbox.plant("slack", "channels", incidents, values={"members": [], "kind": "private"})
    assert refusal(slack.chat_postMessage, channel=incidents, text="x")["error"] == "channel_not_found"
    sandbox.plant("slack", "channels", incidents, values={"members": [bot]})
    assert slack.chat_postMessage(channel=incidents, text="x")["ok"]
    planted = sandbox.plant("slack", "channels", values={"name": "taken", "topic": "Hands off", "is_archived": True})
    assert slack.conversations_info(channel=planted["id"])["channel"]["topic"]["value"] == "Hands off"
    assert refusal(slack.conversations_create, name="taken")["error"] == "name_taken"


def test_bots_and_the_team_introduce_themselves(slack: WebClient) -> None:
    bot = slack.bots_info(bot=slack.auth_test()["bot_id"])["bot"]
    assert (bot["name"], bot["user_id"]) == ("Incident Central", slack.auth_test()["user_id"])
    assert refusal(slack.bots_info, bot="B0NOBODY")["error"] == "bot_not_found"
    team = slack.team_info()["team"]
    assert (team["name"], team["domain"]) == ("Harbour Finch", "harbour-finch")
