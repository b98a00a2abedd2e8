"""Where nobody could say how PagerDuty behaves (fact sheet, marked [U]), a switch chooses. The first choice
is the default."""

from __future__ import annotations

from incident_central.sandbox.company import TIME_ZONE
from incident_central.sandbox.switches import Switch

PAGERDUTY_SWITCHES = (
    Switch("rate_limits", ("on", "off"), "960 requests a minute for each key, then 429."),
    Switch("other_requests", ("0", "800", "900"), "Requests a minute that others make with the same key."),
    Switch("account", ("active", "expired: 402", "expired: 403"), "Whether it has ended, and how PagerDuty says so."),
    Switch("region", ("this machine", "eu"), "Where the account's own pages are, as its links say."),
    Switch("creation_limit", ("none", "6", "30"), "The unpublished limit on POST /incidents, a minute."),
    Switch("oncalls_limit", ("none", "6", "30"), "The unpublished limit on GET /oncalls, a minute."),
    Switch("unauthorized_body", ("json", "text"), "Whether a 401 has the error envelope or plain text."),
    Switch("read_only_check", ("before the body", "after the body"), "When a read-only key is refused."),
    Switch("empty_preview", ("accepted", "refused"), "Whether a schedule without layers can be previewed."),
    Switch("from_role", ("checked", "not checked"), "Whether a stakeholder as From user is refused."),
    Switch("priorities", ("on", "off: 404", "off: 402"), "Whether the account has priorities."),
    Switch("unknown_priority", ("refused", "ignored"), "A priority that the account does not have."),
    Switch("closed_service", ("refused", "accepted"), "POST /incidents on a disabled service or one in maintenance."),
    Switch("nobody_on_call", ("refused", "unassigned"), "A policy that reaches nobody: 1015, or no assignee."),
    Switch("second_status", ("accepted", "refused"), "Acknowledging or resolving twice: 200, or 1001 and 1002."),
    Switch("listed_after", ("0", "2", "10", "60"), "Seconds until a new incident shows up in lists."),
    Switch("date_range_with_key", ("works", "ignored"), "date_range=all together with incident_key."),
    Switch("no_statuses", ("every status", "open only"), "What a list without statuses[] holds."),
    Switch("log_order", ("newest first", "oldest first"), "In which order log entries come."),
    Switch("log_incidents", ("whole", "cut", "links"), "What include[]=incidents brings along with a log entry."),
    Switch(
        "odd_rows",
        ("none", "people", "rows"),
        "Rows that lack who acknowledged; or an acknowledged incident's service, and in the log a note's incident.",
    ),
    Switch("logged_after", ("0", "2", "10"), "Seconds until a log entry shows up in lists."),
    Switch("acknowledge_entry", ("acknowledge", "acknowledgement"), "What comes before _log_entry in its type."),
    Switch(
        "unlisted_log_entries",
        ("written", "left out"),
        "Types that the API description does not list: merge, reopening, priority, responders, status updates.",
    ),
    Switch("snooze_triggered", ("refused", "acknowledges"), "Snoozing what nobody acknowledged: 1012, or it does."),
    Switch("merging_api_incidents", ("refused", "accepted"), "Merging incidents made by the API, without alerts."),
    Switch("moved_service", ("keeps who has it", "pages its policy"), "Moving an incident to another service."),
    Switch("responder_requests", ("on", "off: 402"), "Whether the plan has responder requests."),
    Switch("automatic_agent", ("null", "the service"), "The agent of webhook events that nobody caused."),
    Switch("webhook_created", ("200", "201"), "The status of a new webhook subscription."),
    Switch("webhook_retry", ("10", "1", "60"), "Seconds until a webhook is tried again, then doubling to an hour."),
    Switch("webhook_redirects", ("dropped", "retried"), "What a redirect does to a webhook."),
    Switch("large_webhooks", ("in order", "out of order", "missing"), "Webhooks of 55 to 256 KB."),
    Switch("time_zone", (TIME_ZONE, "America/New_York", "Asia/Kolkata"), "The account's time zone."),
)
