"""Under which name each report may be in the database, on local disk: for when it is sent again after the process that
took it was killed, and the database cannot be asked.

One file for all processes in a folder. Where a report stands in it follows from the report's id, so there is nothing to
search; of 4,096 later reports, one will have taken its place. What a process has written outlives its being killed,
so it need not be on the disk.
"""

import hashlib
import logging
import os
import struct
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from uuid import UUID

from incident_central.incidents.models import Incident

VERSION = 1  # of the file
SLOTS = 4096
#: The report, its content, when it was taken, the name, and whether the journal has it. No slot crosses a page of
#: memory, so each is whole.
SLOT = struct.Struct(">32s64sd80s?71x")
PATIENCE = 0.1  # seconds

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Draft:
    name: str
    digest: str  # of the report's content
    taken_at: datetime
    is_journalled: bool  # so it may have been paged, whether or not the database has it


class Drafts:
    """The file. Raises OSError when the disk does not give it its room, RuntimeError when out of threads."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / f"drafts-{VERSION}", os.O_RDWR | os.O_CREAT, 0o600)
        # All of it now: a disk that is full by then stops nothing.
        while (missing := SLOTS * SLOT.size - os.fstat(self._file).st_size) > 0:
            os.pwrite(self._file, bytes(missing), SLOTS * SLOT.size - missing)
        self._to_write: SimpleQueue[tuple[bytes, int, Future[None]]] = SimpleQueue()
        threading.Thread(target=self._write, daemon=True).start()

    def note(self, draft: Incident, *, is_journalled: bool) -> None:
        """Raises OSError, which a TimeoutError is: a disk that hangs is not waited for."""
        report, place = _place(draft.sender, draft.report_id)
        at, name = draft.created_at.timestamp(), draft.name.encode()
        slot = SLOT.pack(report, draft.digest.encode(), at, name, is_journalled)
        written = Future[None]()
        self._to_write.put((slot, place, written))
        written.result(PATIENCE)

    def find(self, sender: str, report_id: UUID) -> Draft | None:
        """As what a process of this folder took the report. Raises OSError, struct.error where the file was cut."""
        report, place = _place(sender, report_id)
        noted, digest, at, name, is_journalled = SLOT.unpack(os.pread(self._file, SLOT.size, place))
        if noted != report:
            return None
        return Draft(name.rstrip(b"\0").decode(), digest.decode(), datetime.fromtimestamp(at, UTC), is_journalled)

    def _write(self) -> None:
        while True:
            slot, place, written = self._to_write.get()
            try:
                os.pwrite(self._file, slot, place)
                written.set_result(None)
            except (OSError, MemoryError) as error:
                written.set_exception(error)


def _place(sender: str, report_id: UUID) -> tuple[bytes, int]:
    report = hashlib.sha256(f"{sender} {report_id}".encode()).digest()
    return report, int.from_bytes(report[:4]) % SLOTS * SLOT.size


_here: Drafts | None = None


def open_drafts(folder: Path) -> None:
    """From now on they are noted there, if the disk has room for them. Raises RuntimeError when out of threads."""
    global _here
    try:
        _here = Drafts(folder)
    except OSError as error:
        log.warning("drafts are not noted, so a report that is sent again after a kill may page again: %s", error)


def note(draft: Incident, *, is_journalled: bool = False) -> None:
    """It is about to be committed, or journalled."""
    try:
        if _here is not None:
            _here.note(draft, is_journalled=is_journalled)
    except (OSError, MemoryError) as error:
        log.warning("%s is not noted, so sent again after a kill it may page again: %r", draft.name, error)


def noted(sender: str, report_id: UUID) -> Draft | None:
    """As what a process of this folder took the report, which may have committed it, and may have paged."""
    try:
        return None if _here is None else _here.find(sender, report_id)
    except (OSError, struct.error) as error:
        log.warning("drafts cannot be read: %s", error)
        return None
