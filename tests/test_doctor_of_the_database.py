"""What the doctor finds in the database and in the hub itself, each planted fault under its id."""

import contextlib
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.doctor import ALWAYS, Doctor, database_of, heal
from tests.journeys.conftest import on_sqlite
from tests.processes import Hub, Sandbox

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="session")

EARLIER_TABLE = """
    CREATE TABLE incidents (
        id text PRIMARY KEY, created_at timestamp, updated_at timestamp, pagerduty_id text, pagerduty_url text,
        slack_channel_id text, slack_channel_name text, slack_channel_url text, reporter_email text,
        incident_commander_email text)
"""


def doctor_of(hub: Hub, sandbox: Sandbox) -> Doctor:
    heal(sandbox, f"{hub.url}/webhooks/pagerduty")
    return Doctor(hub)


def new(hub: Hub, folder: Path) -> Doctor:
    """The doctor of the same hub, with another, empty folder."""
    folder.mkdir()
    return Doctor(hub, {"DATA_DIR": str(folder)})


@on_sqlite
def test_a_table_of_an_earlier_incident_central_is_recognised_and_left_alone(
    make_hub: Callable[..., Hub], sandbox: Sandbox, tmp_path: Path
) -> None:
    doctor_of(hub := make_hub(), sandbox)
    doctor = new(hub, tmp_path / "earlier")
    with contextlib.closing(sqlite3.connect(database_of(tmp_path / "earlier"))) as database:
        database.execute(EARLIER_TABLE)
        database.execute("INSERT INTO incidents (id) VALUES ('incident-of-old')")
        database.commit()
    found = doctor.finds()
    assert {
        "database.not-migrated",
        "database.earlier-table",
        "database.not-checked",
        "hub.not-checked",
    } <= found.keys()
    assert doctor.exit_code == 2
    with contextlib.closing(sqlite3.connect(database_of(tmp_path / "earlier"))) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert tables == ["incidents"]
        assert database.execute("SELECT id FROM incidents").fetchall() == [("incident-of-old",)]


@on_sqlite
def test_sqlite_that_does_not_keep_what_it_accepts(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    found = doctor_of(make_hub(), sandbox).finds(DATABASE_URL="sqlite:///:memory:")
    assert "memory" in found["database.journal-mode"][0]["title"]


@on_sqlite
def test_sqlite_that_another_program_holds(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    doctor = doctor_of(hub := make_hub(), sandbox)
    with hub.without_database():
        found = doctor.finds()
    assert found.keys() - ALWAYS == {"database.read-only"}


def on_a_disk(doctor: Doctor, data: Path, megabytes: int) -> None:
    """The doctor runs with a disk of this size beside the folder `data`, and a copy of that folder on it."""
    place = data.parent / "disk"
    place.mkdir(exist_ok=True)
    mount = f'mount -t tmpfs -o size={megabytes}m none "$0"'
    in_its_own = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*in_its_own, mount, str(place)], capture_output=True).returncode
    ):
        pytest.skip("this machine lets nobody mount a small file system of their own (unshare --map-root-user)")
    doctor.before = [*in_its_own, f'{mount} && cp -R "{data}/." "$0" && exec "$@"', str(place)]


@on_sqlite
@pytest.mark.parametrize(("megabytes", "id_"), [(60, "database.disk-full"), (500, "database.disk-nearly-full")])
def test_a_disk_without_room(
    make_hub: Callable[..., Hub], sandbox: Sandbox, tmp_path: Path, megabytes: int, id_: str
) -> None:
    doctor = doctor_of(hub := make_hub(), sandbox)
    on_a_disk(doctor, hub.folder, megabytes)
    found = doctor.finds(DATA_DIR=str(tmp_path / "disk"))
    assert found.keys() - ALWAYS == {id_}
    assert " MB are left" in found[id_][0]["title"]


def leave_undone(hub: Hub) -> None:
    """The poll has been due for years."""
    hub.rows("INSERT INTO jobs_job (id, workflow, key) VALUES (77, 'pagerduty-sync', '')")
    hub.rows(
        "INSERT INTO jobs_step (job_id, name, state, attempts, run_at, error, by_hand, owner, fence)"
        " VALUES (77, 'poll', 'waiting', 0, '2020-01-01 00:00:00', '', '', '', 0)"
    )


@on_sqlite
def test_a_hub_without_administrator_without_work_and_without_encryption(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    doctor = doctor_of(hub := make_hub(), sandbox)
    hub.rows("DELETE FROM users")
    leave_undone(hub)
    found = doctor.finds(BASE_URL="http://incidents.example.com")
    expected = {"hub.no-administrator", "hub.nobody-works", "hub.base-url-insecure", "pagerduty.webhook-missing"}
    assert found.keys() - ALWAYS == expected


@on_sqlite
def test_webhooks_that_go_where_the_hub_was(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    doctor = doctor_of(hub := make_hub(), sandbox)
    (there,) = sandbox.state["pagerduty"]["subscriptions"]
    hub.rows("INSERT INTO incidents_webhooksubscription (id, url, secret) VALUES (%s, 'x', 'y')", there["id"])
    found = doctor.finds(BASE_URL="http://127.0.0.1:1")
    assert found.keys() - ALWAYS == {"pagerduty.webhook-old-address"}
    assert there["url"] in found["pagerduty.webhook-old-address"][0]["title"]


@on_postgresql
def test_postgresql_that_is_a_replica_or_is_not_there(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    doctor = doctor_of(hub := make_hub(), sandbox)
    assert doctor.finds().keys() == ALWAYS
    address, _, name = hub.database_url.rpartition("/")
    read_only = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on")
    with psycopg.connect(f"{address}/postgres", autocommit=True) as administrator:
        administrator.execute(read_only.format(sql.Identifier(name)))
    found = doctor.finds()
    assert found.keys() - ALWAYS == {"database.read-only"}
    assert "read-only transaction" in found["database.read-only"][0]["said"]

    found = doctor.finds(DATABASE_URL="postgresql://hub@127.0.0.1:1/hub")
    assert found.keys() - ALWAYS == {
        "database.unreachable",
        "database.not-checked",
        "hub.not-checked",
        "pagerduty.not-checked",
        "drill.not-checked",
    }
    assert "connection failed: " in str(found["database.unreachable"]), "the pool says only that it waited"


@on_postgresql
def test_a_clock_that_is_wrong_and_a_folder_that_nobody_chose(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    doctor = doctor_of(make_hub(), sandbox)
    doctor.module = ("tests.crash.shifted", "-100")
    found = doctor.finds(DATA_DIR="")
    clocks = {"database.clock-skew", "pagerduty.clock-skew", "slack.clock-skew"}
    assert found.keys() - ALWAYS == clocks | {"hub.data-dir-not-kept"}
    for id_ in clocks:
        assert re.search(r"\b(99|100|101) s apart", found[id_][0]["title"])
