"""What goes on beside the doctor's runs: people are told, and a watcher outside hears that we live.

pulse        in the lane of the pages: that they would be sent
heartbeat    only while there is a pulse; a claim of this step is a write to the database
speak        telling.py
"""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models.functions import Now

from incident_central.database import now, transaction
from incident_central.doctor import running, telling
from incident_central.doctor.models import Heartbeat
from incident_central.integrations import heartbeat
from incident_central.jobs import runner
from incident_central.jobs.models import StepRow
from incident_central.jobs.workflow import Record, Step, Workflow
from incident_central.outside import CallFailed

NAME = "watch"
EVERY = timedelta(minutes=1)
#: A pulse that is older than this is none: no thread of the lane was free, or alive.
PULSE_LASTS = timedelta(seconds=150)


def begin() -> None:
    """Make the rows of all periodic work of the doctor's. Safe to repeat, and by several processes at once."""
    running.begin()
    with transaction():
        runner.begin(WORKFLOW, "", None)
        telling.try_again()


def pulse(_: object) -> Record:
    """That it was done is all that there is to it."""
    return _nothing


def beat(_: object) -> Record:
    """Safe to repeat."""
    if not settings.HEARTBEAT_URL:
        return _nothing
    last = StepRow.objects.of(NAME, "").filter(name="pulse").values_list("finished_at", flat=True).first()
    if last is None or now() - last > PULSE_LASTS:
        raise CallFailed("Not sent: the threads that page have done nothing for minutes.")
    runner.before_send()
    heartbeat.beat(settings.HEARTBEAT_URL)
    host = urlsplit(settings.HEARTBEAT_URL).hostname or ""
    return lambda: _answered(host)


def _answered(host: str) -> None:
    Heartbeat.objects.update_or_create(pk=1, defaults={"host": host, "answered_at": Now()})


def _nothing() -> None:
    """Nothing to write down."""


def _periodic(name: str, do: Callable[[object], Record], *, lane: str) -> Step:
    slowest = EVERY.total_seconds()
    return Step(name, do, lane=lane, every=EVERY, slowest_retry=slowest, never_give_up=True, ask_after=None)


def _no_subject(key: str) -> None:
    return None


WORKFLOW = Workflow(
    NAME,
    load=_no_subject,
    steps=(
        _periodic("pulse", pulse, lane="page"),
        _periodic("heartbeat", beat, lane="watch"),
        _periodic("speak", telling.speak, lane="watch"),
    ),
)
