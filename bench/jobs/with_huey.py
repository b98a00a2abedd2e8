"""huey: a chord of the first two steps whose callback is the last one; the channel enqueues what follows it.

Its consumer runs in the same process, and looks for work more often than the default of up to 10 s
(huey.readthedocs.io/en/latest/consumer.html). A task leaves the queue when it begins.
"""

from huey import SqliteHuey
from huey.api import Task, chord

from bench.jobs.workload import ADDED, FOLLOWING, Outside, Setting

RETRIES = 1000
WORKERS = 24  # each of them asks the database for work; with more of them it does little else


class Huey:
    def __init__(self, setting: Setting, outside: Outside) -> None:
        self._huey = huey = SqliteHuey("bench", filename=setting.sqlite, fsync=True)

        @huey.task(retries=RETRIES, retry_delay=1, retry_backoff=2, context=True)
        def step(key: str, name: str, task: Task) -> bool:
            outside.call(key, name, doubtful=task.retries < RETRIES)
            if name == "channel":
                for following in (*FOLLOWING, *([ADDED] if setting.version > 1 else [])):
                    step(key, following)
            return True

        @huey.task(retries=RETRIES, retry_delay=1, retry_backoff=2, context=True)
        def note(key: str, results: list[bool], task: Task) -> None:
            outside.call(key, "note", doubtful=task.retries < RETRIES)

        self._step, self._note = step, note

    def start(self) -> None:
        self._huey.create_consumer(workers=WORKERS, initial_delay=0.1, backoff=1.0, max_delay=0.1).start()

    def submit(self, key: str) -> None:
        first = [self._step.s(key, "page"), self._step.s(key, "channel")]
        self._huey.enqueue(chord(first, self._note.s(key)))

    def running(self, key: str) -> list[str]:
        return []  # what runs is in no table and in no call of its API

    def unfinished(self) -> int:
        return self._huey.pending_count() + self._huey.scheduled_count()

    def rescue(self) -> None:
        """Nothing is left to be rescued."""


make = Huey
