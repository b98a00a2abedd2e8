"""What is ours about an incident, and may be put right by hand: who leads, who reported, the channel, links."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from uuid import UUID

from incident_central.database import transaction
from incident_central.incidents import news
from incident_central.incidents.models import Action, Incident
from incident_central.incidents.pressing import Press, press
from incident_central.incidents.text import clean

CHANNEL = re.compile(r"https?://\S+/archives/([CG][A-Z0-9]+)(?:[/?#]\S*)?")
ADDRESS = re.compile(r"https?://\S+")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
MOST_LINKS = 20
LIMIT, LIMIT_OF_LINKS = 2_000, 20_000  # characters of one answer


@dataclass(frozen=True)
class Ours:
    """As the form has it."""

    commander: str  # e-mails
    reporter_name: str
    reporter_email: str
    channel: str  # its address
    channel_name: str
    links: str  # one a line: what it is called, then its address

    @classmethod
    def of(cls, incident: Incident) -> "Ours":
        return cls(
            commander=incident.incident_commander_email or "",
            reporter_name=incident.reporter_name,
            reporter_email=incident.reporter_email,
            channel=incident.slack_channel_url or "",
            channel_name=incident.slack_channel_name or "",
            links="\n".join(" ".join(filter(None, link)) for link in incident.links),
        )

    @classmethod
    def typed(cls, given: Mapping[str, str], *, prefix: str = "") -> "Ours":
        return cls(**{one.name: clean(given.get(prefix + one.name, ""), lines=True) for one in fields(cls)})


class CannotEdit(Exception):
    """Nothing was changed; `errors` says by field what to write instead."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = errors


def edit(name: str, typed: Ours, shown: Ours, *, who: str, email: str, sender: str, press_id: UUID) -> None:
    """Write what somebody changed, against what they were shown; what others changed meanwhile is left alone.

    Each change is an entry in the timeline, with the old value. Saying the same twice changes nothing. Raises
    CannotEdit.
    """
    typed, shown = _as_kept(typed), _as_kept(shown)
    changed = {one.name for one in fields(Ours) if getattr(typed, one.name) != getattr(shown, one.name)}
    errors = _errors(name, typed, changed)
    if errors:
        raise CannotEdit(errors)
    with transaction() as at:
        incident = Incident.objects.select_for_update().get(pk=name)
        _change_reporter(incident, typed, changed, who)
        _change_channel(incident, typed, shown, changed, who)
        _change_links(incident, typed, changed, who)
        incident.save()
        if changed & {"reporter_name", "reporter_email", "channel"}:
            news.changed(incident, news.FACTS, at=at)
    if "commander" in changed:
        given = {"email": [typed.commander]}
        press(incident, Press(press_id, sender, who, email, Action.Kind.COMMAND, given))


def _as_kept(given: Ours) -> Ours:
    return replace(
        given,
        commander=given.commander.lower(),
        reporter_email=given.reporter_email.lower(),
        channel_name=given.channel_name.removeprefix("#"),
    )


def _errors(name: str, typed: Ours, changed: set[str]) -> dict[str, str]:
    errors: dict[str, str] = {}
    for field in changed:
        limit = LIMIT_OF_LINKS if field == "links" else LIMIT
        if len(getattr(typed, field)) > limit:
            errors[field] = f"Shorten this to {limit:,} characters."
    if errors:
        return errors
    for field in ("commander", "reporter_email"):
        if field in changed and not EMAIL.fullmatch(getattr(typed, field)):
            errors[field] = "Write an e-mail address, such as ana@example.com."
    if "channel" in changed and typed.channel:
        found = CHANNEL.fullmatch(typed.channel)
        if found is None:
            errors["channel"] = "Paste the channel’s link, as Slack copies it: https://….slack.com/archives/C0123…"
        elif (other := Incident.objects.filter(slack_channel_id=found[1]).exclude(pk=name).first()) is not None:
            errors["channel"] = f"This is the channel of {other.name}. Paste another one’s link."
    if typed.channel and not typed.channel_name:
        errors["channel_name"] = "Write the channel’s name, too."
    lines = typed.links.splitlines()
    if "links" in changed and (len(lines) > MOST_LINKS or None in map(_link, lines)):
        errors["links"] = f"Write one link a line, at most {MOST_LINKS}: what it is, then an address with https://."
    return errors


def _link(line: str) -> list[str] | None:
    """What it is called, and its address, which is the last word."""
    *text, last = line.rsplit(None, 1) or [""]
    found = ADDRESS.search(last)
    return [f"{text[0] if text else ''} {last[: found.start()]}".strip(), found[0]] if found else None


def _change_reporter(incident: Incident, typed: Ours, changed: set[str], who: str) -> None:
    before = f"{incident.reporter_name} {incident.reporter_email}".strip()
    if "reporter_email" in changed and incident.incident_commander_email == incident.reporter_email:
        incident.commander_name = incident.commander  # who leads stays the same
    if "reporter_name" in changed:
        incident.reporter_name = typed.reporter_name
    if "reporter_email" in changed:
        incident.reporter_email = typed.reporter_email
    incident.edited("reporter", before=before, after=f"{incident.reporter_name} {incident.reporter_email}", by=who)


def _change_channel(incident: Incident, typed: Ours, shown: Ours, changed: set[str], who: str) -> None:
    before = _channel_of(incident)
    if "channel" in changed:
        found = CHANNEL.fullmatch(typed.channel)
        if incident.slack_channel_id != (channel_id := found[1] if found else None):
            incident.slack_channel_id, incident.summary_ts = channel_id, ""  # the summary is in the other one
        incident.slack_channel_url = typed.channel or None
        incident.slack_channel_name = typed.channel_name if found else None
    elif "channel_name" in changed and shown.channel and incident.slack_channel_url == shown.channel:
        incident.slack_channel_name = typed.channel_name
    incident.edited("Slack channel", before=before, after=_channel_of(incident), by=who)


def _channel_of(incident: Incident) -> str:
    return f"#{incident.slack_channel_name} {incident.slack_channel_url}" if incident.slack_channel_url else ""


def _change_links(incident: Incident, typed: Ours, changed: set[str], who: str) -> None:
    if "links" not in changed:
        return
    before = Ours.of(incident).links.replace("\n", ", ")
    incident.links = [one for one in map(_link, typed.links.splitlines()) if one is not None]
    incident.edited("links", before=before, after=typed.links.replace("\n", ", "), by=who)
