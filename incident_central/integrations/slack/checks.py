"""Checks of Slack: the token, what it may do, the announce channel, limit and clock. Nothing here writes.

Checks of commands, of the signing secret and of socket mode join in `check_slack`, each as one more `attempt`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from incident_central.findings import Finding
from incident_central.integrations.base import IntegrationError
from incident_central.integrations.slack.client import Slack
from incident_central.integrations.slack.findings import SLACK
from incident_central.integrations.slack.manifest import OPENS_CHANNELS, SCOPES

Json = dict[str, Any]

CLOCKS_MAY_DIFFER = 10.0  # seconds
#: Public channels looked through for one that the bot is not in: the list takes 20 calls a minute. (fact sheet 2)
MOST_CHANNELS = 2000

#: So many scopes that are not needed are named.
MOST_NAMED = 6
TOKEN = {
    "token_revoked": "slack.token-revoked",
    "account_inactive": "slack.token-revoked",
    "token_expired": "slack.token-expired",
    "not_allowed_token_type": "slack.token-of-the-app",
    "invalid_auth": "slack.token-refused",
    "not_authed": "slack.token-refused",
}


def check_slack(
    slack: Slack, *, token: str, announce_channel: str, api_url: str, channel_opened: bool | None
) -> Iterator[Finding]:
    """`channel_opened`: whether the last channel that was to be opened was; False where Slack did not let the app open
    it, None where nobody knows."""
    if not token:
        yield SLACK.found("slack.token-missing", "Reports page and are recorded all the same.")
        return
    try:
        identity = slack.call("auth.test")
    except IntegrationError as error:
        yield _refused(error, api_url)
        if error.code not in TOKEN:
            yield not_checked("Scopes and channels", "Without an answer nothing else can be asked.")
        return
    yield from _check_identity(identity)
    if not identity.get("bot_id") or identity.get("is_enterprise_install"):
        return
    yield from _check_scopes(slack.scopes)
    yield _check_opening(channel_opened)
    if announce_channel:
        yield from attempt("The announce channel", lambda: _check_announce(slack, announce_channel, identity))
    yield _check_clock(slack)


def attempt(what: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a check finds; where Slack does not let it be made, that."""
    try:
        yield from check()
    except IntegrationError as error:
        if error.code == "429":
            yield SLACK.found("slack.rate-limited", str(error))
        yield not_checked(what, str(error))


def not_checked(what: str, said: str) -> Finding:
    return SLACK.found("slack.not-checked", said, what=what)


# ── the token ─────────────────────────────────────────────────────────────────────────────────────


def _refused(error: IntegrationError, api_url: str) -> Finding:
    host = urlsplit(api_url).hostname
    if error.code in TOKEN:
        return SLACK.found(TOKEN[error.code], f"Slack said {error.code}.")
    if error.code == "429":
        return SLACK.found("slack.rate-limited", str(error))
    if error.permanent:
        return not_checked("The token", str(error))
    return SLACK.found("slack.unreachable", f"{host}: {error}", address=host)


def _check_identity(identity: Json) -> Iterator[Finding]:
    """(fact sheet section 3: a person's token has no bot_id)"""
    who = f"workspace {identity.get('team')}, as {identity.get('user')}"
    if not identity.get("bot_id"):
        said = f"Slack says that it acts in {who}, who is no bot."
        yield SLACK.found("slack.token-of-a-person", said)
    elif identity.get("is_enterprise_install"):
        yield SLACK.found("slack.org-wide", f"Slack says so of the token of {identity.get('user')}.")
    else:
        yield SLACK.found("slack.token-works", f"It acts in {who}.")


# ── what the app may do ───────────────────────────────────────────────────────────────────────────


def _check_scopes(scopes: frozenset[str] | None) -> Iterator[Finding]:
    if scopes is None:
        yield not_checked("Scopes", "Slack's answer did not say which scopes the token has.")
        return
    missing = [scope for scope in SCOPES if scope.name not in scopes]
    said = "Slack listed the scopes of the token, and it is not among them."
    for scope in missing:
        if scope.name == OPENS_CHANNELS:
            yield SLACK.found("slack.may-not-open-channels", said, scope=scope.name)
        else:
            yield SLACK.found("slack.scope-missing", said, scope=scope.name, what=scope.without)
    if not missing:
        yield SLACK.found("slack.scopes-complete", f"Slack listed all {len(SCOPES)} for the token.")
    if extra := sorted(scopes - {scope.name for scope in SCOPES}):
        more = f" and {len(extra) - MOST_NAMED} more" if len(extra) > MOST_NAMED else ""
        said = f"Slack listed for the token also {', '.join(extra[:MOST_NAMED])}{more}."
        yield SLACK.found("slack.extra-scope", said)


def _check_opening(channel_opened: bool | None) -> Finding:
    if channel_opened is None:
        return SLACK.found("slack.channels-untried", "None has been opened from here yet.")
    if channel_opened:
        return SLACK.found("slack.channels-open", "The last incident got one.")
    return SLACK.found("slack.channels-restricted", "Slack said restricted_action to the last channel that was wanted.")


# ── the announce channel ──────────────────────────────────────────────────────────────────────────


def _check_announce(slack: Slack, wanted: str, identity: Json) -> Iterator[Finding]:
    bot = str(identity.get("user") or "Incident Central")
    row, whole = _channel(slack, wanted)
    if row is None:
        if not whole:
            said = f"It is not among the {MOST_CHANNELS:,} public channels that were looked through."
            yield not_checked(f"The announce channel {wanted}", said)
            return
        said = "Among the public channels, and the private ones that the bot is in, none has this name or id."
        yield SLACK.found("slack.announce-channel-missing", said, channel=wanted, bot=bot)
        return
    about = {"channel": f"#{row.get('name')}", "bot": bot}
    if row.get("is_archived"):
        yield SLACK.found("slack.announce-channel-archived", "Slack says so.", **about)
    elif not row.get("is_member"):
        said = "Slack says that the bot is not a member."
        yield SLACK.found("slack.announce-channel-without-bot", said, **about)
    else:
        yield SLACK.found("slack.announce-channel-works", "The bot is a member.", **about)


def _channel(slack: Slack, wanted: str) -> tuple[Json | None, bool]:
    """The channel by id or name; and, where there is none, whether all were looked through.

    First the bot's own, which are few. Slack's list does not say of these that the bot is a member.
    """
    ours = slack.rows("users.conversations", "channels", most=MOST_CHANNELS, types="public_channel,private_channel")
    for row in ours:
        if wanted in (row["id"], row["name"]):
            return row | {"is_member": True}, True
    known = slack.call("conversations.info", allowed={"channel_not_found"}, channel=wanted)
    if known["ok"]:
        return known["channel"], True
    rows = slack.rows("conversations.list", "channels", most=MOST_CHANNELS, types="public_channel")
    return next((row for row in rows if row["name"] == wanted), None), len(rows) < MOST_CHANNELS


def _check_clock(slack: Slack) -> Finding:
    if abs(slack.clock_ahead) > CLOCKS_MAY_DIFFER:
        which = "ahead of" if slack.clock_ahead > 0 else "behind"
        said = f"By the Date of its answer, Slack is {which} this machine."
        return SLACK.found("slack.clock-skew", said, seconds=f"{abs(slack.clock_ahead):.0f}")
    return SLACK.found("slack.clock-agrees", "By the Date of its answer.")
