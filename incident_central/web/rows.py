"""Lines of the list as HTML. Fifty of them by a template would take longer than everything else of the page."""

from collections.abc import Iterable, Sequence
from functools import cache

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from incident_central.incidents.models import Status, listing
from incident_central.incidents.search import Listed
from incident_central.jobs.models import State, StepRow
from incident_central.web.responding import could_not_page
from incident_central.web.templatetags.times import age, ago

NOTHING = SafeString("")


def page_steps(incidents: Iterable[Listed]) -> dict[str, StepRow]:
    """By incident's name, the step that pages, for those that are open and that PagerDuty does not have."""
    unpaged = [one.name for one in incidents if one.is_open and not one.pagerduty_id]
    if not unpaged:
        return {}
    rows = StepRow.objects.filter(job__workflow="response", job__key__in=unpaged, name="page").select_related("job")
    return {row.job.key: row for row in rows}


def nobody_paged(incident: Listed, page: StepRow | None) -> bool:
    return page is not None and could_not_page(incident, page)


def rows(incidents: Sequence[Listed], steps: dict[str, StepRow]) -> SafeString:
    # Each part is safe by itself.
    return mark_safe("\n".join(_row(one, _who(one, steps.get(one.name))) for one in incidents))  # noqa: S308


def _row(incident: Listed, who: str) -> SafeString:
    return format_html(
        '<tr data-state="{}"><td><span class="pill" data-state="{}">{}</span></td><td>{}</td>'
        '<th scope="row"><a href="{}" dir="auto">{}</a> <span class="id">{}</span></th>'
        '<td data-col="service">{}</td><td data-col="who">{}</td><td data-col="age">{}</td>'
        '<td data-col="links">{} {}</td></tr>',
        incident.status,
        incident.status,
        incident.status.capitalize(),
        _priority(incident.priority, incident.rank),
        _address() + incident.name,
        incident.title,
        incident.name,
        incident.service,
        who,
        _age(incident),
        _link(incident.slack_url, "Slack", f"Slack channel of {incident.name}"),
        _link(incident.pagerduty_url, "PagerDuty", f"PagerDuty incident of {incident.name}"),
    )


def _priority(name: str, rank: int | None) -> SafeString:
    if not name:
        return NOTHING
    return format_html('<span class="prio" data-level="{}"><span class="sr-only">Priority </span>{}</span>', rank, name)


@cache
def _address() -> str:
    """Where incidents are: names are made of letters, digits and hyphens."""
    return reverse("incident", args=["x"]).removesuffix("x")


def _age(incident: Listed) -> SafeString:
    if incident.is_open or incident.resolved_at is None:
        return format_html('<time datetime="{}">{}</time>', incident.created_at.isoformat(), age(incident.created_at))
    return format_html('<time datetime="{}">{}</time>', incident.resolved_at.isoformat(), ago(incident.resolved_at))


def _link(address: str, text: str, label: str) -> SafeString:
    return format_html('<a class="out" href="{}" aria-label="{}">{}</a>', address, label, text) if address else NOTHING


def _who(incident: Listed, page: StepRow | None) -> str:
    names = listing(incident.assigned)
    if incident.status == Status.ACKNOWLEDGED:
        return incident.acknowledged_by or names
    if incident.status == Status.RESOLVED:
        return names or incident.acknowledged_by
    if nobody_paged(incident, page):
        return "Nobody could be paged yet"
    if page is not None and page.state == State.BY_HAND:
        return "Phoned by hand"
    return f"Paging {names}" if names else "Paging"
