"""How docs/setup/ writes down what the doctor can find."""

import re
import textwrap

from incident_central.findings import Kind, Level

WORDS = {
    Level.FAIL: "Fix this.",
    Level.WARN: "Look at it.",
    Level.UNKNOWN: "Could not be checked.",
    Level.REMARK: "A remark.",
}


def documented(kind: Kind) -> str:
    """A heading with the id, the statement, and the fix; several steps are numbered."""
    steps = kind.fix.splitlines()
    numbers = [f"{number}. " for number in range(1, len(steps) + 1)] if len(steps) > 1 else [""]
    fix = [
        textwrap.fill(
            number + _text(step),
            120,
            subsequent_indent=" " * len(number),
            break_on_hyphens=False,
            break_long_words=False,
        )
        for number, step in zip(numbers, steps, strict=True)
    ]
    said = textwrap.fill(f"{_text(kind.title)}. {WORDS[kind.level]}", 120, break_on_hyphens=False)
    return "\n".join([f"### `{kind.id}`", "", said, "", *fix])


def passes(kind: Kind) -> str:
    """A row of the table of what passes."""
    return f"| `{kind.id}` | {_text(kind.title)} |"


def _text(text: str) -> str:
    """What a finding fills in is written as `THIS`, in capitals; within code it is code already."""
    text = re.sub(r"`[^`]+`", lambda code: re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), code[0]), text)
    return re.sub(r"\{(\w+)\}", lambda found: f"`{found[1].upper()}`", text)
