"""What goes on beside the doctor's runs: people are told, and a watcher outside hears that we live.

pulse        in the lane of the pages: that they would be sent
heartbeat    only while there is a pulse; a claim of this step is a write to the database
speak        telling.py
"""

from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models.functions import Now

from incident_central.database import now, transaction
from incident_central.doctor import running, telling
from incident_central.doctor.models import Heartbeat
from incident_central.incidents import periodic
from incident_central.incidents.steps import nothing
from incident_central.integrations import heartbeat
from incident_central.jobs import runner
from incident_central.jobs.models import job_steps
from incident_central.jobs.workflow import Record
from incident_central.outside import CallFailed

NAME = "watch"
EVERY = timedelta(minutes=1)
#: A pulse that is older than this is none: no thread of the lane was free, or alive.
PULSE_LASTS = timedelta(seconds=150)


def begin() -> None:
    """Make the rows of all periodic work of the doctor's. Safe to repeat, and by several processes at once."""
    running.begin()
    periodic.begin(WORKFLOW)
    with transaction():
        telling.try_again()


def pulse(_: object) -> Record:
    """That it was done is all that there is to it."""
    return nothing


def beat(_: object) -> Record:
    """Safe to repeat."""
    if not settings.HEARTBEAT_URL:
        return nothing
    last = job_steps(NAME, "").filter(name="pulse").values_list("finished_at", flat=True).first()
    if last is None or now() - last > PULSE_LASTS:
        raise CallFailed("Not sent: the threads that page have done nothing for minutes.")
    runner.before_send()
    heartbeat.beat(settings.HEARTBEAT_URL)
    host = urlsplit(settings.HEARTBEAT_URL).hostname or ""
    return lambda: _answered(host)


def _answered(host: str) -> None:
    Heartbeat.objects.update_or_create(pk=1, defaults={"host": host, "answered_at": Now()})


WORKFLOW = periodic.workflow(
    NAME,
    [
        periodic.step("pulse", pulse, every=EVERY, lane="page"),
        periodic.step("heartbeat", beat, every=EVERY, lane="watch"),
        periodic.step("speak", telling.speak, every=EVERY, lane="watch"),
    ],
)
