"""The list of incidents: those that a filter lets through. Open ones, worst first, then the rest, latest first."""

import json
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.db import connection

from incident_central.incidents.filters import Filters, Position
from incident_central.incidents.models import Status
from incident_central.incidents.search_sql import CAP, NOBODY, Open, Resolved, Sql
from incident_central.rows import aware


class Listed(NamedTuple):
    """A line of the list."""

    name: str
    title: str
    status: str
    created_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    service: str
    priority: str
    rank: int | None
    assigned: list[str]
    acknowledged_by: str
    reporter_name: str
    reporter_email: str
    commander_email: str
    source: str
    pagerduty_id: str
    pagerduty_url: str
    slack_url: str
    rings_nobody: bool  # while it is triggered
    is_missing: bool  # PagerDuty does not show it

    @property
    def is_open(self) -> bool:
        return self.status != Status.RESOLVED

    @property
    def position(self) -> Position:
        if not self.is_open:
            return Position(name=self.name, resolved_at=self.resolved_at)
        return Position(self.name, status=self.status, rank=self.rank, created_at=self.created_at)


def listed(filters: Filters, *, after: Position | None = None, limit: int) -> list[Listed]:
    """The next so many after a position, or the first."""
    found: list[Listed] = []
    if filters.wants_open and (after is None or after.resolved_at is None):
        found = _rows(_open(filters, after, limit))
    if filters.wants_resolved and len(found) < limit:
        last = after if after is not None and after.resolved_at is not None else None
        found += _rows(_resolved(filters, last, limit - len(found)))
    return found


def counts(filters: Filters) -> tuple[int, int]:
    """How many are open and how many resolved; CAP + 1 stands for more than CAP."""
    counted = _counts(filters)
    with connection.cursor() as cursor:
        cursor.execute(counted.sql, counted.values)
        row: tuple[int, int] = cursor.fetchone()
    return row


def open_now() -> list[tuple[str, str, str | None]]:
    """Status, name and PagerDuty's id of what is open, in no order; CAP + 1 of them stand for more than CAP."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT status, id, pagerduty_id FROM incidents WHERE NOT (status = 'resolved') LIMIT %s", [CAP + 1]
        )
        rows: list[tuple[str, str, str | None]] = cursor.fetchall()
    return rows


def people() -> list[str]:
    """Everybody to whom an incident was ever assigned, each once."""
    each = """
        WITH RECURSIVE one(name) AS (
            SELECT min(name) FROM incidents_assigned
            UNION ALL
            SELECT (SELECT min(name) FROM incidents_assigned WHERE name > one.name) FROM one WHERE one.name IS NOT NULL)
        SELECT name FROM one WHERE name IS NOT NULL"""
    with connection.cursor() as cursor:
        cursor.execute(each)
        found = {name for (name,) in cursor.fetchall()}
        cursor.execute("SELECT assigned FROM incidents WHERE NOT (status = 'resolved')")
        found.update(name for (text,) in cursor.fetchall() for name in json.loads(text))
    return sorted(found, key=str.casefold)


# A page asks the same again and again, and putting the SQL of many parts together takes longer than some of it runs.


@lru_cache
def _open(filters: Filters, after: Position | None, limit: int) -> Sql:
    return Open(filters, after).query(limit)


@lru_cache
def _resolved(filters: Filters, after: Position | None, limit: int) -> Sql:
    return Resolved(filters, after).query(limit)


@lru_cache
def _counts(filters: Filters) -> Sql:
    counted = [
        Open(filters, None).count() if filters.wants_open else NOBODY,
        Resolved(filters, None).count() if filters.wants_resolved else NOBODY,
    ]
    columns = ", ".join(f"({one.sql})" for one in counted)
    return Sql(f"SELECT {columns}", tuple(value for one in counted for value in one.values))


def _rows(query: Sql) -> list[Listed]:
    with connection.cursor() as cursor:
        cursor.execute(query.sql, query.values)
        rows = cursor.fetchall()
    return [Listed(*[*row[:3], *map(aware, row[3:6]), *row[6:9], json.loads(row[9]), *row[10:]]) for row in rows]
