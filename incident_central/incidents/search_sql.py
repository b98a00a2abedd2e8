"""The list as SQL, for both databases.

A list is read page by page from a position, never by number, so that its thousandth page costs what its first does.
Each filter has an index in the order of the list. Where several values are asked for, such as the services of a team,
each is read by itself in that order, and what was found is merged. What triggers keep for this is in
`migrations/_search.py`.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from django.db import connection

from incident_central.incidents.filters import Filters, Position
from incident_central.incidents.migrations._search import A_MILLISECOND, OPEN_FROM

CAP = 1000  # nothing is counted beyond it
#: An incident is resolved this long after it was created; the few others are in an index of their own.
USUALLY = (timedelta(days=-1), timedelta(days=7))
#: A service and a priority that are read by themselves; None for no such part, "" for no priority.
Pair = tuple[str | None, str | None]
#: More values than these at once are looked for along the whole list instead of each by itself.
READ_APART = 40
#: Up to so many parts are read with all that a line says; of more, only which they are, and then what is shown.
READ_WHOLE = {"sqlite": 1, "postgresql": 3}


@dataclass(frozen=True)
class Sql:
    """A piece of SQL with the values that stand in it. No text of anybody's ever becomes a part of `sql`."""

    sql: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Table:
    """Resolved incidents, each once for what they are filed under."""

    sql: str
    alias: str
    key: str
    indexes: dict[tuple[str, ...], str]  # in the order of the list, by the columns that are equal in it


INCIDENTS = Table(
    "incidents i",
    "i",
    "id",
    {
        (): "resolved_first",
        ("service_id",): "resolved_by_service",
        ("priority_id",): "resolved_by_priority",
        ("service_id", "priority_id"): "resolved_by_both",
    },
)
ASSIGNED = Table(
    "incidents_assigned a",
    "a",
    "incident_id",
    {
        ("name",): "sqlite_autoindex_incidents_assigned_1",
        ("name", "service_id"): "incidents_assigned_by_service",
        ("name", "priority_id"): "incidents_assigned_by_priority",
    },
)


NOBODY = Sql("SELECT 0")
#: Not as usual: see USUALLY. The texts are those of the index.
_ODD = {
    "sqlite": "abs(julianday(i.resolved_at) - julianday(i.created_at) - 3) > 4",
    "postgresql": "i.resolved_at - i.created_at NOT BETWEEN interval '-24 hours' AND interval '168 hours'",
}
#: What is read of an incident for a line of the list.
_LINE = """
    i.id, i.title, i.status, i.created_at, i.acknowledged_at, i.resolved_at, i.service_id, i.priority_id, i.assigned,
    i.acknowledged_by, i.reporter_name, i.reporter_email, i.incident_commander_email, i.source, i.pagerduty_id,
    i.pagerduty_url, i.slack_channel_url, i.paging_ended, i.on_our_user, i.missing_at"""
_COLUMNS = """
    SELECT i.id, i.title, i.status, i.created_at, i.acknowledged_at, i.resolved_at,
        (SELECT s.name FROM incidents_service s WHERE s.id = i.service_id),
        coalesce((SELECT p.name FROM incidents_priority p WHERE p.id = i.priority_id), ''),
        (SELECT p.rank FROM incidents_priority p WHERE p.id = i.priority_id),
        i.assigned, i.acknowledged_by, i.reporter_name, i.reporter_email,
        coalesce(i.incident_commander_email, ''), i.source, coalesce(i.pagerduty_id, ''),
        coalesce(i.pagerduty_url, ''), coalesce(i.slack_channel_url, ''), i.paging_ended OR i.on_our_user,
        i.missing_at IS NOT NULL"""


def _time(moment: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def _millisecond(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _by(index: str) -> str:
    """SQLite knows nothing of the rows, so it is told which index to take."""
    return f"INDEXED BY {index}" if connection.vendor == "sqlite" else ""


def _all(conditions: Sequence[Sql]) -> Sql:
    return Sql(
        " AND ".join(one.sql for one in conditions) or "1 = 1",
        tuple(value for one in conditions for value in one.values),
    )


def _one_of(column: str, values: Sequence[str]) -> Sql:
    """`column` is one of the values, where "" stands for NULL."""
    some = [value for value in values if value]
    told = [f"{column} IN ({', '.join(['%s'] * len(some))})"] if some else []
    told += [f"{column} IS NULL"] if len(some) < len(values) else []
    return Sql(f"({' OR '.join(told) or '1 = 0'})", tuple(some))


def _created(filters: Filters, table: str) -> list[Sql]:
    found = []
    if filters.since is not None:
        found.append(Sql(f"{table}.created_at >= %s", (_time(filters.since),)))
    if filters.until is not None:
        found.append(Sql(f"{table}.created_at < %s", (_time(filters.until),)))
    return found


def _common(filters: Filters, table: str) -> list[Sql]:
    """What is asked of columns that `incidents` and `incidents_assigned` both have."""
    found = _created(filters, table)
    if filters.services is not None:
        found.append(_one_of(f"{table}.service_id", filters.services))
    if filters.priorities:
        found.append(_one_of(f"{table}.priority_id", filters.priorities))
    return found


def _is_assigned(person: str) -> Sql:
    if connection.vendor == "sqlite":
        return Sql("EXISTS (SELECT 1 FROM json_each(i.assigned) WHERE value = %s)", (person,))
    return Sql("i.assigned @> to_jsonb(%s::text)", (person,))


def _found_by_postgresql(filters: Filters) -> Sql:
    query = "plainto_tsquery('pg_catalog.simple', incidents_plain(%s))"
    return Sql(f"w.words @@ {query}", (" ".join(filters.words),))


def _match(filters: Filters) -> str:
    """For FTS5. What incidents are filed under are words, too, so that rare ones among many are found at once."""
    told = ["{own people} : (" + " AND ".join(map(_spelt, filters.words)) + ")"]
    filed = [
        ("s", filters.services if filters.services is not None else ()),
        ("p", filters.priorities),
        ("a", (filters.assigned,) if filters.assigned else ()),
    ]
    for kind, values in filed:
        if values:
            told.append("filed : (" + " OR ".join(f'"{kind}{value.encode().hex()}"' for value in values) + ")")
    return " AND ".join(told)


def _spelt(word: str) -> str:
    """FTS5 takes accents from Latin letters, and composes no others: a word is there composed or decomposed."""
    spellings = dict.fromkeys([word, unicodedata.normalize("NFD", word)])
    return "(" + " OR ".join(f'"{one}"' for one in spellings) + ")"


class Open:
    """What is open is little: all of it is read, and put in order."""

    def __init__(self, filters: Filters, after: Position | None) -> None:
        self.filters, self.after = filters, after

    def query(self, limit: int) -> Sql:
        where = self._where()
        return Sql(
            f"""{_COLUMNS} FROM incidents i {_by("open_by_service")}
            LEFT JOIN incidents_priority p ON p.id = i.priority_id WHERE {where.sql}
            ORDER BY i.status DESC, coalesce(p.rank, 1000), i.created_at, i.id LIMIT %s""",
            (*where.values, limit),
        )

    def count(self) -> Sql:
        where = self._where()
        return Sql(
            f"""SELECT count(*) FROM (
                SELECT 1 FROM incidents i {_by("open_by_service")} WHERE {where.sql} LIMIT {CAP + 1}) found""",
            where.values,
        )

    def _where(self) -> Sql:
        filters = self.filters
        found = [Sql("NOT (i.status = 'resolved')"), *_common(filters, "i")]
        if filters.statuses:
            found.append(_one_of("i.status", filters.statuses))
        if filters.assigned:
            found.append(_is_assigned(filters.assigned))
        if filters.words:
            found.append(self._words())
        if self.after is not None:
            found.append(self._after(self.after))
        return _all(found)

    def _words(self) -> Sql:
        if connection.vendor != "sqlite":
            found = _found_by_postgresql(self.filters)
            return Sql(
                f"i.id IN (SELECT w.incident_id FROM incidents_words w WHERE {found.sql} AND w.resolved_at IS NULL)",
                found.values,
            )
        return Sql(
            f"""i.id IN (SELECT incident_id FROM incidents_place WHERE docid IN
                (SELECT rowid FROM incidents_words WHERE incidents_words MATCH %s AND rowid >= {OPEN_FROM}))""",
            (_match(self.filters),),
        )

    def _after(self, after: Position) -> Sql:
        rank = 1000 if after.rank is None else after.rank
        later = "(i.status = %s AND (coalesce(p.rank, 1000), i.created_at, i.id) > (%s, %s, %s))"
        values = (after.status, after.status, rank, _time(after.created_at), after.name)
        return Sql(f"(i.status < %s OR {later})", values)


class Resolved:
    """What was resolved may be much, and is never read whole."""

    def __init__(self, filters: Filters, after: Position | None, *, columns: str = "i.id, i.resolved_at") -> None:
        self.filters, self.after, self._columns = filters, after, columns

    def query(self, limit: int) -> Sql:
        parts = len(self._apart()) + self._ranged
        if not self.filters.words and not self.filters.assigned and parts <= READ_WHOLE[connection.vendor]:
            lines = Resolved(self.filters, self.after, columns=_LINE)._merged(limit)
            order = "i.resolved_at DESC, i.id DESC"
            return Sql(f"{_COLUMNS} FROM ({lines.sql}) i ORDER BY {order} LIMIT {limit}", lines.values)
        if self.filters.words and connection.vendor == "sqlite":
            found, order = self._by_sqlite_words(limit), "f.place DESC"
        else:
            found, order = self._merged(limit), "f.resolved_at DESC, f.id DESC"
        # Cut off before the rest is joined: PostgreSQL would take them for many more than they are.
        return Sql(
            f"""{_COLUMNS} FROM (SELECT * FROM ({found.sql}) f ORDER BY {order} LIMIT {limit}) f
            JOIN incidents i ON i.id = f.id ORDER BY {order}""",
            found.values,
        )

    def count(self) -> Sql:
        by_words = self.filters.words and connection.vendor == "sqlite"
        found = self._by_sqlite_words(CAP + 1) if by_words else self._together(CAP + 1)
        return Sql(f"SELECT count(*) FROM (SELECT 1 FROM ({found.sql}) f LIMIT {CAP + 1}) counted", found.values)

    def _merged(self, limit: int) -> Sql:
        """SQLite reads of each stream only what comes into the list; PostgreSQL plans a sort of some of each sooner."""
        found = self._together(limit)
        if connection.vendor == "sqlite":
            return Sql(f"{found.sql} ORDER BY resolved_at DESC, id DESC LIMIT {limit}", found.values)
        return found

    def _together(self, limit: int) -> Sql:
        """Of all streams; on PostgreSQL so many of each."""
        found = list(self._streams(limit))
        return Sql(" UNION ALL ".join(one.sql for one in found), tuple(value for one in found for value in one.values))

    @property
    def _ranged(self) -> bool:
        filters = self.filters
        return (filters.since is not None or filters.until is not None) and not filters.words

    def _streams(self, limit: int) -> Iterator[Sql]:
        """Queries that each read along one index, on PostgreSQL so many. No incident is in two of them."""
        filters = self.filters
        if filters.words:
            yield self._postgresql_words(limit)
        else:
            yield from self._filed(limit)
        if self._ranged:
            yield self._odd(limit)

    def _filed(self, limit: int) -> Iterator[Sql]:
        """Under a person, a service, a priority, some of them or none."""
        pairs = self._apart()
        if len(pairs) > 1 and connection.vendor == "postgresql":
            yield from self._laterally(pairs, limit)
            return
        for service, priority in pairs:
            yield self._of_pair(Sql("%s", (service,)), Sql("%s", (priority,)), pair=(service, priority), limit=limit)

    def _laterally(self, pairs: list[Pair], limit: int) -> Iterator[Sql]:
        """PostgreSQL plans one query for all pairs instead of one for each, and one for those without priority."""
        for is_none in (False, True):
            some = [pair for pair in pairs if (pair[1] == "") == is_none]
            if some:
                each = self._of_pair(Sql("v.service"), Sql("v.priority"), pair=some[0], limit=limit)
                services, priorities = ([pair[column] for pair in some] for column in (0, 1))
                yield Sql(
                    f"""SELECT f.* FROM unnest(%s::text[], %s::text[]) v(service, priority)
                    CROSS JOIN LATERAL {each.sql} f""",
                    (services, priorities, *each.values),
                )

    def _of_pair(self, service: Sql, priority: Sql, *, pair: Pair, limit: int) -> Sql:
        """`pair` says which of the two there are; `service` and `priority` stand for their values in the query."""
        filters, table = self.filters, ASSIGNED if self.filters.assigned else INCIDENTS
        conditions, along = self._usual(table.alias), []
        if filters.assigned:
            conditions.append(Sql("a.name = %s", (filters.assigned,)))
            along.append("name")
        else:
            conditions.append(Sql("i.status = 'resolved'"))
        if pair[0] is not None:
            conditions.append(Sql(f"{table.alias}.service_id = {service.sql}", service.values))
            along.append("service_id")
        if pair[1] is not None:
            column = f"{table.alias}.priority_id"
            conditions.append(
                Sql(f"{column} = {priority.sql}", priority.values) if pair[1] else Sql(f"{column} IS NULL")
            )
            along.append("priority_id")
        rest = self._rest(service=pair[0], priority=pair[1])
        return self._stream(table, [*conditions, *_common(rest, table.alias)], limit, along=along)

    def _apart(self) -> list[Pair]:
        services: Sequence[str | None] = [None] if self.filters.services is None else self.filters.services
        priorities: Sequence[str | None] = self.filters.priorities or [None]
        if self.filters.assigned and self.filters.services:
            priorities = [None]  # looked at along the way: of one service a person has few
        if len(services) * len(priorities) <= READ_APART:
            return list(product(services, priorities)) or [(None, None)]
        return [(None, one) for one in priorities] if len(priorities) <= READ_APART else [(None, None)]

    def _rest(self, *, service: str | None, priority: str | None) -> Filters:
        rest = self.filters
        if service is not None:
            rest = replace(rest, services=None)
        return rest if priority is None else replace(rest, priorities=())

    def _usual(self, table: str) -> list[Sql]:
        """What the range of the creation means for when it was resolved."""
        filters, (before, later) = self.filters, USUALLY
        found = []
        if filters.since is not None:
            found.append(Sql(f"{table}.resolved_at >= %s", (_time(filters.since + before),)))
        if filters.until is not None:
            found.append(Sql(f"{table}.resolved_at <= %s", (_time(filters.until + later),)))
        return found

    def _not_usual(self) -> Sql:
        usual = _all(self._usual("i"))
        return Sql(f"NOT ({usual.sql})", usual.values)

    def _stream(self, table: Table, conditions: list[Sql], limit: int, *, along: Sequence[str]) -> Sql:
        """`along` are columns that are equal in all rows. In the order, they tell PostgreSQL which index it is."""
        if self.after is not None:
            conditions = [*conditions, self._after(table, self.after)]
        where, alias = _all(conditions), table.alias
        columns = self._columns if table is INCIDENTS else "a.incident_id AS id, a.resolved_at"
        found = f"SELECT {columns} FROM {table.sql} {_by(table.indexes[tuple(along)])} WHERE {where.sql}"
        if connection.vendor == "postgresql":
            order = ", ".join(
                [*(f"{alias}.{one}" for one in along), f"{alias}.resolved_at DESC", f"{alias}.{table.key} DESC"]
            )
            found = f"({found} ORDER BY {order} LIMIT {limit})"
        return Sql(found, where.values)

    def _odd(self, limit: int) -> Sql:
        """Those that were created in the range and not resolved as usual: few, as a rule, so all of them are read.

        PostgreSQL would look for them along the list instead; with OFFSET it must not.
        """
        conditions = [Sql("i.status = 'resolved'"), Sql(_ODD[connection.vendor]), self._not_usual()]
        if self.filters.assigned:
            conditions.append(_is_assigned(self.filters.assigned))
        if self.after is not None:
            conditions.append(self._after(INCIDENTS, self.after))
        where = _all([*conditions, *_common(self.filters, "i")])
        found = f"SELECT {self._columns} FROM incidents i {_by('incidents_odd')} WHERE {where.sql}"
        apart = " OFFSET 0" if connection.vendor == "postgresql" else ""
        latest = f"SELECT * FROM ({found}{apart}) i ORDER BY i.resolved_at DESC, i.id DESC LIMIT {limit}"
        return Sql(f"SELECT * FROM ({latest}) odd", where.values)

    def _after(self, table: Table, after: Position) -> Sql:
        told = f"({table.alias}.resolved_at, {table.alias}.{table.key}) < (%s, %s)"
        return Sql(told, (_time(after.resolved_at), after.name))

    def _postgresql_words(self, limit: int) -> Sql:
        """PostgreSQL knows how often a word occurs, and chooses whether to sort or to look along the list."""
        found = [_found_by_postgresql(self.filters), *_common(self.filters, "w"), Sql("w.resolved_at IS NOT NULL")]
        if self.filters.assigned:
            found.append(Sql("w.assigned @> ARRAY[%s::text]", (self.filters.assigned,)))
        if self.after is not None:
            values = (_time(self.after.resolved_at), self.after.name)
            found.append(Sql("(w.resolved_at, w.incident_id) < (%s, %s)", values))
        where = _all(found)
        return Sql(
            f"""SELECT w.incident_id AS id, w.resolved_at FROM incidents_words w WHERE {where.sql}
            ORDER BY w.resolved_at DESC, w.incident_id DESC LIMIT {limit}""",
            where.values,
        )

    def _by_sqlite_words(self, limit: int) -> Sql:
        """Documents are numbered in the order of the list."""
        filters, place = self.filters, self._place()
        usual = [Sql(f"w.rowid < {place.sql}", place.values)]
        odd = list(usual)
        if filters.since is not None:
            usual.append(Sql("w.rowid >= %s", (_millisecond(filters.since + USUALLY[0]) * A_MILLISECOND,)))
        if filters.until is not None:
            usual.append(Sql("w.rowid < %s", ((_millisecond(filters.until + USUALLY[1]) + 1) * A_MILLISECOND,)))
        streams = [self._words_stream(_match(filters), usual, limit)]
        if filters.since is not None or filters.until is not None:
            streams.append(self._words_stream(f"{_match(filters)} AND filed : odd", odd, limit))
        return Sql(
            " UNION ".join(f"SELECT * FROM ({one.sql}) f{n}" for n, one in enumerate(streams)),
            tuple(value for one in streams for value in one.values),
        )

    def _words_stream(self, match: str, places: list[Sql], limit: int) -> Sql:
        nothing = [Sql("1 = 0")] if self.filters.services == () else []
        where = _all([Sql("incidents_words MATCH %s", (match,)), *places, *_created(self.filters, "i"), *nothing])
        return Sql(
            f"""SELECT i.id, w.rowid AS place FROM incidents_words w JOIN incidents_place l ON l.docid = w.rowid
            JOIN incidents i ON i.id = l.incident_id WHERE {where.sql} ORDER BY w.rowid DESC LIMIT %s""",
            (*where.values, limit),
        )

    def _place(self) -> Sql:
        """The number of the document that the position is of; where that incident has moved, the moment's first."""
        if self.after is None or self.after.resolved_at is None:
            return Sql(str(OPEN_FROM))
        millisecond = _millisecond(self.after.resolved_at)
        return Sql(
            f"""(SELECT coalesce(max(docid), %s) FROM incidents_place
                WHERE incident_id = %s AND docid / {A_MILLISECOND} = %s)""",
            (millisecond * A_MILLISECOND, self.after.name, millisecond),
        )
