"""Incidents of an earlier Incident Central, taken over from its table `incidents`, which is read and never written.

That table has the ten columns of old alone. An incident from it counts as resolved when it was last changed, belongs to
a service that stands for those that nobody knows any more, and is not asked for in PagerDuty: it pages nobody, and no
channel is told of it. What is still open in PagerDuty is opened here by the next poll, as what was reopened is.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import psycopg
from django.db import IntegrityError
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from incident_central.database import now, transaction
from incident_central.incidents.models import Incident, Service, Status
from incident_central.incidents.text import clean
from incident_central.start import CannotStart

#: The columns that the table `incidents` has always had, and one that this version added.
ORIGINAL = (
    "id",
    "created_at",
    "updated_at",
    "pagerduty_id",
    "pagerduty_url",
    "slack_channel_id",
    "slack_channel_name",
    "slack_channel_url",
    "reporter_email",
    "incident_commander_email",
)
ADDED = "status"
#: The source of those that were taken over.
EARLIER = "earlier"
SERVICE, SERVICE_NAME = "earlier-incident-central", "Not known"
FIRST_YEAR = 1970
AT_ONCE = 100  # rows in one transaction, so that a report never waits long
TOLD = 10  # lines of a kind

Row = Mapping[str, object]


@dataclass(frozen=True)
class Found:
    """`where` names the place without a password."""

    where: str
    rows: Sequence[Row]


@dataclass
class Plan:
    """What would be done. `refused` and `without` have a line for each row."""

    where: str
    new: list[Incident] = field(default_factory=list)
    there: int = 0
    refused: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        total = len(self.new) + self.there + len(self.refused)
        yield f"{self.where} is of an earlier Incident Central. Incidents: {total:,}."
        yield f"{len(self.new):>9,} can be taken over"
        yield f"{self.there:>9,} were taken over before"
        yield from _first(self.refused, "cannot be taken over:")
        yield from _first(self.without, "times something is left out:")


class _CannotTake(Exception):
    """The text says why."""


def read(source: str) -> Found:
    """Its rows. `source` is SQLite's file, or an address as in DATABASE_URL. Raises CannotStart."""
    try:
        if source.startswith(("postgresql://", "postgres://")):
            return _read_postgresql(source)
        return _read_sqlite(Path(source.removeprefix("sqlite:///")).absolute())
    except (sqlite3.Error, psycopg.Error) as error:
        why = " ".join(str(error).split())
        raise CannotStart(
            f"nothing was taken over: that database cannot be read ({why}). Name SQLite's file, or an address such as "
            "postgresql://user:password@host:5432/name."
        ) from None


def plan(found: Found) -> Plan:
    """What would be taken over. Writes nothing. Raises django.db.Error."""
    made, names = Plan(found.where), {str(row["id"]) for row in found.rows}
    here = _known("id", names)
    pages = _known("pagerduty_id", {_text(row["pagerduty_id"]) for row in found.rows})
    channels = _known("slack_channel_id", {_text(row["slack_channel_id"]) for row in found.rows})
    ours = {name for name, (_, source) in here.items() if source == EARLIER}
    for number, row in enumerate(found.rows, 1):
        name = _text(row["id"]) or ""
        label = name[:80] or f"Row {number}"
        try:
            if name in ours and name == row["id"]:
                made.there += 1
                continue
            incident, without = _incident(row)
            if name in here:
                raise _CannotTake("there is another incident of this name")
            if incident.pagerduty_id in pages:
                raise _CannotTake(f"its incident in PagerDuty is that of {pages[incident.pagerduty_id][0]}")
        except _CannotTake as why:
            made.refused.append(f"{label}: {why}")
            continue
        if incident.slack_channel_id in channels:
            without.append(f"its channel, which is that of {channels[incident.slack_channel_id][0]}")
            incident.slack_channel_id = incident.slack_channel_name = incident.slack_channel_url = None
        made.new.append(incident)
        made.without += [f"{label}: {one}" for one in without]
        for known, value in ((here, name), (pages, incident.pagerduty_id), (channels, incident.slack_channel_id)):
            if value is not None:
                known[value] = (name, "")
    return made


def take_over(planned: Plan) -> None:
    """Do it. Broken off and repeated, it goes on where it was. Raises CannotStart, django.db.Error."""
    for first in range(0, len(planned.new), AT_ONCE):
        try:
            with transaction():
                Service.objects.get_or_create(id=SERVICE, defaults={"name": SERVICE_NAME, "listed": False})
                for incident in planned.new[first : first + AT_ONCE]:
                    _write(incident, planned.where)
        except IntegrityError:
            raise CannotStart(
                f"{first:,} were taken over. Then one of the others was made by somebody else. Run it again."
            ) from None


def _write(incident: Incident, where: str) -> None:
    updated_at = incident.updated_at
    incident.save(force_insert=True)
    Incident.objects.filter(pk=incident.pk).update(updated_at=updated_at)  # saving took the time of now
    incident.taken_over(where)


# ── reading ───────────────────────────────────────────────────────────────────────────────────────


def _read_sqlite(file: Path) -> Found:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=5)) as database:
        database.text_factory = _decoded
        rows = database.execute("SELECT * FROM incidents ORDER BY created_at, id")
        columns = [column[0] for column in rows.description]
        _check(columns, str(file))
        return Found(str(file), [dict(zip(columns, row, strict=True)) for row in rows])


def _read_postgresql(address: str) -> Found:
    """All of it as text, since Python has no word for some of PostgreSQL's times, such as infinity."""
    try:
        conninfo_to_dict(address)
    except psycopg.ProgrammingError:  # its words hold the part that is wrong, which may be the password
        raise CannotStart(
            "nothing was taken over: that address cannot be understood. In the password write %40 for @, %2F for /, "
            "%25 for % and %20 for a blank."
        ) from None
    with psycopg.connect(address, connect_timeout=5, prepare_threshold=None, row_factory=dict_row) as database:
        database.read_only = True
        database.execute("SET LOCAL TIME ZONE 'UTC'")
        database.execute("SET LOCAL DateStyle TO ISO")
        where = f"{database.info.dbname} on {database.info.host}"
        _check([one.name for one in database.execute("SELECT * FROM incidents LIMIT 0").description or ()], where)
        rows = database.execute("""
            SELECT i.id::text, i.created_at::text, i.updated_at::text, i.pagerduty_id::text, i.pagerduty_url::text,
                i.slack_channel_id::text, i.slack_channel_name::text, i.slack_channel_url::text,
                i.reporter_email::text, i.incident_commander_email::text
            FROM incidents i ORDER BY i.created_at, i.id""")
        return Found(where, rows.fetchall())


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", errors="replace")


def _check(columns: Sequence[str], where: str) -> None:
    """Raises CannotStart unless they are those of an earlier version."""
    if missing := [column for column in ORIGINAL if column not in columns]:
        raise CannotStart(
            f"nothing was taken over: the table incidents of {where} has no {', '.join(missing)}, so it is none of an "
            "earlier Incident Central. Name the database that has it."
        )
    if ADDED in columns:
        raise CannotStart(
            f"nothing was taken over: the table incidents of {where} is of this version. Name the database of the "
            "earlier one; to move this one, bring back a backup: see docs/setup/3-database.md."
        )


# ── row by row ────────────────────────────────────────────────────────────────────────────────────


def _incident(row: Row) -> tuple[Incident, list[str]]:
    """The incident that it becomes, not saved, and what is left out. Raises _CannotTake."""
    name, without = row["id"], list[str]()
    if not isinstance(name, str) or not name:
        raise _CannotTake("it has no name in the column id")
    if re.fullmatch(r"[A-Za-z0-9_-]{1,200}", name) is None:
        raise _CannotTake("its name has other characters than letters, digits and hyphens, or is too long")
    created_at = _time(row["created_at"])
    if created_at is None:
        raise _CannotTake(f"its created_at is no time: {_shown(row['created_at'])}")
    updated_at = _time(row["updated_at"])
    if updated_at is None or updated_at < created_at:
        without.append(f"its updated_at is no later time: {_shown(row['updated_at'])}")
        updated_at = created_at
    addresses = {column: _address(row[column]) for column in ("pagerduty_url", "slack_channel_url")}
    without += [f"its {column} is no link: {_shown(row[column])}" for column, told in addresses.items() if told == ""]
    reporter = _text(row["reporter_email"])
    if reporter is None:
        without.append("nobody knows who reported it")
    incident = Incident(
        id=name,
        created_at=created_at,
        updated_at=updated_at,
        resolved_at=updated_at,
        status=Status.RESOLVED,
        title=name,
        reporter_email=reporter or "",
        reporter_name="" if reporter else "somebody",
        source=EARLIER,
        sender=EARLIER,
        report_id=uuid5(NAMESPACE_URL, f"{EARLIER}:{name}"),
        service_id=SERVICE,
        **{column: told or None for column, told in addresses.items()},
        **{
            column: _text(row[column])
            for column in ("pagerduty_id", "slack_channel_id", "slack_channel_name", "incident_commander_email")
        },
    )
    return incident, without


def _text(value: object) -> str | None:
    """SQLite keeps anything in any column."""
    if value is None:
        return None
    return clean(value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)) or None


def _time(value: object) -> datetime | None:
    """Without a time zone it is UTC. None for what is no time, or none at which it can have been."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= FIRST_YEAR and moment < now() + timedelta(days=1) else None


def _address(value: object) -> str | None:
    """None where there was none; empty where it is none that a browser should follow."""
    text = _text(value)
    return text if text is None or re.fullmatch(r"https?://\S+", text) else ""


def _shown(value: object) -> str:
    text = _text(value)
    return "it is empty" if text is None else text[:60]


def _known(column: str, values: Iterable[str | None]) -> dict[str, tuple[str, str]]:
    """Those of our incidents that have one of the values in this column, by it: their name and source."""
    known: dict[str, tuple[str, str]] = {}
    wanted = sorted(value.replace("\0", "") for value in values if value)
    for first in range(0, len(wanted), 500):
        some = Incident.objects.filter(**{f"{column}__in": wanted[first : first + 500]})
        known |= {value: (name, source) for value, name, source in some.values_list(column, "id", "source")}
    return known


def _first(lines: Sequence[str], what: str) -> Iterator[str]:
    if lines:
        yield f"{len(lines):>9,} {what}"
        yield from (f"{'':12}{line}" for line in lines[:TOLD])
        if len(lines) > TOLD:
            yield f"{'':12}… and {len(lines) - TOLD:,} more"
