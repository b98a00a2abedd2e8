"""Something in PagerDuty that is wanted: found and kept, or shown exactly as it will be made, and made after asking."""

import json
from typing import Any

from incident_central.guide.asking import Terminal
from incident_central.integrations.pagerduty import creating
from incident_central.integrations.pagerduty.client import PagerDuty
from incident_central.integrations.pagerduty.creating import Wanted

Json = dict[str, Any]

#: Who may page, and be paged. Accounts with basic roles have the second alone, and call it User.
ROLES = ("limited_user", "user")


def make(terminal: Terminal, pager: PagerDuty, wanted: Wanted, *, more: str = "") -> Json | None:
    """It, as PagerDuty has it; None where it is not wanted after all, or could not be made. Safe to repeat.

    `more` is what stands in no body.
    """
    what = f"{wanted.kind.replace('_', ' ')} “{wanted.name}”"
    there = terminal.done(lambda: creating.find(pager, wanted) or {})
    if there is None:
        return None
    if there:
        terminal.say(f"  The {what} is there already, and is kept as it is.")
        return there
    terminal.say(f"  This is made in PagerDuty (POST {wanted.path}{more}):")
    terminal.show(json.dumps(wanted.body, indent=2, ensure_ascii=False))
    if not terminal.wants("Make it?", default=True):
        return None
    row = terminal.done(lambda: creating.make(pager, wanted))
    if row is not None:
        terminal.say(f"  The {what} is there.")
    return row


def ask_for_role(terminal: Terminal, whose: str) -> str:
    return terminal.ask(
        f"{whose}: limited_user (Responder), or user (Manager; with basic roles, User)", _role, default=ROLES[0]
    )


def _role(text: str) -> str:
    if text not in ROLES:
        raise ValueError(f"must be {' or '.join(ROLES)}")
    return text
