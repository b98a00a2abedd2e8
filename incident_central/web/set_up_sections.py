"""The four steps of the Set-up page, each with what was found of it."""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from incident_central.doctor.findings import HUB
from incident_central.doctor.models import Checked, Trouble
from incident_central.doctor.parts import PARTS, STEPS, TABLES, SetUpStep
from incident_central.findings import Finding, Level, worst_first

#: Of one kind, so many are shown whole, and the others by their titles.
MOST_OF_A_KIND = 3
SHOWN_PASSES = 3


@dataclass(frozen=True)
class Asked:
    """The finding that somebody wants checked again. `is_pending`: they still wait for it."""

    part: str
    key: str
    is_pending: bool


@dataclass(frozen=True)
class Shown:
    """A finding on the page. `asked` where it is the one that was checked again; `since` when it was first seen."""

    finding: Finding
    part: str
    since: datetime | None = None
    asked: Asked | None = None

    @property
    def mark(self) -> str:
        return mark_of(self.part, self.finding.key)


@dataclass(frozen=True)
class Group:
    """Findings of one kind."""

    shown: list[Shown]
    more: list[Shown]

    @property
    def id(self) -> str:
        return self.shown[0].finding.id

    @property
    def level(self) -> Level:
        return self.shown[0].finding.level


@dataclass(frozen=True)
class Section:
    """One step. `under_way`: it is being checked, and what is shown is what was found before. `mended`: what somebody
    had checked again, and was not found any more."""

    step: SetUpStep
    shown: list[Shown]
    under_way: bool
    mended: Shown | None = None

    @property
    def findings(self) -> list[Finding]:
        return [one.finding for one in self.shown]

    @property
    def troubles(self) -> list[Group]:
        """Whatever does not pass, worst first; what was asked for in particular is not folded away."""
        order = list(Level)
        kinds: dict[str, list[Shown]] = {}
        for one in sorted(self.shown, key=lambda one: (order.index(one.finding.level), one.asked is None)):
            if one.finding.level != Level.OK:
                kinds.setdefault(one.finding.id, []).append(one)
        return [Group(alike[:MOST_OF_A_KIND], alike[MOST_OF_A_KIND:]) for alike in kinds.values()]

    @property
    def passes(self) -> list[Shown]:
        return [one for one in self.shown if one.finding.level == Level.OK]

    @property
    def first_passes(self) -> list[Shown]:
        return self.passes[:SHOWN_PASSES]

    @property
    def more_passes(self) -> list[Shown]:
        return self.passes[SHOWN_PASSES:]

    @property
    def checks(self) -> int:
        """Remarks neither pass nor fail."""
        return sum(one.level != Level.REMARK for one in self.findings)

    @property
    def state(self) -> str:
        if self.under_way:
            return "running"
        if not self.findings:
            return "queued"
        worst = worst_first(self.findings)[0].level
        return {Level.FAIL: "fail", Level.WARN: "warn", Level.UNKNOWN: "warn"}.get(worst, "pass")

    @property
    def said(self) -> str:
        if self.under_way:
            return "Checking"
        if not self.findings:
            return "Not yet"
        return counted(self.findings).partition(",")[0] or "All pass"


def sections_of(
    checked: Mapping[str, Checked], failed: Mapping[str, str], *, asked: Asked | None, under_way: Collection[str]
) -> Iterator[Section]:
    """`failed`: parts that Incident Central itself failed at."""
    since = {(one.part, one.key): one.since for one in Trouble.objects.there()}
    found = [(finding, row.part) for row in checked.values() for finding in row.found()]
    found += [
        (HUB.found("hub.check-failed", failed[part.name], what=part.about), part.name)
        for part in PARTS
        if part.name in failed
    ]
    shown = [
        Shown(finding, part, since.get((part, finding.key)), asked if _is(asked, part, finding.key) else None)
        for finding, part in found
    ]
    mended = None if asked is None or any(one.asked for one in shown) else _mended(asked)
    for step in STEPS:
        here = [one for one in shown if one.finding.area in step.areas]
        gone = mended if mended is not None and mended.finding.area in step.areas else None
        yield Section(step, here, any(name in under_way for name in step.parts), gone)


def mark_of(part: str, key: str) -> str:
    """What a finding's place on the page is called."""
    return f"finding-{hashlib.sha256(f'{part} {key}'.encode()).hexdigest()[:12]}"


def _is(asked: Asked | None, part: str, key: str) -> bool:
    return asked is not None and (asked.part, asked.key) == (part, key)


def _mended(asked: Asked) -> Shown | None:
    """As it was when it was last seen. None where nothing of ours has such a key."""
    last = Trouble.objects.filter(part=asked.part, key=asked.key).order_by("-since").first()
    if last is not None:
        return Shown(last.found, asked.part, asked=asked)
    id_, _, subject = asked.key.partition(" ")
    kind = next((kind for table in TABLES for kind in table if kind.id == id_), None)
    if kind is None:
        return None
    return Shown(Finding(id_, kind.level, re.sub(r"\{\w+\}", lambda _: subject, kind.title)), asked.part, asked=asked)


def counted(findings: Iterable[Finding]) -> str:
    """2 to fix, 1 to look at, 1 not checked"""
    words = {Level.FAIL: "to fix", Level.WARN: "to look at", Level.UNKNOWN: "not checked"}
    counts = {level: sum(one.level == level for one in findings) for level in words}
    return ", ".join(f"{count} {words[level]}" for level, count in counts.items() if count)
