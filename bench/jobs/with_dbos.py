"""DBOS: one durable workflow whose steps run side by side.

Each workflow keeps its executor's id, so a restart under the same id goes on with it; step ids are drawn in the order
of the text, and a step that is added later stands behind a patch: docs.dbos.dev/python/tutorials/workflow-tutorial,
…/upgrading-workflows and docs.dbos.dev/production/workflow-recovery. Threads are not limited, which is the default:
each workflow under way holds one of them, so with a limit many workflows at once leave none for their steps.
"""

import asyncio
import sqlite3

from dbos import DBOS, SetWorkflowID, StepOptions

from bench.jobs.workload import ADDED, FOLLOWING, Outside, Setting


class Dbos:
    def __init__(self, setting: Setting, outside: Outside) -> None:
        self._begun_here: set[str] = set()
        self._setting = setting

        async def call(key: str, step: str) -> None:
            # The library does not say whether a step may have run before. What another process began may have.
            status = DBOS.step_status
            doubtful = key not in self._begun_here or bool(status and status.current_attempt)
            await asyncio.to_thread(outside.call, key, step, doubtful=doubtful)

        def begin(key: str, step: str) -> asyncio.Task[None]:
            options: StepOptions = {"name": step, "retries_allowed": True, "max_attempts": 100}
            return asyncio.create_task(DBOS.reserve_step().run_async(options, call, key, step))

        @DBOS.workflow(name="respond")
        async def respond(key: str) -> None:
            page, channel = begin(key, "page"), begin(key, "channel")
            await channel
            added = setting.version > 1 and await DBOS.patch_async(ADDED)
            rest = [begin(key, step) for step in (*FOLLOWING, *([ADDED] if added else []))]
            await page
            await asyncio.gather(begin(key, "note"), *rest)

        self._respond = respond

    def start(self) -> None:
        if self._setting.sqlite:
            with sqlite3.connect(self._setting.sqlite) as connection:
                connection.execute("PRAGMA journal_mode=WAL")  # not its default, and faster
        DBOS(
            config={
                "name": "bench",
                "system_database_url": self._setting.database,
                "executor_id": self._setting.executor,
                "application_version": "1",  # so that a new version of the code goes on with what an old one began
                "sys_db_pool_size": 20,
                "log_level": "WARNING",
            }
        )
        DBOS.launch()

    def submit(self, key: str) -> None:
        self._begun_here.add(key)
        with SetWorkflowID(key):
            DBOS.start_workflow(self._respond, key)

    def running(self, key: str) -> list[str]:
        steps = DBOS.list_workflow_steps(key)
        return [step["function_name"] for step in steps if step["completed_at_epoch_ms"] is None]

    def unfinished(self) -> int:
        return len(DBOS.list_workflows(status=["PENDING", "ENQUEUED"]))

    def rescue(self) -> None:
        """What a detector of one's own would call on learning that a replica is dead."""
        pending = DBOS.list_workflows(status="PENDING")
        DBOS.resume_workflows([one.workflow_id for one in pending if one.executor_id != self._setting.executor])


make = Dbos
