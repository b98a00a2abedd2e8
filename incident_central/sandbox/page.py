"""The state page: phones that ring, the chat as its members see it, and buttons that break things."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.template import Context, Engine

from incident_central.sandbox import company
from incident_central.sandbox.failures import FAILURES, failure_of, in_words
from incident_central.sandbox.faults import WEBHOOKS
from incident_central.sandbox.pagerduty import phones
from incident_central.sandbox.pagerduty import view as website
from incident_central.sandbox.pagerduty.phones import Phone
from incident_central.sandbox.pagerduty.records import TRIGGERED
from incident_central.sandbox.server import Refused, Request, Response
from incident_central.sandbox.slack import view

if TYPE_CHECKING:
    from incident_central.sandbox.process import Sandbox

HERE = Path(__file__).parent
ENGINE = Engine(dirs=[str(HERE / "templates")])
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
THEMES = ("auto", "light", "dark")
MOST_CHANNELS, MOST_MESSAGES, MOST_PAGES = 12, 100, 5


def shown(sandbox: Sandbox, request: Request) -> Response:
    """The whole page; `?channel=ID` chooses the channel, else the one with the newest message is shown."""
    channel_id = (request.query.get("channel") or [""])[0]
    html = ENGINE.get_template("page.html").render(
        Context(_view(sandbox, channel_id, theme=_theme(request)), use_l10n=False, use_tz=False)
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
    }
    return Response(200, html.encode(), headers)


def static(name: str) -> Response:
    file = HERE / "static" / name
    if not file.is_file():
        raise Refused(Response.json({"error": f"There is no file {name}."}, status=404))
    return Response(200, file.read_bytes(), {"Content-Type": TYPES[file.suffix], "Cache-Control": "max-age=60"})


def _view(sandbox: Sandbox, channel_id: str, *, theme: str) -> dict[str, Any]:
    now = sandbox.clock.now()
    ringing = phones.phones(sandbox.pagerduty.account)
    with sandbox.pagerduty.account.lock:
        statuses = {incident.status for incident in sandbox.pagerduty.account.open.values()}
    faults = sandbox.faults.all()
    return {
        "company": company.NAME,
        "time_zone": company.TIME_ZONE,
        "hub_url": sandbox.hub_url.rstrip("/"),
        "state": TRIGGERED if TRIGGERED in statuses else next(iter(statuses), ""),
        "theme": theme,
        "themes": THEMES,
        "phones": [_phone(phone, now) for phone in ringing],
        "not_answering": _first_name_ringing(ringing),
        "offers": _offers(sandbox, webhooks=False),
        "webhook_offers": _offers(sandbox, webhooks=True),
        "incidents": website.incidents(sandbox.pagerduty.account),
        "names": website.names(sandbox.pagerduty.account),
        "acting": company.PEOPLE[2].name,  # Dana Okafor, the owner of the account, unless somebody else is named
        **website.webhooks(sandbox.pagerduty.account, sandbox.pagerduty.outbox),
        "faults": [{"id": fault.id, "words": in_words(fault)} for fault in faults],
        "skipped": _duration(sandbox.clock.offset) if sandbox.clock.offset >= 1 else "",
        **_chat(sandbox, channel_id),
    }


def _phone(phone: Phone, now: float) -> dict[str, Any]:
    return {
        "user_id": phone.user_id,
        "name": phone.name,
        "state": phone.state,
        "cannot_ring": phone.cannot_ring,
        "next_level": phone.next_level,
        "next_in": _duration(max(0.0, phone.next_at - now)) if phone.next_at is not None else "",
        "ringing_for": _ringing_for(phone, now),
        "pages": phone.pages[:MOST_PAGES],
        "more_pages": len(phone.pages[MOST_PAGES:]),
    }


def _ringing_for(phone: Phone, now: float) -> str:
    since = [page.rings_since for page in phone.pages if page.rings_since is not None]
    return _duration(now - min(since)) if since else ""


def _first_name_ringing(shown_phones: list[Phone]) -> str:
    """Whose silence the clock button skips over: the one whose incident escalates first."""
    escalating = [
        (page.escalates_at, phone.name)
        for phone in shown_phones
        for page in phone.pages
        if page.rings_since is not None and page.escalates_at is not None
    ]
    return min(escalating)[1].split()[0] if escalating else ""


def _offers(sandbox: Sandbox, *, webhooks: bool) -> list[dict[str, str]]:
    """The buttons for what is not going wrong yet, of webhooks or of all else."""
    on = [failure_of(fault) for fault in sandbox.faults.all()]
    offered = [one for one in FAILURES if one not in on and (one.fault["provider"] == WEBHOOKS) == webhooks]
    return [{"name": failure.name, "label": failure.label} for failure in offered]


def _chat(sandbox: Sandbox, channel_id: str) -> dict[str, Any]:
    """The chosen channel with its last messages, and the names of the newest ones."""
    workspace = sandbox.slack.workspace
    channels = view.channels(workspace, most=MOST_CHANNELS, chosen=channel_id)
    chosen = next((channel for channel in channels if channel["id"] == channel_id), None)
    chosen = chosen or (channels[0] if channels else None)
    if chosen is not None:
        chosen["messages"] = chosen["messages"][-MOST_MESSAGES:]
    people = [member for member in (chosen["members"] if chosen else []) if not member["is_bot"]]
    return {"channel": chosen, "channels": channels[:MOST_CHANNELS], "writers": people}


def _duration(seconds: float) -> str:
    """As a phone shows it: 0:14, 4:46, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _theme(request: Request) -> str:
    try:
        morsel = SimpleCookie(request.headers.get("Cookie") or "").get("theme")
    except CookieError:
        return "auto"
    return morsel.value if morsel is not None and morsel.value in THEMES else "auto"
