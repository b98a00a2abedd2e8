"""What the last drill showed, and the last one of each person who has one every week, from our own rows: the doctor
starts none, and asks nobody for this."""

from collections.abc import Iterator

from django.db import Error

from incident_central.drill.findings import DRILL
from incident_central.drill.models import Drill, DrillPlan
from incident_central.findings import Finding


def check_drill() -> Iterator[Finding]:
    try:
        over = Drill.objects.exclude(ended_at=None)
        plans = list(DrillPlan.objects.select_related("user").order_by("pk"))
        lasts = [over.first(), *(over.filter(user=plan.user).first() for plan in plans)]
    except Error as error:
        yield DRILL.found("drill.not-checked", f"The database said: {' '.join(str(error).split())}")
        return
    shown = {one.pk: one for one in lasts if one is not None}
    yield from map(_of, shown.values())
    if not shown:
        yield DRILL.found("drill.never-tried", "No drill has come to its end here.")
    for plan in plans:
        if plan.not_started:
            yield DRILL.found("drill.not-started", plan.not_started, who=plan.user)


def _of(last: Drill) -> Finding:
    when = f"It is {last.name}, of {last.started_at:%Y-%m-%d %H:%M} UTC."
    if last.reached_others:
        return DRILL.found("drill.reached-somebody-else", _joined(last.reached_others, when), who=last.who)
    if last.refused:
        return DRILL.found("drill.nothing-sent", _joined(last.refused, when), who=last.who)
    if last.page_is_missing:
        said = f"The incident’s id is {last.pagerduty_id}."
        return DRILL.found("drill.page-missing", f"{said} {when}", url=last.pagerduty_url, who=last.who)
    if last.is_unseen:
        return DRILL.found("drill.not-looked-at", when, who=last.who)
    if last.acknowledged_at is None:
        return DRILL.found("drill.not-acknowledged", when, who=last.who)
    if last.channel_refused:
        return DRILL.found("drill.no-channel", f"{last.channel_refused} {when}", who=last.who)
    return DRILL.found("drill.went-through", when, who=last.who)


def _joined(lines: str, when: str) -> str:
    return " ".join([*lines.splitlines(), when])
