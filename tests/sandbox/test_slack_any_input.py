"""Whatever somebody sends to the make-believe Slack, it answers like Slack: never with HTTP 500."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk import WebClient

from incident_central.sandbox.slack.methods import METHODS

TOKEN = "xoxb-sandbox-incident-central"
FORM, AS_JSON = "application/x-www-form-urlencoded", "application/json; charset=utf-8"
NAMES = (
    "channel channel_id user users name topic purpose text blocks attachments metadata markdown_text thread_ts ts "
    "timestamp message_ts latest oldest inclusive limit cursor types exclude_archived include_all_metadata is_private "
    "force email bot team title type link emoji bookmark_id username icon_url parse return_im prevent_creation "
    "reply_broadcast unfurl_links include_num_members token a[] no-name"
).split()
SPECIFICATION = Path(__file__).parents[2].parent / "shared" / "specs" / "slack.openapi.json"
BADLY_MADE = ("invalid_arguments", "invalid_json", "json_not_object")
# Words that Slack gives although its reference does not list them there (fact sheet 0a.4).
UNLISTED = {"conversations.unarchive": {"not_in_channel"}}
WORDS = ["", "true", "0", "-1", "999", "1e400", "link", "public_channel,im", "#general", "[", "[{}]", "{}", "1.000001"]
CLOSING = ("conversations.archive", "conversations.leave")  # after these the others would be refused at the door
BLOCK_TYPES = ["section", "header", "context", "actions", "image", "input", "divider", "rich_text", "markdown", "odd"]
ELEMENT_TYPES = ["button", "mrkdwn", "plain_text", "static_select", "image", "text", "rich_text_section", "odd"]

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
texts = st.fixed_dictionaries({"type": st.sampled_from(["mrkdwn", "plain_text", "odd"]), "text": st.text(max_size=30)})
elements = st.fixed_dictionaries(
    {"type": st.sampled_from(ELEMENT_TYPES)},
    optional=dict.fromkeys(
        ("text", "url", "value", "style", "action_id", "options", "alt_text", "elements"), any_json | texts
    ),
)
blocks = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(BLOCK_TYPES)},
        optional={
            "text": texts | any_json,
            "fields": st.lists(texts, max_size=2) | any_json,
            "elements": st.lists(elements, max_size=2) | any_json,
            "accessory": elements | any_json,
            "element": elements | any_json,
            "label": texts,
            "block_id": any_json,
            "image_url": st.text(max_size=9),
            "alt_text": st.text(max_size=9),
        },
    ),
    max_size=3,
)


def error_words() -> dict[str, set[str]]:
    """By method, every error word that Slack lists for it; nothing where its description is not at hand."""
    if not SPECIFICATION.exists():
        return {}
    description = json.loads(SPECIFICATION.read_text())
    anywhere = set(description["x-slack-common-errors"]) | {"invalid_auth", *BADLY_MADE}
    return {
        name: anywhere | UNLISTED.get(name, set()) | set(description["paths"][f"/{name}"]["post"]["x-slack"]["errors"])
        for name in METHODS
    }


def test_no_input_makes_a_method_answer_500(slack: WebClient, sandbox: Any) -> None:
    sandbox.switch("slack", "rate_limits", "off")
    channel = slack.conversations_create(name="incident-brave-otter-2026-11")["channel"]["id"]
    ts = slack.chat_postMessage(channel=channel, text="Summary")["ts"]
    user = slack.users_lookupByEmail(email="mei.tanaka@example.com")["user"]["id"]
    words = error_words()
    address = urlsplit(sandbox.slack)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    good = {"channel": channel, "channel_id": channel, "ts": ts, "timestamp": ts, "message_ts": ts, "user": user}
    good |= {"users": user, "name": "eyes", "type": "link", "email": "mei.tanaka@example.com"}
    values = st.sampled_from([ts, user, *WORDS]) | st.text(max_size=90) | any_json

    def arguments(method: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
        """The method with what it requires, mostly good, and with anything else."""
        closing = method in CLOSING
        required = {
            name: values if closing else st.just(good.get(name, "Something")) | values
            for name in METHODS[method].required
        }
        others = st.dictionaries(st.sampled_from(NAMES), values, max_size=4)
        return st.tuples(st.just(method), st.builds(dict.__or__, others, st.fixed_dictionaries(required)))

    def answer(method: str, path: str, body: bytes | None, content_type: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}"} | ({"Content-Type": content_type} if content_type else {})
        connection.request(method, address.path + path, body, headers)
        response = connection.getresponse()
        content = response.read()
        assert response.status == 200, (path, body, content)
        answered: dict[str, Any] = json.loads(content)
        if answered["ok"] is not True and "not_in_channel" not in answered:
            assert answered["error"] in words.get(path.partition("?")[0], {answered["error"]}), (path, body)
        return answered

    @settings(max_examples=300, deadline=None, database=None)
    @given(st.sampled_from(sorted(METHODS)).flatmap(arguments), st.sampled_from(["form", "json", "get"]))
    def well_formed(method_and_arguments: tuple[str, dict[str, Any]], style: str) -> None:
        method, given_arguments = method_and_arguments
        as_text = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in given_arguments.items()
        }
        if style == "json":
            answer("POST", method, json.dumps(given_arguments).encode(), AS_JSON)
        elif style == "form":
            answer("POST", method, urlencode(as_text, errors="replace").encode(), FORM)
        else:
            answer("GET", f"{method}?{urlencode(as_text, errors='replace')}", None, "")

    @settings(max_examples=150, deadline=None, database=None)
    @given(blocks, st.text(max_size=60))
    def blocks_of_all_kinds(given_blocks: list[dict[str, Any]], text: str) -> None:
        body = json.dumps({"channel": channel, "text": text, "blocks": given_blocks}).encode()
        answer("POST", "chat.postMessage", body, AS_JSON)

    @settings(max_examples=40, deadline=None, database=None)
    @given(st.text(max_size=30), st.binary(max_size=200), st.text(st.characters(max_codepoint=255, min_codepoint=32)))
    def malformed(path: str, body: bytes, content_type: str) -> None:
        answer("POST", quote(path, safe="", errors="replace"), body, content_type.strip())
        for kind in (FORM, AS_JSON, "multipart/form-data; boundary=x", "multipart/form-data", content_type.strip()):
            answer("POST", "chat.postMessage", body, kind)

    well_formed()
    blocks_of_all_kinds()
    malformed()
    for nested in (b"[" * 900, b'{"a":' * 60 + b"1" + b"}" * 60, b'{"channel": "\\ud800", "text": "\\udfff"}'):
        answer("POST", "chat.postMessage", nested, AS_JSON)
    # What all this left behind can still be shown.
    assert sandbox.state()["slack"]["channels"]
    assert sandbox.http.get("/", params={"channel": channel}).status_code == 200
