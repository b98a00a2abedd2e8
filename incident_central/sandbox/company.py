"""Harbour Finch, the believable company that the sandbox plays, as plain data.

The people, services and policies are chosen so that every set-up fault the doctor looks for stands somewhere
(who is on call but cannot be woken, whom Slack does not know, which service reaches nobody).
"""

from __future__ import annotations

from dataclasses import dataclass

NAME = "Harbour Finch"
SUBDOMAIN = "harbour-finch"
TIME_ZONE = "Europe/Lisbon"

PAGERDUTY_KEY = "sandbox-account-key1"
PAGERDUTY_READ_ONLY_KEY = "sandbox-readonly-key"
PAGERDUTY_USER_KEY = "sandbox-user-key-mei"  # Mei Tanaka's own
SLACK_TOKEN = "xoxb-sandbox-incident-central"


@dataclass(frozen=True)
class Person:
    """Somebody who works here. `slack_email` is set where Slack knows another address than PagerDuty."""

    name: str
    email: str
    title: str
    pagerduty: bool = True
    slack: bool = True
    role: str = "limited_user"  # in PagerDuty
    phone: str | None = None  # ten digits of a +1 number
    push: bool = True  # has PagerDuty's app on a phone
    slack_email: str | None = None
    slack_deactivated: bool = False
    slack_guest: bool = False


@dataclass(frozen=True)
class Schedule:
    """A rota. The first one is on call now, the others take turns of a week each; without any it is empty."""

    name: str
    team: str
    people: tuple[str, ...]


@dataclass(frozen=True)
class Level:
    """One level of an escalation policy. Targets are names of schedules or people."""

    minutes: int
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    name: str
    team: str
    levels: tuple[Level, ...]
    loops: int = 1


@dataclass(frozen=True)
class Service:
    name: str
    team: str
    policy: str
    description: str
    disabled: bool = False
    in_maintenance: bool = False
    acknowledgement_timeout: int | None = None  # seconds
    auto_resolve_timeout: int | None = None  # seconds


@dataclass(frozen=True)
class Priority:
    name: str
    description: str


@dataclass(frozen=True)
class Company:
    people: tuple[Person, ...]
    teams: dict[str, tuple[str, ...]]  # name of the team: names of its people
    schedules: tuple[Schedule, ...]
    policies: tuple[Policy, ...]
    services: tuple[Service, ...]


# Its own seat in PagerDuty: the From user of everything the hub does there. Never on call, not in Slack.
FROM_USER = Person("Incident Central", "incident-central@example.com", "Incident response hub", slack=False, push=False)

PEOPLE = (
    Person("Mei Tanaka", "mei.tanaka@example.com", "Site reliability engineer", phone="2025550101"),
    Person("Oskar Lindqvist", "oskar.lindqvist@example.com", "Storefront engineer", phone="2025550102"),
    Person("Dana Okafor", "dana.okafor@example.com", "Head of engineering", role="owner", phone="2025550103"),
    Person("Jonas Weber", "jonas.weber@example.com", "Search engineer", phone="2025550104"),
    Person("Priya Nair", "priya.nair@example.com", "Platform engineer", role="admin", phone="2025550105"),
    Person("Tomás Herrera", "tomas.herrera@example.com", "Data engineer", push=False),
    Person("Lucía Paredes", "lucia.paredes@example.com", "Platform lead", role="user", phone="2025550107"),
    Person("Ana Ribeiro", "ana.ribeiro@example.com", "Customer support", pagerduty=False),
    Person(
        "Ana Costa",
        "ana.costa@example.com",
        "Data engineer",
        phone="2025550109",
        slack_email="ana@example.com",
    ),
    Person(
        "Henrik Aalto",
        "henrik.aalto@example.com",
        "Logistics engineer",
        phone="2025550110",
        slack_deactivated=True,
    ),
    Person("Eva Lindgren", "eva.lindgren@example.com", "Press officer", role="read_only_user", push=False),
    Person("Yusuf Demir", "yusuf@contractor.example", "Contractor", pagerduty=False, slack_guest=True),
)

HARBOUR_FINCH = Company(
    people=PEOPLE,
    teams={
        "Storefront": ("Mei Tanaka", "Oskar Lindqvist", "Dana Okafor", "Jonas Weber"),
        "Platform": ("Priya Nair", "Lucía Paredes", "Dana Okafor"),
        "Data": ("Ana Costa", "Tomás Herrera"),
        "Logistics": ("Henrik Aalto", "Dana Okafor"),
    },
    schedules=(
        Schedule("Storefront primary", "Storefront", ("Mei Tanaka", "Jonas Weber")),
        Schedule("Storefront secondary", "Storefront", ("Oskar Lindqvist", "Mei Tanaka")),
        Schedule("Platform rota", "Platform", ("Priya Nair", "Lucía Paredes")),
        Schedule("Payments primary", "Platform", ()),
        Schedule("Data week", "Data", ("Ana Costa", "Tomás Herrera")),
        Schedule("Warehouse floor", "Logistics", ("Henrik Aalto",)),
    ),
    policies=(
        Policy(
            "Storefront",
            "Storefront",
            (
                Level(5, ("Storefront primary",)),
                Level(10, ("Storefront secondary",)),
                Level(15, ("Dana Okafor",)),
            ),
            loops=2,
        ),
        Policy("Search", "Storefront", (Level(5, ("Jonas Weber",)), Level(10, ("Oskar Lindqvist",)))),
        Policy("Platform", "Platform", (Level(10, ("Platform rota",)), Level(15, ("Lucía Paredes",)))),
        Policy("Payments", "Platform", (Level(10, ("Payments primary",)),)),
        Policy("Data", "Data", (Level(15, ("Data week",)), Level(30, ("Tomás Herrera",)))),
        Policy("Warehouse", "Logistics", (Level(10, ("Warehouse floor",)), Level(15, ("Dana Okafor",)))),
        Policy("Incident Desk", "Platform", (Level(5, ("Lucía Paredes", "Dana Okafor")),)),
    ),
    services=(
        Service("Checkout API", "Storefront", "Storefront", "Basket, payment page and orders"),
        Service("Mobile App", "Storefront", "Storefront", "The shop on iPhone and Android"),
        Service("Search", "Storefront", "Search", "Finding products in the shop"),
        Service("Gift Cards", "Storefront", "Storefront", "Switched off since the spring", disabled=True),
        Service("Payments", "Platform", "Payments", "Cards, PayPal, refunds"),
        Service("Identity", "Platform", "Platform", "Sign-in of customers and staff"),
        Service("Email Delivery", "Platform", "Platform", "Order confirmations and newsletters"),
        Service("Incident Desk", "Platform", "Incident Desk", "Where to go when nobody knows what is broken"),
        Service(
            "Data Warehouse",
            "Data",
            "Data",
            "Reports and forecasts",
            acknowledgement_timeout=1800,
            auto_resolve_timeout=14400,
        ),
        Service("Warehouse Scanners", "Logistics", "Warehouse", "Hand scanners and label printers"),
        Service("Returns Portal", "Logistics", "Warehouse", "Sending things back", in_maintenance=True),
    ),
)

PRIORITIES = (
    Priority(
        "P1",
        "Customers cannot do the main thing. Cannot pay, sign in or see the shop; data is lost or leaking.",
    ),
    Priority("P2", "Many customers are hindered. Slow, failing for some, or no way around it."),
    Priority("P3", "A few customers, or there is a way around it. The work can go on, with effort."),
    Priority("P4", "Only we notice. Internal tools, late reports."),
    Priority("P5", "It can wait for the next sprint. Cosmetic."),
)


def grown(*, services: int, people: int) -> Company:
    """Harbour Finch after years of success: filled up to so many services and people, for benchmarks."""
    base = HARBOUR_FINCH
    more_people = [
        Person(f"Robin Example {n}", f"robin.example{n}@example.com", "Engineer", phone=f"20255501{n % 100:02}")
        for n in range(1, people - len(base.people) + 1)
    ]
    teams = dict(base.teams)
    schedules, policies, more_services = list(base.schedules), list(base.policies), list(base.services)
    for n in range(1, services - len(base.services) + 1):
        team = f"Team {(n - 1) // 10 + 1}"
        crew = [person.name for person in (more_people or base.people)]
        first, second = crew[(2 * n) % len(crew)], crew[(2 * n + 1) % len(crew)]
        teams.setdefault(team, (first, second))
        schedules.append(Schedule(f"Service {n} rota", team, (first, second)))
        policies.append(Policy(f"Service {n}", team, (Level(5, (f"Service {n} rota",)), Level(10, (second,)))))
        more_services.append(Service(f"Service {n}", team, f"Service {n}", f"Number {n} of many"))
    return Company(
        people=(*base.people, *more_people),
        teams=teams,
        schedules=tuple(schedules),
        policies=tuple(policies),
        services=tuple(more_services),
    )
