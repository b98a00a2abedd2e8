"""One reading of a PagerDuty account for the doctor: services, policies, people, and who is on call for 14 days.

A few lists, read at the same time, with everything in them that is needed: some 25 calls for 1,000 people and 300
services. Whoever is on call is read from the schedules, each of which lists its turns: GET /oncalls has a row for every
turn at every level of every policy, 100 a call and 10,000 at most, and a limit of its own. It is asked only for
policies with a schedule that the list does not have. (fact sheet section 7)
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from incident_central.integrations.base import EscalationPolicy, IntegrationError, OnCall, Reference
from incident_central.integrations.pagerduty.client import PagerDuty
from incident_central.integrations.pagerduty.drill_names import is_of_drill

Json = dict[str, Any]
Span = tuple[datetime, datetime]

#: How far ahead it is looked who is on call.
AHEAD = timedelta(days=14)
AT_THE_SAME_TIME = 3  # calls
#: A hand-over may leave a moment that is no gap.
SHORTEST_GAP = timedelta(minutes=1)


@dataclass(frozen=True)
class Account:
    """One reading. `now` is when it began; on-calls reach AHEAD from then."""

    now: datetime
    services: list[Json]
    windows: list[Json]
    policies: dict[str, EscalationPolicy]
    users: dict[str, Json]
    on_calls: dict[str, list[OnCall]]  # by policy

    @cached_property
    def in_use(self) -> list[Json]:
        """Services that somebody may report for."""
        return [row for row in self.services if row["status"] != "disabled"]

    @cached_property
    def services_of(self) -> dict[str, list[str]]:
        """Names of the services in use, by policy."""
        found: dict[str, list[str]] = {}
        for row in self.in_use:
            if (policy := policy_id(row)) is not None:
                found.setdefault(policy, []).append(name(row))
        return found

    def gaps(self, policy_id: str) -> list[Span]:
        """When no level of the policy reaches anybody."""
        return _gaps(self.on_calls.get(policy_id, ()), (self.now, self.now + AHEAD))

    def reaches_somebody(self, policy_id: str) -> bool:
        return not any(start == self.now for start, _ in self.gaps(policy_id))

    def on_level(self, policy_id: str, level: int) -> list[OnCall]:
        """Who is on a level of a policy now."""
        return [
            one
            for one in self.on_calls.get(policy_id, ())
            if one.level == level and (one.start or self.now) <= self.now and (one.end is None or one.end > self.now)
        ]


def read_account(pager: PagerDuty, now: datetime) -> Account:
    """Raises IntegrationError; also where what is left of PagerDuty's limit is for paging."""
    now = now.replace(microsecond=0)
    rows = pager.rows("/services")  # alone, so that a key that is refused is refused once
    services = [row for row in rows if not is_of_drill(row)]
    if pager.seconds_to_spare_it() > 0:
        raise IntegrationError("PagerDuty’s limit is nearly reached: what is left is for paging.")
    window: Json = {"since": now.isoformat(), "until": (now + AHEAD).isoformat()}
    with ThreadPoolExecutor(AT_THE_SAME_TIME) as threads:
        schedules = threads.submit(pager.rows, "/schedules", include=["final_schedule"], **window)
        users = threads.submit(pager.rows, "/users", include=["contact_methods", "notification_rules"])
        policies = threads.submit(pager.escalation_policies)
        windows = threads.submit(pager.rows, "/maintenance_windows", filter="ongoing")
        people = {row["id"]: row for row in users.result()}
        known = {policy.id: policy for policy in policies.result()}
        turns = {row["id"]: shifts for row in schedules.result() if (shifts := _turns(row)) is not None}
        read = Account(now, services, windows.result(), known, people, {})
    asked_for = []
    for id_ in read.services_of:
        targets = {target.id for level in (known[id_].levels if id_ in known else ()) for target in level.targets}
        if id_ in known and targets <= people.keys() | turns.keys():
            read.on_calls[id_] = list(_on_calls(known[id_], turns))
        else:
            asked_for.append(id_)
    for one in pager.on_calls(since=now, until=now + AHEAD, policy_ids=asked_for):
        read.on_calls.setdefault(one.escalation_policy_id, []).append(one)
    return read


@dataclass(frozen=True)
class Turn:
    user: Reference
    start: datetime
    end: datetime


def _turns(row: Json) -> list[Turn] | None:
    """What a schedule's final rendering says; None where PagerDuty did not render it."""
    entries = (row.get("final_schedule") or {}).get("rendered_schedule_entries")
    if entries is None:
        return None
    return [
        Turn(
            Reference(entry["user"]["id"], entry["user"].get("summary") or ""),
            datetime.fromisoformat(entry["start"]),
            datetime.fromisoformat(entry["end"]),
        )
        for entry in entries
        if entry.get("user")
    ]


def _on_calls(policy: EscalationPolicy, turns: dict[str, list[Turn]]) -> Iterator[OnCall]:
    """A target is a schedule, or a person who is always on call."""
    for number, level in enumerate(policy.levels, start=1):
        for target in level.targets:
            if target.id not in turns:
                yield OnCall(policy.id, number, target, None, None, None)
            for turn in turns.get(target.id, ()):
                yield OnCall(policy.id, number, turn.user, target, turn.start, turn.end)


def _gaps(on_calls: Iterable[OnCall], window: Span) -> list[Span]:
    start, end = window
    covered = sorted((max(one.start or start, start), min(one.end or end, end)) for one in on_calls)
    gaps, reached = [], start
    for begins, ends in [*covered, (end, end)]:
        if begins - reached >= SHORTEST_GAP:
            gaps.append((reached, begins))
        reached = max(reached, ends)
    return gaps


def policy_id(row: Json) -> str | None:
    return (row.get("escalation_policy") or {}).get("id")


def name(row: Json) -> str:
    return str(row.get("name") or row.get("summary") or row["id"])
