"""Properties of names and of text on its way to Slack and PagerDuty, for any input."""

import re
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_central.incidents.naming import ADJECTIVES, NOUNS, draw_name
from incident_central.incidents.text import BIDI, clean
from incident_central.integrations.base import Link, Message
from incident_central.integrations.slack import messages

texts = st.text(max_size=400)


@given(st.datetimes(datetime(2026, 1, 1), timezones=st.just(UTC)), st.integers(0, 3))
def test_a_name_is_readable_and_fits_slack(now: datetime, extra: int) -> None:
    name = draw_name(now, extra_words=extra)
    assert re.fullmatch(r"incident(-[a-z]{3,11}){2,5}-\d{4}-\d{2}", name)
    assert len(name) <= 80 - len("-10")


def test_words_are_unique_lower_case_letters_and_many() -> None:
    for words in (ADJECTIVES, NOUNS):
        assert len(words) == len(set(words)) >= 170
        assert all(re.fullmatch(r"[a-z]{3,11}", word) for word in words)
    assert not set(ADJECTIVES) & set(NOUNS) - {"olive", "swift"}


@given(texts)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert clean(clean(text, lines=True), lines=True) == clean(text, lines=True)


@given(texts)
def test_cleaned_text_has_no_control_or_direction_characters(text: str) -> None:
    one, many = clean(text), clean(text, lines=True)
    assert not [c for c in one if unicodedata.category(c) in ("Cc", "Cs") or c in BIDI]
    assert not [c for c in many if (unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t") or c in BIDI]


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), max_size=200))
def test_letters_digits_and_emoji_of_any_script_are_kept(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "\U0001fa77 and \U0001fae8",  # a pink heart and a shaking face, younger than some Pythons' tables
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f won",  # England's flag
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    ],
)
def test_emoji_are_kept_whole_however_new_they_are(text: str) -> None:
    assert clean(text) == clean(text, lines=True) == text


@pytest.mark.parametrize(
    "hidden", ["\u2065", "\ufff5", "\ufdd0", "\uffff", "\U0001fffe", "\U000e0041", "\U000e0fff", "\u202e", "\x00"]
)
def test_what_nobody_sees_is_left_out(hidden: str) -> None:
    assert clean(f"a{hidden}b") == clean(f"a{hidden}b", lines=True) == "ab"


@given(texts, texts, st.lists(st.tuples(texts, texts), max_size=12), texts)
def test_no_text_becomes_markup_or_breaks_slacks_limits(
    title: str, paragraph: str, facts: list[tuple[str, str]], link_text: str
) -> None:
    message = Message(
        marker="m",
        title=title,
        paragraphs=(paragraph * 20,),
        facts=tuple(facts),
        links=(Link(link_text, "https://example.com/a?b=c&d=e"),),
    )
    assert "<" not in messages.fallback(message)
    blocks = messages.blocks(message)
    assert len(blocks) <= 50
    for kind, text in _texts(blocks):
        assert len(text) <= 3000
        if kind == "mrkdwn":
            outside_links = text.replace("<https://example.com/a?b=c&amp;d=e|", "", 1)
            assert "<" not in outside_links


def _texts(node: object) -> list[tuple[str, str]]:
    if isinstance(node, dict):
        here = [(node["type"], node["text"])] if isinstance(node.get("text"), str) else []
        return here + [found for value in node.values() for found in _texts(value)]
    if isinstance(node, list):
        return [found for value in node for found in _texts(value)]
    return []
