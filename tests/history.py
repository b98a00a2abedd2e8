"""Incidents of three years, written straight into a hub's database, spread as those of a company are."""

import contextlib
import json
import random
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from tests.processes import Hub

DAYS = 3 * 365
OPEN = 20  # whatever the size of the history
BATCH = 5000  # rows in a transaction
WORDS = """card payments fail at checkout slow search results missing basket empty login refused emails late refund
           twice warehouse scanner offline invoice wrong price image broken customer order lost delivery delayed stock
           report timeout certificate expired queue full disk memory leak deploy rollback replica behind cache cold
           region failover partner bank webhook mobile app crash session token password reset""".split()
ASSIGNED = [
    f"{first} {last}"
    for first in "Mei Oskar Priya Jonas Dana Tomás Lucía Amara Noor Piotr".split()
    for last in "Tanaka Nair Weber Okafor Herrera Ilić".split()
]
#: In words of the title, how rare are they: about one of so many.
RARE = {"Zeppelin": 10_000, "lighthouse": 1000, "harbour": 50, "Größe": 10}

Row = dict[str, Any]


def incidents(
    number: int, *, services: Sequence[str], priorities: Sequence[str], now: datetime, seed: int = 1
) -> Iterator[Row]:
    """So many rows of the table `incidents`, a few of them open. Ids of services and priorities are given."""
    chance = random.Random(seed)
    busy = [1 / (n + 1) for n in range(len(services))]
    names = [1 / (n + 3) for n in range(len(ASSIGNED))]
    for n in range(number):
        is_open = n < OPEN
        age = timedelta(hours=chance.uniform(0.1, 60)) if is_open else timedelta(days=chance.uniform(0.5, DAYS))
        created = (now - age).replace(microsecond=chance.randrange(1_000_000))
        # Most are over in hours; one of a hundred takes weeks. PagerDuty tells whole seconds.
        hours = chance.expovariate(1 / 4) if chance.random() > 0.01 else chance.uniform(168, 1500)
        resolved = min(created + timedelta(hours=hours), now).replace(microsecond=0)
        status = chance.choice(["triggered", "acknowledged"]) if is_open else "resolved"
        people = list(dict.fromkeys(chance.choices(ASSIGNED, names, k=chance.choice([1, 1, 1, 2, 3]))))
        title = [
            *chance.sample(WORDS, chance.randint(3, 7)),
            *(w for w, of in RARE.items() if chance.random() < 1 / of),
        ]
        chance.shuffle(title)
        yield {
            "id": f"incident-{chance.choice(WORDS)}-{chance.choice(WORDS)}-{n:06}",
            "created_at": created,
            "updated_at": resolved if status == "resolved" else created,
            "pagerduty_id": f"Q{n:012}",
            "pagerduty_url": f"https://harbour-finch.pagerduty.example/incidents/Q{n:012}",
            "slack_channel_id": f"C{n:010}",
            "slack_channel_name": f"incident-{n:06}",
            "slack_channel_url": f"https://harbour-finch.slack.example/archives/C{n:010}",
            "reporter_email": f"person{chance.randrange(200)}@example.com",
            "incident_commander_email": None,
            "reporter_name": chance.choice(ASSIGNED),
            "source": "web",
            "sender": "history",
            "report_id": UUID(int=n),
            "digest": "",
            "title": " ".join(title).capitalize(),
            "description": " ".join(chance.choices(WORDS, k=40)),
            "priority_refused": False,
            "status": status,
            "pagerduty_number": n + 1,
            "assigned": people,
            "paged_at": created,
            "acknowledged_at": None if status == "triggered" else min(created + timedelta(minutes=3), resolved),
            "acknowledged_by": "" if status == "triggered" else people[0],
            "resolved_at": resolved if status == "resolved" else None,
            "read_at": resolved,
            "summary_ts": "",
            "service_id": chance.choices(services, busy)[0],
            "priority_id": chance.choices([*priorities, None], [*range(1, len(priorities) + 1), 2])[0],
        }


def write(hub: Hub, rows: Iterator[Row]) -> None:
    """Insert them, and have PostgreSQL count and tidy what it has now, as it does by itself within a minute."""
    while batch := list(islice(rows, BATCH)):
        insert(hub, batch)
    if hub.database_url:
        with psycopg.connect(hub.database_url, autocommit=True) as session:
            session.execute("VACUUM ANALYZE")


def insert(hub: Hub, rows: Sequence[Row]) -> None:
    columns = list(rows[0])
    if hub.database_url:
        statement = sql.SQL("COPY incidents ({}) FROM STDIN").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
        with psycopg.connect(hub.database_url) as connection, connection.cursor().copy(statement) as copy:
            for row in rows:
                copy.write_row([json.dumps(value) if isinstance(value, list) else value for value in row.values()])
        return
    statement_text = f"INSERT INTO incidents ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
    path = hub.folder / "incident-central.sqlite3"
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as file, file:
        file.executemany(statement_text, [[_for_sqlite(value) for value in row.values()] for row in rows])


def _for_sqlite(value: Any) -> Any:
    """As Django writes it."""
    if isinstance(value, datetime):
        return str(value.astimezone(UTC).replace(tzinfo=None))
    if isinstance(value, list):
        return json.dumps(value)
    return value.hex if isinstance(value, UUID) else value
