"""For load balancers and supervisors: plain text, no sign-in."""

import time
from collections.abc import Callable, Iterable
from functools import lru_cache

from django.db import Error
from django.http import HttpRequest, HttpResponse

from incident_central.database import check_writable
from incident_central.incidents.reporting import missing_settings
from incident_central.incidents.standby import standby
from incident_central.incidents.sync import freshness
from incident_central.outage import require_writable, within

PATIENCE = 3.0  # seconds


def alive(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nothing else, the database neither."""
    return HttpResponse("alive\n", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    """200 when a report would be taken, else 503 and what keeps it from being taken."""
    try:
        reasons = within(PATIENCE, lambda: list(_not_ready()))
    except Error as error:
        told = f"The database cannot be used: {' '.join(str(error).split())}. Check it, its disk, and DATABASE_URL."
        here = standby()
        if here is not None and here.has_room and here.snapshot() is not None:
            return _told(f"ready, but only to page: reports go to the journal. {told}", status=200)
        reasons = [told]
    return _told(*reasons, status=503) if reasons else _told("ready", status=200)


ADDRESSES = {"/healthz": alive, "/readyz": ready}


def whatever_the_host(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Probes ask by a machine's own address, or name no host at all: they are answered before anything looks at it."""

    def respond(request: HttpRequest) -> HttpResponse:
        if (probe := ADDRESSES.get(request.path_info)) is None:
            return get_response(request)
        response = probe(request)
        response.headers["Content-Length"] = str(len(response.content))
        return response

    return respond


def _not_ready() -> Iterable[str]:
    missing = missing_settings()
    yield from (f"{name} is not set. See docs/setup/1-pagerduty.md." for name in missing)
    require_writable()
    _check_writable(int(time.monotonic()))
    directory = freshness().get("directory")
    if not missing and (directory is None or directory.read_at is None):
        why = directory.error if directory and directory.error else "The first reading is under way."
        yield f"The services have not been read from PagerDuty yet. {why}"
    if directory is not None and directory.overdue:
        yield "Nobody is working: what is to be done waits. Start `incident-central serve`, or a worker."


def _told(*lines: str, status: int) -> HttpResponse:
    text = "".join(f"{line}\n" for line in lines)
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")


@lru_cache(maxsize=1)
def _check_writable(second: int) -> None:
    """Once a second, however many ask."""
    check_writable()
