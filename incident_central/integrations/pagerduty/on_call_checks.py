"""Checks of PagerDuty's services, of whom their escalation policies reach, now and in the next 14 days, and of the
people on call."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from incident_central.findings import Finding
from incident_central.integrations.base import IntegrationError
from incident_central.integrations.pagerduty.account import AHEAD, Account, Span, name, policy_id, read_account
from incident_central.integrations.pagerduty.checks import STAKEHOLDERS, not_checked
from incident_central.integrations.pagerduty.client import PagerDuty
from incident_central.integrations.pagerduty.findings import PAGERDUTY

Json = dict[str, Any]

MOST_NAMED = 3
EMAIL = "email_contact_method"


def check_on_call(pager: PagerDuty, *, api_key: str, fallback_service: str, now: datetime) -> Iterator[Finding]:
    """`now` is in the reader's time zone. Without an answer to one of the lists, nothing is said of the others."""
    what = "Services, escalation policies and the people on call"
    if not api_key:
        yield not_checked(what, "No API key is set.")
        return
    try:
        account = read_account(pager, now)
    except IntegrationError as error:
        yield not_checked(what, str(error))
        return
    yield from _check_services(account, fallback_service)
    yield from _check_policies(account)
    yield from _check_people(account)


# ── services ──────────────────────────────────────────────────────────────────────────────────────


def _check_services(account: Account, fallback_service: str) -> Iterator[Finding]:
    services = account.services
    if not services:
        yield PAGERDUTY.found("pagerduty.no-service", "PagerDuty lists none.")
        return
    if len(services) == 1:
        yield PAGERDUTY.found("pagerduty.one-service", f"PagerDuty lists {name(services[0])} alone.")
    if fallback_service and not any(fallback_service in (row["id"], name(row)) for row in services):
        said = "The form cannot offer “I don’t know”."
        yield PAGERDUTY.found("pagerduty.fallback-service-unknown", said, service=fallback_service)
    for row in services:
        yield from _check_service(account, row)
    yield from _check_timeouts(account)
    open_now = [row for row in account.in_use if row["status"] != "maintenance"]
    good = [row for row in open_now if (id_ := policy_id(row)) and account.reaches_somebody(id_)]
    if good:
        yield PAGERDUTY.found("pagerduty.services-work", _listed(good), count=len(good), all=len(services))


def _check_service(account: Account, row: Json) -> Iterator[Finding]:
    about: dict[str, str] = {"url": row.get("html_url") or "", "service": name(row)}
    if row["status"] == "disabled":
        yield PAGERDUTY.found("pagerduty.service-disabled", "PagerDuty opens no incidents on it.", **about)
        return
    if row["status"] == "maintenance":
        said, until = _maintenance(account, row)
        yield PAGERDUTY.found("pagerduty.service-in-maintenance", said, **about, until=until)
    if policy_id(row) is None:
        yield PAGERDUTY.found("pagerduty.service-without-policy", "Nobody is paged for it.", **about)
    rule = row.get("incident_urgency_rule") or {}
    if rule.get("type") == "constant":
        urgencies = {"at all times": rule.get("urgency")}
    else:
        hours = {"within": "during_support_hours", "outside": "outside_support_hours"}
        urgencies = {when: (rule.get(which) or {}).get("urgency") for when, which in hours.items()}
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
    return said, _moment(datetime.fromisoformat(last["end_time"]), account.now)


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
            until = f"until {_moment(gaps[0][1], account.now)}" if gaps[0][1] < account.now + AHEAD else "for 14 days"
            said = f"PagerDuty names nobody who is on call on any of its levels, {until}."
            yield PAGERDUTY.found("pagerduty.policy-reaches-nobody", said, **about)
        elif gaps:
            said = "PagerDuty names nobody who is on call then, on any of its levels."
            yield PAGERDUTY.found("pagerduty.policy-gap", said, **about, when=_spans(gaps, account.now))
        first, second = ({one.user for one in account.on_level(id_, level)} for level in (1, 2))
        if first and {user.id for user in first} == {user.id for user in second}:
            said = f"PagerDuty names {_few(sorted(user.name for user in first))} on both."
            yield PAGERDUTY.found("pagerduty.levels-equal", said, **about)


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
    about = {"url": row.get("html_url") or "", "person": name(row), "policies": _few(policies)}
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


def _listed(rows: list[Json]) -> str:
    return _few([name(row) for row in rows])


def _few(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _durations(rows: list[Json], field: str) -> str:
    return " or ".join(f"{seconds / 60:g} minutes" for seconds in sorted({int(row[field]) for row in rows}))


def _spans(spans: list[Span], now: datetime) -> str:
    told = [f"from {_moment(start, now)} to {_moment(end, now)}" for start, end in spans]
    more = len(told) - MOST_NAMED
    return "; ".join(told[:MOST_NAMED]) + (f"; and {more} times more in the next 14 days" if more > 0 else "")


def _moment(moment: datetime, now: datetime) -> str:
    """In the time zone of `now`."""
    local = moment.astimezone(now.tzinfo)
    return f"{local:%a} {local.day} {local:%b %H:%M}"
