"""The hub's own jobs package. It runs in the hub's environment and on its settings."""

from functools import partial

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.migrations.executor import MigrationExecutor  # noqa: E402

from bench.jobs.workload import THREADS, Outside, Setting, graph  # noqa: E402
from incident_central.database import transaction  # noqa: E402
from incident_central.jobs.models import SETTLED, UNDER_WAY, StepRow, job_steps  # noqa: E402
from incident_central.jobs.ownership import make_ownership  # noqa: E402
from incident_central.jobs.runner import Runner, before_send, begin  # noqa: E402
from incident_central.jobs.workflow import Record, Step, Workflow  # noqa: E402


class Ours:
    def __init__(self, setting: Setting, outside: Outside) -> None:
        self._outside = outside
        steps = (
            Step(name, partial(self._call, name), partial(self._look, name), after)
            for name, after in graph(setting.version).items()
        )
        self._workflow = Workflow("response", tuple(steps), load=lambda key: key)

    def start(self) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", verbosity=0)
        Runner([self._workflow], ownership=make_ownership(), lanes={"default": THREADS}).start()

    def submit(self, key: str) -> None:
        with transaction():
            begin(self._workflow, key, key)
        connection.close()

    def running(self, key: str) -> list[str]:
        return list(job_steps("response", key).filter(state__in=UNDER_WAY).values_list("name", flat=True))

    def unfinished(self) -> int:
        return StepRow.objects.exclude(state__in=SETTLED).count()

    def rescue(self) -> None:
        """Replicas take over by themselves."""

    def _call(self, step: str, key: str) -> Record:
        before_send()
        self._outside.call(key, step, doubtful=False)
        return _nothing_to_write

    def _look(self, step: str, key: str) -> Record | None:
        before_send()
        return _nothing_to_write if self._outside.got_through(key, step) else None


def _nothing_to_write() -> None: ...


make = Ours
