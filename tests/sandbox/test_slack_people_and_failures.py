"""What people in Slack do and see on the sandbox's page, and how Slack words failures."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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


def page(sandbox: Any, address: str) -> str:
    return str(sandbox.http.get(address, follow_redirects=True).raise_for_status().text)


@pytest.fixture
def channel(slack: WebClient) -> str:
    return str(slack.conversations_create(name="incident-brave-otter-2026-11")["channel"]["id"])


def test_a_channels_link_leads_to_the_page_with_what_is_said_there(
    slack: WebClient, sandbox: Any, channel: str
) -> None:
    ana = slack.users_lookupByEmail(email="ana.ribeiro@example.com")["user"]["id"]
    slack.conversations_setTopic(channel=channel, topic="P1 Checkout API")
    slack.bookmarks_add(channel_id=channel, title="In PagerDuty", type="link", link="https://example.com/PT1")
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": "Cards <b>fail</b>"}},
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": f"*Reported* by <@{ana}>, see <https://example.com/x|the report>"},
            "fields": [{"type": "mrkdwn", "text": "*Status*\nTriggered"}],
        },
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "a drill"}]},
        {
            "type": "actions",
            "elements": [
                {"type": "button", "text": {"type": "plain_text", "text": "Details"}, "url": "https://example.com/i"}
            ],
        },
    ]
    ts = slack.chat_postMessage(channel=channel, text="Cards fail", blocks=blocks)["ts"]
    slack.pins_add(channel=channel, timestamp=ts)
    shown = page(sandbox, f"{slack.auth_test()['url']}archives/{channel}")
    for words in (
        "#incident-brave-otter-2026-11",
        "P1 Checkout API",
        "In PagerDuty",
        "Cards &lt;b&gt;fail&lt;/b&gt;",
        "<b>Reported</b>",
        "<b>@Ana Ribeiro</b>",
        '<a href="https://example.com/x">the report</a>',
        "<dt>Status</dt><dd>Triggered",
        "a drill",
        "pinned",
    ):
        assert words in shown, words


def test_dangerous_links_and_markup_stay_text(slack: WebClient, sandbox: Any, channel: str) -> None:
    slack.chat_postMessage(channel=channel, text="<javascript:alert(1)|press me> <script>alert(2)</script>")
    shown = page(sandbox, f"{slack.auth_test()['url']}archives/{channel}")
    assert "press me" in shown
    assert 'href="javascript' not in shown
    assert "<script>alert" not in shown


def test_what_a_person_writes_is_read_by_the_bot(slack: WebClient, sandbox: Any, channel: str) -> None:
    oskar = slack.users_lookupByEmail(email="oskar.lindqvist@example.com")["user"]["id"]
    sandbox.ask("POST", f"/slack/channels/{channel}/messages", {"user": oskar, "text": "At my desk in 5 <!channel>"})
    said, joined, *_ = slack.conversations_history(channel=channel)["messages"]
    assert (said["user"], said["text"]) == (oskar, "At my desk in 5 &lt;!channel&gt;")
    assert "bot_id" not in said
    assert (joined["subtype"], joined["user"]) == ("channel_join", oskar)


@pytest.mark.parametrize(
    ("email", "text", "words"),
    [
        ("henrik.aalto@example.com", "Hello", "no active person"),
        ("ana.ribeiro@example.com", " ", "empty"),
    ],
)
def test_who_cannot_write_is_told_why(sandbox: Any, channel: str, email: str, text: str, words: str) -> None:
    refused = sandbox.http.post(f"/slack/channels/{channel}/messages", json={"user": email, "text": text})
    assert refused.status_code == 400
    assert words in refused.text


def test_a_limit_on_demand_says_when_to_come_back(slack: WebClient, sandbox: Any) -> None:
    sandbox.fault("slack", "429", method="conversations.create", seconds=12, times=1)
    answer = refusal(slack.conversations_create, name="later")
    assert (answer.status_code, answer["error"], answer.headers["Retry-After"]) == (429, "ratelimited", "12")
    assert slack.conversations_create(name="later")["ok"]


def test_a_limit_may_come_without_headers_and_json(slack: WebClient, sandbox: Any) -> None:
    sandbox.fault("slack", "429-bare", times=1)
    answer = refusal(slack.auth_test)
    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers
    assert "non-JSON" in answer["error"]


def test_a_scope_can_go_missing(slack: WebClient, sandbox: Any) -> None:
    sandbox.fault("slack", "missing-scope", method="pins.add")
    answer = refusal(slack.pins_add, channel="C1", timestamp="1.000001")
    assert (answer["error"], answer["needed"]) == ("missing_scope", "pins:write")
    assert "pins:write" not in answer["provided"].split(",")


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [("500", 500, "internal_error"), ("unauthorized", 200, "invalid_auth"), ("html", 502, "non-JSON")],
)
def test_other_failures_sound_like_slack(slack: WebClient, sandbox: Any, kind: str, status: int, error: str) -> None:
    sandbox.fault("slack", kind)
    answer = refusal(slack.auth_test)
    assert answer.status_code == status
    assert error in answer["error"]


def test_a_lost_answer_leaves_the_channel_behind_to_be_found(slack: WebClient, sandbox: Any) -> None:
    sandbox.fault("slack", "answer-lost", method="conversations.create", times=1)
    with pytest.raises(OSError, match=r"."):
        slack.conversations_create(name="incident-brave-otter-2026-11")
    assert refusal(slack.conversations_create, name="incident-brave-otter-2026-11")["error"] == "name_taken"
    mine = slack.users_conversations(types="public_channel,private_channel", exclude_archived=True)["channels"]
    found = next(channel for channel in mine if channel["name"] == "incident-brave-otter-2026-11")
    assert found["creator"] == slack.auth_test()["user_id"]


def test_of_many_at_once_one_gets_the_name(slack: WebClient, sandbox: Any) -> None:
    sandbox.switch("slack", "rate_limits", "off")

    def create(_: int) -> str:
        try:
            return str(slack.conversations_create(name="everybody-wants-me")["channel"]["id"])
        except SlackApiError as refused:
            return str(refused.response["error"])

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(create, range(16)))
    assert outcomes.count("name_taken") == 15


def test_a_large_workspace_insists_on_a_limit(slack: WebClient, sandbox: Any) -> None:
    sandbox.ask("POST", "/reset", {"scale": {"people": 1200}})
    assert refusal(slack.users_list)["error"] == "limit_required"
    people = [member["id"] for answer in slack.users_list(limit=200) for member in answer["members"]]
    assert len(people) == len(set(people)) > 1200


def test_every_open_question_has_a_switch(sandbox: Any) -> None:
    switches = sandbox.ask("GET", "/switches")["slack"]
    assert all(switch["value"] == switch["default"] == switch["choices"][0] for switch in switches.values())
    for name, switch in switches.items():
        for choice in switch["choices"]:
            sandbox.switch("slack", name, choice)
