"""Checks of the database: which, reachable, up to date, writable, room on the disk, journal mode, clock, time zone,
backup.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from incident_central import backup
from incident_central.database import check_writable, now, why_unusable
from incident_central.doctor.findings import DATABASE
from incident_central.findings import Finding
from incident_central.incidents.earlier import ADDED, ORIGINAL

#: Bytes. A report takes a few KB; the journal and a vacuum want some MB at once.
FULL, NEARLY_FULL = 100 * 10**6, 10**9
CLOCKS_MAY_DIFFER = 10.0  # seconds
#: Made every night, it may fail some nights before somebody is told.
BACKUP_LASTS = timedelta(days=7)


def check_database() -> Iterator[Finding]:
    try:
        version, said = _version()
    except (Error, psycopg.Error) as error:
        yield DATABASE.found("database.unreachable", why_unusable(error))
        yield not_checked("The tables, and writing,", "It cannot be used.")
    else:
        yield DATABASE.found("database.answers", said, database=version)
        yield from attempt("The tables", _check_tables)
        yield from attempt("Writing", _check_writable)
        yield from attempt("Its settings and its clock", _check_settings)
    yield from _check_disk(settings.DATA_DIR)
    if connection.vendor == "sqlite":
        yield _check_backup()
    yield _check_time_zone()


def attempt(what: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a check finds; where the database does not let it be made, that."""
    try:
        yield from check()
    except (Error, psycopg.Error) as error:
        yield not_checked(what, _words(error))


def not_checked(what: str, said: str) -> Finding:
    return DATABASE.found("database.not-checked", said, what=what)


def _version() -> tuple[str, str]:
    """What it is, and where. Raises django.db.Error."""
    began = time.monotonic()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sqlite_version()")
            name, where = f"SQLite {cursor.fetchone()[0]}", str(connection.settings_dict["NAME"])
        else:
            cursor.execute("SHOW server_version")
            name, where = f"PostgreSQL {cursor.fetchone()[0].split()[0]}", str(connection.settings_dict["HOST"])
    return name, f"{where}, in {(time.monotonic() - began) * 1000:.0f} ms"


def _check_tables() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not missing:
        yield DATABASE.found("database.migrated", f"All {len(executor.loader.applied_migrations)} steps are done.")
        return
    yield DATABASE.found("database.not-migrated", "The database lists those that it has.", count=len(missing))
    with connection.cursor() as cursor:
        if "incidents" not in connection.introspection.table_names(cursor):
            return
        columns = {column.name for column in connection.introspection.get_table_description(cursor, "incidents")}
    if columns >= set(ORIGINAL) and ADDED not in columns:
        said = f"It has the ten columns of old and {len(columns) - len(ORIGINAL)} more."
        yield DATABASE.found("database.earlier-table", said)


def _check_writable() -> Iterator[Finding]:
    """Nothing changes by it: see check_writable()."""
    with connection.cursor() as cursor:
        if "django_migrations" not in connection.introspection.table_names(cursor):
            yield not_checked("Writing", "There is no table of ours yet.")
            return
    try:
        check_writable()
    except Error as error:
        yield DATABASE.found("database.read-only", f"The database said: {_words(error)}.")
    else:
        yield DATABASE.found("database.writable", "A write was kept.")


def _check_settings() -> Iterator[Finding]:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode")
            mode = str(cursor.fetchone()[0])
        if mode == "wal":
            yield DATABASE.found("database.journal-mode-right", "Its journal mode is wal.")
        else:
            yield DATABASE.found("database.journal-mode", "SQLite says so of the file.", mode=mode)
        return
    before = time.time()
    there = now().timestamp()
    apart = max(before - there, there - time.time(), 0.0)
    if apart > CLOCKS_MAY_DIFFER:
        yield DATABASE.found("database.clock-skew", "By PostgreSQL's clock_timestamp().", seconds=f"{apart:.0f}")
    else:
        yield DATABASE.found("database.clock-agrees", "By PostgreSQL's clock_timestamp().")


def _check_disk(folder: Path) -> Iterator[Finding]:
    """Of the folder with SQLite's file, the journal and the snapshot. PostgreSQL's own disk is not seen from here."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield not_checked("The disk of DATA_DIR", f"{folder}: {error.strerror}.")
        return
    told = f"{free / 10**9:.1f} GB" if free >= NEARLY_FULL else f"{free / 10**6:.0f} MB"
    if free < FULL:
        yield DATABASE.found("database.disk-full", str(folder), free=told, folder=folder)
    elif free < NEARLY_FULL:
        yield DATABASE.found("database.disk-nearly-full", str(folder), free=told, folder=folder)
    else:
        yield DATABASE.found("database.disk-has-room", str(folder), free=told)


def _check_backup() -> Finding:
    """That there was never one is a remark, since copies that something else makes are not seen from here. That they
    have stopped works worse than it seems: somebody relies on them."""
    try:
        last = backup.last()
    except OSError as error:
        return not_checked("The last backup", f"{error.filename}: {error.strerror}.")
    if last is None:
        return DATABASE.found("database.backup-missing", "Copies that something else makes are not seen from here.")
    said, age = f"{last.file}, begun at {last.at:%Y-%m-%d %H:%M} UTC.", datetime.now(UTC) - last.at
    if age > BACKUP_LASTS:
        return DATABASE.found("database.backup-old", said, days=age.days)
    return DATABASE.found("database.backup-recent", said)


def _check_time_zone() -> Finding:
    if settings.TIME_ZONE == "UTC":
        return DATABASE.found("database.time-zone", "TIME_ZONE is UTC, or not set.")
    return DATABASE.found("database.time-zone-set", "By TIME_ZONE.", zone=settings.TIME_ZONE)


def _words(error: Exception) -> str:
    return " ".join(str(error).split())
