"""The stand-in against Slack's own description: paths, arguments, scopes, tiers and answers.

Its error words are held to it in test_slack_any_input.py.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from slack_sdk import WebClient

from incident_central.sandbox.slack.limits import TIER
from incident_central.sandbox.slack.methods import METHODS
from incident_central.sandbox.slack.scopes import union

SPECIFICATION = Path(__file__).parents[2].parent / "shared" / "specs" / "slack.openapi.json"
# Where the schemas of 2021 are stricter than Slack's own examples of today (fact sheet 0).
STRICTER = {
    "users.list": "members/profile: 'fields' is a required property",
    "users.info": "user/profile: 'fields' is a required property",
    "users.lookupByEmail": "user/profile: 'fields' is a required property",
}


@cache
def specification() -> dict[str, Any]:
    if not SPECIFICATION.exists():
        pytest.skip("Slack's description is not beside this checkout (../shared/specs/slack.openapi.json)")
    loaded: dict[str, Any] = json.loads(SPECIFICATION.read_text())
    return loaded


def described(method: str) -> dict[str, Any]:
    found: dict[str, Any] = specification()["paths"][f"/{method}"]["post"]
    return found


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_one_of_slacks_with_its_scopes_and_tier(name: str) -> None:
    method, slack = METHODS[name], described(name)["x-slack"]
    assert set(union(method.scopes)) == set(slack["bot_scopes_any_of"])
    tier = slack["rate_limit"]
    if tier == "Special":
        assert method.rate not in TIER.values()
    else:
        assert method.rate == TIER[int(tier.removeprefix("Tier ")[0])]
    assert method.reads == (slack["http_method"] == "GET" or name in ("auth.test", "bookmarks.list"))


@pytest.mark.parametrize("name", METHODS)
def test_required_arguments_are_those_of_the_description(name: str) -> None:
    content = described(name).get("requestBody", {}).get("content", {})
    schema = content.get("application/x-www-form-urlencoded", {}).get("schema", {})
    required = set(schema.get("required", []))
    assert required <= set(METHODS[name].required) <= set(schema.get("properties", {}))


def test_answers_fit_the_schemas_as_far_as_those_can_be_trusted(slack: WebClient) -> None:
    user = slack.users_lookupByEmail(email="mei.tanaka@example.com")["user"]["id"]
    channel = slack.conversations_create(name="incident-brave-otter-2026-11")["channel"]["id"]
    ts = slack.chat_postMessage(channel=channel, text="Summary")["ts"]
    bot = slack.auth_test()["bot_id"]
    bookmark = slack.bookmarks_add(channel_id=channel, title="Page", type="link", link="https://example.com")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("auth.test", {}),
        ("team.info", {}),
        ("bots.info", {"bot": bot}),
        ("users.list", {}),
        ("users.info", {"user": user}),
        ("users.lookupByEmail", {"email": "mei.tanaka@example.com"}),
        ("conversations.create", {"name": "another"}),
        ("conversations.invite", {"channel": channel, "users": user}),
        ("conversations.setTopic", {"channel": channel, "topic": "P1"}),
        ("conversations.setPurpose", {"channel": channel, "purpose": "P1"}),
        ("conversations.rename", {"channel": channel, "name": "renamed"}),
        ("conversations.join", {"channel": channel}),
        ("conversations.info", {"channel": channel}),
        ("conversations.members", {"channel": channel}),
        ("conversations.list", {}),
        ("users.conversations", {}),
        ("conversations.open", {"users": user, "return_im": True}),
        ("chat.postMessage", {"channel": channel, "text": "More", "thread_ts": ts}),
        ("chat.postEphemeral", {"channel": channel, "user": user, "text": "Only you"}),
        ("chat.update", {"channel": channel, "ts": ts, "text": "Changed"}),
        ("chat.getPermalink", {"channel": channel, "message_ts": ts}),
        ("pins.add", {"channel": channel, "timestamp": ts}),
        ("pins.list", {"channel": channel}),
        ("reactions.add", {"channel": channel, "timestamp": ts, "name": "eyes"}),
        ("conversations.history", {"channel": channel}),
        ("conversations.replies", {"channel": channel, "ts": ts}),
        ("bookmarks.add", {"channel_id": channel, "title": "Page", "type": "link", "link": "https://example.com"}),
        ("bookmarks.edit", {"channel_id": channel, "bookmark_id": bookmark["bookmark"]["id"], "title": "Paged"}),
        ("bookmarks.list", {"channel_id": channel}),
        ("bookmarks.remove", {"channel_id": channel, "bookmark_id": bookmark["bookmark"]["id"]}),
        ("reactions.remove", {"channel": channel, "timestamp": ts, "name": "eyes"}),
        ("pins.remove", {"channel": channel, "timestamp": ts}),
        ("chat.delete", {"channel": channel, "ts": ts}),
        ("conversations.kick", {"channel": channel, "user": user}),
        ("conversations.archive", {"channel": channel}),
    ]
    for method, arguments in calls:
        answer = slack.api_call(method, params=arguments).data
        assert set(misfits(method, answer)) <= {STRICTER.get(method)}, method
    unshown = {"conversations.leave", "conversations.unarchive"}
    assert {method for method, _ in calls} | unshown == set(METHODS)


def misfits(method: str, answer: object) -> list[str]:
    schema = described(method)["responses"]["200"]["content"]["application/json"]["schema"]
    success = {**schema.get("anyOf", [schema])[0], "components": specification()["components"]}
    return [
        "/".join(str(step) for step in error.absolute_path if isinstance(step, str)) + f": {error.message}"
        for found in jsonschema.Draft202012Validator(success).iter_errors(answer)
        for error in [jsonschema.exceptions.best_match(found.context or [found]) or found]
    ]
