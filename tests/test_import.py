"""The table of an earlier Incident Central: its rows are taken over by command, and it is left as it was."""

import contextlib
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.journeys.conftest import on_sqlite
from tests.pagerduty import act
from tests.processes import Cluster, Hub, Sandbox, eventually, moment, report_form

TABLE = """
    CREATE TABLE incidents (
        id text PRIMARY KEY, created_at timestamp, updated_at timestamp, pagerduty_id text, pagerduty_url text,
        slack_channel_id text, slack_channel_name text, slack_channel_url text, reporter_email text,
        incident_commander_email text)
"""
INSERT = """
    INSERT INTO incidents (
        id, created_at, updated_at, pagerduty_id, pagerduty_url, slack_channel_id, slack_channel_name,
        slack_channel_url, reporter_email, incident_commander_email)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
ANA, MEI = "ana.lima@example.com", "mei.tan@example.com"
BRAVE, CALM = "incident-brave-otter-2023-04", "incident-calm-heron-2023-05"
FULL = (
    *(BRAVE, "2023-04-05 06:07:08.5", "2023-04-05 09:10:11"),
    *("POLD1", "https://example.pagerduty.com/incidents/POLD1"),
    *("COLD1", BRAVE, "https://example.slack.com/archives/COLD1", ANA, MEI),
)
BARE = (CALM, "2023-05-01 12:00:00", None, None, None, None, None, None, None, None)


class Earlier:
    """The database of an earlier version, of the same kind as the hub's."""

    def __init__(self, folder: Path, address: str) -> None:
        self.source = address or str(folder / "earlier.db")
        self.run(TABLE)
        self.add(FULL, BARE)

    def run(self, query: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        if self.source.startswith("postgresql"):
            with psycopg.connect(self.source) as database:
                done = database.execute(query.encode(), values)
                return done.fetchall() if done.description else []
        with contextlib.closing(sqlite3.connect(self.source)) as database:
            rows = database.execute(query.replace("%s", "?"), values).fetchall()
            database.commit()
            return rows

    def add(self, *rows: Sequence[object]) -> None:
        for row in rows:
            self.run(INSERT, row)

    @property
    def rows(self) -> list[tuple[object, ...]]:
        return sorted(self.run("SELECT * FROM incidents"), key=repr)


@pytest.fixture
def earlier(template: Hub, tmp_path: Path, request: pytest.FixtureRequest) -> Earlier:
    postgresql: Cluster | None = request.getfixturevalue("cluster") if template.database_url else None
    return Earlier(tmp_path, postgresql.new_database() if postgresql else "")


def says(run: subprocess.CompletedProcess[str], *lines: str, exit_code: int = 0) -> None:
    assert run.returncode == exit_code, run.stderr
    for line in lines:
        assert line in run.stdout


def test_rows_of_old_are_shown_first_then_taken_over_once_and_found(
    make_hub: Callable[..., Hub], earlier: Earlier
) -> None:
    hub, before = make_hub(), earlier.rows
    hub.start()  # it goes on meanwhile
    says(hub.command("import", earlier.source), "2 can be taken over", "0 were taken over before", "Add --yes")
    assert hub.rows("SELECT id FROM incidents") == []
    says(hub.command("import", earlier.source, "--yes"), "2 were taken over. The table there is as it was.")
    says(hub.command("import", earlier.source, "--yes"), "0 can be taken over", "2 were taken over before")
    assert earlier.rows == before

    found = hub.incident(BRAVE)
    assert tuple(found[column] for column in ORIGINAL_TEXTS) == (FULL[0], *FULL[3:])
    assert [moment(found[column]) for column in ("created_at", "updated_at", "resolved_at")] == [
        datetime(2023, 4, 5, 6, 7, 8, 500_000, UTC),
        datetime(2023, 4, 5, 9, 10, 11, tzinfo=UTC),
        datetime(2023, 4, 5, 9, 10, 11, tzinfo=UTC),
    ]
    assert (found["source"], found["status"]) == ("earlier", "resolved")
    listed = hub.dana.get("/?status=resolved").text
    assert BRAVE in listed
    assert CALM in listed
    for words in ("brave+otter", ANA, MEI):
        searched = hub.dana.get(f"/?status=resolved&q={words}").text
        assert BRAVE in searched
        assert CALM not in searched
    for name in (BRAVE, CALM):
        page = hub.dana.get(f"/incidents/{name}")
        assert "Taken over from an earlier Incident Central" in page.text
        assert "#None" not in page.text
        for more in ("responding", "edit"):
            assert hub.dana.get(f"/incidents/{name}/{more}").status == 200
    assert hub.dana.get("/report").text.count("Not known") == 0
    assert hub.rows("SELECT id FROM jobs_job WHERE workflow IN ('response', 'news')") == []


ORIGINAL_TEXTS = (
    *("id", "pagerduty_id", "pagerduty_url", "slack_channel_id", "slack_channel_name", "slack_channel_url"),
    *("reporter_email", "incident_commander_email"),
)


def test_rows_that_are_broken_or_in_the_way_are_named_and_the_others_taken_over(
    make_hub: Callable[..., Hub], sandbox: Sandbox, earlier: Earlier
) -> None:
    hub = make_hub()
    hub.start()
    ours = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(ours)
    there = hub.incident(ours)
    nothing = (None,) * 7
    at = "2024-01-02 03:04:05"
    earlier.run("ALTER TABLE incidents ADD COLUMN severity text")
    earlier.run("ALTER TABLE incidents ALTER COLUMN created_at TYPE text" if hub.database_url else "SELECT 1")
    earlier.run("INSERT INTO incidents (id, created_at) VALUES (%s, %s)", (ours, at))
    earlier.add(
        ("", at, at, *nothing),
        ("../../report", at, at, *nothing),
        ("no-time", None, at, *nothing),
        ("yesterday", "yesterday", at, *nothing),
        ("infinity", "infinity", at, *nothing),
        ("in-the-future", "2999-01-01 00:00:00", at, *nothing),
        ("before-telephones", "1066-10-14 09:00:00", at, *nothing),
        ("same-page", at, at, there["pagerduty_id"], *nothing[1:]),
        ("same-channel", at, at, None, None, there["slack_channel_id"], "x", None, ANA, None),
        ("strange-links", at, "2020-01-01 00:00:00", "PX", "javascript:alert(1)", None, None, "data:,x", ANA, None),
        (
            "strange-words",
            at + "+02:00",
            at,
            None,
            None,
            None,
            None,
            None,
            "\u202eana\x07 '; DROP TABLE users; --",
            None,
        ),
    )
    before = earlier.rows
    run = hub.command("import", earlier.source, "--yes")
    refused = (
        f"{ours}: there is another incident of this name",
        "../../report: its name has other characters than letters, digits and hyphens, or is too long",
        "no-time: its created_at is no time: it is empty",
        "yesterday: its created_at is no time: yesterday",
        "infinity: its created_at is no time: infinity",
        "in-the-future: its created_at is no time: 2999-01-01 00:00:00",
        "before-telephones: its created_at is no time: 1066-10-14 09:00:00",
        f"same-page: its incident in PagerDuty is that of {ours}",
    )
    without = (
        f"same-channel: its channel, which is that of {ours}",
        "strange-links: its updated_at is no later time: 2020-01-01 00:00:00",
        "strange-links: its pagerduty_url is no link: javascript:alert(1)",
        "strange-links: its slack_channel_url is no link: data:,x",
        f"{CALM}: nobody knows who reported it",
    )
    says(run, "5 can be taken over", "9 cannot be taken over", *refused, *without, exit_code=1)
    assert ": it has no name in the column id" in run.stdout
    assert earlier.rows == before
    names = {row["id"] for row in hub.rows("SELECT id FROM incidents")}
    assert names == {ours, BRAVE, CALM, "same-channel", "strange-links", "strange-words"}
    assert hub.incident("strange-words")["reporter_email"] == "ana '; DROP TABLE users; --"
    assert moment(hub.incident("strange-words")["created_at"]) == datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert hub.incident("strange-links")["pagerduty_url"] is None
    assert hub.incident(ours)["title"] == there["title"]
    assert "DROP TABLE" in hub.dana.get("/incidents/strange-words").text


@on_sqlite
def test_sqlite_keeps_anything_in_any_column_and_names_twice(make_hub: Callable[..., Hub], tmp_path: Path) -> None:
    hub, file = make_hub(), tmp_path / "loose.db"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute(TABLE.replace(" PRIMARY KEY", ""))
        for row in (
            ("twice", "2024-01-02", "ana"),
            ("twice", "2024-01-03", "mei"),
            (42.5, "2024-01-02", None),
            (b"\xff\0", "2024-01-02", None),
            ("number", 1_700_000_000, None),
            ("letters", "2024-01-02T03:04:05Z", None),
            ("bytes", "2024-01-02T03:04:05.123456789", b"ana"),
        ):
            database.execute("INSERT INTO incidents (id, created_at, reporter_email) VALUES (?, ?, ?)", row)
        no_utf_8 = "UPDATE incidents SET reporter_email = CAST(x'61ff62' AS text) WHERE id = 'letters'"
        database.execute(no_utf_8)
        database.commit()
    run = hub.command("import", f"sqlite:///{file}", "--yes")
    says(run, "3 can be taken over", "4 cannot be taken over", "number: its created_at is no time", exit_code=1)
    found = {row["id"]: row["reporter_email"] for row in hub.rows("SELECT id, reporter_email FROM incidents")}
    assert found == {"twice": "ana", "letters": "a\ufffdb", "bytes": "ana"}


def test_what_is_no_earlier_database_is_refused(make_hub: Callable[..., Hub], earlier: Earlier, tmp_path: Path) -> None:
    hub = make_hub()

    def refused(source: str) -> str:
        run = hub.command("import", source, "--yes")
        assert (run.returncode, run.stdout) == (2, "")
        assert "incident-central: nothing was taken over: " in run.stderr
        return run.stderr

    own = hub.database_url or str(hub.folder / "incident-central.sqlite3")
    assert "is of this version" in refused(own)
    assert "unable to open database file" in refused(str(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()
    assert "secret" not in refused("postgresql://hub:secret@127.0.0.1:1/hub")
    assert "secret" not in refused("postgresql://hub:se%secret@127.0.0.1:1/hub")
    earlier.run("ALTER TABLE incidents DROP COLUMN reporter_email")
    assert "has no reporter_email" in refused(earlier.source)
    earlier.run("DROP TABLE incidents")
    assert "incidents" in refused(earlier.source)


@on_sqlite
def test_what_pagerduty_has_open_still_is_open_here_again(
    make_hub: Callable[..., Hub], sandbox: Sandbox, earlier: Earlier
) -> None:
    hub = make_hub()
    hub.start()
    page = sandbox.control("/pagerduty/incidents", {"service": "Search", "title": "Disk full"})["id"]
    earlier.run("UPDATE incidents SET pagerduty_id = %s, slack_channel_id = NULL WHERE id = %s", (page, BRAVE))
    says(hub.command("import", earlier.source, "--yes"), "2 were taken over")
    hub.poll_now()
    eventually(lambda: hub.incident(BRAVE)["status"] == "triggered")
    found = hub.incident(BRAVE)
    assert (found["title"], found["service_id"]) == ("Disk full", hub.service_id("Search"))
    (there,) = sandbox.pages
    assert (there["id"], there["number"]) == (page, found["pagerduty_number"])
    act(sandbox, page, "resolve", "Priya Nair")
    hub.poll_now()
    eventually(lambda: hub.incident(BRAVE)["status"] == "resolved")
