"""Lines of the list as HTML. Fifty of them by a template would take longer than everything else of the page."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape

from django.utils.safestring import SafeString, mark_safe

from incident_central.incidents.models import FROM_PAGERDUTY, Status, listing
from incident_central.incidents.search import Listed
from incident_central.jobs.models import State, StepRow
from incident_central.web.responding import could_not_page
from incident_central.web.templatetags.addresses import address
from incident_central.web.templatetags.times import age, ago


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
    # Everything that comes from elsewhere is escaped in _row().
    return mark_safe("\n".join(_row(*_shown(one, _who(one, steps.get(one.name)))) for one in incidents))  # noqa: S308


def _shown(incident: Listed, who: str) -> tuple[str, ...]:
    """All that the line says."""
    since = incident.created_at if incident.is_open or incident.resolved_at is None else incident.resolved_at
    return (
        incident.name,
        f"{incident.name} from PagerDuty" if incident.source == FROM_PAGERDUTY else incident.name,
        incident.title,
        incident.status,
        incident.priority,
        str(incident.rank),
        incident.service,
        who,
        since.isoformat(),
        age(since) if incident.is_open else ago(since),
        incident.slack_url,
        incident.pagerduty_url,
    )


@lru_cache(maxsize=4096)
def _row(*shown: str) -> str:
    """Most lines are the same when the page is asked for again a second later, and on everybody's page."""
    name, mark, title, status, priority, rank, service, who, since, ago, slack_url, pagerduty_url = map(escape, shown)
    prio = f'<span class="prio" data-level="{rank}"><span class="sr-only">Priority </span>{priority}</span>'
    slack = f'<a class="out" href="{slack_url}" aria-label="Slack channel of {name}">Slack</a>'
    pagerduty = f'<a class="out" href="{pagerduty_url}" aria-label="PagerDuty incident of {name}">PagerDuty</a>'
    return (
        f'<tr data-state="{status}"><td><span class="pill" data-state="{status}">{status.capitalize()}</span></td>'
        f"<td>{prio if priority else ''}</td>"
        f'<th scope="row"><a href="{_address()}{name}" dir="auto">{title}</a> <span class="id">{mark}</span></th>'
        f'<td data-col="service">{service}</td><td data-col="who">{who}</td>'
        f'<td data-col="age"><time datetime="{since}">{ago}</time></td>'
        f'<td data-col="links">{slack if slack_url else ""} {pagerduty if pagerduty_url else ""}</td></tr>'
    )


def _address() -> str:
    """Where incidents are: names are made of letters, digits and hyphens."""
    return address("incident", "x").removesuffix("x")


def _who(incident: Listed, page: StepRow | None) -> str:
    names = listing(incident.assigned)
    if incident.status == Status.ACKNOWLEDGED:
        return incident.acknowledged_by or names
    if incident.status == Status.RESOLVED:
        return names or incident.acknowledged_by
    if incident.is_missing:
        return "PagerDuty does not show it"
    if nobody_paged(incident, page):
        return "Nobody could be paged yet"
    if page is not None and page.state == State.BY_HAND:
        return "Phoned by hand"
    if incident.rings_nobody:
        return "Nobody is paged any more"
    return f"Paging {names}" if names else "Paging"
