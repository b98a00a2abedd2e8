"""The Set-up page: what the doctor found last, step by step, and what was mended lately. Administrators have everything
checked again, or what one finding is about."""

from collections.abc import Iterable
from datetime import timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from incident_central.database import now
from incident_central.doctor import running
from incident_central.doctor.in_words import would_keep
from incident_central.doctor.models import Checked, Trouble
from incident_central.doctor.parts import PARTS
from incident_central.findings import Finding, Level
from incident_central.integrations.slack.manifest import SCOPES, manifest
from incident_central.web.redirects import SeeOther
from incident_central.web.security import SignedIn, signed_in
from incident_central.web.set_up_sections import Asked, counted, mark_of, sections_of

#: A run takes less than 15 seconds.
TOO_LONG = timedelta(seconds=30)
#: What was mended is shown for so long, and so much of it.
LATELY, MOST_MENDED = timedelta(days=7), 20


@require_safe
@signed_in
def set_up(request: SignedIn) -> HttpResponse:
    """Asks nobody outside: it shows what was found last."""
    checked, failed = {row.part: row for row in Checked.objects.all()}, running.failed()
    pending = [row for row in checked.values() if not row.is_answered and row.part not in failed]
    asked = _asked(request, pending)
    # One finding that is checked again changes by itself, and nothing else does.
    under_way = [] if asked else [row.part for row in pending]
    sections = list(sections_of(checked, failed, asked=asked, under_way=under_way))
    findings = [one.finding for section in sections for one in section.shown]
    known = [row.checked_at for row in checked.values() if row.checked_at is not None]
    asked_at = [row.asked_at for row in pending if row.asked_at is not None]
    context = {
        "here": "set-up",
        "sections": sections,
        "heading": _heading(findings, whole=len(known) == len(PARTS), under_way=bool(under_way)),
        "summary": _summary(findings),
        "checked_at": min(known, default=None),
        "asked": asked,
        # An address that differs in nothing but the place on the page would not be loaded again.
        "again": _address(asked.part, asked.key, at=f"{now():%H%M%S}") if asked else "",
        "under_way": [part.about for part in PARTS if part.name in under_way],
        "parts": len(PARTS),
        "done": len(PARTS) - len(under_way),
        "too_long": bool(asked_at) and now() - min(asked_at) > TOO_LONG,
        "refused": request.GET.get("refused") == "yes",
        "may_check": request.user.is_admin,
        "fails": sum(finding.level == Level.FAIL for finding in findings),
        "pause": round(running.PAUSE.total_seconds()),
        "mended": _mended(),
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
    """An administrator wants everything checked, or what one finding is about. Pressing twice is one run; nobody else
    is offered the button."""
    part, key = request.POST.get("part", ""), request.POST.get("key", "")
    if part not in ("", *(one.name for one in PARTS)):
        return SeeOther(reverse("set-up"))
    begun = request.user.is_admin and running.ask_for_run(part)
    if part:
        return SeeOther(_address(part, key))
    return SeeOther(reverse("set-up") + ("" if begun else "?refused=yes"))


def _address(part: str, key: str, **more: str) -> str:
    """Of the page where one finding was checked again, at its place."""
    return f"{reverse('set-up')}?{urlencode({'part': part, 'key': key, **more})}#{mark_of(part, key)}"


def _asked(request: SignedIn, pending: list[Checked]) -> Asked | None:
    part, key = request.GET.get("part", ""), request.GET.get("key", "")
    if not key or part not in [one.name for one in PARTS]:
        return None
    return Asked(part, key, is_pending=any(row.part == part for row in pending))


def _mended() -> list[Trouble]:
    """What was certain, and is gone for certain."""
    gone = Trouble.objects.filter(gone_at__gt=now() - LATELY, level__in=[Level.FAIL, Level.WARN])
    return list(gone.exclude(broken_at=None).order_by("-gone_at")[:MOST_MENDED])


def _heading(findings: Iterable[Finding], *, whole: bool, under_way: bool) -> str:
    """What is true, as far as it was checked. `whole`: every part was, once."""
    if under_way and not whole:
        return "Checking for the first time"
    if not list(findings):
        return "Nothing has been checked yet"
    if said := would_keep(findings):
        return said
    if not whole or any(one.level == Level.UNKNOWN for one in findings):
        return "Nothing was found that would keep a page from arriving, but not everything could be checked"
    return "Nothing would keep a page from arriving"


def _summary(findings: list[Finding]) -> str:
    checks = [one for one in findings if one.level != Level.REMARK]
    if not checks:
        return ""
    found = counted(checks)
    passed = sum(one.level == Level.OK for one in checks)
    return f"{passed} of {len(checks)} checks pass" + (f", {found}." if found else ".")
