"""Rows, read and written as the ORM does it, but each statement is put together once.

For what a storm of reports does over and over, and for a page that everybody looks at: the ORM takes longer to put such
a statement together than the database takes to run it. docs/benchmarks.md has what that is worth.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Field, Model
from django.db.models.expressions import DatabaseDefault
from django.db.transaction import TransactionManagementError

Row = TypeVar("Row", bound=Model)
Fields = tuple["Field[Any, Any]", ...]


def fetch(model: type[Row], key: object, *, held: bool = False) -> Row:
    """get(pk=key); with `held`, select_for_update().get(pk=key). Raises DoesNotExist."""
    if held and not connection.in_atomic_block:
        raise TransactionManagementError("A row is held until the end of a transaction: there is none.")
    hold = " FOR UPDATE" if held and connection.vendor != "sqlite" else ""
    for row in _read(model, _select(model, model._meta.pk.name) + hold, key):
        return row
    raise model.DoesNotExist  # type: ignore[attr-defined]  # each model has its own


def fetch_all(model: type[Row], name: str, owner: Model) -> list[Row]:
    """filter(name=owner).order_by("pk"), and each row knows its owner."""
    rows = _read(model, _select(model, name), owner.pk)
    for row in rows:
        setattr(row, name, owner)
    return rows


def aware(moment: datetime | None) -> datetime | None:
    """As a cursor gives it. SQLite keeps no time zone: it is UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def as_if_read(row: Model, name: str, related: list[Any]) -> None:
    """`row.name.all()` is this list from now on, as after prefetch_related()."""
    rows = getattr(row, name).all()
    rows._result_cache, rows._prefetch_done = related, True
    row.__dict__.setdefault("_prefetched_objects_cache", {})[name] = rows


def insert(rows: Sequence[Model]) -> None:
    """bulk_create() of rows of one model. Raises IntegrityError."""
    if not rows:
        return
    model, auto = type(rows[0]), rows[0]._meta.auto_field
    fields = tuple(field for field in model._meta.concrete_fields if field is not auto)
    defaults = tuple(field for field in fields if all(_is_default(row, field) for row in rows))
    given = tuple(field for field in fields if field not in defaults)
    values = [value for row in rows for value in _values(row, given, add=True)]
    if any(hasattr(kind, "as_sql") for kind in set(map(type, values))):
        model._default_manager.bulk_create(rows)  # what the database has to work out is put together anew
        return
    with connection.cursor() as cursor:
        cursor.execute(_insert(model, given, len(rows)), values)
        if auto is not None:
            for row, (number,) in zip(rows, cursor.fetchall(), strict=True):
                setattr(row, auto.attname, number)
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
        for field in defaults:
            delattr(row, field.attname)  # the database knows: it is asked when somebody wants to know


def update(row: Model, *names: str) -> None:
    """save() of these fields, or of all, of a row that is there. Raises DoesNotExist where it is not; KeyError for a
    name that no field has."""
    update_all([row], *names)


def update_all(rows: Sequence[Model], *names: str, counted: str = "") -> None:
    """The same of rows of one model, all at once. `counted` is a number that each of them is ahead by one: also raises
    DoesNotExist where one has another in the database."""
    if not rows:
        return
    model = type(rows[0])
    fields = _fields(model, names)
    values = [[*_values(row, fields, add=False), row.pk] for row in rows]
    if counted:
        values = [[*these, getattr(row, counted) - 1] for these, row in zip(values, rows, strict=True)]
    with connection.cursor() as cursor:
        statement = _update(model, fields, counted)
        if len(rows) == 1:
            cursor.execute(statement, values[0])
        else:  # on PostgreSQL they travel together, which takes longer to prepare than one by itself
            cursor.executemany(statement, values)
        if cursor.rowcount != len(rows):
            raise model.DoesNotExist  # type: ignore[attr-defined]


def _read(model: type[Row], query: str, value: Any) -> list[Row]:
    names, converters = _reading(model)
    rows = []
    with connection.cursor() as cursor:
        cursor.execute(query, [value])
        for found in cursor.fetchall():
            read = list(found)
            for at, converter, column in converters:
                read[at] = converter(read[at], column, connection)
            rows.append(model.from_db(DEFAULT_DB_ALIAS, names, read))
    return rows


def _is_default(row: Model, field: "Field[Any, Any]") -> bool:
    return isinstance(getattr(row, field.attname), DatabaseDefault)


def _values(row: Model, fields: Fields, *, add: bool) -> Iterable[Any]:
    database = connections[DEFAULT_DB_ALIAS]
    return [field.get_db_prep_save(field.pre_save(row, add=add), database) for field in fields]


# Names of our models and their fields alone, so nothing from outside gets into them.


@cache
def _reading(model: type[Model]) -> tuple[list[str], list[tuple[int, Any, Any]]]:
    """The names of its fields, and what makes Python's values of the database's: place, converter and column."""
    database, fields = connections[DEFAULT_DB_ALIAS], model._meta.concrete_fields
    converters = [
        (at, converter, field.cached_col)
        for at, field in enumerate(fields)
        for converter in [*database.ops.get_db_converters(field.cached_col), *field.get_db_converters(database)]
    ]
    return [field.attname for field in fields], converters


@cache
def _select(model: type[Model], name: str) -> str:
    field: Field[Any, Any] = model._meta.get_field(name)  # type: ignore[assignment]
    table, key, condition = map(_quoted, (model._meta.db_table, model._meta.pk.column, field.column))
    columns = ", ".join(_quoted(one.column) for one in model._meta.concrete_fields)
    return f"SELECT {columns} FROM {table} WHERE {condition} = %s ORDER BY {key}"  # noqa: S608


@cache
def _insert(model: type[Model], fields: Fields, number: int) -> str:
    columns, auto = ", ".join(_quoted(field.column) for field in fields), model._meta.auto_field
    row = f"({', '.join(['%s'] * len(fields))})"
    into = f"INSERT INTO {_quoted(model._meta.db_table)} ({columns}) VALUES {', '.join([row] * number)}"  # noqa: S608
    return f"{into} RETURNING {_quoted(auto.column)}" if auto is not None else into


@cache
def _fields(model: type[Model], names: tuple[str, ...]) -> Fields:
    """In the order of the names; all but the key where there are none."""
    others = tuple(field for field in model._meta.concrete_fields if not field.primary_key)
    by_name = {name: field for field in others for name in (field.name, field.attname)}
    return tuple(by_name[name] for name in dict.fromkeys(names)) if names else others


@cache
def _update(model: type[Model], fields: Fields, counted: str) -> str:
    columns = ", ".join(f"{_quoted(field.column)} = %s" for field in fields)
    conditions = " AND ".join(f"{_quoted(column)} = %s" for column in (model._meta.pk.column, counted) if column)
    return f"UPDATE {_quoted(model._meta.db_table)} SET {columns} WHERE {conditions}"  # noqa: S608


def _quoted(name: object) -> str:
    return connection.ops.quote_name(str(name))
