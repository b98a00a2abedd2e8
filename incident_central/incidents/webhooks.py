"""The webhooks that PagerDuty sent, and the subscription by which it does.

A webhook is a hint that something happened; what, is read from PagerDuty. (docs/decisions/0006-webhooks-are-hints.md)
"""

from django.db import models
from django.db.models.functions import Now


class Webhook(models.Model):
    """One that arrived. Its id is the same each time that PagerDuty sends it."""

    id = models.TextField(primary_key=True)
    event_type = models.TextField()
    received_at = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return f"{self.id}: {self.event_type}"


class RefusedWebhook(models.Model):
    """The last one that was refused as none of PagerDuty's, as far as it was written down. One row."""

    why = models.TextField()
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.at}: {self.why}"


class WebhookSubscription(models.Model):
    """One that we made. PagerDuty shows its secret once, and this is where it is kept."""

    id = models.TextField(primary_key=True)
    url = models.TextField()
    secret = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.id
