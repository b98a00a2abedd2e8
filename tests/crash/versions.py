"""`incident-central` as another version would be: `python -m tests.crash.versions older serve …`.

older   does `greet` and `part`, which the version at hand does not any more, and no `note` and `bookmark_page` yet
newer   calls `summary` `brief`
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from incident_central.jobs.workflow import Record, Step, Workflow

ADDED = ("note", "bookmark_page")


def main() -> int:
    os.environ["DJANGO_SETTINGS_MODULE"] = "incident_central.settings"
    django.setup()
    from incident_central.incidents import response

    # Before anybody else reads it.
    response.RESPONSE = {"older": _older, "newer": _newer}[sys.argv[1]](response.RESPONSE)
    from incident_central import cli

    return cli.main(sys.argv[2:])


def _older(current: Workflow) -> Workflow:
    from incident_central.jobs.workflow import Step

    kept = [step for step in current.steps if step.name not in ADDED]
    greet = Step("greet", _greet, after=("open_channel",), lane="slack")
    part = Step("part", _greet, after=("greet",), lane="slack")
    return replace(current, steps=(*kept, greet, part))


def _greet(subject: object) -> Record:
    from incident_central.outside import CallFailed

    raise CallFailed("Nobody is there to be greeted.")


def _newer(current: Workflow) -> Workflow:
    return replace(current, steps=tuple(_renamed(step) for step in current.steps))


def _renamed(step: Step) -> Step:
    if step.name == "summary":
        return replace(step, name="brief", was=("summary",))
    return replace(step, after=tuple("brief" if name == "summary" else name for name in step.after))


if __name__ == "__main__":
    sys.exit(main())
