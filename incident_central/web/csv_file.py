"""The filtered list as a CSV file, however long it is."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial

from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from incident_central.incidents.filters import Filters, Position
from incident_central.incidents.search import Listed, listed
from incident_central.outage import within
from incident_central.web.choices import choices
from incident_central.web.filters import asked
from incident_central.web.security import PATIENCE, SignedIn, signed_in

AT_ONCE = 500  # rows
#: A spreadsheet takes what begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Where one parts cells by semicolons or tabs, as it does in many countries, a formula may begin within one of ours.
FORMULA_WITHIN = re.compile(r'(?<=[;\t\n\r])([\s"]*)(?=[=+\-@])')
COLUMNS: dict[str, Callable[[Listed], str]] = {
    "name": lambda one: one.name,
    "status": lambda one: one.status,
    "priority": lambda one: one.priority,
    "title": lambda one: one.title,
    "service": lambda one: one.service,
    "created": lambda one: in_utc(one.created_at),
    "acknowledged": lambda one: in_utc(one.acknowledged_at),
    "resolved": lambda one: in_utc(one.resolved_at),
    "assigned": lambda one: ", ".join(one.assigned),
    "acknowledged by": lambda one: one.acknowledged_by,
    "reporter": lambda one: one.reporter_name,
    "reporter's email": lambda one: one.reporter_email,
    "incident commander's email": lambda one: one.commander_email,
    "source": lambda one: one.source,
    "Slack channel": lambda one: one.slack_url,
    "PagerDuty incident": lambda one: one.pagerduty_url,
}


class Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


@require_safe
@signed_in
def incidents_csv(request: SignedIn) -> HttpResponse | StreamingHttpResponse:
    """Times are UTC, in ISO 8601. A filter that cannot be understood gets 400 and says why."""
    wanted = asked(request.GET, choices())
    if wanted.problems:
        told = "".join(f"{problem.field}: {problem.text}\n" for problem in wanted.problems)
        return HttpResponse(told, status=400, content_type="text/plain; charset=utf-8")
    response = StreamingHttpResponse(_lines(wanted.filters), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="incidents-{timezone.localdate()}.csv"'
    return response


def _lines(filters: Filters) -> Iterator[str]:
    """Each piece is read by itself, so that a slow reader keeps no connection to the database."""
    writer = csv.writer(Echo())
    yield str(writer.writerow(COLUMNS))
    after: Position | None = None
    while piece := within(PATIENCE, partial(listed, filters, after=after, limit=AT_ONCE)):
        yield "".join(str(writer.writerow(_cells(one))) for one in piece)
        after = piece[-1].position


def _cells(incident: Listed) -> list[str]:
    return guarded(read(incident) for read in COLUMNS.values())


def guarded(cells: Iterable[str]) -> list[str]:
    """Whatever people typed is no formula."""
    return [_guarded(cell) for cell in cells]


def _guarded(cell: str) -> str:
    within = FORMULA_WITHIN.sub(r"\1'", cell)
    return f"'{within}" if cell.startswith(FORMULA) else within


def unguarded(cell: str) -> str:
    """As it was before guarded(), where nothing stood within it: ids and e-mails are read back, and no others."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def in_utc(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
