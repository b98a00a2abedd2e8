"""Under which name each report may be in the database, on local disk: for when it is sent again after the process that
took it was killed, and the database cannot be asked.

One file for all processes in a folder. Where a report stands in it follows from the report's id, so there is nothing to
search; thousands of reports later, another may stand there. Nobody waits for the disk: what a process has written
outlives its being killed.
"""

import hashlib
import logging
import os
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from incident_central.incidents.models import Incident

VERSION = 1  # of the file
SLOTS = 4096
#: The report, its content, when it was taken, and the name. No slot crosses a page of memory, so each is whole.
SLOT = struct.Struct(">32s64sd80s72x")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Draft:
    name: str
    digest: str  # of the report's content
    taken_at: datetime


class Drafts:
    """The file. Raises OSError when the disk does not give the file its room."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / f"drafts-{VERSION}", os.O_RDWR | os.O_CREAT, 0o600)
        # All of it now: a disk that is full by then stops nothing.
        if (missing := SLOTS * SLOT.size - os.fstat(self._file).st_size) > 0:
            os.pwrite(self._file, bytes(missing), SLOTS * SLOT.size - missing)

    def note(self, draft: Incident) -> None:
        """Raises OSError."""
        report, place = _place(draft.sender, draft.report_id)
        taken_at = draft.created_at.timestamp()
        os.pwrite(self._file, SLOT.pack(report, draft.digest.encode(), taken_at, draft.name.encode()), place)

    def find(self, sender: str, report_id: UUID) -> Draft | None:
        """Raises OSError."""
        report, place = _place(sender, report_id)
        noted, digest, taken_at, name = SLOT.unpack(os.pread(self._file, SLOT.size, place))
        if noted != report:
            return None
        return Draft(name.rstrip(b"\0").decode(), digest.decode(), datetime.fromtimestamp(taken_at, UTC))


def _place(sender: str, report_id: UUID) -> tuple[bytes, int]:
    report = hashlib.sha256(f"{sender} {report_id}".encode()).digest()
    return report, int.from_bytes(report[:4]) % SLOTS * SLOT.size


_here: Drafts | None = None


def open_drafts(folder: Path) -> None:
    """From now on they are noted there. Raises OSError."""
    global _here
    _here = Drafts(folder)


def note(draft: Incident) -> None:
    """It is about to be committed."""
    if _here is not None:
        try:
            _here.note(draft)
        except OSError as error:
            log.warning(
                "%s is not noted, so sent again without the database it would page again: %s", draft.name, error
            )


def noted(sender: str, report_id: UUID) -> Draft | None:
    """As what a process of this folder took the report, which may have committed it, and may have paged."""
    try:
        return None if _here is None else _here.find(sender, report_id)
    except OSError as error:
        log.warning("drafts cannot be read: %s", error)
        return None
