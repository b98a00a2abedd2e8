"""Scenes in which something is wrong: what is planted in the healthy company, and what the doctor has to find.

The faults of one scene do not touch each other, so that one run finds them all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from incident_central.integrations.slack.manifest import SCOPES
from incident_central.sandbox.company import FROM_USER, PAGERDUTY_READ_ONLY_KEY, PAGERDUTY_USER_KEY, SLACK_TOKEN
from tests.doctor import level, policy_id, reached_by, schedule_id, service_id, user_id
from tests.processes import Sandbox

Plant = Callable[[Sandbox], None]


@dataclass(frozen=True)
class Scene:
    """`found`: ids, each with a word of the title that tells whom it is about."""

    name: str
    found: tuple[tuple[str, str], ...]
    plant: Plant = lambda sandbox: None
    settings: dict[str, str] = field(default_factory=dict)


def _services_and_policies(sandbox: Sandbox) -> None:
    now = sandbox.state["clock"]["now"]

    def service(name: str, **fields: object) -> None:
        sandbox.plant("pagerduty", "services", service_id(name), set=fields)

    def policy(name: str, *rules: object) -> None:
        sandbox.plant("pagerduty", "policies", policy_id(name), set={"rules": list(rules)})

    sandbox.plant("pagerduty", "schedules", schedule_id("Payments primary"), set={"user_ids": []})
    service("Gift Cards", status="disabled")
    window = {"description": "Moving", "service_ids": [service_id("Returns Portal")], "start": now - 60}
    window |= {"end": now + 3600, "created_by": user_id("mei.tanaka")}
    sandbox.plant("pagerduty", "windows", create=window)
    service("Search", policy_id=None)
    service("Identity", urgency="low")
    service("Email Delivery", urgency_outside_hours="low")
    service("Data Warehouse", acknowledgement_timeout=1800, auto_resolve_timeout=14400)
    shift = {"user_id": user_id("ana.costa"), "start": now - 3600, "end": now + 2 * 86400}
    sandbox.plant("pagerduty", "schedules", schedule_id("Data week"), set={"user_ids": [], "overrides": [shift]})
    policy("Data", level(schedule_id("Data week")))
    dana = user_id("dana.okafor")
    policy("Warehouse", level(dana), level(dana, number=2))
    sandbox.switch(priorities="off: 404")


def _people(sandbox: Sandbox) -> None:
    sandbox.plant("pagerduty", "schedules", schedule_id("Storefront secondary"), set={"flexible": True})

    def user(email: str, **fields: object) -> None:
        sandbox.plant("pagerduty", "users", user_id(email), set=fields)

    user("mei.tanaka", invitation_sent=True)
    user("oskar.lindqvist", contact_methods=[], notification_rules=[])
    user("priya.nair", **reached_by("phone", enabled=False))
    user("jonas.weber", **reached_by("phone", urgency="low"))
    user("lucia.paredes", **reached_by("email"))
    user("eva.lindgren", **reached_by("phone"))
    rules = [level(user_id("eva.lindgren"), user_id("dana.okafor"))]
    sandbox.plant("pagerduty", "policies", policy_id("Incident Desk"), set={"rules": rules})


def _without_services(*kept: str) -> Plant:
    def plant(sandbox: Sandbox) -> None:
        for service in sandbox.state["pagerduty"]["services"]:
            if service["name"] not in kept:
                sandbox.plant("pagerduty", "services", service["id"], delete=True)

    return plant


def _from_user(**fields: object) -> Plant:
    return lambda sandbox: sandbox.plant("pagerduty", "users", user_id("incident-central"), set=fields)


def _from_user_on_call(sandbox: Sandbox) -> None:
    _from_user(role="observer", **reached_by("phone"))(sandbox)
    rules = [level(user_id("incident-central"), user_id("dana.okafor"))]
    sandbox.plant("pagerduty", "policies", policy_id("Incident Desk"), set={"rules": rules})


def _busy_and_elsewhere(sandbox: Sandbox) -> None:
    sandbox.switch(other_requests="800", region="eu")
    sandbox.advance(60)


def _token(**fields: object) -> Plant:
    return lambda sandbox: sandbox.plant("slack", "tokens", SLACK_TOKEN, set=fields)


def _token_of_mei(sandbox: Sandbox) -> None:
    members = sandbox.state["slack"]["members"]
    mei = next(one["id"] for one in members if one["real_name"] == "Mei Tanaka")
    _token(kind="user", user_id=mei)(sandbox)


def _announce(**fields: object) -> Plant:
    def plant(sandbox: Sandbox) -> None:
        channels = sandbox.state["slack"]["channels"]
        sandbox.plant(
            "slack", "channels", next(one["id"] for one in channels if one["name"] == "incidents"), set=fields
        )

    return plant


def _all(*plants: Plant) -> Plant:
    def plant(sandbox: Sandbox) -> None:
        for each in plants:
            each(sandbox)

    return plant


def _broken(provider: str, kind: str, method: str = "*") -> Plant:
    def plant(sandbox: Sandbox) -> None:
        sandbox.fault(provider, kind, method=method, seconds=30)

    return plant


UNASKED = (
    ("pagerduty.not-checked", "The From user, priorities and webhooks"),
    ("pagerduty.not-checked", "Services, escalation policies and the people on call"),
)
SCENES = [
    Scene("healthy", ()),
    Scene(
        "services and policies, and webhooks switched off",
        (
            ("pagerduty.webhook-disabled", ""),
            ("pagerduty.policy-reaches-nobody", "Payments"),
            ("pagerduty.service-disabled", "Gift Cards"),
            ("pagerduty.service-in-maintenance", "Returns Portal"),
            ("pagerduty.service-without-policy", "Search"),
            ("pagerduty.service-low-urgency", "Identity"),
            ("pagerduty.service-low-urgency-at-times", "Email Delivery wakes nobody outside its support hours"),
            ("pagerduty.auto-resolve", "Data Warehouse"),
            ("pagerduty.acknowledgement-timeout", "Data Warehouse"),
            ("pagerduty.policy-gap", "Data reaches nobody from "),
            ("pagerduty.levels-equal", "Warehouse"),
            ("pagerduty.priorities-off", ""),
        ),
        _all(
            _services_and_policies,
            lambda sandbox: sandbox.control(f"/webhooks/{_subscription(sandbox)}/disable", {}),
        ),
    ),
    Scene(
        "people, an archived announce channel, and webhooks with a secret that nobody knows",
        (
            ("pagerduty.webhook-secret-unknown", ""),
            ("pagerduty.invitation-open", "Mei Tanaka"),
            ("pagerduty.no-contact-method", "Oskar Lindqvist"),
            ("pagerduty.no-contact-method", "Priya Nair"),
            ("pagerduty.no-high-urgency-rule", "Jonas Weber"),
            ("pagerduty.only-email", "Lucía Paredes"),
            ("pagerduty.stakeholder-on-call", "Eva Lindgren"),
            ("slack.announce-channel-archived", "#incidents"),
        ),
        _all(_people, _announce(is_archived=True, members=[])),
        {"PAGERDUTY_WEBHOOK_SECRET": ""},
    ),
    Scene(
        "no service, no webhooks, and the bot outside",
        (
            ("pagerduty.webhook-missing", ""),
            ("pagerduty.no-service", ""),
            ("slack.announce-channel-without-bot", "#incidents"),
        ),
        _all(
            _without_services(),
            lambda sandbox: sandbox.plant("pagerduty", "subscriptions", _subscription(sandbox), delete=True),
            _announce(members=[]),
        ),
    ),
    Scene(
        "one service, no announce channel, and an app that may do more than its manifest",
        (
            ("slack.extra-scope", ""),
            ("pagerduty.one-service", ""),
            ("pagerduty.fallback-service-unknown", "Incident Desk"),
            ("slack.announce-channel-missing", "nowhere"),
        ),
        _all(
            _without_services("Checkout API"),
            _token(scopes=[*(scope.name for scope in SCOPES), "files:write"]),
        ),
        {"SLACK_ANNOUNCE_CHANNEL": "nowhere"},
    ),
    Scene(
        "a read-only key that is not shown to be one",
        (("pagerduty.not-checked", "Write access"),),
        lambda sandbox: sandbox.switch(read_only_check="after the body", empty_preview="refused"),
        {"PAGERDUTY_API_KEY": PAGERDUTY_READ_ONLY_KEY},
    ),
    Scene(
        "a read-only key, and few scopes",
        (
            ("pagerduty.key-read-only", ""),
            ("slack.may-not-open-channels", "channels:manage"),
            *(("slack.scope-missing", f"the scope `{scope.name}`:") for scope in SCOPES[1:]),
            ("slack.not-checked", "announce channel"),
        ),
        _token(scopes=[]),
        {"PAGERDUTY_API_KEY": PAGERDUTY_READ_ONLY_KEY},
    ),
    Scene(
        "keys of people",
        (
            ("pagerduty.key-of-a-person", "Mei Tanaka"),
            ("pagerduty.from-on-call", "Mei Tanaka"),
            ("slack.token-of-a-person", ""),
        ),
        _token_of_mei,
        {"PAGERDUTY_API_KEY": PAGERDUTY_USER_KEY},
    ),
    Scene(
        "a wrong key, and a revoked token",
        (("pagerduty.key-refused", ""), *UNASKED, ("slack.token-revoked", "")),
        _token(state="token_revoked"),
        {"PAGERDUTY_API_KEY": "wrong-key-of-20-char"},
    ),
    Scene(
        "a deleted key, told in plain text, and an expired token",
        (("pagerduty.key-refused", ""), *UNASKED, ("slack.token-expired", "")),
        _all(
            lambda sandbox: sandbox.plant("pagerduty", "keys", "sandbox-account-key1", delete=True),
            lambda sandbox: sandbox.switch(unauthorized_body="text"),
            _token(state="token_expired"),
        ),
    ),
    Scene(
        "an integration key, and an unknown token",
        (("pagerduty.key-of-an-integration", ""), *UNASKED, ("slack.token-refused", "")),
        settings={"PAGERDUTY_API_KEY": "0123456789abcdef" * 2, "SLACK_BOT_TOKEN": "xoxb-unknown"},
    ),
    Scene(
        "an account that has ended, and an app-level token",
        (("pagerduty.account-expired", ""), *UNASKED, ("slack.token-of-the-app", "")),
        _all(lambda sandbox: sandbox.switch(account="expired: 402"), _token(kind="app")),
    ),
    Scene(
        "a From user that is not there, and an organisation",
        (("pagerduty.from-unknown", "nobody@example.com"), ("slack.org-wide", "")),
        lambda sandbox: sandbox.switch(installation="organisation"),
        {"PAGERDUTY_FROM_EMAIL": "nobody@example.com"},
    ),
    Scene(
        "a From user that was removed, and scopes that are not told",
        (("pagerduty.from-unknown", FROM_USER.email), ("slack.not-checked", "Scopes")),
        _all(
            lambda sandbox: sandbox.plant("pagerduty", "users", user_id("incident-central"), delete=True),
            lambda sandbox: sandbox.switch(scopes_header="left out"),
        ),
    ),
    Scene(
        "a stakeholder as From user, and the list of channels limited",
        (
            ("pagerduty.from-stakeholder", FROM_USER.email),
            ("pagerduty.from-invited", FROM_USER.email),
            ("slack.rate-limited", ""),
            ("slack.not-checked", "announce channel"),
        ),
        _all(
            _from_user(role="read_only_user", invitation_sent=True),
            _broken("slack", "429", "users.conversations"),
        ),
    ),
    Scene(
        "a From user on call, another region, others, and clocks",
        (
            ("pagerduty.from-role-doubtful", FROM_USER.email),
            ("pagerduty.from-on-call", FROM_USER.name),
            ("pagerduty.other-region", ""),
            ("pagerduty.rate-limit-nearly-used", ""),
            ("pagerduty.clock-skew", " s apart"),
            ("slack.clock-skew", " s apart"),
        ),
        _all(_from_user_on_call, _busy_and_elsewhere),
    ),
    Scene(
        "both down",
        (("pagerduty.unreachable", ""), *UNASKED, ("slack.unreachable", ""), ("slack.not-checked", "Scopes")),
        _all(_broken("pagerduty", "down"), _broken("slack", "down")),
    ),
    Scene(
        "both limited",
        (
            ("pagerduty.not-checked", "The From user"),
            ("pagerduty.not-checked", "Services"),
            ("slack.rate-limited", ""),
            ("slack.not-checked", "Scopes"),
        ),
        _all(
            _broken("pagerduty", "429", "GET /oncalls"),
            _broken("pagerduty", "429", "GET /schedules"),
            _broken("slack", "429", "auth.test"),
        ),
    ),
    Scene(
        "a proxy that answers instead of both",
        (("pagerduty.unreachable", ""), *UNASKED, ("slack.unreachable", ""), ("slack.not-checked", "Scopes")),
        _all(_broken("pagerduty", "html-200"), _broken("slack", "html-200")),
    ),
    Scene(
        "nothing set up at all",
        (
            ("pagerduty.key-missing", ""),
            ("pagerduty.from-missing", ""),
            ("pagerduty.not-checked", "Services"),
            ("slack.token-missing", ""),
            ("people.not-checked", ""),
            ("database.time-zone", ""),
            ("hub.base-url-missing", ""),
            ("hub.fallback-contact-missing", ""),
            ("hub.fallback-service-missing", ""),
            ("hub.nobody-told", ""),
        ),
        settings=dict.fromkeys(
            (
                "PAGERDUTY_API_KEY",
                "PAGERDUTY_FROM_EMAIL",
                "SLACK_BOT_TOKEN",
                "TIME_ZONE",
                "BASE_URL",
                "FALLBACK_CONTACT",
                "FALLBACK_SERVICE",
            ),
            "",
        ),
    ),
]


def _subscription(sandbox: Sandbox) -> str:
    (one,) = sandbox.state["pagerduty"]["subscriptions"]
    return str(one["id"])
