"""The subscription by which PagerDuty sends us webhooks: made once, kept alive.

PagerDuty shows its secret when it is made and never again, and a new address means a new subscription with a new
secret. It switches one off for a day when three webhooks in a row were dropped. (fact sheet sections 7 and 8)
"""

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models.functions import Now

from incident_central.database import now, transaction
from incident_central.incidents import stale
from incident_central.incidents.models import Webhook, WebhookSubscription
from incident_central.incidents.tools import pager, spare_pager
from incident_central.integrations.base import IntegrationError, Subscription
from incident_central.jobs.workflow import Record

log = logging.getLogger(__name__)

#: PagerDuty sends one again for two days; for longer its id need not be known.
REMEMBERED = timedelta(days=3)
TEST = "pagey.ping"
TEST_WITHIN = 5.0  # seconds


def address() -> str:
    """Where PagerDuty sends them. Raises ValueError where nobody said how we are reached."""
    if not settings.BASE_URL:
        raise ValueError("BASE_URL is not set: PagerDuty must know where to send webhooks. See docs/configuration.md.")
    return f"{settings.BASE_URL}/webhooks/pagerduty"


def set_up() -> str:
    """Have exactly one subscription of ours, whose secret is known here. What was done, in a sentence.

    Safe to repeat. One that leads to us and whose secret nobody knows is of no use, and is replaced. One that is
    switched off is enabled. Raises ValueError, IntegrationError.
    """
    url, there = address(), pager().subscriptions()
    ours = set(WebhookSubscription.objects.values_list("id", flat=True))
    good = [one for one in there if one.url == url and (one.id in ours or settings.PAGERDUTY_WEBHOOK_SECRETS)]
    for one in there:
        if one not in good[:1] and (one.url == url or one.id in ours):
            pager().unsubscribe(one.id)
    if not good:
        made = pager().subscribe(url)
        _keep_only(made)
        return f"PagerDuty now sends webhooks to {url}."
    _keep_only(good[0])
    if good[0].enabled:
        return f"PagerDuty sends webhooks to {url} already."
    pager().enable(good[0])
    _read_what_was_missed()
    return f"PagerDuty sends webhooks to {url} again: they were switched off."


def _keep_only(one: Subscription) -> None:
    with transaction():
        WebhookSubscription.objects.exclude(pk=one.id).delete()
        if one.secret:
            WebhookSubscription.objects.create(id=one.id, url=one.url, secret=one.secret)


def test() -> bool:
    """Have PagerDuty send a test; whether it arrived. The hub must be running."""
    began = now()
    url = address()
    for one in pager().subscriptions():
        if one.url == url:
            pager().send_test(one.id)
    until = time.monotonic() + TEST_WITHIN
    while time.monotonic() < until:
        if _arrived_since(began):
            return True
        time.sleep(0.1)
    return False


def _arrived_since(began: datetime) -> bool:
    return Webhook.objects.filter(event_type=TEST, received_at__gte=began - timedelta(seconds=1)).exists()


def tend(_: object) -> Record:
    """Enable what sends us webhooks where it is switched off, and forget webhooks of long ago. Safe to repeat.

    Who switched it off does not matter: whoever wants no webhooks deletes the subscription. Where the settings have a
    secret, somebody may have made it by hand: no row tells of that one, but it leads to us.
    """
    ours = set(WebhookSubscription.objects.values_list("id", flat=True))
    url = address() if settings.PAGERDUTY_WEBHOOK_SECRETS and settings.BASE_URL else None
    if not ours and url is None:
        return _tended
    spare_pager()
    there = [one for one in pager().subscriptions() if one.id in ours or one.url == url]
    if ours and not there:
        said = "PagerDuty has our webhook subscription no more. Run `incident-central setup webhook`."
        raise IntegrationError(said, permanent=True)
    disabled = [one for one in there if not one.enabled]
    for one in disabled:
        log.warning("our webhook subscription was switched off: enabling it, and reading what was missed")
        pager().enable(one)
    return _read_what_was_missed if disabled else _tended


def _tended() -> None:
    Webhook.objects.filter(received_at__lt=Now() - REMEMBERED).delete()


def _read_what_was_missed() -> None:
    """Its webhooks of meanwhile never come. The log goes on from where it was last read."""
    stale.run_again(stale.POLL, stale.POLL_LOG, after=stale.AT_ONCE)
