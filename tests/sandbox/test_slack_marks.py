"""Slack's pins, bookmarks and reactions (fact sheet 5)."""

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


@pytest.fixture
def channel(slack: WebClient, sandbox: Any) -> str:
    sandbox.switch("slack", "rate_limits", "off")
    return str(slack.conversations_create(name="incident-brave-otter-2026-11")["channel"]["id"])


def test_a_message_is_pinned_once(slack: WebClient, channel: str) -> None:
    ts = slack.chat_postMessage(channel=channel, text="Summary")["ts"]
    slack.pins_add(channel=channel, timestamp=ts)
    assert refusal(slack.pins_add, channel=channel, timestamp=ts)["error"] == "already_pinned"
    item = slack.pins_list(channel=channel)["items"][0]
    assert (item["message"]["ts"], item["message"]["pinned_to"]) == (ts, [channel])
    assert slack.conversations_history(channel=channel)["messages"][0]["pinned_to"] == [channel]
    slack.pins_remove(channel=channel, timestamp=ts)
    assert refusal(slack.pins_remove, channel=channel, timestamp=ts)["error"] == "no_pin"


@pytest.mark.parametrize(
    ("timestamp", "error"),
    [(None, "no_item_specified"), ("today", "bad_timestamp"), ("1.000001", "message_not_found")],
)
def test_what_cannot_be_pinned(slack: WebClient, channel: str, timestamp: str | None, error: str) -> None:
    assert refusal(slack.pins_add, channel=channel, timestamp=timestamp)["error"] == error


def test_slacks_own_messages_and_too_many_are_not_pinned(slack: WebClient, sandbox: Any, channel: str) -> None:
    joined = slack.conversations_history(channel=channel)["messages"][0]["ts"]
    assert refusal(slack.pins_add, channel=channel, timestamp=joined)["error"] == "not_pinnable"
    stamps = [slack.chat_postMessage(channel=channel, text="x")["ts"] for _ in range(101)]
    for ts in stamps[:100]:
        slack.pins_add(channel=channel, timestamp=ts)
    assert refusal(slack.pins_add, channel=channel, timestamp=stamps[100])["error"] == "too_many_pins"
    sandbox.switch("slack", "pin_limit", "none")
    assert slack.pins_add(channel=channel, timestamp=stamps[100])["ok"]


def test_the_same_bookmark_twice_is_two_bookmarks(slack: WebClient, channel: str) -> None:
    arguments: dict[str, Any] = {
        "channel_id": channel,
        "title": "PagerDuty",
        "type": "link",
        "link": "https://example.com/1",
        "emoji": ":pager:",
    }
    first = slack.bookmarks_add(**arguments)["bookmark"]
    second = slack.bookmarks_add(**arguments)["bookmark"]
    assert [each["id"] for each in slack.bookmarks_list(channel_id=channel)["bookmarks"]] == [first["id"], second["id"]]
    edited = slack.bookmarks_edit(channel_id=channel, bookmark_id=first["id"], title="Page")["bookmark"]
    assert (edited["title"], edited["link"]) == ("Page", "https://example.com/1")
    slack.bookmarks_remove(channel_id=channel, bookmark_id=second["id"])
    answer = refusal(slack.bookmarks_remove, channel_id=channel, bookmark_id=second["id"])
    assert answer["error"] == "not_found"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"link": "ftp://example.com"}, "invalid_link"),
        ({"link": "https://example.com/" + "x" * 2048}, "invalid_link"),
        ({"type": "folder"}, "invalid_bookmark_type"),
        ({"emoji": "pager"}, "invalid_emoji"),
        ({"title": "x" * 257}, "invalid_arguments"),
        ({"channel_id": "C0NOWHERE"}, "channel_not_found"),
    ],
)
def test_bad_bookmarks_are_refused(slack: WebClient, channel: str, arguments: dict[str, Any], error: str) -> None:
    good = {"channel_id": channel, "title": "PagerDuty", "type": "link", "link": "https://example.com"}
    assert refusal(slack.bookmarks_add, **(good | arguments))["error"] == error


def test_a_reaction_counts_once_a_person(slack: WebClient, channel: str) -> None:
    ts = slack.chat_postMessage(channel=channel, text="Done")["ts"]
    slack.reactions_add(channel=channel, timestamp=ts, name="eyes")
    again = refusal(slack.reactions_add, channel=channel, timestamp=ts, name="eyes")
    assert again["error"] == "already_reacted"
    shown = slack.conversations_history(channel=channel)["messages"][0]["reactions"]
    assert shown == [{"name": "eyes", "users": [slack.auth_test()["user_id"]], "count": 1}]
    assert refusal(slack.reactions_add, channel=channel, timestamp=ts, name=":eyes:")["error"] == "invalid_name"
    slack.reactions_remove(channel=channel, timestamp=ts, name="eyes")
    gone = refusal(slack.reactions_remove, channel=channel, timestamp=ts, name="eyes")
    assert gone["error"] == "no_reaction"
