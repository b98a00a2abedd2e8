"""Slack's messages: posting, reading, changing (fact sheet 5 and 0a.2)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

Blocks = list[dict[str, Any]]


def refusal(method: Callable[..., SlackResponse], **arguments: Any) -> SlackResponse:
    with pytest.raises(SlackApiError) as refused:
        method(**arguments)
    response: SlackResponse = refused.value.response
    return response


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@pytest.fixture
def channel(slack: WebClient, sandbox: Any) -> str:
    sandbox.switch("slack", "rate_limits", "off")
    return str(slack.conversations_create(name="incident-brave-otter-2026-11")["channel"]["id"])


@pytest.fixture
def mei(slack: WebClient) -> str:
    return str(slack.users_lookupByEmail(email="mei.tanaka@example.com")["user"]["id"])


@pytest.fixture
def installer(sandbox: Any) -> WebClient:
    return WebClient(token="xoxp-sandbox-installer", base_url=sandbox.slack, retry_handlers=[])


def test_a_message_is_known_by_its_time_stamp(slack: WebClient, channel: str) -> None:
    first = slack.chat_postMessage(channel=channel, text="One")
    second = slack.chat_postMessage(channel=channel, text="Two")
    assert isinstance(first["ts"], str)
    assert first["ts"] < second["ts"]
    assert first["channel"] == channel
    assert first["message"]["bot_id"] == slack.auth_test()["bot_id"]
    newest, before, *_ = slack.conversations_history(channel=channel)["messages"]
    assert (newest["text"], before["text"]) == ("Two", "One")


def test_metadata_is_shown_only_to_those_who_ask_for_it(slack: WebClient, channel: str) -> None:
    metadata = {"event_type": "incident_summary", "event_payload": {"incident": "incident-brave-otter-2026-11"}}
    slack.chat_postMessage(channel=channel, text="Summary", metadata=metadata)
    assert "metadata" not in slack.conversations_history(channel=channel)["messages"][0]
    shown = slack.conversations_history(channel=channel, include_all_metadata=True)["messages"][0]
    assert shown["metadata"] == metadata


def test_bad_metadata_is_refused(slack: WebClient, channel: str) -> None:
    answer = refusal(slack.chat_postMessage, channel=channel, text="x", metadata="{")
    assert answer["error"] == "invalid_metadata_format"
    answer = refusal(slack.chat_postMessage, channel=channel, text="x", metadata={"event_type": "x"})
    assert answer["error"] == "invalid_metadata_schema"


def test_stray_control_characters_are_escaped_and_mentions_kept(slack: WebClient, channel: str, mei: str) -> None:
    text = f"<@{mei}> a<b & c &amp; <!channel> see https://example.com/a?b=1."
    stored = slack.chat_postMessage(channel=channel, text=text)["message"]["text"]
    assert stored == f"<@{mei}> a&lt;b &amp; c &amp; <!channel> see <https://example.com/a?b=1>."


@pytest.mark.parametrize("arguments", [{}, {"text": ""}, {"text": "  "}, {"text": "", "blocks": []}])
def test_a_message_says_something(slack: WebClient, channel: str, arguments: dict[str, Any]) -> None:
    answer = refusal(slack.api_call, api_method="chat.postMessage", json={"channel": channel, **arguments})
    assert answer["error"] == "no_text"


def test_very_long_text_is_cut_with_a_warning(slack: WebClient, channel: str) -> None:
    answer = slack.chat_postMessage(channel=channel, text="x" * 40_001)
    assert answer["warning"] == "message_truncated"
    assert len(answer["message"]["text"]) == 40_000


def test_blocks_without_text_are_warned_about(slack: WebClient, channel: str) -> None:
    body = {"channel": channel, "blocks": [section("Hello")]}
    answer = slack.api_call("chat.postMessage", json=body)
    assert answer["response_metadata"]["warnings"] == ["missing_text_in_message"]
    assert answer["message"]["blocks"][0]["block_id"]


def test_blocks_may_come_as_text_in_a_form(slack: WebClient, channel: str) -> None:
    form = {"channel": channel, "text": "Hello", "blocks": json.dumps([section("Hello")])}
    answer = slack.api_call("chat.postMessage", params=form)
    assert answer["message"]["blocks"][0]["text"]["text"] == "Hello"


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([section("x" * 3001)], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
        ([{"type": "section"}], "missing required field: text [json-pointer:/blocks/0]"),
        ([{"type": "sektion"}], "unsupported type: sektion [json-pointer:/blocks/0/type]"),
        ([section("x")] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        (
            [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
            "must be one of: plain_text [json-pointer:/blocks/0/text/type]",
        ),
        (
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
        ),
        (
            [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}],
            "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
        ),
        (
            [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}],
            "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
        ),
        (
            [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}],
            "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
        ),
        (
            [{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "x" * 76}}]}],
            "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
        ),
        (
            [section("x") | {"block_id": "same"}, section("y") | {"block_id": "same"}],
            "block_id must be unique [json-pointer:/blocks]",
        ),
    ],
)
def test_bad_blocks_are_refused_with_the_place(slack: WebClient, channel: str, blocks: Blocks, message: str) -> None:
    answer = refusal(slack.chat_postMessage, channel=channel, text="x", blocks=blocks)
    assert answer["error"] == "invalid_blocks"
    assert f"[ERROR] {message}" in answer["response_metadata"]["messages"]


def test_blocks_that_are_no_list_or_too_long_together(slack: WebClient, channel: str, sandbox: Any) -> None:
    answer = refusal(slack.chat_postMessage, channel=channel, text="x", blocks="[{")
    assert answer["error"] == "invalid_blocks_format"
    long = [section("x" * 3000)] * 5
    assert refusal(slack.chat_postMessage, channel=channel, text="x", blocks=long)["error"] == "msg_blocks_too_long"
    sandbox.switch("slack", "block_text_limit", "none")
    assert slack.chat_postMessage(channel=channel, text="x", blocks=long)["ok"]


def test_a_public_channel_takes_posts_from_outside_only_with_the_scope(slack: WebClient, sandbox: Any) -> None:
    general = next(each["id"] for each in slack.conversations_list()["channels"] if each["name"] == "general")
    assert slack.chat_postMessage(channel=general, text="Hello")["ok"]
    poor = WebClient(token="xoxb-sandbox-few-scopes", base_url=sandbox.slack, retry_handlers=[])
    assert refusal(poor.chat_postMessage, channel=general, text="Hello")["error"] == "not_in_channel"
    assert refusal(slack.chat_postMessage, channel="C0NOWHERE", text="Hello")["error"] == "channel_not_found"


def test_another_name_needs_a_scope_of_its_own(slack: WebClient, sandbox: Any, channel: str) -> None:
    posted = slack.chat_postMessage(channel=channel, text="Hello", username="Otter")["message"]
    assert (posted["username"], posted["subtype"]) == ("Otter", "bot_message")
    sandbox.plant("slack", "tokens", values={"secret": "xoxb-plain", "scopes": ["chat:write", "chat:write.public"]})
    plain = WebClient(token="xoxb-plain", base_url=sandbox.slack, retry_handlers=[])
    arguments: dict[str, Any] = {"channel": channel, "text": "Hello", "username": "Otter"}
    assert refusal(plain.chat_postMessage, **arguments)["needed"] == "chat:write.customize"
    sandbox.switch("slack", "customize_scope", "not needed")
    assert plain.chat_postMessage(**arguments)["ok"]


def test_replies_stay_in_their_thread(slack: WebClient, channel: str) -> None:
    parent = slack.chat_postMessage(channel=channel, text="Question")["ts"]
    reply = slack.chat_postMessage(channel=channel, text="Answer", thread_ts=parent)["ts"]
    slack.chat_postMessage(channel=channel, text="Thanks", thread_ts=reply)
    newest = slack.conversations_history(channel=channel)["messages"][0]
    assert (newest["text"], newest["reply_count"], newest["thread_ts"]) == ("Question", 2, parent)
    thread = slack.conversations_replies(channel=channel, ts=parent)["messages"]
    assert [each["text"] for each in thread] == ["Question", "Answer", "Thanks"]
    link = slack.chat_getPermalink(channel=channel, message_ts=reply)["permalink"]
    assert link.endswith(f"/archives/{channel}/p{reply.replace('.', '')}?thread_ts={parent}&cid={channel}")
    assert refusal(slack.conversations_replies, channel=channel, ts="1.000001")["error"] == "thread_not_found"


def test_a_reply_may_be_told_to_the_whole_channel(slack: WebClient, channel: str) -> None:
    parent = slack.chat_postMessage(channel=channel, text="Question")["ts"]
    slack.chat_postMessage(channel=channel, text="Answer for all", thread_ts=parent, reply_broadcast=True)
    newest = slack.conversations_history(channel=channel)["messages"][0]
    assert (newest["text"], newest["subtype"], newest["thread_ts"]) == ("Answer for all", "thread_broadcast", parent)


def test_history_is_read_page_by_page_and_between_times(slack: WebClient, channel: str) -> None:
    stamps = [slack.chat_postMessage(channel=channel, text=str(number))["ts"] for number in range(5)]
    pages = [page.data for page in slack.conversations_history(channel=channel, limit=2)]
    texts = [each["text"] for page in pages for each in page["messages"]]
    assert texts[:5] == ["4", "3", "2", "1", "0"]
    assert [page["has_more"] for page in pages] == [True, True, False]
    arguments: dict[str, Any] = {"channel": channel, "oldest": stamps[1], "latest": stamps[3]}
    between = slack.conversations_history(**arguments)["messages"]
    assert [each["text"] for each in between] == ["2"]
    inclusive = slack.conversations_history(**arguments, inclusive=True)["messages"]
    assert [each["text"] for each in inclusive] == ["3", "2", "1"]
    assert refusal(slack.conversations_history, channel=channel, oldest="soon")["error"] == "invalid_ts_oldest"


def test_only_own_messages_are_changed_and_only_with_short_text(
    slack: WebClient, installer: WebClient, channel: str
) -> None:
    metadata = {"event_type": "incident_summary", "event_payload": {}}
    ts = slack.chat_postMessage(channel=channel, text="Old", blocks=[section("Old")], metadata=metadata)["ts"]
    assert slack.chat_update(channel=channel, ts=ts, text="New & better")["text"] == "New &amp; better"
    changed = slack.conversations_history(channel=channel, include_all_metadata=True)["messages"][0]
    assert "blocks" not in changed
    assert changed["metadata"] == metadata
    assert changed["edited"]["user"] == slack.auth_test()["user_id"]
    assert refusal(slack.chat_update, channel=channel, ts=ts, text="x" * 4001)["error"] == "msg_too_long"
    assert refusal(slack.chat_update, channel=channel, ts="1.000001", text="x")["error"] == "message_not_found"
    assert refusal(installer.chat_update, channel=channel, ts=ts, text="x")["error"] == "cant_update_message"
    assert refusal(installer.chat_delete, channel=channel, ts=ts)["error"] == "cant_delete_message"


def test_an_update_may_keep_the_blocks(slack: WebClient, sandbox: Any, channel: str) -> None:
    sandbox.switch("slack", "update_without_blocks", "keeps them")
    ts = slack.chat_postMessage(channel=channel, text="Old", blocks=[section("Old")])["ts"]
    assert slack.chat_update(channel=channel, ts=ts, text="New")["message"]["blocks"][0]["text"]["text"] == "Old"


def test_a_deleted_message_is_gone_with_its_pin(slack: WebClient, channel: str) -> None:
    ts = slack.chat_postMessage(channel=channel, text="Oops")["ts"]
    slack.pins_add(channel=channel, timestamp=ts)
    slack.chat_delete(channel=channel, ts=ts)
    assert slack.pins_list(channel=channel)["items"] == []
    assert refusal(slack.chat_delete, channel=channel, ts=ts)["error"] == "message_not_found"


def test_an_ephemeral_message_is_for_one_person_in_the_channel(slack: WebClient, channel: str, mei: str) -> None:
    arguments: dict[str, Any] = {"channel": channel, "user": mei, "text": "Only for you"}
    assert refusal(slack.chat_postEphemeral, **arguments)["error"] == "user_not_in_channel"
    slack.conversations_invite(channel=channel, users=mei)
    ts = slack.chat_postEphemeral(**arguments)["message_ts"]
    assert refusal(slack.chat_update, channel=channel, ts=ts, text="x")["error"] == "message_not_found"
    assert "Only for you" not in str(slack.conversations_history(channel=channel).data)


def test_posting_to_a_person_opens_a_direct_message(slack: WebClient, mei: str) -> None:
    first = slack.chat_postMessage(channel=mei, text="Hello")["channel"]
    assert first.startswith("D")
    assert slack.chat_postMessage(channel=mei, text="Hello again")["channel"] == first
