"""Checks of PagerDuty, of what is asked once: the key, the From user, priorities, webhooks, limit and clock.

Services and the people on call are in on_call_checks.py. Nothing here writes or pages; a check that cannot be made says
so.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from incident_central.findings import Finding
from incident_central.integrations.base import IntegrationError, PagerUser
from incident_central.integrations.pagerduty.account import AHEAD
from incident_central.integrations.pagerduty.calls import ACCOUNT_EXPIRED
from incident_central.integrations.pagerduty.client import PagerDuty
from incident_central.integrations.pagerduty.drill_names import is_of_drill
from incident_central.integrations.pagerduty.findings import PAGERDUTY
from incident_central.integrations.pagerduty.shapes import user_of

Json = dict[str, Any]

INTEGRATION_KEY_LENGTH = 32  # a REST key has 20 characters (fact sheet section 1)
#: Roles, as the API names them. (fact sheet sections 0.5 and 7)
STAKEHOLDERS = ("read_only_user", "read_only_limited_user")
ONLY_BY_TEAM_ROLE = ("observer", "restricted_access")
#: Below this part of the limit, others are too many.
NEARLY_USED = 0.25
CLOCKS_MAY_DIFFER = 10.0  # seconds
#: A change should have been told by a webhook after so long.
TOLD_WITHIN = timedelta(minutes=10)
EU, US = "https://api.eu.pagerduty.com", "https://api.pagerduty.com"


@dataclass(frozen=True)
class Webhooks:
    """What we know of webhooks. `ours`: subscriptions whose secret we have. `last_change_at`: when something last
    happened in PagerDuty that a webhook of ours should have told of. `refused`: when and why one was, with none that
    was taken since; else empty."""

    address: str
    ours: frozenset[str]
    has_secret: bool
    last_at: datetime | None
    last_change_at: datetime | None
    refused: str


def check_access(
    pager: PagerDuty, *, api_key: str, from_email: str, api_url: str, webhooks: Webhooks | None
) -> Iterator[Finding]:
    """The key first: without it nothing else can be asked. `webhooks` is None where the database does not say."""
    if not api_key:
        yield PAGERDUTY.found("pagerduty.key-missing", "Nobody can be paged, so no report is taken.")
    if not from_email:
        yield PAGERDUTY.found("pagerduty.from-missing", "PagerDuty makes an incident only as one of its users.")
    if not api_key:
        return
    try:
        pager.abilities()
    except IntegrationError as error:
        yield _refused(error, api_key, api_url)
        yield not_checked("The From user, priorities and webhooks", "Without an answer nothing else can be asked.")
        return
    limit = pager.limit  # before we ask much ourselves
    yield from attempt("Write access", lambda: _check_writing(pager))
    yield from attempt("The From user", lambda: check_from(pager, from_email, api_url))
    yield from attempt("Priorities", lambda: _check_priorities(pager))
    yield from attempt("Webhooks", lambda: _check_webhooks(pager, webhooks))
    yield from _check_limit(limit)
    yield _check_clock(pager)


def attempt(what: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a check finds; where PagerDuty does not let it be made, that."""
    try:
        yield from check()
    except IntegrationError as error:
        yield not_checked(what, str(error))


def not_checked(what: str, said: str) -> Finding:
    return PAGERDUTY.found("pagerduty.not-checked", said, what=what)


def check_key(pager: PagerDuty, *, api_key: str, api_url: str) -> Iterator[Finding]:
    """What this key is, asked only at the address that was chosen: it travels nowhere else."""
    try:
        pager.abilities()
    except IntegrationError as error:
        yield _refused(error, api_key, api_url)
        return
    yield from attempt("Write access", lambda: _check_writing(pager))
    yield from attempt("Whose key it is", lambda: _check_owner(pager, pager.owner_of_key()))


# ── the key ───────────────────────────────────────────────────────────────────────────────────────


def _refused(error: IntegrationError, api_key: str, api_url: str) -> Finding:
    host = urlsplit(api_url).hostname
    if error.code == ACCOUNT_EXPIRED:
        return PAGERDUTY.found("pagerduty.account-expired", str(error))
    if error.code in ("401", "403"):
        if len(api_key) == INTEGRATION_KEY_LENGTH:
            said = f"{host} refused it, and it has 32 characters: a key for alerts of machines has, an API key has 20."
            return PAGERDUTY.found("pagerduty.key-of-an-integration", said)
        said = f"{host} answered {error.code}: the key is wrong or deleted, or the account is in the other region."
        return PAGERDUTY.found("pagerduty.key-refused", said)
    if error.permanent or error.code == "429":
        return not_checked("The API key", str(error))
    return PAGERDUTY.found("pagerduty.unreachable", f"{host}: {error}", address=host)


def _check_writing(pager: PagerDuty) -> Iterator[Finding]:
    if not pager.may_write():
        said = "PagerDuty let it read, but refused a harmless write: a schedule preview, which stores nothing (403)."
        yield PAGERDUTY.found("pagerduty.key-read-only", said)
    else:
        said = "PagerDuty answered a schedule preview, which stores nothing."
        yield PAGERDUTY.found("pagerduty.key-works", said)


# ── as whom pages are made ────────────────────────────────────────────────────────────────────────


def check_from(pager: PagerDuty, from_email: str, api_url: str) -> Iterator[Finding]:
    """Whether pages can be made as this user; first, whose own key ours is, if anybody's."""
    owner = pager.owner_of_key()
    yield from _check_owner(pager, owner)
    if not from_email:
        return
    row = pager.find_user(from_email)
    if row is None:
        said = "None of its users logs in with this e-mail; those that were removed are not among them."
        yield PAGERDUTY.found("pagerduty.from-unknown", said, email=from_email)
        return
    user = user_of(row)
    yield from _check_region(user.url, api_url)
    troubles = [*_check_role(row, user), *(_check_off_call(pager, user) if owner is None else ())]
    yield from troubles or [PAGERDUTY.found("pagerduty.from-works", f"{user.name}, {from_email}")]


def _check_owner(pager: PagerDuty, owner: PagerUser | None) -> Iterator[Finding]:
    if owner is not None:
        said = f"PagerDuty says that it is a key of {owner.name} ({owner.email}), and not one of the account."
        yield PAGERDUTY.found("pagerduty.key-of-a-person", said, url=owner.url, person=owner.name)
        yield from _check_off_call(pager, owner)


def _check_region(url: str, api_url: str) -> Iterator[Finding]:
    """Every link of an account names its region. (fact sheet section 2)"""
    host = urlsplit(url).hostname or ""
    if not host.endswith(".pagerduty.com"):
        return
    right = EU if host.endswith(".eu.pagerduty.com") else US
    if urlsplit(api_url).hostname != urlsplit(right).hostname:
        said = f"Its pages are on {host}, and we ask {urlsplit(api_url).hostname}, which may pass it on slowly or stop."
        yield PAGERDUTY.found("pagerduty.other-region", said, address=right)


def _check_role(row: Json, user: PagerUser) -> Iterator[Finding]:
    role = str(row.get("role"))
    if row.get("invitation_sent"):
        said = "PagerDuty may refuse what is done as somebody who has never signed in."
        yield PAGERDUTY.found("pagerduty.from-invited", said, url=user.url, email=user.email)
    if role in STAKEHOLDERS:
        said = f"PagerDuty says that its role is {role}."
        yield PAGERDUTY.found("pagerduty.from-stakeholder", said, url=user.url, email=user.email)
    elif role in ONLY_BY_TEAM_ROLE:
        said = f"PagerDuty says that its role is {role}."
        yield PAGERDUTY.found("pagerduty.from-role-doubtful", said, url=user.url, email=user.email)


def _check_off_call(pager: PagerDuty, user: PagerUser) -> Iterator[Finding]:
    """(fact sheet section 1: whoever makes an incident that is assigned to them is not notified)"""
    rows = pager.rows("/oncalls", user_ids=[user.id], **_ahead())
    named = [row["escalation_policy"] for row in rows]
    policies = sorted({str(policy.get("summary")) for policy in named if not is_of_drill(policy)})
    if policies:
        said = "PagerDuty names them among those on call in the next 14 days."
        listed = ", ".join(policies)
        yield PAGERDUTY.found("pagerduty.from-on-call", said, url=user.url, person=user.name, policies=listed)


def _ahead() -> Json:
    now = datetime.now().astimezone()
    return {"since": now.isoformat(timespec="seconds"), "until": (now + AHEAD).isoformat(timespec="seconds")}


# ── priorities, webhooks, limit, clock ────────────────────────────────────────────────────────────


def _check_priorities(pager: PagerDuty) -> Iterator[Finding]:
    names = [priority.name for priority in pager.priorities()]
    if names:
        yield PAGERDUTY.found("pagerduty.priorities-on", ", ".join(names))
    else:
        yield PAGERDUTY.found("pagerduty.priorities-off", "PagerDuty lists none: they are off, or the plan has none.")


def _check_webhooks(pager: PagerDuty, known: Webhooks | None) -> Iterator[Finding]:
    if known is None:
        yield not_checked("Webhooks", "The database does not say which of PagerDuty's subscriptions is ours.")
        return
    if known.refused:
        yield PAGERDUTY.found("pagerduty.webhook-refused", f"Incident Central refused it {known.refused}.")
    if not known.address:
        said = "BASE_URL is not set, so PagerDuty cannot know where we are."
        yield PAGERDUTY.found("pagerduty.webhook-missing", said)
        return
    rows = pager.rows("/webhook_subscriptions", filter_type="account")
    here = [row for row in rows if _address(row) == known.address]
    moved = [row for row in rows if row["id"] in known.ours and row not in here]
    if not here:
        if moved:
            said = "It is the subscription that we made."
            old = _address(moved[0])
            yield PAGERDUTY.found("pagerduty.webhook-old-address", said, old=old, address=known.address)
        else:
            said = f"PagerDuty has no subscription of the whole account that leads to {known.address}."
            yield PAGERDUTY.found("pagerduty.webhook-missing", said)
        return
    yield from _check_subscription(here, known)


def _check_subscription(here: list[Json], known: Webhooks) -> Iterator[Finding]:
    """Of those that lead to us, one has to work. What was refused has been told: then nothing passes."""
    usable = [row for row in here if known.has_secret or row["id"] in known.ours]
    on = [row for row in usable if row.get("active", True) and not row["delivery_method"].get("temporarily_disabled")]
    last, change = known.last_at, known.last_change_at
    if not usable:
        said = f"Its subscription to {known.address} is none that we made, so each one is refused as forged."
        yield PAGERDUTY.found("pagerduty.webhook-secret-unknown", said)
    elif not on:
        said = "PagerDuty says that the subscription is not active. Meanwhile it is asked every 15 seconds."
        yield PAGERDUTY.found("pagerduty.webhook-disabled", said, address=known.address)
    elif known.refused:
        return
    elif change and (last is None or last < change - TOLD_WITHIN):
        said = "Its log told of changes that came without a webhook. Meanwhile it is asked every 15 seconds."
        yield PAGERDUTY.found("pagerduty.webhook-silent", said, address=known.address)
    else:
        said = "Some came in the last three days." if last else "None came lately; nothing happened, either."
        yield PAGERDUTY.found("pagerduty.webhook-works", f"To {known.address}. {said}")


def _address(row: Json) -> str:
    return str(row["delivery_method"].get("url") or "")


def _check_limit(limit: tuple[float, float] | None) -> Iterator[Finding]:
    if limit is None:
        yield not_checked("The rate limit", "PagerDuty's answer did not say how many requests are left.")
        return
    left, most = limit
    said = f"PagerDuty said that {left:.0f} of {most:.0f} requests are left in this minute."
    if left < most * NEARLY_USED:
        yield PAGERDUTY.found("pagerduty.rate-limit-nearly-used", said)
    else:
        yield PAGERDUTY.found("pagerduty.rate-limit-free", said)


def _check_clock(pager: PagerDuty) -> Finding:
    if abs(pager.clock_ahead) > CLOCKS_MAY_DIFFER:
        which = "ahead of" if pager.clock_ahead > 0 else "behind"
        said = f"By the Date of its answer, PagerDuty is {which} this machine."
        return PAGERDUTY.found("pagerduty.clock-skew", said, seconds=f"{abs(pager.clock_ahead):.0f}")
    return PAGERDUTY.found("pagerduty.clock-agrees", "By the Date of its answer.")
