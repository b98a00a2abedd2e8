"""What the doctor can find: a statement that is true or not, whose word it is, and the fix.

Each tool has one table of them. The command line, the Set-up page and docs/setup/ say them in the table's words,
which a test compares. Texts are marked as in Markdown: `code`, **menu**. In {braces} stands what a finding is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

#: What a finding may be about, of all that its text leaves open. The rest (counts, times, addresses) may change while
#: it is still the same finding.
SUBJECTS = ("service", "policy", "person", "email", "who", "channel", "scope", "what")


class Level(StrEnum):
    """From worst to best. A check that could not be made is never a pass."""

    FAIL = "fail"  # keeps a page from arriving, or a channel from opening
    WARN = "warn"  # something works worse than it seems
    UNKNOWN = "could-not-check"
    REMARK = "remark"  # as somebody may want it
    OK = "ok"


@dataclass(frozen=True)
class Kind:
    """One thing that can be found. Its id never changes: `area.short-name`. `fix` has a step on each line."""

    id: str
    level: Level
    title: str
    fix: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that was found. `said`: whose word it is, and the details. `url`: where in the tool to mend it.
    `key`: what the same finding has from one check to the next."""

    id: str
    level: Level
    title: str
    said: str = ""
    fix: tuple[str, ...] = ()
    url: str = ""
    key: str = ""

    @property
    def area(self) -> str:
        return self.id.partition(".")[0]

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"fix": list(self.fix)}

    @classmethod
    def from_json(cls, given: dict[str, object]) -> Finding:
        fix = given["fix"]
        steps = tuple(str(step) for step in fix) if isinstance(fix, list) else ()
        texts = {name: str(given.get(name, "")) for name in ("id", "title", "said", "url", "key")}
        return cls(**texts, level=Level(str(given["level"])), fix=steps)


class Table:
    """All that can be found in one area."""

    def __init__(self, *kinds: Kind) -> None:
        self._kinds = {kind.id: kind for kind in kinds}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def found(self, id_: str, said: str = "", *, url: str = "", **about: object) -> Finding:
        """A finding of this kind, with what its title and fix leave open filled in."""
        kind = self._kinds[id_]
        steps = tuple(line.format(**about) for line in kind.fix.splitlines())
        # People and services may be called alike, or be renamed: their address tells them apart.
        subject = url or " ".join(str(about[name]) for name in SUBJECTS if name in about)
        return Finding(
            id_,
            kind.level,
            kind.title.format(**about),
            said,
            steps,
            url if _leads_out(url) else "",
            key=f"{id_} {subject}".strip(),
        )


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    order = list(Level)
    return sorted(findings, key=lambda finding: order.index(finding.level))


def plain(text: str) -> str:
    """Without the marks."""
    return re.sub(r"\*\*(.+?)\*\*|`(.+?)`|<(https?://.+?)>", lambda found: found[1] or found[2] or found[3], text)


def _leads_out(url: str) -> bool:
    return url.startswith(("https://", "http://"))
