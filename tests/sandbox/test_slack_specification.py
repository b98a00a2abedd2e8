"""The stand-in against Slack's own description: paths, arguments, scopes, tiers and error words.

Responses are compared with the schemas of 2021 as far as those can be trusted (fact sheet 0).
"""

from __future__ import annotations

import http.client
import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk import WebClient

from incident_central.sandbox.slack.limits import SPECIAL, TIER
from incident_central.sandbox.slack.methods import METHODS
from incident_central.sandbox.slack.scopes import union

SPECIFICATION = Path(__file__).parents[2].parent / "shared" / "specs" / "slack.openapi.json"
TOKEN = "xoxb-sandbox-incident-central"
# Words that go before any method's own: the token and the make of the call.
ANYWHERE = {"invalid_auth", "invalid_arguments", "invalid_json", "json_not_object"}
# Words that Slack gives although its reference does not list them there.
UNLISTED = {
    "conversations.unarchive": {"not_in_channel"},  # fact sheet 0a.4
    "conversations.archive": {"is_archived"},
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


def own_words(method: str) -> set[str]:
    return set(described(method)["x-slack"]["errors"])


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
    assert SPECIAL.per_minute >= 100


@pytest.mark.parametrize("name", METHODS)
def test_required_arguments_are_those_of_the_description(name: str) -> None:
    content = described(name).get("requestBody", {}).get("content", {})
    schema = content.get("application/x-www-form-urlencoded", {}).get("schema", {})
    required = set(schema.get("required", []))
    assert required <= set(METHODS[name].required) <= set(schema.get("properties", {}))
