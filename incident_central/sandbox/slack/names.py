"""What Slack accepts as a channel's name (fact sheet 3). It checks; it does not quietly mend."""

from __future__ import annotations

from incident_central.sandbox.slack.errors import SlackError

LONGEST_NAME = 80


def checked_name(name: str, *, non_latin: bool) -> str:
    """The name, if Slack takes it. Raises SlackError with one of its invalid_name_* words."""
    if not name:
        raise SlackError("invalid_name_required")
    if len(name) > LONGEST_NAME:
        raise SlackError("invalid_name_maxlength")
    if not any(letter.isalnum() for letter in name) and all(not letter.isspace() for letter in name):
        raise SlackError("invalid_name_punctuation")
    if not all(_allowed(letter, non_latin=non_latin) for letter in name):
        raise SlackError("invalid_name_specials")
    return name


def _allowed(letter: str, *, non_latin: bool) -> bool:
    if letter in "-_":
        return True
    if letter.isascii() or not non_latin:
        return letter.isascii() and (letter.isdigit() or "a" <= letter <= "z")
    return letter.isalpha() and letter == letter.lower()
