"""Checks of PagerDuty's services, of whom their escalation policies reach, now and in the next 14 days, and of the
people on call.

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
from zoneinfo import ZoneInfo

from incident_central.findings import Finding
from incident_central.integrations.base import EscalationPolicy, IntegrationError, OnCall, Reference
from incident_central.integrations.pagerduty.checks import AHEAD, STAKEHOLDERS, not_checked
from incident_central.integrations.pagerduty.client import PagerDuty
from incident_central.integrations.pagerduty.findings import PAGERDUTY

Json = dict[str, Any]
Span = tuple[datetime, datetime]

AT_THE_SAME_TIME = 3  # calls
#: A hand-over may leave a moment that is no gap.
SHORTEST_GAP = timedelta(minutes=1)
MOST_NAMED = 3
POLICIES_A_CALL = 25
EMAIL = "email_contact_method"


@dataclass(frozen=True)
class Account:
    """One reading. `now` is when it began; on-calls reach AHEAD from then."""

    now: datetime
    zone: ZoneInfo
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
            if (policy := _policy_id(row)) is not None:
                found.setdefault(policy, []).append(_name(row))
        return found

    def gaps(self, policy_id: str) -> list[Span]:
        """When no level of the policy reaches anybody."""
        return _gaps(self.on_calls.get(policy_id, ()), (self.now, self.now + AHEAD))

    def reaches_somebody(self, policy_id: str) -> bool:
        return not any(start == self.now for start, _ in self.gaps(policy_id))


def check_on_call(
    pager: PagerDuty, *, api_key: str, fallback_service: str, now: datetime, zone: ZoneInfo
) -> Iterator[Finding]:
    """`zone`: where the reader's times are. Without an answer to one of the lists, nothing is said of the others."""
    what = "Services, escalation policies and the people on call"
    if not api_key:
        yield not_checked(what, "No API key is set.")
        return
    try:
        account = _read(pager, now, zone)
    except IntegrationError as error:
        yield not_checked(what, str(error))
        return
    yield from _check_services(account, fallback_service)
    yield from _check_policies(account)
    yield from _check_people(account)


def _read(pager: PagerDuty, now: datetime, zone: ZoneInfo) -> Account:
    """Raises IntegrationError; also where what is left of PagerDuty's limit is for paging."""
    now = now.replace(microsecond=0)
    services = pager.rows("/services")  # alone, so that a key that is refused is refused once
    if pager.seconds_to_spare_it() > 0:
        raise IntegrationError("PagerDuty’s limit is nearly reached: what is left is for paging.")
    window = {"since": now.isoformat(), "until": (now + AHEAD).isoformat()}
    with ThreadPoolExecutor(AT_THE_SAME_TIME) as threads:
        schedules = threads.submit(pager.rows, "/schedules", include=["final_schedule"], **window)
        users = threads.submit(pager.rows, "/users", include=["contact_methods", "notification_rules"])
        policies = threads.submit(pager.escalation_policies)
        windows = threads.submit(pager.rows, "/maintenance_windows", filter="ongoing")
        people = {row["id"]: row for row in users.result()}
        known = {policy.id: policy for policy in policies.result()}
        turns = {row["id"]: shifts for row in schedules.result() if (shifts := _turns(row)) is not None}
        read = Account(now, zone, services, windows.result(), known, people, {})
    asked_for = []
    for id_ in read.services_of:
        targets = {target.id for level in (known[id_].levels if id_ in known else ()) for target in level.targets}
        if id_ in known and targets <= people.keys() | turns.keys():
            read.on_calls[id_] = list(_on_calls(known[id_], turns))
        else:
            asked_for.append(id_)
    for first in range(0, len(asked_for), POLICIES_A_CALL):
        some = asked_for[first : first + POLICIES_A_CALL]
        for one in pager.on_calls(since=now, until=now + AHEAD, policy_ids=some):
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


# ── services ──────────────────────────────────────────────────────────────────────────────────────


def _check_services(account: Account, fallback_service: str) -> Iterator[Finding]:
    services = account.services
    if not services:
        yield PAGERDUTY.found("pagerduty.no-service", "PagerDuty lists none.")
        return
    if len(services) == 1:
        yield PAGERDUTY.found("pagerduty.one-service", f"PagerDuty lists {_name(services[0])} alone.")
    if fallback_service and not any(fallback_service in (row["id"], _name(row)) for row in services):
        said = "The form cannot offer “I don’t know”."
        yield PAGERDUTY.found("pagerduty.fallback-service-unknown", said, service=fallback_service)
    for row in services:
        yield from _check_service(account, row)
    yield from _check_timeouts(account)
    open_now = [row for row in account.in_use if row["status"] != "maintenance"]
    good = [row for row in open_now if (id_ := _policy_id(row)) and account.reaches_somebody(id_)]
    if good:
        yield PAGERDUTY.found("pagerduty.services-work", _listed(good), count=len(good), all=len(services))


def _check_service(account: Account, row: Json) -> Iterator[Finding]:
    about: dict[str, str] = {"url": row.get("html_url") or "", "service": _name(row)}
    if row["status"] == "disabled":
        yield PAGERDUTY.found("pagerduty.service-disabled", "PagerDuty opens no incidents on it.", **about)
        return
    if row["status"] == "maintenance":
        said, until = _maintenance(account, row)
        yield PAGERDUTY.found("pagerduty.service-in-maintenance", said, **about, until=until)
    if _policy_id(row) is None:
        yield PAGERDUTY.found("pagerduty.service-without-policy", "Nobody is paged for it.", **about)
    rule = row.get("incident_urgency_rule") or {}
    if rule.get("type") == "constant":
        urgencies = {"at all times": rule.get("urgency")}
    else:
        hours = {"within": "during_support_hours", "outside": "outside_support_hours"}
        urgencies = {when: (rule.get(name) or {}).get("urgency") for when, name in hours.items()}
    low = [when for when, urgency in urgencies.items() if urgency == "low"]
    said = "PagerDuty says that its urgency is low then: low urgency does not escalate, and rings by low-urgency rules."
    if low and len(low) == len(urgencies):
        yield PAGERDUTY.found("pagerduty.service-low-urgency", said.replace(" then", ""), **about)
    elif low:
        yield PAGERDUTY.found("pagerduty.service-low-urgency-at-times", said, **about, when=low[0])


def _maintenance(account: Account, row: Json) -> tuple[str, str]:
    """What it is for, and until when, as far as PagerDuty tells."""
    windows = [one for one in account.windows if row["id"] in {service["id"] for service in one.get("services") or ()}]
    if not windows:
        return "PagerDuty opens no incidents on it meanwhile.", "PagerDuty is told otherwise"
    last = max(windows, key=lambda one: datetime.fromisoformat(one["end_time"]))
    said = f"“{last.get('description') or ''}”: PagerDuty opens no incidents on it meanwhile."
    return said, _moment(datetime.fromisoformat(last["end_time"]), account.zone)


def _check_timeouts(account: Account) -> Iterator[Finding]:
    """One finding for all services: many have them, since PagerDuty's website sets them by default."""
    resolved = [row for row in account.in_use if row.get("auto_resolve_timeout")]
    if resolved:
        said = f"After {_durations(resolved, 'auto_resolve_timeout')}, whether or not somebody works on them."
        yield PAGERDUTY.found("pagerduty.auto-resolve", said, services=_listed(resolved))
    timed = [row for row in account.in_use if row.get("acknowledgement_timeout")]
    if timed:
        said = f"After {_durations(timed, 'acknowledgement_timeout')}, unless somebody acknowledges anew."
        yield PAGERDUTY.found("pagerduty.acknowledgement-timeout", said, services=_listed(timed))


# ── escalation policies ───────────────────────────────────────────────────────────────────────────


def _check_policies(account: Account) -> Iterator[Finding]:
    """Those of services in use, each once."""
    for id_, services in account.services_of.items():
        policy = account.policies.get(id_)
        if policy is None:
            continue
        about = {"url": policy.url, "policy": policy.name, "services": _few(services)}
        gaps = account.gaps(id_)
        if not account.reaches_somebody(id_):
            until = f"until {_moment(gaps[0][1], account.zone)}" if gaps[0][1] < account.now + AHEAD else "for 14 days"
            said = f"PagerDuty names nobody who is on call on any of its levels, {until}."
            yield PAGERDUTY.found("pagerduty.policy-reaches-nobody", said, **about)
        elif gaps:
            said = "PagerDuty names nobody who is on call then, on any of its levels."
            yield PAGERDUTY.found("pagerduty.policy-gap", said, **about, when=_spans(gaps, account.zone))
        first, second = (_on_level(account, id_, level) for level in (1, 2))
        if first and first == second:
            said = f"PagerDuty names {_few([one.user.name for one in _now(account, id_, 1)])} on both."
            yield PAGERDUTY.found("pagerduty.levels-equal", said, **about)


def _on_level(account: Account, policy_id: str, level: int) -> frozenset[str]:
    return frozenset(one.user.id for one in _now(account, policy_id, level))


def _now(account: Account, policy_id: str, level: int) -> list[OnCall]:
    return [
        one
        for one in account.on_calls.get(policy_id, ())
        if one.level == level
        and (one.start or account.now) <= account.now
        and (one.end is None or one.end > account.now)
    ]


def _gaps(on_calls: Iterable[OnCall], window: Span) -> list[Span]:
    start, end = window
    covered = sorted((max(one.start or start, start), min(one.end or end, end)) for one in on_calls)
    gaps, reached = [], start
    for begins, ends in [*covered, (end, end)]:
        if begins - reached >= SHORTEST_GAP:
            gaps.append((reached, begins))
        reached = max(reached, ends)
    return gaps


# ── people ────────────────────────────────────────────────────────────────────────────────────────


def _check_people(account: Account) -> Iterator[Finding]:
    """Whoever is on call within AHEAD, for a service in use."""
    policies: dict[str, set[str]] = {}
    for id_ in account.services_of:
        for one in account.on_calls.get(id_, ()):
            policy = account.policies.get(id_)
            policies.setdefault(one.user.id, set()).add(policy.name if policy else id_)
    people = {id_: account.users[id_] for id_ in policies if id_ in account.users}
    good = 0
    for id_, row in sorted(people.items(), key=lambda item: str(item[1].get("name"))):
        troubles = list(_check_person(row, sorted(policies[id_])))
        good += not troubles
        yield from troubles
    if good:
        yield PAGERDUTY.found(
            "pagerduty.people-work", "By their contact methods and rules.", count=good, all=len(people)
        )


def _check_person(row: Json, policies: list[str]) -> Iterator[Finding]:
    about = {"url": row.get("html_url") or "", "person": _name(row), "policies": _few(policies)}
    where = f"On call in {_few(policies)}."
    if row.get("role") in STAKEHOLDERS:
        said = f"{where} PagerDuty says that the role is {row['role']}."
        yield PAGERDUTY.found("pagerduty.stakeholder-on-call", said, **about)
    if row.get("invitation_sent"):
        yield PAGERDUTY.found("pagerduty.invitation-open", f"{where} PagerDuty says that it is still open.", **about)
    usable = {method["id"]: method["type"] for method in row.get("contact_methods") or () if _is_usable(method)}
    rules = [rule for rule in row.get("notification_rules") or () if rule.get("urgency") == "high"]
    by = {usable[id_] for rule in rules if (id_ := (rule.get("contact_method") or {}).get("id")) in usable}
    if not usable:
        said = f"{where} PagerDuty lists none, or none that is enabled."
        yield PAGERDUTY.found("pagerduty.no-contact-method", said, **about)
    elif not by:
        said = f"{where} PagerDuty lists none that leads to a contact method in use."
        yield PAGERDUTY.found("pagerduty.no-high-urgency-rule", said, **about)
    elif by == {EMAIL}:
        said = f"{where} PagerDuty lists no other rule for high urgency."
        yield PAGERDUTY.found("pagerduty.only-email", said, **about)


def _is_usable(method: Json) -> bool:
    """(fact sheet section 7: `enabled` false or `blacklisted` true cannot be reached)"""
    return method.get("enabled") is not False and not method.get("blacklisted")


# ── in words ──────────────────────────────────────────────────────────────────────────────────────


def _policy_id(row: Json) -> str | None:
    return (row.get("escalation_policy") or {}).get("id")


def _name(row: Json) -> str:
    return str(row.get("name") or row.get("summary") or row["id"])


def _listed(rows: list[Json]) -> str:
    return _few([_name(row) for row in rows])


def _few(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _durations(rows: list[Json], name: str) -> str:
    return " or ".join(f"{seconds / 60:g} minutes" for seconds in sorted({int(row[name]) for row in rows}))


def _spans(spans: list[Span], zone: ZoneInfo) -> str:
    return "; ".join(_few_spans([f"from {_moment(start, zone)} to {_moment(end, zone)}" for start, end in spans]))


def _few_spans(texts: list[str]) -> list[str]:
    more = len(texts) - MOST_NAMED
    return [*texts[:MOST_NAMED], *([f"and {more} times more in the next 14 days"] if more > 0 else [])]


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %H:%M}"
