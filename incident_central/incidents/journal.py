"""Reports that the database could not take, in a file on local disk whose room was taken beforehand.

The file has slots of one size. Taking a report fills a free slot and waits for the disk; bringing it into the database
frees it. A slot that was half written when the machine died has a wrong checksum and is free: that report was never
answered.
"""

import fcntl
import logging
import os
import struct
import threading
import zlib
from contextlib import suppress
from pathlib import Path
from typing import cast

from django.core import serializers

from incident_central.incidents.models import Incident

VERSION = 1  # of the file; to be raised with any change of the next three: what an old one holds must not be lost
SLOTS = 100
SLOT = 96 * 1024  # bytes: 20,000 characters of description are 80,000 bytes at most
HEADER = struct.Struct(">II")  # length and checksum of what follows
FILES = 16  # processes that may share a folder

log = logging.getLogger(__name__)

_write_through = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class JournalFull(Exception):
    """All slots are taken."""


class Journal:
    """One process at a time holds one. Thread-safe.

    Raises BlockingIOError when another process holds it, OSError when its room on disk cannot be had.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._lock = threading.Lock()
        self._failed: set[int] = set()  # taken, and to be emptied as soon as the disk lets us
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._take_room()
            self._taken = {slot for slot in range(SLOTS) if self._read(slot) is not None}
        except OSError:
            self.close()
            raise

    def incidents(self) -> dict[int, Incident]:
        """What is kept, by slot. Not rows of the database yet."""
        kept = {}
        for slot in sorted(self._taken):
            try:
                if (text := self._read(slot)) is not None:
                    kept[slot] = _incident(text)
            except (ValueError, serializers.base.DeserializationError) as error:
                # By a version that wrote it otherwise. The others must not wait for somebody to look into it.
                log.error("the journal's slot %s cannot be understood, and is left as it is: %r", slot, error)
        return kept

    @property
    def is_empty(self) -> bool:
        return not self._taken

    @property
    def has_room(self) -> bool:
        return len(self._taken) < SLOTS

    def keep(self, incident: Incident) -> int:
        """Write it through to the disk; the slot. Raises JournalFull, OSError."""
        text = serializers.serialize("json", [incident]).encode()
        if len(text) > SLOT - HEADER.size:
            raise JournalFull(f"{len(text)} bytes are more than a slot has")
        with self._lock:
            slot = next((slot for slot in range(SLOTS) if slot not in self._taken), None)
            if slot is None:
                raise JournalFull(f"{SLOTS} reports wait already")
            self._taken.add(slot)
            try:
                self._write(slot, HEADER.pack(len(text), zlib.crc32(text)) + text)
            except (OSError, MemoryError):
                self._failed.add(slot)
                with suppress(OSError):
                    self._empty_failed()
                raise
        return slot

    def free(self, slot: int) -> None:
        """It is in the database now. Raises OSError."""
        with self._lock:
            self._empty(slot)

    def empty_failed(self) -> None:
        """What could not be kept may be on the disk, whole: who sent it was told to phone, so nobody shall find it
        after a restart. Nothing is kept in its place before that is certain. Raises OSError."""
        with self._lock:
            self._empty_failed()

    def close(self) -> None:
        os.close(self._file)

    def _take_room(self) -> None:
        """Written once with zeros, all of it: later writing needs no more room on a disk that is full by then."""
        size = os.fstat(self._file).st_size
        while size < SLOTS * SLOT:
            size += os.pwrite(self._file, bytes(min(SLOT, SLOTS * SLOT - size)), size)
        os.fsync(self._file)

    def _empty_failed(self) -> None:
        for slot in list(self._failed):
            self._empty(slot)
            self._failed.discard(slot)

    def _empty(self, slot: int) -> None:
        self._write(slot, HEADER.pack(0, 0))
        self._taken.discard(slot)

    def _write(self, slot: int, data: bytes) -> None:
        written = 0
        while written < len(data):
            written += os.pwrite(self._file, data[written:], slot * SLOT + written)
        _write_through(self._file)

    def _read(self, slot: int) -> bytes | None:
        length, checksum = HEADER.unpack(os.pread(self._file, HEADER.size, slot * SLOT))
        if not 0 < length <= SLOT - HEADER.size:
            return None
        text = os.pread(self._file, length, slot * SLOT + HEADER.size)
        return text if zlib.crc32(text) == checksum else None


def open_journal(folder: Path) -> Journal:
    """The first in the folder that no other process holds. Raises OSError."""
    for path in _paths(folder):
        try:
            return Journal(path)
        except BlockingIOError:
            continue
    raise OSError(f"{FILES} other processes hold the journals in {folder}")


def abandoned_journals(folder: Path) -> list[Journal]:
    """Those that hold reports and that no process holds: theirs died. The caller holds them now."""
    found = []
    for path in _paths(folder):
        if path.exists():
            try:
                journal = Journal(path)
            except OSError:
                continue
            if journal.is_empty:
                journal.close()
            else:
                found.append(journal)
    return found


def _paths(folder: Path) -> list[Path]:
    return [folder / f"journal-{VERSION}-{number}" for number in range(1, FILES + 1)]


def _incident(text: bytes) -> Incident:
    (found,) = serializers.deserialize("json", text.decode(), ignorenonexistent=True)
    return cast(Incident, found.object)
