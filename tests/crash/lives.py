"""Many lives of one hub, each ended by kill -9, and many reports that are sent until they are answered."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from http.client import HTTPException
from typing import Self
from uuid import uuid4

from tests.processes import ROOT, Hub, eventually, moment, report_form

UNFINISHED = """SELECT DISTINCT j.key FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id
                WHERE j.workflow = 'response' AND s.state NOT IN ('done', 'off', 'by-hand')"""
FINISHED = """SELECT j.key, max(s.finished_at) AS at FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id
              WHERE j.workflow = 'response' GROUP BY j.key"""


class Lives:
    """The lives of one hub, in processes of `mortal.py`, which can be told where to die."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._pid = 0
        with (hub.folder / "hub.log").open("a") as log:
            self._births = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.mortal", str(hub.port)],
                env=hub.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )
        hub.process = self._births

    def begin(self, dies_at: str = "") -> None:
        assert self._births.stdin is not None
        assert self._births.stdout is not None
        self._births.stdin.write(f"{dies_at}\n")
        self._births.stdin.flush()
        self._pid = int(self._births.stdout.readline())
        eventually(lambda: self.hub.answers("/healthz"))

    def arm(self) -> None:
        """From now on it dies where it was told to."""
        os.kill(self._pid, signal.SIGUSR1)

    def dies(self, *, within: float) -> bool:
        until = time.monotonic() + within
        while self._lives() and time.monotonic() < until:
            time.sleep(0.01)
        return not self._lives()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        eventually(lambda: not self._lives())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pid and self._lives():
            self.kill()
        assert self._births.stdin is not None
        self._births.stdin.close()
        self._births.wait(timeout=10)

    def _lives(self) -> bool:
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return False
        return True


class Reports:
    """Dana's reports, several at a time, each sent again with the same id until it is answered."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._form = report_form(hub)
        self._threads = ThreadPoolExecutor(12)
        self._answers: list[Future[str]] = []
        self._ended = False

    def send(self, *, until_under_way: int) -> None:
        """Enough that so many are under way, those not yet answered counted."""
        waiting = sum(not answer.done() for answer in self._answers)
        count = max(0, until_under_way - waiting - len(self.under_way()))
        self._answers += [self._threads.submit(self._send) for _ in range(count)]

    def answered(self) -> list[str]:
        """The name that each of them got, once all have one."""
        return [answer.result(timeout=30) for answer in self._answers]

    def under_way(self) -> set[str]:
        """The incidents whose response is not finished."""
        return {row["key"] for row in self._hub.rows(UNFINISHED)}

    def finished(self) -> dict[str, datetime]:
        """When the last step of each response ended, by the database's clock."""
        return {row["key"]: moment(row["at"]) for row in self._hub.rows(FINISHED)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._threads.shutdown(cancel_futures=True)

    def _send(self) -> str:
        form = self._form | {"report_id": str(uuid4())}
        while not self._ended:
            try:
                return self._hub.dana.post("/report", form).incident
            except (urllib.error.URLError, OSError, HTTPException):
                time.sleep(0.05)
        raise TimeoutError("never answered")
