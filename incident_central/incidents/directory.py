"""The services and priorities that a report may name, kept in memory: as the database has them, or, while that is gone,
as a copy on disk does."""

import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from django.conf import settings
from django.core import serializers
from django.db import connection
from django.db.models import Model

from incident_central.incidents.models import EscalationPolicy, Incident, OnCall, Person, Priority, Service, Team
from incident_central.rows import as_if_read

M = TypeVar("M", bound=Model)

UNKNOWN_SERVICE = "unknown"

log = logging.getLogger(__name__)


class Directory(Protocol):
    """Services come by name, with who is on call for them, the list of them with their teams; priorities from most to
    least severe."""

    def services(self) -> Sequence[Service]: ...

    def service(self, service_id: str) -> Service | None: ...

    def priorities(self) -> Sequence[Priority]: ...


def fallback_service(directory: Directory) -> Service | None:
    """What “I don’t know” pages, where FALLBACK_SERVICE names a service that exists."""
    wanted = settings.FALLBACK_SERVICE
    if not wanted:
        return None
    return next((one for one in directory.services() if wanted in (one.pk, one.name)), None)


def chosen_service(directory: Directory, service_id: str) -> Service | None:
    """The service that somebody chose in the form, which may be “I don’t know”."""
    if service_id == UNKNOWN_SERVICE:
        return fallback_service(directory)
    return directory.service(service_id) if service_id else None


class Database:
    """As it was last read from PagerDuty. One is for one request."""

    def __init__(self) -> None:
        self._latest = latest()

    def services(self) -> Sequence[Service]:
        return self._latest.services()

    def service(self, service_id: str) -> Service | None:
        """One that has left PagerDuty, too: it says so itself."""
        found = self._latest.service(service_id)
        return found or Service.objects.filter(pk=service_id).select_related("policy").first()

    def priorities(self) -> Sequence[Priority]:
        return self._latest.priorities()


class Snapshot:
    """All of it at one moment. Many share its rows: they are not to be changed or saved."""

    def __init__(self, rows: Sequence[Model]) -> None:
        self.rows = rows
        self._services = _of(Service, rows)
        self._priorities = _of(Priority, rows)
        self._policies = _of(EscalationPolicy, rows)
        people = _of(Person, rows)
        on_calls: dict[str, list[OnCall]] = {}
        for on_call in _of(OnCall, rows).values():
            if (person := people.get(on_call.person_id)) is not None:
                on_call.person = person
                on_calls.setdefault(on_call.policy_id, []).append(on_call)
        for policy in self._policies.values():
            as_if_read(policy, "on_calls", on_calls.get(policy.pk, []))
        for service in self._services.values():
            service.policy = self.policy(service.policy_id)

    def services(self) -> Sequence[Service]:
        return list(self._services.values())

    def service(self, service_id: str) -> Service | None:
        return self._services.get(service_id)

    def priorities(self) -> Sequence[Priority]:
        return list(self._priorities.values())

    def priority(self, priority_id: str | None) -> Priority | None:
        return self._priorities.get(priority_id)

    def policy(self, policy_id: str | None) -> EscalationPolicy | None:
        return self._policies.get(policy_id)


_latest: tuple[object, Snapshot] | None = None


def latest() -> Snapshot:
    """What is in the database now: from memory, as long as it is the same."""
    global _latest
    version, known = _version(), _latest
    if version is None or known is None or known[0] != version:
        known = _latest = _read(version)
    return known[1]


def with_company(incident: Incident) -> Incident:
    """The same, with its service, priority, policies and who is on call from memory: those are not to be changed or
    saved. For what has left PagerDuty, the database is asked when somebody wants it."""
    known = latest()
    if (service := known.service(incident.service_id)) is not None:
        incident.service = service
    if (priority := known.priority(incident.priority_id)) is not None:
        incident.priority = priority
    if (policy := known.policy(incident.policy_id)) is not None:
        incident.policy = policy
    return incident


def _version() -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version FROM incidents_directoryversion")
        return cursor.fetchone()


def _read(version: object) -> tuple[object, Snapshot]:
    """Its tables are read one after the other: where it changed meanwhile, they need not fit each other."""
    snapshot, since = Snapshot(_rows()), _version()
    return (since, snapshot) if since == version else _read(since)


def _rows() -> list[Model]:
    """With the phone numbers of people on call."""
    return [
        *Team.objects.all(),
        *Priority.objects.filter(listed=True),
        *Person.objects.filter(oncall__isnull=False).distinct(),
        *EscalationPolicy.objects.all(),
        *OnCall.objects.all(),
        *Service.objects.filter(listed=True).prefetch_related("teams"),
    ]


# ── the copy on disk ──────────────────────────────────────────────────────────────────────────────


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Replace the copy: readable by its owner alone, and never half written. Raises OSError."""
    text = serializers.serialize("json", snapshot.rows)
    handle, new = tempfile.mkstemp(dir=path.parent, prefix="snapshot-")  # of mode 0600; others may write one, too
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(new).replace(path)
    except BaseException:
        Path(new).unlink(missing_ok=True)  # a disk that is full would only get fuller
        raise


def read_snapshot(path: Path) -> Snapshot | None:
    """The copy, if there is one that can be read. Asks the database nothing."""
    try:
        return _snapshot_of(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, serializers.base.DeserializationError) as error:
        log.error("%s cannot be read: %r", path, error)
        return None


def _snapshot_of(text: str) -> Snapshot:
    """Raises ValueError, DeserializationError."""
    found = list(serializers.deserialize("json", text, ignorenonexistent=True))
    rows = [one.object for one in found]
    teams = _of(Team, rows)
    for one in found:
        if isinstance(service := one.object, Service):
            ids = {pk for field, pks in (one.m2m_data or {}).items() if field == "teams" for pk in pks}
            as_if_read(service, "teams", [team for team in teams.values() if team.pk in ids])
    return Snapshot(rows)


def _of(kind: type[M], rows: Sequence[Model]) -> dict[Any, M]:
    return {row.pk: row for row in rows if isinstance(row, kind)}
