"""Procrastinate: a task for each step, which defers those that follow it.

It has no steps that wait for each other, so a table of ours says what is done; it is written in the transaction that
defers what follows: docs/howto/production/external_connection.md. Jobs of a dead worker are retried by a periodic task,
as docs/howto/production/retry_stalled_jobs.md has it, only sooner: there a worker counts as dead after 30 s and is
looked for every 10 minutes.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy
from procrastinate.jobs import Job
from procrastinate.types import JSONDict

from bench.jobs.workload import THREADS, Outside, Setting, graph

T = TypeVar("T")
HEARTBEAT, DEAD_AFTER = 2.0, 8.0  # seconds
TABLE = "CREATE TABLE IF NOT EXISTS steps_done (key text, step text, PRIMARY KEY (key, step))"


class Procrastinate:
    def __init__(self, setting: Setting, outside: Outside) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(THREADS))
        connector = PsycopgConnector(conninfo=setting.database, min_size=2, max_size=16)
        self._app = app = App(connector=connector)
        self._connector = connector
        steps = graph(setting.version)

        @app.task(name="step", pass_context=True, retry=RetryStrategy(exponential_wait=2))
        async def step(context: JobContext, key: str, name: str) -> None:
            await asyncio.to_thread(outside.call, key, name, doubtful=context.job.attempts > 0)
            async with connector.pool.connection() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [key])
                values = "INSERT INTO steps_done VALUES (%s, %s) ON CONFLICT DO NOTHING"
                if (await connection.execute(values, [key, name])).rowcount == 0:
                    return  # an earlier try came this far
                found = await connection.execute("SELECT step FROM steps_done WHERE key = %s", [key])
                done = {row[0] for row in await found.fetchall()}
                ready = [one for one, after in steps.items() if name in after and done.issuperset(after)]
                if ready:
                    following: list[JSONDict] = [{"key": key, "name": one} for one in ready]
                    await step.configure(connection=connection).batch_defer_async(*following)

        @app.periodic(cron="* * * * * */3")
        @app.task(queueing_lock="retry_stalled_jobs", pass_context=True)
        async def retry_stalled_jobs(context: JobContext, timestamp: int) -> None:
            for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER):
                await app.job_manager.retry_job(job)

        self._step = step

    def start(self) -> None:
        opened = threading.Event()
        threading.Thread(target=self._loop.run_until_complete, args=[self._work(opened)], daemon=True).start()
        opened.wait()

    async def _work(self, opened: threading.Event) -> None:
        try:
            async with self._app.open_async():
                async with self._connector.pool.connection() as connection:
                    found = await connection.execute("SELECT to_regclass('procrastinate_jobs')")
                    is_new = await found.fetchone() == (None,)
                    await connection.execute(TABLE)
                if is_new:
                    await self._app.schema_manager.apply_schema_async()
                opened.set()
                await self._app.run_worker_async(
                    concurrency=THREADS,
                    install_signal_handlers=False,
                    fetch_job_polling_interval=1,
                    update_heartbeat_interval=HEARTBEAT,
                    stalled_worker_timeout=DEAD_AFTER,
                )
        finally:
            # `procrastinate worker` ends as well when its worker does; a supervisor starts it anew.
            print("the worker ended", file=sys.stderr, flush=True)
            os._exit(1)

    def submit(self, key: str) -> None:
        self._wait(self._step.batch_defer_async({"key": key, "name": "page"}, {"key": key, "name": "channel"}))

    def running(self, key: str) -> list[str]:
        return [str(job.task_kwargs["name"]) for job in self._jobs("doing") if job.task_kwargs["key"] == key]

    def unfinished(self) -> int:
        return len(self._jobs("todo")) + len(self._jobs("doing"))

    def rescue(self) -> None:
        """The periodic task does."""

    def _jobs(self, status: str) -> list[Job]:
        return list(self._wait(self._app.job_manager.list_jobs_async(status=status, task="step")))

    def _wait(self, one: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(one, self._loop).result()


make = Procrastinate
