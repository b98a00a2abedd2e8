"""`incident-central doctor`: every check, in the terminal. Nothing is written, not even its results."""

import json
import logging
import sys
import textwrap
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from django.db import connection

from incident_central.doctor.findings import HUB
from incident_central.doctor.parts import PARTS, STEPS, Part
from incident_central.findings import Finding, Level, plain, worst_first

log = logging.getLogger(__name__)

AT_THE_SAME_TIME = 3  # parts
WIDTH = 100
#: By the worst finding. What could not be checked is no pass.
EXIT_CODE = {Level.FAIL: 2, Level.WARN: 1, Level.UNKNOWN: 1, Level.REMARK: 0, Level.OK: 0}
WORDS = {
    Level.FAIL: "FIX THIS",
    Level.WARN: "LOOK AT IT",
    Level.UNKNOWN: "COULD NOT CHECK",
    Level.REMARK: "remark",
    Level.OK: "pass",
}


def run(*, as_json: bool) -> int:
    """Check everything, say what was found on stdout and how far it is on stderr; the exit code."""
    began = time.monotonic()
    findings = _check_everything(began)
    if as_json:
        worst = findings[0].level if findings else Level.OK
        told = {"worst": worst, "findings": [one.as_json() for one in findings]}
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_report(findings)))
    return max((EXIT_CODE[one.level] for one in findings), default=0)


def _check_everything(began: float) -> list[Finding]:
    """The worst first."""
    found: list[Finding] = []
    with ThreadPoolExecutor(AT_THE_SAME_TIME) as threads:
        parts = {threads.submit(_check, part): part for part in PARTS}
        for done in as_completed(parts):
            found += done.result()
            print(f"{time.monotonic() - began:5.1f} s  {parts[done].about}", file=sys.stderr, flush=True)
    return worst_first(sorted(found, key=lambda one: one.area))


def _check(part: Part) -> list[Finding]:
    try:
        return list(part.check())
    except Exception as error:  # as the runner does for the page: a bug in one part must not keep the others' findings
        log.exception("the doctor failed at: %s", part.about)
        return [
            HUB.found("hub.check-failed", f"Incident Central itself failed: {type(error).__name__}.", what=part.about)
        ]
    finally:
        connection.close()


def _report(findings: Sequence[Finding]) -> list[str]:
    lines: list[str] = []
    for step in STEPS:
        here = [one for one in findings if one.area in step.areas]
        if here:
            lines += ["", f"Step {step.number}: {step.name}", ""]
            lines += [line for one in here for line in _lines(one)]
    counts = [(sum(one.level == level for one in findings), word) for level, word in WORDS.items()]
    return [*lines, "", ", ".join(f"{count} × {word}" for count, word in counts if count)]


def _lines(finding: Finding) -> list[str]:
    margin = " " * 18
    head = f"  {WORDS[finding.level]:15} {plain(finding.title)}  [{finding.id}]"
    if finding.level == Level.OK:
        return [head]
    steps = [plain(step) for step in finding.fix]
    numbered = [f"{number}. {step}" for number, step in enumerate(steps, 1)] if len(steps) > 1 else steps
    details = [plain(finding.said), *numbered, finding.url]
    wrapped = [
        textwrap.fill(text, WIDTH, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False)
        for text in details
        if text
    ]
    return [head, *wrapped, ""]
