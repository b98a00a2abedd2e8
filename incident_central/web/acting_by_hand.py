"""How a person does in PagerDuty or Slack what an action from here could not."""

from django.utils.html import format_html

from incident_central.incidents.acting import message_of, note_of
from incident_central.incidents.models import Action
from incident_central.incidents.wording import topic_of
from incident_central.web.by_hand import ByHand, link, open_channel, text_of

Kind = Action.Kind

#: By kind: what to press on the incident's page in PagerDuty.
PRESS = {
    Kind.ACKNOWLEDGE: "Press Acknowledge. Then PagerDuty shows you as the one who has it.",
    Kind.RESOLVE: "Press Resolve.",
    Kind.ESCALATE: "Press Escalate and choose the level.",
    Kind.REASSIGN: "Press Reassign and choose whom to page.",
    Kind.MOVE: "Press Reassign and choose the right team’s escalation policy; change the service under More.",
    Kind.PRIORITY: "Choose the new priority beside the title.",
    Kind.HELP: "Press Add Responders, where your plan has it. Where it does not: phone them, or reassign it.",
    Kind.SNOOZE: "Press Snooze and choose for how long. It must be acknowledged first.",
}


def by_hand(action: Action, step: str) -> ByHand:
    incident = action.incident
    page = format_html("Open {}.", link(incident.pagerduty_url, f"PagerDuty incident #{incident.pagerduty_number}"))
    if step == "act":
        return ByHand((page, PRESS[Kind(action.kind)]))
    if step == "note":
        return ByHand((page, "Under Notes choose Add Note, and paste:"), note_of(action))
    if step == "tell":
        return ByHand((open_channel(incident), "Post this:"), text_of(message_of(action)))
    if step == "topic":
        topic = f"/topic {topic_of(incident)[:250]}"
        return ByHand((open_channel(incident), "Paste this as a message and press Enter:"), topic)
    who = action.asked["is"] if action.kind == Kind.MEMBER else "whoever is paged now"
    return ByHand((open_channel(incident), f"Type /invite @ and choose {who}."))
