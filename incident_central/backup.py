"""`incident-central backup`: a copy of SQLite's database while the hub runs. PostgreSQL has a tool of its own."""

import os
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection

from incident_central.start import CannotStart

#: As docs/setup/3-database.md has it.
DUMP = 'umask 077; pg_dump --format=custom --file="hub-$(date +%F).dump" "$DATABASE_URL"'


@dataclass(frozen=True)
class Backup:
    """`at` is when it was begun: what came later is not in it. It may have been moved away since."""

    at: datetime
    file: Path


def make(file: Path | None, *, replace: bool) -> str:
    """Make a backup; what was written, in words. `file` may be a folder; without it, DATA_DIR/backups is meant.

    The copy is of one moment, nobody waits for it, and it gets its name only when it is whole. A file that is there is
    left alone unless `replace` says otherwise. Raises CannotStart. (sqlite.org/backup.html)
    """
    if connection.vendor != "sqlite":
        raise CannotStart(f"no backup was made: the database is PostgreSQL, which has its own command for it: {DUMP}")
    database = Path(str(connection.settings_dict["NAME"])).absolute()
    if not database.is_file():
        raise CannotStart(f"no backup was made: there is no database at {database}. Check DATA_DIR and DATABASE_URL.")
    at = datetime.now(UTC)
    try:
        file = _place(file, at)
        _refuse(file, database, replace=replace)
        incidents = _copy(database, file, replace=replace)
        size = file.stat().st_size
    except FileExistsError:
        raise CannotStart(f"no backup was made: {file} is there already. Name another, or say --replace.") from None
    except OSError as error:
        why = f"{error.filename or file}: {error.strerror}"
        raise CannotStart(f"no backup was made: {why}. Name a place that this user may write.") from None
    except sqlite3.Error as error:
        raise CannotStart(
            f"no backup was made of {database}: {error}. See that no other program holds it, that "
            f"`incident-central manage migrate` was run, and that there is room in {Path(file or database).parent}."
        ) from None
    _remember(Backup(at, file))
    return f"{file} was written ({size / 10**6:.1f} MB, incidents: {incidents:,}), read back, and is whole."


def last() -> Backup | None:
    """The last one that was made; None where there was none. Raises OSError where that cannot be read."""
    try:
        at, file = _memory().read_text(encoding="utf-8").splitlines()
        return Backup(datetime.fromisoformat(at), Path(file))
    except (FileNotFoundError, ValueError):
        return None


def _place(file: Path | None, at: datetime) -> Path:
    if file is None:
        file = settings.DATA_DIR / "backups"
        file.mkdir(mode=0o700, exist_ok=True)
    file = file.absolute()
    return file / f"incident-central-{at:%Y-%m-%dT%H%M%SZ}.sqlite3" if file.is_dir() else file


def _refuse(file: Path, database: Path, *, replace: bool) -> None:
    """Raises FileExistsError, and CannotStart where it would be the end of the database."""
    if file.exists() and file.samefile(database):
        raise CannotStart(f"no backup was made: {file} is the database itself. Name another file.")
    if file.exists() and not replace:
        raise FileExistsError(file)


def _copy(database: Path, file: Path, *, replace: bool) -> int:
    """How many incidents are in it. Raises FileExistsError, OSError, sqlite3.Error."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # for this user alone
    os.close(handle)
    part = Path(name)
    try:
        with (
            closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=5)) as source,
            closing(sqlite3.connect(part, isolation_level=None)) as copy,
        ):
            source.backup(copy)
            if (said := copy.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(said)
            copy.execute("PRAGMA journal_mode = DELETE")  # all of it is in one file
            (incidents,) = copy.execute("SELECT count(*) FROM incidents").fetchone()
        _name(part, file, replace=replace)
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            part.with_name(part.name + end).unlink(missing_ok=True)
    return int(incidents)


def _name(part: Path, file: Path, *, replace: bool) -> None:
    """Raises FileExistsError where somebody took the name meanwhile."""
    if replace:
        part.replace(file)
        return
    try:
        os.link(part, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        _refuse(file, part, replace=False)
        part.replace(file)


def _remember(backup: Backup) -> None:
    new = _memory().with_suffix(".new")
    try:
        new.write_text(f"{backup.at.isoformat()}\n{backup.file}\n", encoding="utf-8")
        new.replace(_memory())
    except OSError as error:
        raise CannotStart(
            f"{backup.file} is whole, but the doctor will not know of it: {error.filename}: {error.strerror}."
        ) from None


def _memory() -> Path:
    return Path(settings.DATA_DIR) / "last-backup"
