"""The services and priorities that a report may name: from the database, or from a copy on disk while that is gone."""

import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from django.conf import settings
from django.core import serializers
from django.db.models import Model, Prefetch

from incident_central.incidents.models import EscalationPolicy, OnCall, Person, Priority, Service, Team

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
    """As it was last read from PagerDuty. One is for one request: it asks for a service once."""

    def __init__(self) -> None:
        self._services: dict[str, Service | None] = {}

    def services(self) -> Sequence[Service]:
        on_calls = Prefetch("policy__on_calls", OnCall.objects.select_related("person"))
        listed = Service.objects.filter(listed=True).select_related("policy")
        return list(listed.prefetch_related(on_calls, "teams"))

    def service(self, service_id: str) -> Service | None:
        """One that has left PagerDuty, too: it says so itself."""
        if service_id not in self._services:
            found = Service.objects.filter(pk=service_id).select_related("policy").order_by().first()
            if found is not None and found.policy is not None:
                on_calls = OnCall.objects.filter(policy=found.policy).select_related("person")
                _as_if_read(found.policy, "on_calls", list(on_calls))
            self._services[service_id] = found
        return self._services[service_id]

    def priorities(self) -> Sequence[Priority]:
        return list(Priority.objects.filter(listed=True))


class Snapshot:
    """A copy on disk. Its rows are not to be saved."""

    def __init__(self, rows: Sequence[Model]) -> None:
        self._services = _of(Service, rows)
        self._priorities = _of(Priority, rows)

    def services(self) -> Sequence[Service]:
        return list(self._services.values())

    def service(self, service_id: str) -> Service | None:
        return self._services.get(service_id)

    def priorities(self) -> Sequence[Priority]:
        return list(self._priorities.values())


# ── the copy on disk ──────────────────────────────────────────────────────────────────────────────


def snapshot_text() -> str:
    """The directory in the database as JSON, with the phone numbers of people on call."""
    rows: list[Model] = [
        *Team.objects.all(),
        *Priority.objects.filter(listed=True),
        *Person.objects.filter(oncall__isnull=False).distinct(),
        *EscalationPolicy.objects.all(),
        *OnCall.objects.all(),
        *Service.objects.filter(listed=True).prefetch_related("teams"),
    ]
    return str(serializers.serialize("json", rows))


def write_snapshot(path: Path, text: str) -> None:
    """Replace the copy: readable by its owner alone, and never half written. Raises OSError."""
    handle, new = tempfile.mkstemp(dir=path.parent, prefix="snapshot-")  # of mode 0600; others may write one, too
    with open(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(new).replace(path)


def read_snapshot(path: Path) -> Snapshot | None:
    """The copy, if there is one that can be read. Asks the database nothing."""
    try:
        return snapshot_of(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, serializers.base.DeserializationError) as error:
        log.error("%s cannot be read: %r", path, error)
        return None


def snapshot_of(text: str) -> Snapshot:
    """Raises ValueError, DeserializationError."""
    found = list(serializers.deserialize("json", text, ignorenonexistent=True))
    rows = [one.object for one in found]
    people, policies, teams = _of(Person, rows), _of(EscalationPolicy, rows), _of(Team, rows)
    on_calls: dict[str, list[OnCall]] = {}
    for on_call in _of(OnCall, rows).values():
        if (person := people.get(on_call.person_id)) is not None:
            on_call.person = person
            on_calls.setdefault(on_call.policy_id, []).append(on_call)
    for policy in policies.values():
        _as_if_read(policy, "on_calls", on_calls.get(policy.pk, []))
    for one in found:
        if isinstance(service := one.object, Service):
            service.policy = policies.get(service.policy_id or "")
            ids = {pk for field, pks in (one.m2m_data or {}).items() if field == "teams" for pk in pks}
            _as_if_read(service, "teams", [team for team in teams.values() if team.pk in ids])
    return Snapshot(rows)


def _of(kind: type[M], rows: Sequence[Model]) -> dict[Any, M]:
    return {row.pk: row for row in rows if isinstance(row, kind)}


def _as_if_read(row: Model, name: str, related: list[Any]) -> None:
    """`row.name.all()` is this list from now on, as after prefetch_related()."""
    row.__dict__.setdefault("_prefetched_objects_cache", {})[name] = related
