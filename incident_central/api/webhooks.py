"""Webhooks that arrive. They are written down and answered; the work is the worker's.

PagerDuty switches a subscription off for a day after three answers that begin with 4, and a secret of ours that is
wrong looks like forgery. So whatever is wrong here is answered with 503: it sends again for 48 hours, and catches up by
itself when the trouble is over. (fact sheet section 8)
"""

import hashlib
import logging
import threading

from django.core.exceptions import DisallowedHost
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from incident_central.incidents import sync
from incident_central.incidents.pace import LocalBudget
from incident_central.integrations.pagerduty.webhooks import LARGEST, heard
from incident_central.outage import require_writable, within

log = logging.getLogger(__name__)

#: PagerDuty waits for five seconds.
PATIENCE = 2.0
#: So many are taken at the same time: in a flood, people still get their pages.
AT_THE_SAME_TIME = threading.BoundedSemaphore(4)
IN_TURN = 1.0  # seconds that one waits for its turn
#: With those that wait for their turn, never more: the other web threads answer people, and put off what is too much.
#: Else it would line up before every thread, and whoever reports would stand behind it.
WITHIN_DOORS = threading.BoundedSemaphore(8)
AT_THE_DOOR = 0.02  # seconds that one waits there: a burst passes, and four threads put off 200 a second
#: Written down and logged so often a minute, by each process: anybody can send these, and as many as they like.
REFUSALS = LocalBudget(1)


@csrf_exempt
@require_POST
def pagerduty(request: HttpRequest) -> HttpResponse:
    if not WITHIN_DOORS.acquire(timeout=AT_THE_DOOR):
        return _later("Too many at once.")
    try:
        return _in_turn(request)
    finally:
        WITHIN_DOORS.release()


def _in_turn(request: HttpRequest) -> HttpResponse:
    if not AT_THE_SAME_TIME.acquire(timeout=IN_TURN):
        return _later("Too many at once.")
    try:
        return _pagerduty(request)
    except sync.NotFromPagerDuty as reason:
        return _refused(str(reason))
    except Error:
        return _later("The database does not answer.")
    finally:
        AT_THE_SAME_TIME.release()


def _pagerduty(request: HttpRequest) -> HttpResponse:
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST:
        return _later("This is larger than anything that PagerDuty sends.")
    body, signatures = request.body, request.headers.get("X-PagerDuty-Signature", "")
    told = heard(body)
    webhook_id = request.headers.get("X-Webhook-Id") or told.event_id or hashlib.sha256(body).hexdigest()
    require_writable()
    within(PATIENCE, lambda: sync.heard(webhook_id, told, body=body, signatures=signatures))
    return HttpResponse(status=202)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """For what Django itself would refuse with 400, before anybody looked at the signature."""
    if isinstance(exception, DisallowedHost):
        return _refused("it was sent to a name that is none of ours: see ALLOWED_HOSTS in docs/configuration.md")
    return _refused("it is no request that makes sense")


def _refused(why: str) -> HttpResponse:
    if REFUSALS.take(1):
        _tell(why)
    return _later(why)


def _tell(why: str) -> None:
    """In the log, and to the doctor, unless the database is gone."""
    log.warning("a webhook was refused: %s", why)
    try:
        require_writable()
        within(PATIENCE, lambda: sync.refused(why))
    except Error:
        log.warning("that cannot be kept: the database does not answer")


def _later(why: str) -> HttpResponse:
    return HttpResponse(f"{why}\n", status=503, content_type="text/plain; charset=utf-8", headers={"Retry-After": "10"})
