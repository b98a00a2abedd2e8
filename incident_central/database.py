"""Writing to the database. What differs between SQLite and PostgreSQL for a writer is here alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.transaction import atomic

_one_writer = threading.Lock()


@contextmanager
def transaction() -> Iterator[None]:
    """One transaction for a write. On SQLite, writers of this process queue here instead of polling the file's lock."""
    if connection.vendor == "sqlite":
        with _one_writer, atomic(durable=True):
            yield
    else:
        with atomic(durable=True):
            yield


def release_connection() -> None:
    """Give this thread's connection back to the pool before a long wait. SQLite's costs nothing to keep."""
    if connection.vendor != "sqlite" and not connection.in_atomic_block:
        connection.close()
