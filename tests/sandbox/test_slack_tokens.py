"""Who may call Slack's methods, in which style, and how often (fact sheet 1 and 2)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.request import Request, urlopen

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

TOKEN = "xoxb-sandbox-incident-central"


def refusal(method: Callable[..., SlackResponse], **arguments: Any) -> SlackResponse:
    with pytest.raises(SlackApiError) as refused:
        method(**arguments)
    response: SlackResponse = refused.value.response
    return response


def call(
    sandbox: Any, method: str, body: bytes | None = None, *, token: str = TOKEN, content_type: str = "", query: str = ""
) -> dict[str, Any]:
    """A call as another client than slack_sdk makes it."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = Request(f"{sandbox.slack}{method}{query}", data=body, headers=headers)
    request.add_header("Content-Type", content_type)
    with urlopen(request) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def other(sandbox: Any, token: str) -> WebClient:
    return WebClient(token=token, base_url=sandbox.slack, retry_handlers=[])


def test_auth_test_says_who_and_where_and_lists_the_scopes(slack: WebClient, sandbox: Any) -> None:
    answer = slack.auth_test()
    assert answer["team"] == "Harbour Finch"
    assert answer["user_id"].startswith("U")
    assert answer["bot_id"].startswith("B")
    assert answer["url"] == f"{sandbox.page}/slack/"
    scopes = answer.headers["x-oauth-scopes"].split(",")
    assert {"channels:manage", "chat:write", "users:read.email", "commands"} <= set(scopes)


def test_the_scopes_header_can_be_left_out(slack: WebClient, sandbox: Any) -> None:
    sandbox.switch("slack", "scopes_header", "left out")
    assert "x-oauth-scopes" not in slack.auth_test().headers


def test_a_user_token_has_no_bot_id(sandbox: Any) -> None:
    answer = other(sandbox, "xoxp-sandbox-installer").auth_test()
    assert "bot_id" not in answer.data


@pytest.mark.parametrize(
    ("token", "error"),
    [
        ("", "not_authed"),
        ("xoxb-nobody-knows-me", "invalid_auth"),
        ("xoxb-sandbox-revoked", "token_revoked"),
        ("xapp-sandbox-incident-central", "not_allowed_token_type"),
    ],
)
def test_bad_tokens_have_words_of_their_own(sandbox: Any, token: str, error: str) -> None:
    assert call(sandbox, "auth.test", b"", token=token, content_type="application/json") == {
        "ok": False,
        "error": error,
    }


def test_an_expired_token_can_be_planted(sandbox: Any) -> None:
    sandbox.plant("slack", "tokens", values={"secret": "xoxb-old", "state": "token_expired"})
    assert refusal(other(sandbox, "xoxb-old").auth_test)["error"] == "token_expired"


def test_the_token_counts_in_a_form_but_neither_in_the_query_nor_in_json(sandbox: Any) -> None:
    form = "application/x-www-form-urlencoded"
    assert call(sandbox, "auth.test", b"token=" + TOKEN.encode(), token="", content_type=form)["ok"]
    assert call(sandbox, "auth.test", token="", query=f"?token={TOKEN}")["error"] == "not_authed"
    in_json = json.dumps({"token": TOKEN}).encode()
    answer = call(sandbox, "auth.test", in_json, token="", content_type="application/json; charset=utf-8")
    assert answer["error"] == "not_authed"


def test_a_missing_scope_is_named_and_so_are_those_that_are_there(sandbox: Any) -> None:
    poor = other(sandbox, "xoxb-sandbox-few-scopes")
    answer = refusal(poor.conversations_create, name="incident-brave-otter-2026-11")
    assert answer["error"] == "missing_scope"
    assert answer["needed"] == "channels:manage"
    assert answer["provided"] == "channels:read,chat:write,users:read"
    assert answer.headers["x-oauth-scopes"] == "channels:read,chat:write,users:read"
    assert "channels:manage" in answer.headers["x-accepted-oauth-scopes"]


def test_private_channels_need_the_groups_scope(sandbox: Any) -> None:
    sandbox.plant("slack", "tokens", values={"secret": "xoxb-public", "scopes": ["channels:manage", "channels:read"]})
    public_only = other(sandbox, "xoxb-public")
    assert public_only.conversations_create(name="in-the-open")["ok"]
    assert refusal(public_only.conversations_create, name="secret", is_private=True)["needed"] == "groups:write"
    answer = refusal(public_only.users_conversations, types="public_channel,private_channel")
    assert answer["needed"] == "groups:read"


def test_emails_are_shown_only_with_their_scope(slack: WebClient, sandbox: Any) -> None:
    assert any("email" in member["profile"] for member in slack.users_list()["members"])
    poor = other(sandbox, "xoxb-sandbox-few-scopes")
    assert not any("email" in member["profile"] for member in poor.users_list()["members"])


def test_reads_and_writes_take_form_json_and_get(sandbox: Any) -> None:
    form, as_json = "application/x-www-form-urlencoded", "application/json; charset=utf-8"
    by_get = call(sandbox, "users.lookupByEmail", query="?email=mei.tanaka%40example.com")
    by_form = call(sandbox, "users.lookupByEmail", b"email=mei.tanaka%40example.com", content_type=form)
    by_json = call(sandbox, "users.lookupByEmail", b'{"email": "mei.tanaka@example.com"}', content_type=as_json)
    assert by_get["user"]["id"] == by_form["user"]["id"] == by_json["user"]["id"]
    created = call(sandbox, "conversations.create", b"name=by-form&is_private=1", content_type=form)
    assert created["channel"]["is_private"] is True
    created = call(sandbox, "conversations.create", b'{"name": "by-json", "is_private": true}', content_type=as_json)
    assert created["channel"]["is_private"] is True
    multipart = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nby-multipart\r\n--x--\r\n'
    created = call(sandbox, "conversations.create", multipart, content_type="multipart/form-data; boundary=x")
    assert created["channel"]["name"] == "by-multipart"


def test_json_without_a_charset_is_warned_about(sandbox: Any) -> None:
    answer = call(sandbox, "conversations.create", b'{"name": "no-charset"}', content_type="application/json")
    assert answer["ok"]
    assert answer["warning"] == "missing_charset"
    assert answer["response_metadata"]["warnings"] == ["missing_charset"]


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"name=x", "", "missing_post_type"),
        (b"<name>x</name>", "application/xml", "invalid_post_type"),
        (b"name=x", "application/x-www-form-urlencoded; charset=latin-9", "invalid_charset"),
        (b'{"name": ', "application/json; charset=utf-8", "invalid_json"),
        (b'["name"]', "application/json; charset=utf-8", "json_not_object"),
        (b"name[]=x", "application/x-www-form-urlencoded", "invalid_array_arg"),
        (b"na%20me=x", "application/x-www-form-urlencoded", "invalid_arg_name"),
    ],
)
def test_badly_made_calls_are_told_what_is_bad(sandbox: Any, body: bytes, content_type: str, error: str) -> None:
    assert call(sandbox, "conversations.create", body, content_type=content_type)["error"] == error


def test_missing_and_wrong_arguments_are_named(slack: WebClient) -> None:
    answer = refusal(slack.api_call, api_method="conversations.setTopic", params={"channel": "C1"})
    assert answer["error"] == "invalid_arguments"
    assert answer["response_metadata"]["messages"] == ["[ERROR] missing required field: topic"]
    answer = refusal(slack.api_call, api_method="conversations.create", json={"name": 7})
    assert answer["response_metadata"]["messages"] == ["[ERROR] must provide a string [json-pointer:/name]"]


def test_an_unknown_method_is_no_http_error(slack: WebClient) -> None:
    answer = refusal(slack.api_call, api_method="conversations.explode")
    assert answer["error"] == "unknown_method"
    assert answer.status_code == 200


def test_a_method_called_too_often_gets_429_and_the_others_go_on(slack: WebClient, sandbox: Any) -> None:
    for number in range(20):
        slack.conversations_create(name=f"burst-{number}")
    answer = refusal(slack.conversations_create, name="one-too-many")
    assert answer.status_code == 429
    assert answer["error"] == "ratelimited"
    assert answer.headers["Retry-After"] == "3"
    assert slack.auth_test()["ok"]
    sandbox.advance(3)
    assert slack.conversations_create(name="one-too-many")["ok"]


def test_posting_is_limited_channel_by_channel(slack: WebClient) -> None:
    first, second = (slack.conversations_create(name=name)["channel"]["id"] for name in ("first", "second"))
    for _ in range(5):
        slack.chat_postMessage(channel=first, text="again")
    assert refusal(slack.chat_postMessage, channel=first, text="again").status_code == 429
    assert slack.chat_postMessage(channel=second, text="here it still goes")["ok"]


def test_limits_can_be_turned_off(slack: WebClient, sandbox: Any) -> None:
    sandbox.switch("slack", "rate_limits", "off")
    for number in range(25):
        slack.conversations_create(name=f"burst-{number}")


def test_a_distributed_app_reads_once_a_minute_and_little(slack: WebClient, sandbox: Any) -> None:
    channel = slack.conversations_create(name="much-said")["channel"]["id"]
    sandbox.switch("slack", "rate_limits", "off")
    for number in range(20):
        slack.chat_postMessage(channel=channel, text=str(number))
    sandbox.switch("slack", "rate_limits", "on")
    sandbox.switch("slack", "history_limit", "distributed app")
    assert len(slack.conversations_history(channel=channel, limit=100)["messages"]) == 15
    assert refusal(slack.conversations_history, channel=channel).headers["Retry-After"] == "60"
