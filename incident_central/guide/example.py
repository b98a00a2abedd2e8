"""An example service, with whoever is on call for it: each part is shown before it is made, and may be left out."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from incident_central import parse
from incident_central.guide.asking import Terminal
from incident_central.guide.making import ask_for_role, make
from incident_central.guide.settings_file import SettingsFile
from incident_central.integrations.pagerduty import creating
from incident_central.integrations.pagerduty.client import PagerDuty
from incident_central.integrations.pagerduty.creating import Wanted

NAME = "Example service"
LONGEST_NAME = 100  # characters; PagerDuty's own limit is not documented for all of them


def ask(
    terminal: Terminal, file: SettingsFile, pager_of: Callable[[str], PagerDuty], *, from_email: str, head: str
) -> None:
    """Made as the `head` of PagerDuty, where there is one: a From user that only pages may not be allowed to."""
    maker = head or from_email
    pager = pager_of(maker)
    if (services := terminal.done(pager.services)) is None:
        return
    names = [service.name for service in services]
    if names:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        terminal.say(f"  PagerDuty has {len(names)} services: {', '.join(names[:5])}{more}.")
    else:
        terminal.say("  PagerDuty has no service yet, so there is nothing to page for.")
    question = "Make an example service, with a schedule, an escalation policy and invitations?"
    if terminal.wants(question, default=not names):
        _make(terminal, file, pager, from_email=from_email, maker=maker)


def _make(terminal: Terminal, file: SettingsFile, pager: PagerDuty, *, from_email: str, maker: str) -> None:
    name = terminal.ask("Its name", _name, default=NAME)
    emails = terminal.ask(
        "E-mails of those who take turns on call, parted by blanks; new ones are invited",
        partial(_emails, from_email=from_email),
    )
    role = ask_for_role(terminal, "Role of those who are invited")
    wanted, invited = [_person(email, role) for email in emails], f", invited as {maker}"
    people = [row for one in wanted if (row := make(terminal, pager, one, more=invited)) is not None]
    if not people:
        return terminal.say("  Nobody is on call for it, so nothing more is made.")
    zone = file.value("TIME_ZONE", "UTC")
    ids, now = [str(row["id"]) for row in people], datetime.now(ZoneInfo(zone))
    schedule = make(terminal, pager, creating.schedule(f"{name}: on call", user_ids=ids, zone=zone, now=now))
    if schedule is None:
        return terminal.say("  Without a schedule nobody would be paged, so nothing more is made.")
    policy = make(terminal, pager, creating.policy(name, schedule_id=str(schedule["id"])))
    if policy is None:
        return terminal.say("  A service needs an escalation policy, so nothing more is made.")
    if make(terminal, pager, creating.service(name, policy_id=str(policy["id"]))) is not None:
        terminal.say("  Who is on call needs a phone number or PagerDuty's app there, or no phone rings.")
    return None


def _person(email: str, role: str) -> Wanted:
    """They write their name better themselves, when they accept the invitation."""
    name = email.partition("@")[0].replace(".", " ").replace("_", " ").title()
    return creating.user(email, name=name, role=role)


def _name(text: str) -> str:
    if len(text) > LONGEST_NAME:
        raise ValueError(f"must have at most {LONGEST_NAME} characters")
    return text


def _emails(text: str, *, from_email: str) -> list[str]:
    emails = list(dict.fromkeys(parse.email(word).lower() for word in parse.words(text)))
    if from_email.lower() in emails:
        raise ValueError(f"must not hold {from_email}: whoever pages are made by is never on call")
    return emails
