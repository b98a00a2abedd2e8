"""Backups: made while the hub runs, brought back into an empty place, and nobody is paged twice by it."""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from incident_central.backup import DUMP
from tests.doctor import Doctor, database_of
from tests.journeys.conftest import on_sqlite
from tests.pagerduty import act
from tests.processes import ROOT, Cluster, Hub, Sandbox, eventually, postgresql_binaries, report_form

PAGE = (ROOT / "docs/setup/3-database.md").read_text()
on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="session")


def broken_off(hub: Hub, sandbox: Sandbox) -> tuple[str, str]:
    """One incident that is done, and one whose page PagerDuty has made, but has not said so yet."""
    hub.start()
    done = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(done)
    sandbox.fault("pagerduty", "answer-lost-hang", method="POST /incidents", times=1)
    under_way = hub.dana.post("/report", report_form(hub, title="Search is empty", service_name="Search")).incident
    eventually(lambda: [one for one in sandbox.pages if one["key"] == under_way])
    assert hub.steps(under_way)["page"]["state"] == "running"
    return done, under_way


def lost(hub: Hub, sandbox: Sandbox, under_way: str) -> None:
    """The machine is gone. The page has been resolved since, so PagerDuty would not refuse it a second time."""
    hub.kill()
    sandbox.mend()
    act(sandbox, sandbox.page_of(under_way)["id"], "resolve", "Priya Nair")


def goes_on(restored: Hub, hub: Hub, sandbox: Sandbox, done: str, under_way: str) -> None:
    everything = "SELECT id, title, created_at, pagerduty_id, slack_channel_id FROM incidents WHERE id = %s"
    assert restored.rows(everything, done) == hub.rows(everything, done)
    restored.start()
    restored.finished(under_way)
    eventually(lambda: restored.incident(under_way)["status"] == "resolved")
    home = restored.dana.get("/").text
    assert done in home
    assert under_way in home
    found = restored.dana.get("/?q=empty").text
    assert under_way in found
    assert done not in found
    for name in (done, under_way):
        page = sandbox.page_of(name)  # there is exactly one
        assert restored.incident(name)["pagerduty_id"] == page["id"]
        assert sandbox.channel_of(name)["id"] == restored.incident(name)["slack_channel_id"]


@on_sqlite
def test_what_was_backed_up_while_the_hub_ran_comes_back_elsewhere_and_pages_nobody_again(
    make_hub: Callable[..., Hub], sandbox: Sandbox, tmp_path: Path
) -> None:
    hub = make_hub()
    done, under_way = broken_off(hub, sandbox)
    made = hub.command("backup", str(tmp_path))
    assert made.returncode == 0, made.stderr
    (file,) = tmp_path.glob("incident-central-*.sqlite3")
    said = rf"{file} was written \(\d+\.\d MB, incidents: 2\), read back, and is whole\.\n"
    assert re.fullmatch(said, made.stdout)
    assert file.stat().st_mode & 0o777 == 0o600
    lost(hub, sandbox, under_way)
    (place := tmp_path / "new").mkdir()
    shutil.copy(file, database_of(place))
    restored = Hub(sandbox, place)
    try:
        goes_on(restored, hub, sandbox, done, under_way)
    finally:
        restored.stop()


@on_postgresql
def test_the_documented_lines_of_postgresql_bring_everything_back_and_page_nobody_again(
    make_hub: Callable[..., Hub], sandbox: Sandbox, tmp_path: Path, cluster: Cluster
) -> None:
    hub = make_hub()
    done, under_way = broken_off(hub, sandbox)
    refused = hub.command("backup")
    assert refused.returncode == 2
    assert DUMP in refused.stderr
    assert DUMP in PAGE
    run_line(DUMP, hub.database_url, tmp_path)
    (dump,) = tmp_path.glob("hub-*.dump")
    assert dump.stat().st_mode & 0o777 == 0o600
    lost(hub, sandbox, under_way)
    (restore,) = re.findall(r"^pg_restore .*$", PAGE, re.M)
    address = cluster.new_database()
    run_line(re.sub(r"hub-\S+\.dump", dump.name, restore), address, tmp_path)
    (place := tmp_path / "new").mkdir()
    restored = Hub(sandbox, place, address)
    try:
        goes_on(restored, hub, sandbox, done, under_way)
    finally:
        restored.stop()


def run_line(line: str, database_url: str, folder: Path) -> None:
    binaries = postgresql_binaries()
    path = f"{binaries}:{os.environ['PATH']}"
    run = subprocess.run(
        ["/bin/sh", "-c", line],
        env=os.environ | {"DATABASE_URL": database_url, "PATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr


@on_sqlite
def test_a_backup_that_cannot_be_made_says_why_and_leaves_everything_as_it_was(
    make_hub: Callable[..., Hub], tmp_path: Path
) -> None:
    hub, file = make_hub(), tmp_path / "there"
    file.write_text("something of Oskar’s")

    def refused(*arguments: str, **settings: str) -> str:
        hub.settings = settings
        run = hub.command("backup", *arguments)
        assert (run.returncode, run.stdout) == (2, "")
        return run.stderr

    assert f"{file} is there already. Name another, or say --replace." in refused(str(file))
    assert file.read_text() == "something of Oskar’s"
    assert "No such file or directory" in refused(str(tmp_path / "nowhere" / "file"))
    assert "is the database itself" in refused("--replace", str(database_of(hub.folder)))
    assert "there is no database" in refused(DATA_DIR=str(tmp_path / "empty"))
    assert not database_of(tmp_path / "empty").exists()
    broken = tmp_path / "broken"
    broken.mkdir()
    database_of(broken).write_bytes(b"no database at all" * 1000)
    assert "file is not a database" in refused(str(tmp_path / "copy"), DATA_DIR=str(broken))
    assert {one.name for one in tmp_path.iterdir()} == {"there", "empty", "broken", hub.folder.name}

    hub.settings = {}
    assert hub.command("backup", "--replace", str(file)).returncode == 0
    with contextlib.closing(sqlite3.connect(file)) as copy:
        assert copy.execute("SELECT count(*) FROM incidents").fetchone() == (0,)


@on_sqlite
def test_the_doctor_says_when_backups_have_stopped(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub()
    doctor, memory = Doctor(hub), hub.folder / "last-backup"
    assert {id_ for id_ in doctor.finds() if "backup" in id_} == set()
    at, file = memory.read_text().splitlines()
    assert datetime.now(UTC) - datetime.fromisoformat(at) < timedelta(hours=1)
    memory.write_text(f"{datetime.now(UTC) - timedelta(days=8, hours=1)}\n{file}\n")
    found = doctor.finds()["database.backup-old"][0]
    assert (found["title"], found["level"]) == ("The last backup is 8 days old", "warn")
    assert file in found["said"]
    memory.unlink()
    assert doctor.finds()["database.backup-missing"][0]["level"] == "remark"
