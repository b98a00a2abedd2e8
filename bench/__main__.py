"""bin/bench report | home | jobs [--json FILE] [--quick]"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from bench import home, home_promises, machine
from bench.figures import Measured, Row, table
from bench.jobs import compare
from bench.jobs.measure import FULL as FULL_COMPARISON
from bench.jobs.measure import QUICK as QUICK_COMPARISON
from bench.jobs.measure import measure as measure_jobs
from bench.jobs.stage import CONTESTANTS
from bench.jobs.stage import open_stage as open_comparison
from bench.promises import rows
from bench.report import CONNECT, FULL, QUICK, measure
from bench.stage import PAGERDUTY, SLACK, open_stage

LONGEST = 3 * 3600  # seconds; then it ends by itself


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/bench", description="Measure the hub from outside, on this machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    report = commands.add_parser("report", help="all that is promised of speed, as a table (about half an hour)")
    jobs = commands.add_parser("jobs", help="the jobs package beside other libraries (about 20 minutes)")
    seen = commands.add_parser("home", help="the list of incidents and one incident (about 10 minutes)")
    libraries = list(dict.fromkeys(one.library for one in CONTESTANTS))
    jobs.add_argument("--only", nargs="+", choices=libraries, default=libraries, help="only these contestants")
    for command in (report, seen, jobs):
        command.add_argument("--json", type=Path, metavar="FILE", help="write rows and percentiles there, too")
        command.add_argument("--quick", action="store_true", help="a few of each, to try that it works; proves nothing")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _end)
    signal.alarm(LONGEST)
    if options.command == "jobs":
        return _jobs(options.json, quick=options.quick, libraries=set(options.only))
    return {"report": _report, "home": _home}[options.command](options.json, quick=options.quick)


def _report(file: Path | None, *, quick: bool) -> int:
    before, began = machine.description(), time.monotonic()

    def keep(measured: Measured, found: Sequence[Row] = ()) -> None:
        if file is None:
            return
        contents = {
            "quick": quick,
            "seconds": round(time.monotonic() - began),
            "machine": before | {"load_after": machine.description()["load"]},
            "latency": {"pagerduty": PAGERDUTY, "slack": SLACK, "new connection": CONNECT},
            "rows": [row.as_json() for row in found],
            "series": {name: series.as_json() for name, series in measured.series.items()},
            "numbers": {name: round(number, 3) for name, number in measured.numbers.items()},
        }
        file.write_text(json.dumps(contents, indent=2, ensure_ascii=False) + "\n")

    with open_stage() as stage:
        measured = measure(stage, QUICK if quick else FULL, keep)
    found = rows(measured)
    keep(measured, found)
    print(table(found))
    print(f"\n{before['cores']} cores; load {before['load']} before, {machine.description()['load']} after.")
    if "responses a second on PostgreSQL" not in measured.numbers:
        print("PostgreSQL is not installed on this machine: its rows are left out.")
    return 0


def _home(file: Path | None, *, quick: bool) -> int:
    before, began, plan = machine.description(), time.monotonic(), home.QUICK if quick else home.FULL
    with open_stage() as stage:
        measured = home.measure(stage, plan)
    found = home_promises.rows(measured, plan)
    print(table(found))
    print(f"\n{before['cores']} cores; load {before['load']} before, {machine.description()['load']} after.")
    if file is not None:
        contents = {
            "quick": quick,
            "seconds": round(time.monotonic() - began),
            "machine": before | {"load_after": machine.description()["load"]},
            "rows": [row.as_json() for row in found],
            "series": {name: series.as_json() for name, series in measured.series.items()},
            "numbers": {name: round(number, 3) for name, number in measured.numbers.items()},
        }
        file.write_text(json.dumps(contents, indent=2, ensure_ascii=False) + "\n")
    return 0


def _jobs(file: Path | None, *, quick: bool, libraries: set[str]) -> int:
    before, began = machine.description(), time.monotonic()
    with open_comparison(libraries) as stage:
        found = measure_jobs(stage, QUICK_COMPARISON if quick else FULL_COMPARISON)
    if file is not None:
        contents = {
            "quick": quick,
            "seconds": round(time.monotonic() - began),
            "machine": before | {"load_after": machine.description()["load"]},
            "contestants": {str(contestant): one.as_json() for contestant, one in found.items()},
        }
        file.write_text(json.dumps(contents, indent=2) + "\n")
    print(compare.table(found))
    print(f"\n{before['cores']} cores; load {before['load']} before, {machine.description()['load']} after.")
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(f"bin/bench: ended by {signal.Signals(number).name}")


if __name__ == "__main__":
    sys.exit(main())
