"""incident-central serve | worker | doctor | backup | import | setup | demo | sandbox | manage: the command line.

What keeps it from starting (a setting that is missing or wrong, a folder in use, a database out of reach) is said in
one clear line, with exit code 2.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import django

from incident_central import parse
from incident_central.start import CannotStart

SETTINGS = "incident_central.settings"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    try:
        if command == "manage":
            return _manage(rest)
        if command == "demo":
            from incident_central import demo

            return demo.main(rest)
        if command == "sandbox":
            from incident_central import sandbox

            return sandbox.main(rest)
        options = _parser().parse_args(arguments)
        if options.command == "setup" and options.what == "guided":
            from incident_central import guide

            return guide.run(options.file)
        os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
        if options.command == "serve" and options.worker:
            _hold_folder()
        django.setup()
        from incident_central import serve

        if options.command == "doctor":
            from incident_central.doctor import command as doctor

            return doctor.run(as_json=options.json)
        if options.command == "backup":
            from incident_central import backup

            print(backup.make(options.file, replace=options.replace))
            return 0
        if options.command == "import":
            return _import(options.source, do=options.yes)
        if options.command == "setup" and options.what == "manifest":
            return _print_manifest()
        if options.command == "setup":
            return _set_up_webhook(test=options.test)
        if options.command == "worker":
            return serve.work()
        return serve.serve(host=options.host, port=options.port, worker=options.worker)
    except CannotStart as reason:
        print(f"incident-central: {reason}", file=sys.stderr)
        return 2


def _hold_folder() -> None:
    """Before all that takes time: from now on a predecessor on SQLite is known to be dead, and what it may have sent is
    on its way. What keeps the folder from being held is said when the work begins."""
    from django.db import connection

    from incident_central.jobs.ownership import make_ownership

    if connection.vendor == "sqlite":
        with suppress(OSError):
            make_ownership()


def _print_manifest() -> int:
    from django.conf import settings

    from incident_central.integrations.slack.manifest import manifest

    print(manifest(settings.BASE_URL), end="")
    return 0


def _set_up_webhook(*, test: bool) -> int:
    from django.db import DatabaseError

    from incident_central.incidents import subscribing
    from incident_central.incidents.reporting import missing_settings
    from incident_central.integrations.base import IntegrationError

    if missing := missing_settings():
        raise CannotStart(f"{' and '.join(missing)} must be set first. See docs/setup/1-pagerduty.md.")
    try:
        print(subscribing.set_up())
        if not test:
            return 0
        if not subscribing.test():
            print(
                "Its test has not arrived within 5 seconds. Is the hub running, and does PagerDuty reach it from the "
                f"internet at {subscribing.address()}? Until it does, changes are seen by asking every 15 seconds."
            )
            return 1
    except DatabaseError as error:
        raise CannotStart(_cannot_use_database(error)) from None
    except (ValueError, IntegrationError) as error:
        raise CannotStart(str(error)) from None
    print("Its test arrived.")
    return 0


def _import(source: str, *, do: bool) -> int:
    from django.db import DatabaseError

    from incident_central.incidents import earlier

    try:
        planned = earlier.plan(earlier.read(source))
        print(*planned.lines(), sep="\n")
        if not planned.new:
            print("There is nothing to do.")
        elif do:
            earlier.take_over(planned)
            print(f"{len(planned.new):,} were taken over. The table there is as it was.")
        else:
            print("Nothing was changed. Add --yes to take them over.")
    except DatabaseError as error:
        raise CannotStart(_cannot_use_database(error)) from None
    return 1 if planned.refused else 0


def _manage(arguments: list[str]) -> int:
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    from incident_central import settings  # noqa: F401  says what is wrong with a setting before Django does

    try:
        execute_from_command_line(["incident-central manage", *arguments])
    except DatabaseError as error:
        raise CannotStart(_cannot_use_database(error)) from None
    return 0


def _cannot_use_database(error: Exception) -> str:
    from incident_central.database import why_unusable

    return (
        f"the database cannot be used ({why_unusable(error)}). Check DATABASE_URL, and that it is running; "
        "`incident-central manage migrate` brings it up to date."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="incident-central")
    parser.add_argument("--version", action="version", version=version("incident-central"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the hub with the settings of the environment")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    serve.add_argument(
        "--port", type=parse.port, default=8000, help="port to listen on; 0 takes a free one (default: 8000)"
    )
    serve.add_argument(
        "--no-worker", dest="worker", action="store_false", help="web alone; `incident-central worker` does the work"
    )
    commands.add_parser("worker", help="the work alone, beside `serve --no-worker` (PostgreSQL)")
    doctor = commands.add_parser(
        "doctor",
        help="say what would keep a page from arriving, and how to mend it",
        description="Checks PagerDuty, Slack, the database and the hub itself. Changes nothing and pages nobody.",
        epilog="Exit code 2: something to fix. 1: something to look at, or that could not be checked. 0: neither.",
    )
    doctor.add_argument("--json", action="store_true", help="for programs")
    backup = commands.add_parser(
        "backup",
        help="copy SQLite's database while the hub runs; for PostgreSQL, say which command does it",
        epilog="Exit code 0: the backup was made, read back, and is whole. 2: there is none.",
    )
    backup.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="or a folder (default: DATA_DIR/backups, named by the time)"
    )
    backup.add_argument("--replace", action="store_true", help="also where FILE is there already")
    taking_over = commands.add_parser(
        "import",
        help="take over the incidents of an earlier Incident Central",
        description="Says what it would do, and does it with --yes. Reads the earlier database, and never writes to it."
        " Repeated, it takes over what is new there.",
        epilog="Exit code 0: all can be, or were. 1: all but some, which are named. 2: the text says why not.",
    )
    taking_over.add_argument(
        "source", metavar="SOURCE", help="SQLite's file, or postgresql://user:password@host:5432/name"
    )
    taking_over.add_argument("--yes", action="store_true", help="do it")
    setup = commands.add_parser(
        "setup",
        help="set it up, guided; webhook: have PagerDuty tell the hub of every change; manifest: of the Slack app",
        description="Alone: asks for everything, looks at each answer, and writes the settings to a file. webhook: has "
        "PagerDuty tell the hub of every change at once. manifest: prints what the Slack app is made from.",
        epilog="Exit code 1: it was ended before, or the webhooks' test did not arrive. 2: the text says why not.",
    )
    setup.add_argument("what", nargs="?", choices=["guided", "webhook", "manifest"], default="guided", help="guided")
    setup.add_argument(
        "--file", type=Path, default=Path(".env"), metavar="FILE", help="where guided writes them (default: .env)"
    )
    setup.add_argument(
        "--no-test", dest="test", action="store_false", help="webhook: while the hub does not run, send no test"
    )
    commands.add_parser("demo", help="hub and sandbox together: no accounts, and nobody is really paged")
    commands.add_parser("sandbox", help="make-believe PagerDuty and Slack, as real HTTP servers")
    commands.add_parser("manage", help="createadmin, createuser, deactivate: who signs in; also Django's own commands")
    return parser
