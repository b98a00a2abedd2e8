"""What the doctor checks, part by part: a part is run on its own, at the same time as the others.

Another part joins as one more row in PARTS; its tables of findings in TABLES.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.db import Error
from django.db.models import Max, Q
from django.utils import timezone

from incident_central.database import now
from incident_central.doctor.database_checks import check_database
from incident_central.doctor.findings import DATABASE, HUB, PEOPLE
from incident_central.doctor.hub_checks import check_hub
from incident_central.doctor.people_checks import check_people
from incident_central.drill.checks import check_drill
from incident_central.drill.findings import DRILL
from incident_central.findings import Finding
from incident_central.incidents import response, subscribing
from incident_central.incidents.models import RefusedWebhook, TimelineEntry, Webhook, WebhookSubscription
from incident_central.incidents.tools import new_chat, new_pager, spare_pager
from incident_central.integrations.base import IntegrationError
from incident_central.integrations.pagerduty.checks import Webhooks, check_access
from incident_central.integrations.pagerduty.findings import PAGERDUTY
from incident_central.integrations.pagerduty.on_call_checks import check_on_call
from incident_central.integrations.slack.checks import check_slack
from incident_central.integrations.slack.findings import SLACK
from incident_central.jobs.models import State, StepRow

#: How long back it is looked whether webhooks told of what happened, or were refused: they are remembered for three
#: days.
LATELY = timedelta(days=2)

TABLES = (PAGERDUTY, SLACK, PEOPLE, DATABASE, HUB, DRILL)


#: One of the doctor's own, which may keep other calls waiting but not the pages.
_pager = cache(new_pager)


@dataclass(frozen=True)
class Part:
    """`about` is what is being looked at, as progress says it. `every`: how often it is checked by itself."""

    name: str
    about: str
    check: Callable[[], Iterable[Finding]]
    every: timedelta = timedelta(minutes=5)


@dataclass(frozen=True)
class SetUpStep:
    """One of the four steps of docs/setup/, and the areas of findings that it is about."""

    number: int
    name: str
    areas: tuple[str, ...]
    parts: tuple[str, ...]


STEPS = (
    SetUpStep(1, "PagerDuty", ("pagerduty",), ("pagerduty", "on-call")),
    SetUpStep(2, "Slack", ("slack", "people"), ("slack", "people")),
    SetUpStep(3, "Database", ("database", "hub"), ("database", "hub")),
    SetUpStep(4, "Try it", ("drill",), ("drill",)),
)


def _pagerduty() -> Iterable[Finding]:
    return check_access(
        _pager(),
        api_key=settings.PAGERDUTY_API_KEY,
        from_email=settings.PAGERDUTY_FROM_EMAIL,
        api_url=settings.PAGERDUTY_API_URL,
        webhooks=_webhooks(),
    )


def _on_call() -> Iterable[Finding]:
    """The dear part: where what is left of PagerDuty's limit is for paging, it can wait."""
    try:
        spare_pager()
    except IntegrationError as error:
        what = "Services, escalation policies and the people on call"
        return [PAGERDUTY.found("pagerduty.not-checked", str(error), what=what)]
    return check_on_call(
        _pager(),
        api_key=settings.PAGERDUTY_API_KEY,
        fallback_service=settings.FALLBACK_SERVICE,
        now=datetime.now(settings.ZONE),
    )


def _slack() -> Iterable[Finding]:
    return check_slack(
        new_chat(),
        token=settings.SLACK_BOT_TOKEN,
        announce_channel=settings.SLACK_ANNOUNCE_CHANNEL,
        api_url=settings.SLACK_API_URL,
        channel_opened=_channel_opened(),
    )


PARTS = (
    Part("pagerduty", "PagerDuty: the key, the From user, webhooks", _pagerduty),
    Part("on-call", "PagerDuty: services, and who is on call for 14 days", _on_call, timedelta(hours=1)),
    Part("slack", "Slack: the token, what it may do, the announce channel", _slack),
    Part("people", "People: who they are in Slack", check_people),
    Part("database", "The database", check_database),
    Part("hub", "Incident Central itself", check_hub),
    Part("drill", "The last drill", check_drill),
)


def _webhooks() -> Webhooks | None:
    """What our own rows say of webhooks; None while the database does not answer."""
    try:
        address = subscribing.address() if settings.BASE_URL else ""
        ours = list(WebhookSubscription.objects.all())
        since = max([now() - LATELY, *(one.created_at for one in ours)])
        last_at = Webhook.objects.aggregate(last=Max("received_at"))["last"]
        lately = max([now() - LATELY, *filter(None, [last_at])])
        refused = RefusedWebhook.objects.filter(at__gt=lately).first()
        changes = TimelineEntry.objects.filter(log_entry_id__isnull=False, at__gt=since)
        return Webhooks(
            address,
            frozenset(one.id for one in ours),
            has_secret=bool(settings.PAGERDUTY_WEBHOOK_SECRETS),
            last_at=last_at,
            last_change_at=changes.aggregate(last=Max("at"))["last"],
            refused=_told(refused) if refused else "",
        )
    except Error:
        return None


def _told(refused: RefusedWebhook) -> str:
    local = timezone.localtime(refused.at)
    return f"on {local.day} {local:%b at %H:%M}: {refused.why}"


def _channel_opened() -> bool | None:
    """Whether the last channel that was to be opened was; False where Slack said that the app may not."""
    told = Q(state=State.DONE) | Q(error__contains="restricted_action")
    opening = StepRow.objects.filter(told, job__workflow=response.RESPONSE.name, name="open_channel")
    try:
        last = opening.order_by("-pk").first()
    except Error:
        return None
    return None if last is None else last.state == State.DONE
