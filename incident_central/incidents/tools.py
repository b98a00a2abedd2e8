"""The pager and the chat that this hub is connected to, made once a process from the settings."""

from functools import cache

from django.conf import settings

from incident_central.integrations.base import Chat, IntegrationError, Pager
from incident_central.integrations.pagerduty.client import PagerDuty
from incident_central.integrations.slack.client import Slack
from incident_central.jobs.runner import before_send


@cache
def pager() -> Pager:
    return new_pager()


@cache
def chat() -> Chat:
    return new_chat()


def new_pager() -> PagerDuty:
    """For those who speak PagerDuty's shapes. When it is told to wait, the one that pages is not."""
    return PagerDuty(
        api_key=settings.PAGERDUTY_API_KEY,
        from_email=settings.PAGERDUTY_FROM_EMAIL,
        api_url=settings.PAGERDUTY_API_URL,
        before_send=before_send,
    )


def new_chat() -> Slack:
    return Slack(token=settings.SLACK_BOT_TOKEN, api_url=settings.SLACK_API_URL, before_send=before_send)


def spare_pager() -> None:
    """Raises IntegrationError while what is left of PagerDuty's limit is for paging."""
    if (seconds := pager().seconds_to_spare_it()) > 0:
        raise IntegrationError("PagerDuty’s limit is nearly reached: what is left is for paging.", retry_after=seconds)
