"""Set up a PagerDuty account for a company."""

from __future__ import annotations

from datetime import datetime, timedelta

from incident_central.sandbox import company as plain
from incident_central.sandbox.clock import Clock
from incident_central.sandbox.pagerduty.account import (
    ACCOUNT_KEY,
    READ_ONLY_KEY,
    USER_KEY,
    Account,
    Key,
)
from incident_central.sandbox.pagerduty.records import (
    ContactMethod,
    MaintenanceWindow,
    NotificationRule,
    Policy,
    Priority,
    Rule,
    Schedule,
    Service,
    Team,
    User,
    fixed_id,
)
from incident_central.sandbox.switches import Switches

WEEK = 7 * 24 * 3600
AGE_OF_THE_ACCOUNT = 500 * 24 * 3600


def founded(company: plain.Company, *, clock: Clock, switches: Switches, api_url: str, page_url: str) -> Account:
    """A fresh account without incidents."""
    keys = (
        Key(plain.PAGERDUTY_KEY, ACCOUNT_KEY),
        Key(plain.PAGERDUTY_READ_ONLY_KEY, READ_ONLY_KEY),
        Key(plain.PAGERDUTY_USER_KEY, USER_KEY, user_id=_user_id(company.people[0])),
    )
    account = Account(clock=clock, switches=switches, api_url=api_url, page_url=page_url, keys=keys)
    began = clock.now() - AGE_OF_THE_ACCOUNT
    _add_people(account, company, began)
    _add_rotas(account, company)
    for service in company.services:
        _add_service(account, service, began)
    for order, priority in enumerate(plain.PRIORITIES):
        record = Priority(fixed_id("priority", priority.name), priority.name, priority.description, order)
        account.priorities[record.id] = record
    return account


def _user_id(person: plain.Person) -> str:
    return fixed_id("user", person.email)


def _add_people(account: Account, company: plain.Company, began: float) -> None:
    ids = {}
    for person in (*company.people, plain.FROM_USER):
        if person.pagerduty:
            user = _user(person, began)
            account.users[user.id] = user
            ids[person.name] = user.id
    for name, crew in company.teams.items():
        roles = ("manager", *["responder"] * (len(crew) - 1))
        members = {ids[member]: role for member, role in zip(crew, roles, strict=True)}
        team = Team(fixed_id("team", name), name, f"{name} at {plain.NAME}", members)
        account.teams[team.id] = team


def _user(person: plain.Person, began: float) -> User:
    methods, rules = [], []

    def reach_by(kind: str, label: str, address: str, *urgencies: str) -> None:
        method = ContactMethod(fixed_id(kind, person.email), f"{kind}_contact_method", label, address)
        methods.append(method)
        for urgency in urgencies:
            rule_id = fixed_id("rule", urgency, method.id)
            rules.append(NotificationRule(rule_id, method.id, urgency, 0, began))

    if person.phone is not None:
        reach_by("email", "Work", person.email, "low")
        reach_by("phone", "Mobile", person.phone, "high")
        reach_by("sms", "Mobile", person.phone, "high")
        if person.push:
            reach_by("push_notification", "Phone", fixed_id("device", person.email), "high", "low")
    return User(
        id=_user_id(person),
        name=person.name,
        email=person.email,
        role=person.role,
        job_title=person.title,
        time_zone=plain.TIME_ZONE,
        contact_methods=methods,
        notification_rules=rules,
    )


def _add_rotas(account: Account, company: plain.Company) -> None:
    ids = {user.name: user.id for user in account.users.values()}
    turns_from = _next_handover(account) - WEEK
    for rota in company.schedules:
        schedule = Schedule(
            id=fixed_id("schedule", rota.name),
            name=rota.name,
            team_ids=[fixed_id("team", rota.team)],
            user_ids=[ids[name] for name in rota.people],
            turns_from=turns_from,
            turn_seconds=WEEK,
            time_zone=plain.TIME_ZONE,
        )
        account.schedules[schedule.id] = schedule
        ids[rota.name] = schedule.id
    for policy in company.policies:
        rules = [
            Rule(fixed_id("rule", policy.name, str(n)), level.minutes, [ids[name] for name in level.targets])
            for n, level in enumerate(policy.levels, start=1)
        ]
        record = Policy(
            id=fixed_id("policy", policy.name),
            name=policy.name,
            team_ids=[fixed_id("team", policy.team)],
            rules=rules,
            num_loops=policy.loops,
        )
        account.policies[record.id] = record


def _next_handover(account: Account) -> float:
    """A nine o'clock in the morning that is 12 to 36 hours off: whoever is on call now stays so for a while."""
    local = datetime.fromtimestamp(account.clock.now(), account.zone)
    nine = local.replace(hour=9, minute=0, second=0, microsecond=0)
    while nine < local + timedelta(hours=12):
        nine += timedelta(days=1)
    return nine.timestamp()


def _add_service(account: Account, service: plain.Service, began: float) -> None:
    record = Service(
        id=fixed_id("service", service.name),
        name=service.name,
        description=service.description,
        policy_id=fixed_id("policy", service.policy),
        team_ids=[fixed_id("team", service.team)],
        created_at=began,
        status="disabled" if service.disabled else "active",
        acknowledgement_timeout=service.acknowledgement_timeout,
        auto_resolve_timeout=service.auto_resolve_timeout,
    )
    account.services[record.id] = record
    if service.in_maintenance:
        now = account.clock.now()
        window = MaintenanceWindow(
            id=fixed_id("window", service.name),
            description=f"{service.name}: moving to new servers",
            service_ids=[record.id],
            start=now - 24 * 3600,
            end=now + 14 * 24 * 3600,
            created_by=_user_id(plain.FROM_USER),
        )
        account.windows[window.id] = window
