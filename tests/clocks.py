"""A PostgreSQL database whose clock is wrong, and may be set while a hub runs on it."""

import psycopg
from psycopg import sql


def put_ahead(session: psycopg.Connection, by: str) -> None:
    """Before anything else uses the database: from now on its clock is ahead by an interval, such as '1 hour'."""
    session.execute("CREATE TABLE clock (ahead interval)")
    session.execute("INSERT INTO clock VALUES (%s)", [by])
    for function in ("clock_timestamp", "statement_timestamp"):
        body = f"SELECT pg_catalog.{function}() + ahead FROM public.clock"  # noqa: S608
        session.execute(f"CREATE FUNCTION {function}() RETURNS timestamptz LANGUAGE sql AS '{body}'")
    defaults = "SELECT table_name, column_name FROM information_schema.columns WHERE column_default LIKE %s"
    for names in session.execute(defaults, ["%statement_timestamp()%"]).fetchall():
        change = sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT public.statement_timestamp()")
        session.execute(change.format(*map(sql.Identifier, names)))
    database = sql.Identifier(session.info.dbname)
    session.execute(sql.SQL("ALTER DATABASE {} SET search_path = public, pg_catalog").format(database))


def put_right(session: psycopg.Connection) -> None:
    session.execute("UPDATE clock SET ahead = interval '0'")
