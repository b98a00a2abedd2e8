"""For load balancers and supervisors: plain text, no sign-in."""

import time
from collections.abc import Iterable
from functools import lru_cache

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from incident_central.database import check_writable
from incident_central.incidents.reporting import missing_settings
from incident_central.incidents.sync import freshness


def alive(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nothing else, the database neither."""
    return HttpResponse("alive\n", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    """200 when a report would be taken, else 503 and what keeps it from being taken."""
    reasons = list(_not_ready())
    return HttpResponse(
        "\n".join(reasons or ["ready"]) + "\n", status=503 if reasons else 200, content_type="text/plain; charset=utf-8"
    )


def _not_ready() -> Iterable[str]:
    missing = missing_settings()
    yield from (f"{name} is not set. See docs/setup/1-pagerduty.md." for name in missing)
    try:
        _check_writable(int(time.monotonic()))
        directory = freshness().get("directory")
    except DatabaseError as error:
        why = " ".join(str(error).split())
        yield f"The database cannot be used: {why}. Check that it is running, its disk, and DATABASE_URL."
        return
    if not missing and (directory is None or directory.read_at is None):
        why = directory.error if directory and directory.error else "The first reading is under way."
        yield f"The services have not been read from PagerDuty yet. {why}"
    if directory is not None and directory.overdue:
        yield "Nobody is working: what is to be done waits. Start `incident-central serve`, or a worker."


@lru_cache(maxsize=1)
def _check_writable(second: int) -> None:
    """Once a second, however many ask."""
    check_writable()
