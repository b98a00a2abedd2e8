"""The benchmark itself works. What it measures is no test's business: that is for a quiet machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.figures import Row, table
from bench.jobs import compare
from tests.processes import ROOT, eventually, postgresql_binaries


@pytest.mark.timeout(300)
def test_a_quick_run_measures_everything_and_tells_it_as_a_table_and_as_json(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    command = [sys.executable, "-m", "bench", "report", "--quick", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=280)
    assert done.returncode == 0, done.stderr

    found = json.loads(file.read_text())
    assert found["quick"] is True
    rows = {row["what"]: row for row in found["rows"]}
    for row in rows.values():
        assert row["measured"] > 0 or row["what"].startswith("lost or doubled")
        assert row["holds"] in (True, False, None)
        assert (row["holds"] is None) == (row["at_most"] is None and row["at_least"] is None)
        assert row["what"] in done.stdout
    assert rows["lost or doubled in all storms"]["measured"] == 0
    if postgresql_binaries() is not None:
        assert "PostgreSQL: page leaves, idle" in rows
        apart = rows["PostgreSQL: memory at rest, web and worker apart"]["measured"]
        assert apart > rows["memory at rest"]["measured"]

    for series in found["series"].values():
        assert series["count"] > 0
        assert series["min"] <= series["p50"] <= series["p90"] <= series["p99"] <= series["max"]
    assert found["series"]["idle: leaves"]["count"] == found["series"]["Slack hung: leaves"]["count"] == 3
    assert found["latency"] == {"pagerduty": 0.25, "slack": 0.15, "new connection": 0.06}


@pytest.mark.timeout(300)
def test_what_was_measured_before_it_was_ended_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    command = [sys.executable, "-m", "bench", "report", "--quick", "--json", str(file)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: file.exists() and "idle: leaves" in file.read_text(), within=120)
        finally:
            process.terminate()
    assert process.returncode != 0
    found = json.loads(file.read_text())
    assert found["series"]["idle: leaves"]["count"] == 3
    assert found["rows"] == []


@pytest.mark.timeout(300)
def test_a_quick_comparison_runs_our_jobs_package_and_tells_it_as_a_table_and_as_json(tmp_path: Path) -> None:
    """Alone: the libraries beside it are installed by `bin/bench jobs`, and no test installs anything."""
    file = tmp_path / "jobs.json"
    command = [sys.executable, "-m", "bench", "jobs", "--quick", "--only", "ours", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=280)
    assert done.returncode == 0, done.stderr

    contestants = json.loads(file.read_text())["contestants"]
    databases = {"SQLite"} if postgresql_binaries() is None else {"SQLite", "PostgreSQL"}
    assert set(contestants) == {f"ours on {database}" for database in databases}
    for name, found in contestants.items():
        assert name in done.stdout
        assert found["times"]["first call"]["count"] == found["times"]["done"]["count"] == 4
        assert found["responses a second"][0] > 0
        assert found["counts"]["calls"] >= 18 * 7
        assert (found["counts"]["lost"], found["counts"]["twice"]) == (0, 0)
        assert found["counts"]["upgraded"] == found["counts"]["added"] == 6
    for row in ("first call leaves ÷ ours", "calls made twice", "packages that it would add"):
        assert row in done.stdout


def test_the_jobs_package_stays_under_400_lines_of_code() -> None:
    package = sorted((ROOT / "incident_central" / "jobs").glob("*.py"))
    assert len(package) > 3
    assert sum(map(compare.lines_of_code, package)) < 400


def test_lines_of_code_leave_out_blank_lines_comments_and_docstrings(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text('"""Two\nlines."""\n\n# why\nvalue = (\n    1,  # one\n)\n\n\ndef do() -> None:\n    """Does."""\n')
    assert compare.lines_of_code(file) == 4


def test_a_quick_run_of_the_list_measures_every_filter_and_asks_nobody_outside(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    command = [sys.executable, "-m", "bench", "home", "--quick", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=280)
    assert done.returncode == 0, done.stderr

    found = json.loads(file.read_text())
    rows = {row["what"]: row for row in found["rows"]}
    assert rows["calls outside for all pages"]["measured"] == 0
    assert all(what in done.stdout for what in rows)
    for database in ["SQLite", *(["PostgreSQL"] if postgresql_binaries() is not None else [])]:
        assert f"{database}, 100: a team and a quiet person" in found["series"]
        assert rows[f"{database}: home with 100"]["measured"] > 0
        for place in ("home", "channel"):
            assert rows[f"{database}: acknowledged to {place}, by webhook"]["at_most"] == 2
        assert found["series"][f"{database}: webhook"]["count"] == 3
        assert rows[f"{database}: a webhook is answered within, p99"]["at_most"] == 200


def test_ratios_stand_first_in_the_table() -> None:
    lines = table([Row("later", 12, "ms", at_most=10), Row("first", 1.5, "×", at_least=1, original=3)]).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["first", "later"]
    assert [cell.strip() for cell in lines[2].split("|")[2:-1]] == ["1.50 ×", "≥ 1.00 ×", "yes", "3.00 ×"]
    assert [cell.strip() for cell in lines[3].split("|")[2:-1]] == ["12.0 ms", "≤ 10.0 ms", "NO", ""]
