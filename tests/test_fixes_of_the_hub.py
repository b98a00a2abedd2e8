"""What the doctor says to do about the database and the hub itself, done, turns each finding green.

PagerDuty and Slack: tests/test_fixes.py. People: tests/test_doctor_of_people.py. A mail server that takes nothing:
tests/test_telling.py. The drill: tests/test_drill.py. Clocks are set by NTP, and a check that failed is a fault of
ours: there is nothing to do.
"""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.doctor import ALWAYS, Doctor, database_of, heal
from tests.journeys.conftest import on_sqlite
from tests.processes import Hub, Sandbox, eventually
from tests.test_doctor_of_the_database import EARLIER_TABLE, leave_undone, on_a_disk, on_postgresql
from tests.watchers import watcher

MakeHub = Callable[..., Hub]


def healthy(hub: Hub, sandbox: Sandbox, **settings: str) -> Doctor:
    heal(sandbox, f"{hub.url}/webhooks/pagerduty")
    hub.settings |= settings
    return Doctor(hub)


def wrong(doctor: Doctor) -> set[str]:
    return doctor.finds().keys() - ALWAYS


# ── settings ──────────────────────────────────────────────────────────────────────────────────────


@on_sqlite
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("database.journal-mode", {"DATABASE_URL": "sqlite:///:memory:"}),
        ("database.time-zone", {"TIME_ZONE": ""}),
        ("hub.base-url-missing", {"BASE_URL": ""}),
        ("hub.base-url-insecure", {"BASE_URL": "http://incidents.example.com"}),
        ("hub.nobody-told", {"SLACK_ANNOUNCE_CHANNEL": ""}),
        ("hub.fallback-contact-missing", {"FALLBACK_CONTACT": ""}),
        ("hub.fallback-service-missing", {"FALLBACK_SERVICE": ""}),
    ],
)
def test_a_setting_that_is_put_right(make_hub: MakeHub, sandbox: Sandbox, kind: str, settings: dict[str, str]) -> None:
    hub = make_hub()
    doctor = healthy(hub, sandbox, **settings)
    assert kind in wrong(doctor)
    hub.settings = {}
    assert wrong(doctor) == set()


@on_postgresql
def test_an_address_a_primary_and_a_folder(make_hub: MakeHub, sandbox: Sandbox) -> None:
    hub = make_hub()
    doctor = healthy(hub, sandbox, DATA_DIR="")
    assert wrong(doctor) == {"hub.data-dir-not-kept"}
    hub.settings = {}
    right, hub.database_url = hub.database_url, "postgresql://hub@127.0.0.1:1/hub"
    assert "database.unreachable" in wrong(doctor)
    hub.database_url = right
    address, _, name = right.rpartition("/")
    with psycopg.connect(f"{address}/postgres", autocommit=True) as administrator:
        for read_only, found in (("on", {"database.read-only"}), ("off", set())):
            change = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
            administrator.execute(change.format(sql.Identifier(name), sql.Literal(read_only)))
            assert wrong(doctor) == found


# ── the database ──────────────────────────────────────────────────────────────────────────────────


@on_sqlite
def test_a_table_of_an_earlier_incident_central_and_tables_that_are_missing(
    make_hub: MakeHub, sandbox: Sandbox, tmp_path: Path
) -> None:
    hub, earlier = make_hub(), tmp_path / "earlier"
    earlier.mkdir()
    with contextlib.closing(sqlite3.connect(database_of(earlier))) as database:
        database.execute(EARLIER_TABLE)
        row = ("incident-of-old", "2025-03-01 10:00:00", "2025-03-01 12:00:00")
        database.execute("INSERT INTO incidents (id, created_at, updated_at) VALUES (?, ?, ?)", row)
        database.commit()
    hub.folder, rest = earlier, hub.folder
    doctor = healthy(hub, sandbox)
    assert {"database.earlier-table", "database.not-migrated"} <= wrong(doctor)

    hub.folder = tmp_path / "of-its-own"
    hub.folder.mkdir()
    shutil.copy(rest / "last-backup", hub.folder)
    assert "database.not-migrated" in wrong(doctor)
    hub.run("manage", "migrate")
    assert wrong(doctor) == {"hub.no-administrator"}
    hub.make_administrator()
    assert wrong(doctor) == set()
    hub.run("import", str(database_of(earlier)), "--yes")
    assert hub.rows("SELECT id FROM incidents") == [{"id": "incident-of-old"}]


@on_sqlite
def test_a_program_that_held_the_file_and_backups_that_had_stopped(make_hub: MakeHub, sandbox: Sandbox) -> None:
    hub = make_hub()
    doctor = healthy(hub, sandbox)
    with hub.without_database():
        assert wrong(doctor) == {"database.read-only"}
    memory = hub.folder / "last-backup"
    _, file = memory.read_text().splitlines()
    memory.write_text(f"{datetime.now(UTC) - timedelta(days=9)}\n{file}\n")
    assert wrong(doctor) == {"database.backup-old"}
    hub.run("backup")
    assert wrong(doctor) == set()
    memory.unlink()
    assert wrong(doctor) == {"database.backup-missing"}
    hub.run("backup")
    assert wrong(doctor) == set()


@on_sqlite
@pytest.mark.parametrize(("megabytes", "kind"), [(60, "database.disk-full"), (500, "database.disk-nearly-full")])
def test_a_disk_that_was_too_small(
    make_hub: MakeHub, sandbox: Sandbox, tmp_path: Path, megabytes: int, kind: str
) -> None:
    hub = make_hub()
    doctor = healthy(hub, sandbox, DATA_DIR=str(tmp_path / "disk"))
    on_a_disk(doctor, hub.folder, megabytes)
    assert wrong(doctor) == {kind}
    on_a_disk(doctor, hub.folder, 2000)
    assert wrong(doctor) == set()


# ── the hub ───────────────────────────────────────────────────────────────────────────────────────


@on_sqlite
def test_an_administrator_and_somebody_who_works(make_hub: MakeHub, sandbox: Sandbox) -> None:
    hub = make_hub()
    doctor = healthy(hub, sandbox)
    hub.rows("DELETE FROM users")
    assert wrong(doctor) == {"hub.no-administrator"}
    hub.make_administrator()
    assert wrong(doctor) == set()
    leave_undone(hub)
    assert wrong(doctor) == {"hub.nobody-works"}
    hub.start()
    eventually(lambda: wrong(doctor) == set())


@on_sqlite
def test_webhooks_that_went_where_the_hub_was(make_hub: MakeHub, sandbox: Sandbox) -> None:
    hub = make_hub()
    doctor = healthy(hub, sandbox)
    hub.start()
    hub.run("setup", "webhook", "--no-test")
    hub.stop()
    hub.port = Hub(sandbox, hub.folder).port  # another free one
    assert "pagerduty.webhook-old-address" in wrong(doctor)
    hub.run("setup", "webhook", "--no-test")
    assert "pagerduty.webhook-old-address" not in wrong(doctor)


@on_sqlite
def test_a_watcher_outside(make_hub: MakeHub, sandbox: Sandbox) -> None:
    hub = make_hub()
    doctor = healthy(hub, sandbox)
    assert "hub.heartbeat-missing" in doctor.finds()
    with watcher() as outside:
        hub.settings["HEARTBEAT_URL"] = f"{outside.url}/mistyped"
        outside.status = 404
        hub.start()
        hub.does("pulse")
        hub.does("heartbeat", well=False)
        assert wrong(doctor) == {"hub.heartbeat-refused"}
        hub.stop()
        hub.settings["HEARTBEAT_URL"], outside.status = f"{outside.url}/right", 200
        hub.start()
        hub.does("pulse")
        hub.does("heartbeat")
        assert outside.heard[-1] == "/right"
        assert not {id_ for id_ in doctor.finds() if id_.startswith("hub.")}
