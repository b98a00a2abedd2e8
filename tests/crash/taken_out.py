"""Takes out each protection in turn and sees that the test which guards it fails: `bin/test --protections [WORD …]`.

Works on a copy of the tree in a temporary folder, two at a time, for about half an hour; WORDs choose by name. Fails
where a text to be replaced is not found exactly once, where the test passes all the same, or where it did not run.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.crash.protections import PROTECTIONS, Protection
from tests.processes import ROOT

AT_ONCE = 2
LONGEST = 600  # seconds
OUT_OF_IT = shutil.ignore_patterns(".git", ".venv", "__pycache__", "*.sqlite3", ".mypy_cache", ".ruff_cache")


@dataclass(frozen=True)
class Outcome:
    guarded: bool
    told: str


def main(words: list[str]) -> int:
    chosen = [one for one in PROTECTIONS if not words or any(word in one.name for word in words)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        outcomes = threads.map(_without, chosen)
        unguarded = 0
        for one, outcome in zip(chosen, outcomes, strict=True):
            unguarded += not outcome.guarded
            print(f"{'guarded' if outcome.guarded else 'NOT GUARDED'}: {one.name}: {outcome.told}", flush=True)
    print(f"{len(chosen) - unguarded} of {len(chosen)} protections are guarded.")
    return 1 if unguarded or not chosen else 0


def _without(one: Protection) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="ic-without-") as folder:
        copy = Path(shutil.copytree(ROOT, Path(folder) / "tree", ignore=OUT_OF_IT))
        file = copy / one.file
        code = file.read_text()
        if code.count(one.text) != 1:
            return Outcome(False, f"its text is in {one.file} {code.count(one.text)} times")
        changed = code.replace(one.text, one.instead)
        compile(changed, one.file, "exec")
        file.write_text(changed)
        return _run(one, copy)


def _run(one: Protection, copy: Path) -> Outcome:
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-rN", "--no-header", "--tb=short", one.test, *one.options]
    # Each of those that run at once has ports of its own.
    ports = {"PYTEST_XDIST_WORKER": f"gw{threading.current_thread().name.rpartition('_')[2]}"}
    with subprocess.Popen(
        command,
        cwd=copy,
        env=os.environ | ports,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as run:
        try:
            told, _ = run.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            return Outcome(False, f"{one.test} took longer than {LONGEST} s")
        finally:
            with suppress(ProcessLookupError):  # what a test that was cut short has left
                os.killpg(run.pid, signal.SIGKILL)
    took = f"{time.monotonic() - began:.0f} s"
    lines = told.splitlines() or ["nothing"]
    last = lines[-1]
    if run.returncode == 0:
        return Outcome(False, f"{one.test} passes without it ({last})")
    # An error is something else than a failure: then the test did not get as far as to judge.
    if run.returncode != 1 or " failed" not in last or "error" in last:
        return Outcome(False, f"{one.test} did not run: {last}")
    said = next((line for line in lines if line.startswith("E  ")), "")
    return Outcome(True, f"{one.test.partition('::')[2]} fails after {took}: {said[1:].strip()[:160]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
