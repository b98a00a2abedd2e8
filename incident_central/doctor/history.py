"""Which finding was there from when until when.

One run decides nothing: something is broken once two runs of its part in a row saw it, and gone once two in a row did
not. A run that could not look is neither.
"""

from collections.abc import Sequence
from datetime import datetime

from incident_central.database import now
from incident_central.doctor.models import KEPT, Trouble
from incident_central.findings import Finding, Level

#: Where one of these is found, the rest of its part is not looked at, and nothing says so.
BLINDING = {
    "pagerduty.key-missing",
    "slack.token-missing",
    "slack.token-refused",
    "slack.token-revoked",
    "slack.token-expired",
    "slack.token-of-a-person",
    "slack.token-of-the-app",
    "slack.org-wide",
    "slack.unreachable",
}


def take_in(part: str, findings: Sequence[Finding], *, at: datetime) -> bool:
    """Keep what a run of a part found, in the caller's transaction; whether another run should follow soon, since
    something is new, gone or could not be checked."""
    blind = {one.key for one in findings if one.level == Level.UNKNOWN or one.id in BLINDING}
    seen = {one.key: one for one in findings if one.level not in (Level.OK, Level.UNKNOWN)}
    held = Trouble.objects.there().filter(part=part).order_by("pk").select_for_update()
    there = {one.key: one for one in held}
    for key, finding in seen.items():
        trouble = there.setdefault(key, Trouble(part=part, key=key))
        trouble.seen(finding, blind=blind, at=at)
    for key in there.keys() - seen.keys():
        if not there[key].is_hidden_by(blind):
            there[key].missed(at=at)
    unknown = any(one.level == Level.UNKNOWN for one in findings)
    return unknown or any(one.is_unsure for one in there.values())


def forget_the_old(parts: Sequence[str]) -> None:
    """What is long gone, and what parts found that there are no more."""
    Trouble.objects.filter(gone_at__lt=now() - KEPT).delete()
    Trouble.objects.exclude(part__in=parts).delete()
