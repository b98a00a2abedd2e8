"""A stand-in for Slack: its Web API over real HTTP, faithful enough that slack_sdk cannot tell."""

from incident_central.sandbox.slack.api import SlackApi

__all__ = ["SlackApi"]
