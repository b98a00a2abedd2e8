"""How a person does what a step could not: the exact way, and the text to copy."""

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.utils.html import format_html

from incident_central.incidents.models import Incident, Responder, listing
from incident_central.incidents.wording import address_of, announcement_of, details_of, note_of, summary_of, topic_of
from incident_central.integrations.base import Message

INVITE = format_html("<code>{}</code>", "/invite @")
DONE, PHONED = "I did it by hand", "I phoned them"


@dataclass(frozen=True)
class ByHand:
    """`ways` are HTML, safe to show; `text` is what the last of them says to paste."""

    ways: tuple[str, ...]
    text: str = ""
    done: str = DONE


def by_hand(step: str, incident: Incident) -> ByHand:
    return STEPS[step](incident) if step in STEPS else ByHand(("Do it in the other tool.",))


def _page(incident: Incident) -> ByHand:
    return ByHand(
        (
            "Phone the people on call, one after the other, until somebody takes it.",
            format_html(
                "Or create the incident in PagerDuty yourself, on the service {}, with this title and text:",
                link(incident.service.url, incident.service.name),
            ),
        ),
        f"{incident.title}\n\n{details_of(incident)}",
        done=PHONED,
    )


def _open_channel(incident: Incident) -> ByHand:
    return ByHand(
        (
            format_html("In Slack, create a public channel named <code>{}</code>.", incident.name),
            format_html("Type {} in it and choose {}.", INVITE, _names(incident)),
            "Post this in it:",
        ),
        text_of(summary_of(incident)),
    )


def _invite(incident: Incident) -> ByHand:
    return ByHand(
        (open_channel(incident), format_html("Type {} and choose {}.", INVITE, _names(incident, missing=True)))
    )


def _find_missing(incident: Incident) -> ByHand:
    return ByHand(
        (
            format_html("Look for {} in Slack: there they may use another e-mail.", _names(incident, missing=True)),
            open_channel(incident),
            format_html("Type {} and choose them. Slack does not have them? Phone them.", INVITE),
        )
    )


def _topic(incident: Incident) -> ByHand:
    return ByHand(
        (open_channel(incident), "Paste this as a message and press Enter:"), f"/topic {topic_of(incident)[:250]}"
    )


def _bookmark_incident(incident: Incident) -> ByHand:
    return _bookmark(incident, address_of(incident))


def _bookmark_page(incident: Incident) -> ByHand:
    return _bookmark(incident, incident.pagerduty_url or "")


def _bookmark(incident: Incident, address: str) -> ByHand:
    return ByHand(
        (open_channel(incident), "Under its name press +, choose to add a link or bookmark, and paste:"), address
    )


def _summary(incident: Incident) -> ByHand:
    return ByHand((open_channel(incident), "Post this:"), text_of(summary_of(incident)))


def _pin(incident: Incident) -> ByHand:
    return ByHand((open_channel(incident), "Point at the summary, press ⋮ (More actions), and choose Pin to channel."))


def _announce(incident: Incident) -> ByHand:
    channel = f"#{settings.SLACK_ANNOUNCE_CHANNEL}"
    return ByHand(
        (
            format_html("Open <b>{}</b> in Slack.", channel),
            format_html("Type <code>{}</code> and press Enter, if it is not a member.", "/invite @Incident Central"),
            "Come back and press Retry, or post this yourself:",
        ),
        text_of(announcement_of(incident)),
    )


def _note(incident: Incident) -> ByHand:
    page = link(incident.pagerduty_url, f"PagerDuty incident #{incident.pagerduty_number}")
    return ByHand((format_html("Open {}.", page), "Under Notes choose Add Note, and paste:"), note_of(incident))


STEPS: dict[str, Callable[[Incident], ByHand]] = {
    "page": _page,
    "open_channel": _open_channel,
    "invite": _invite,
    "find_missing": _find_missing,
    "topic": _topic,
    "bookmark_incident": _bookmark_incident,
    "summary": _summary,
    "pin": _pin,
    "announce": _announce,
    "note": _note,
    "bookmark_page": _bookmark_page,
    "invite_paged": _find_missing,
}


def text_of(message: Message) -> str:
    """A message as somebody would paste it."""
    lines = [
        message.title,
        *message.paragraphs,
        *(f"{name}: {value}" for name, value in message.facts),
        *(f"{link.text}: {link.url}" for link in message.links),
    ]
    return "\n".join(filter(None, lines))


def open_channel(incident: Incident) -> str:
    channel = f"#{incident.slack_channel_name or incident.name}"
    return format_html("Open {} in Slack.", link(incident.slack_channel_url, channel))


def link(address: str | None, text: str) -> str:
    if not address:
        return format_html("<b>{}</b>", text)
    return format_html('<a class="out" href="{}">{}</a>', address, text)


def _names(incident: Incident, *, missing: bool = False) -> str:
    people = incident.responders.all()
    names = [one.name for one in people if not (missing and one.state == Responder.State.INVITED)]
    return listing(names or [one.name for one in people])
