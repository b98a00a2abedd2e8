"""`incident-central` whose commits of reports end in doubt: `python -m tests.crash.uncertain HOW serve …`.

done      committed, and then the connection broke
undone    the connection broke before it was committed
late      committed, three seconds later
slowly    committed, after 0.6 seconds
"""

import sys
import time

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper


def main() -> int:
    watch_commits(sys.argv[1])
    from incident_central import cli

    return cli.main(sys.argv[2:])


def watch_commits(how: str) -> None:
    from incident_central import outage

    real = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]

    def commit(self: BaseDatabaseWrapper) -> None:
        # A report's commit is the only one for a browser after which something is started. Only the first is in doubt.
        is_report = bool(self.run_on_commit) and hasattr(outage._here, "is_database_thread")
        if not is_report or BaseDatabaseWrapper._in_doubt:  # type: ignore[attr-defined]
            real(self)
            return
        BaseDatabaseWrapper._in_doubt = True  # type: ignore[attr-defined]
        time.sleep({"late": 3.0, "slowly": 0.6}.get(how, 0.0))
        if how != "undone":
            real(self)
        if how.startswith(("done", "undone")):
            raise OperationalError("the connection broke")

    BaseDatabaseWrapper._commit = commit  # type: ignore[attr-defined]
    BaseDatabaseWrapper._in_doubt = False  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
