"""Doors for programs."""

from django.urls import path

from incident_central.api import webhooks

urlpatterns = [path("webhooks/pagerduty", webhooks.pagerduty, name="pagerduty-webhook")]
