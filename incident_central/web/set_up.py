"""The Set-up page: what the doctor found last, step by step, and a run of it for administrators."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from incident_central.database import now
from incident_central.doctor import running
from incident_central.doctor.findings import HUB
from incident_central.doctor.models import Checked
from incident_central.doctor.parts import PARTS, STEPS, SetUpStep
from incident_central.findings import Finding, Level, worst_first
from incident_central.integrations.slack.manifest import SCOPES, manifest
from incident_central.jobs.models import SETTLED, State, StepRow
from incident_central.web.security import SeeOther, SignedIn, signed_in

#: Of one kind, so many are shown whole, and the others by their titles.
MOST_OF_A_KIND = 3
SHOWN_PASSES = 3
#: A run takes less than 15 seconds.
TOO_LONG = timedelta(seconds=30)


@dataclass(frozen=True)
class Group:
    """Findings of one kind."""

    findings: list[Finding]
    more: list[Finding]

    @property
    def id(self) -> str:
        return self.findings[0].id

    @property
    def level(self) -> Level:
        return self.findings[0].level


@dataclass(frozen=True)
class Section:
    """One step. `under_way`: it is being checked, and what is shown is what was found before."""

    step: SetUpStep
    findings: list[Finding]
    under_way: bool

    @property
    def troubles(self) -> list[Group]:
        """Whatever does not pass, worst first."""
        kinds: dict[str, list[Finding]] = {}
        for one in worst_first(self.findings):
            if one.level != Level.OK:
                kinds.setdefault(one.id, []).append(one)
        return [Group(alike[:MOST_OF_A_KIND], alike[MOST_OF_A_KIND:]) for alike in kinds.values()]

    @property
    def passes(self) -> list[Finding]:
        return [one for one in self.findings if one.level == Level.OK]

    @property
    def first_passes(self) -> list[Finding]:
        return self.passes[:SHOWN_PASSES]

    @property
    def more_passes(self) -> list[Finding]:
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
        return _counted(self.findings).partition(",")[0] or "All pass"


@require_safe
@signed_in
def set_up(request: SignedIn) -> HttpResponse:
    """Asks nobody outside: it shows what was found last."""
    rows = running.progress()
    checked = {row.part: row for row in Checked.objects.all()}
    sections = list(_sections(rows, checked))
    findings = [finding for section in sections for finding in section.findings]
    under_way = [name for name, row in rows.items() if not _is_over(row)]
    began = next((row.job.created_at for row in rows.values()), None)
    context = {
        "here": "set-up",
        "sections": sections,
        "heading": _heading(findings, whole=len(checked) == len(PARTS), under_way=bool(under_way)),
        "summary": _summary(findings),
        "checked_at": min((row.checked_at for row in checked.values()), default=None),
        "under_way": [part.about for part in PARTS if part.name in under_way],
        "parts": len(PARTS),
        "done": len(PARTS) - len(under_way),
        "too_long": bool(under_way) and began is not None and now() - began > TOO_LONG,
        "refused": request.GET.get("refused") == "yes",
        "may_check": request.user.is_admin,
        "fails": sum(finding.level == Level.FAIL for finding in findings),
        "pause": round(running.PAUSE.total_seconds()),
        "manifest": manifest(settings.BASE_URL),
        "scopes": SCOPES,
    }
    return render(request, "web/set-up.html", context)


@require_safe
@signed_in
def slack_manifest(request: SignedIn) -> HttpResponse:
    """The manifest of our Slack app as a file, with this hub's address in it."""
    name = "incident-central-slack-manifest.yaml"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(manifest(settings.BASE_URL), content_type="application/yaml; charset=utf-8", headers=headers)


@require_POST
@signed_in
def check(request: SignedIn) -> HttpResponse:
    """An administrator wants everything checked. Pressing twice is one run; nobody else is offered the button."""
    begun = request.user.is_admin and running.ask_for_run()
    return SeeOther(reverse("set-up") + ("" if begun else "?refused=yes"))


def _sections(rows: dict[str, StepRow], checked: dict[str, Checked]) -> Iterator[Section]:
    found = [finding for row in checked.values() for finding in row.found()]
    found += [
        HUB.found("hub.check-failed", rows[part.name].error, what=part.about)
        for part in PARTS
        if part.name in rows and rows[part.name].error
    ]
    for step in STEPS:
        under_way = any(name in rows and not _is_over(rows[name]) for name in step.parts)
        yield Section(step, [one for one in found if one.area in step.areas], under_way)


def _is_over(row: StepRow) -> bool:
    return row.state in (*SETTLED, State.FAILED)


def _heading(findings: Iterable[Finding], *, whole: bool, under_way: bool) -> str:
    """What is true, as far as it was checked. `whole`: every part was, once."""
    fails = [one for one in findings if one.level == Level.FAIL]
    slack = sum(one.area in ("slack", "people") for one in fails)
    page = len(fails) - slack
    if under_way and not whole:
        return "Checking for the first time"
    if not list(findings):
        return "Nothing has been checked yet"
    if page and slack:
        return f"{_things(page)} would keep a page from arriving, and {slack} a channel from opening"
    if page:
        return f"{_things(page)} would keep a page from arriving"
    if slack:
        return f"{_things(slack)} would keep a channel from opening"
    if not whole or any(one.level == Level.UNKNOWN for one in findings):
        return "Nothing was found that would keep a page from arriving, but not everything could be checked"
    return "Nothing would keep a page from arriving"


def _things(count: int) -> str:
    return "1 thing" if count == 1 else f"{count} things"


def _summary(findings: list[Finding]) -> str:
    checks = [one for one in findings if one.level != Level.REMARK]
    if not checks:
        return ""
    counted = _counted(checks)
    passed = sum(one.level == Level.OK for one in checks)
    return f"{passed} of {len(checks)} checks pass" + (f", {counted}." if counted else ".")


def _counted(findings: Iterable[Finding]) -> str:
    """2 to fix, 1 to look at, 1 not checked"""
    words = {Level.FAIL: "to fix", Level.WARN: "to look at", Level.UNKNOWN: "not checked"}
    counts = {level: sum(one.level == level for one in findings) for level in words}
    return ", ".join(f"{count} {words[level]}" for level, count in counts.items() if count)
