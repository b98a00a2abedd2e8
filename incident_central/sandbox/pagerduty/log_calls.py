"""The calls that read the log: of one incident, and of the whole account."""

from __future__ import annotations

from collections.abc import Iterable

from incident_central.sandbox.pagerduty.asked import Asked
from incident_central.sandbox.pagerduty.errors import not_found
from incident_central.sandbox.pagerduty.incident_shapes import incident_json
from incident_central.sandbox.pagerduty.log_shapes import log_entry_json
from incident_central.sandbox.pagerduty.records import LogEntry
from incident_central.sandbox.server import Response

# "Only the most important changes": which ones is not documented. These are left out of an overview.
LESS_IMPORTANT = ("notify", "repeat_escalation_path")


def list_account_log(asked: Asked) -> Response:
    """Of all incidents, of those of some teams if `team_ids[]` says so."""
    account = asked.account
    entries = account.logged(since=asked.time("since"), until=asked.time("until"))

    def in_teams(entry: LogEntry) -> bool:
        service_id = account.incidents[entry.incident_id].service_id
        return asked.in_teams(account.services[service_id].team_ids)

    return _page(asked, [entry for entry in entries if in_teams(entry)])


def list_incident_log(asked: Asked) -> Response:
    incident = asked.account.incident(asked.ids[0])
    if incident is None:
        raise not_found()
    since, until = asked.time("since"), asked.time("until")
    entries = [
        entry for entry in incident.log if (since is None or entry.at >= since) and (until is None or entry.at < until)
    ]
    return _page(asked, entries)


def get_log_entry(asked: Asked) -> Response:
    entry = next((entry for entry in asked.account.log if entry.id == asked.ids[0]), None)
    if entry is None:
        raise not_found()
    return Response.json({"log_entry": log_entry_json(asked.shapes(), entry, incident_json)})


def _page(asked: Asked, oldest_first: Iterable[LogEntry]) -> Response:
    """In which order entries come, and how soon, is not documented: a switch each."""
    switches, shapes = asked.account.switches, asked.shapes()
    latest = asked.now - float(switches["logged_after"])
    entries = [
        entry
        for entry in oldest_first
        if entry.at <= latest and not (asked.flag("is_overview") and entry.type in LESS_IMPORTANT)
    ]
    if switches["log_order"] == "newest first":
        entries.reverse()
    return asked.page("log_entries", entries, lambda entry: log_entry_json(shapes, entry, incident_json))
