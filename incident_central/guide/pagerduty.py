"""Step 1: the key, the From user, and an example service for whoever wants one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from incident_central import parse
from incident_central.findings import Finding
from incident_central.guide import example
from incident_central.guide.asking import Terminal
from incident_central.guide.making import ask_for_role, make
from incident_central.guide.settings_file import SettingsFile
from incident_central.integrations.pagerduty import creating
from incident_central.integrations.pagerduty.checks import EU, US, attempt, check_from, check_key
from incident_central.integrations.pagerduty.client import PagerDuty

Json = dict[str, Any]

REGIONS = {"us": US, "eu": EU}
NAME = "Incident Central"


@dataclass(frozen=True)
class Account:
    """Where its PagerDuty is, and who rules there: the owner, else an administrator, else nobody that we know."""

    api_key: str
    api_url: str
    head: Json

    def pager(self, from_email: str) -> PagerDuty:
        return PagerDuty(api_key=self.api_key, from_email=from_email, api_url=self.api_url, before_send=lambda: None)


def ask(terminal: Terminal, file: SettingsFile) -> Account | None:
    """None where there is no key yet, or PagerDuty does not answer."""
    terminal.say("\nStep 1: PagerDuty. docs/setup/1-pagerduty.md says where in PagerDuty each thing is.")
    if (account := _ask_for_key(terminal, file)) is None:
        terminal.say("  Without a key nobody can be paged. Run this again when there is one.")
        return None
    file.put("PAGERDUTY_API_KEY", account.api_key)
    if account.api_url != file.value("PAGERDUTY_API_URL", US):
        file.put("PAGERDUTY_API_URL", account.api_url)
    if (users := terminal.done(partial(account.pager("").rows, "/users"))) is None:
        file.put("PAGERDUTY_FROM_EMAIL", _ask_for_email(terminal, file.value("PAGERDUTY_FROM_EMAIL")))
        return None
    account = Account(account.api_key, account.api_url, _head(users))
    from_email = _ask_for_from_user(terminal, file, account, users)
    file.put("PAGERDUTY_FROM_EMAIL", from_email)
    example.ask(terminal, file, account.pager, from_email=from_email, head=str(account.head.get("email", "")))
    _ask_for_fallback(terminal, file, account)
    return account


# ── the key ───────────────────────────────────────────────────────────────────────────────────────


def _ask_for_key(terminal: Terminal, file: SettingsFile) -> Account | None:
    """The key goes to the address that was chosen, and to no other. Where it is refused both are asked for again."""
    address, key = file.value("PAGERDUTY_API_URL", US), file.value("PAGERDUTY_API_KEY")
    while True:
        address = terminal.ask(
            "Where is your PagerDuty account: us, eu (its address ends in .eu.pagerduty.com), or its API's address",
            _region,
            default=next((word for word, url in REGIONS.items() if url == address), address),
        )
        key = terminal.ask_secret(
            "API key, of Integrations → Developer Tools → API Access Keys; it is not shown",
            parse.header_text,
            kept=key,
            optional=True,
        )
        if not key:
            return None
        account = Account(key, address, {})
        if terminal.takes(check_key(account.pager(""), api_key=key, api_url=address)):
            return account


def _region(text: str) -> str:
    return REGIONS.get(text.lower()) or parse.tool_address(text).rstrip("/")


def _head(users: Iterable[Json]) -> Json:
    by_role = {row.get("role"): row for row in users}
    return by_role.get("owner") or by_role.get("admin") or {}


# ── the From user ─────────────────────────────────────────────────────────────────────────────────


def _ask_for_from_user(terminal: Terminal, file: SettingsFile, account: Account, users: list[Json]) -> str:
    terminal.say(
        "  Pages are made as one user of its own, the From user, who must never be on call: PagerDuty rings nobody for "
        "what they make and are assigned to. Name one that there is, or an address for a new one, which somebody reads."
    )
    named = next((str(row["email"]) for row in users if row.get("name") == NAME), "")
    domain = str(account.head.get("email", "")).partition("@")[2]
    email = file.value("PAGERDUTY_FROM_EMAIL") or named or (f"incident-central@{domain}" if domain else "")
    while True:
        email = _ask_for_email(terminal, email)
        there = terminal.done(partial(_is_there, account, email))
        if there is False and not _make_from_user(terminal, account, email):
            continue
        if terminal.takes(_looked_at(account, email)):
            return email


def _is_there(account: Account, email: str) -> bool:
    return account.pager("").find_user(email) is not None


def _ask_for_email(terminal: Terminal, default: str) -> str:
    return terminal.ask("E-mail of the From user", parse.email, default=default)


def _make_from_user(terminal: Terminal, account: Account, email: str) -> bool:
    """PagerDuty wants to know who invites: its owner, or an administrator."""
    terminal.say(f"  PagerDuty has no user {email}.")
    inviter = str(account.head.get("email", "")) or terminal.ask(
        "E-mail of the administrator of PagerDuty who invites it", parse.email
    )
    wanted = creating.user(email, name=NAME, role=ask_for_role(terminal, "Its role"))
    return make(terminal, account.pager(inviter), wanted, more=f", invited as {inviter}") is not None


def _looked_at(account: Account, email: str) -> Iterator[Finding]:
    return attempt("The From user", lambda: check_from(account.pager(email), email, account.api_url))


# ── who does not know ─────────────────────────────────────────────────────────────────────────────


def _ask_for_fallback(terminal: Terminal, file: SettingsFile, account: Account) -> None:
    if (services := terminal.done(account.pager("").services)) is None:
        return
    known = {word.lower(): service.name for service in services for word in (service.name, service.id)}

    def read(text: str) -> str:
        if text and text.lower() not in known:
            raise ValueError("must be the name or the id of a service that PagerDuty has, or nothing")
        return known.get(text.lower(), "")

    there = file.value("FALLBACK_SERVICE")
    service = terminal.ask(
        "Service for whoever does not know what is broken",
        read,
        default=there if there.lower() in known else "",
        optional=True,
    )
    file.put("FALLBACK_SERVICE", service)
