"""What a PagerDuty account consists of, as plain records. Times are epoch seconds; links are ids."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

TRIGGERED, ACKNOWLEDGED, RESOLVED = "triggered", "acknowledged", "resolved"
STATUSES = (TRIGGERED, ACKNOWLEDGED, RESOLVED)
BY_POLICY, BY_HAND = "escalation_policy", "direct_assignment"
# Where an incident came from, which decides whether it can be merged.
BY_API, BY_WEBSITE, BY_MONITORING = "api", "website", "monitoring"
PENDING, JOINED, DECLINED, CANCELLED = "pending", "joined", "declined", "user_cancelled"


def fixed_id(*words: str) -> str:
    """The same seven characters for the same words, so that ids survive "Start over"."""
    number = int.from_bytes(hashlib.sha256("/".join(words).encode()).digest()[:8], "big")
    letters = []
    for _ in range(6):
        number, digit = divmod(number, len(ID_LETTERS))
        letters.append(ID_LETTERS[digit])
    return "P" + "".join(letters)


def fresh_id() -> str:
    """An id as incidents, notes and log entries have it today: Q and thirteen characters."""
    return "Q" + "".join(secrets.choice(ID_LETTERS) for _ in range(13))


@dataclass
class ContactMethod:
    id: str
    type: str  # "phone_contact_method", "sms_…", "email_…", "push_notification_…"
    label: str
    address: str
    country_code: int = 1
    enabled: bool = True
    blacklisted: bool = False

    @property
    def rings(self) -> bool:
        """Whether a page through it wakes somebody: e-mail does not."""
        return self.type != "email_contact_method" and self.enabled and not self.blacklisted


@dataclass
class NotificationRule:
    id: str
    contact_method_id: str
    urgency: str  # "high", "low"
    start_delay_in_minutes: int
    created_at: float


@dataclass
class User:
    id: str
    name: str
    email: str
    role: str
    job_title: str
    time_zone: str
    invitation_sent: bool = False
    contact_methods: list[ContactMethod] = field(default_factory=list)
    notification_rules: list[NotificationRule] = field(default_factory=list)

    def first_to_ring(self, urgency: str) -> ContactMethod | None:
        """The first contact method that rings for an incident of this urgency."""
        ringing = {method.id: method for method in self.contact_methods if method.rings}
        ruled = [rule.contact_method_id for rule in self.notification_rules if rule.urgency == urgency]
        return next((ringing[id_] for id_ in ruled if id_ in ringing), None)

    def can_be_paged(self, urgency: str) -> bool:
        """Whether a phone of theirs rings at once for an incident of this urgency."""
        return self.first_to_ring(urgency) is not None


@dataclass
class Team:
    id: str
    name: str
    description: str
    members: dict[str, str] = field(default_factory=dict)  # user id: "manager", "responder", "observer"


@dataclass
class Shift:
    user_id: str
    start: float
    end: float


@dataclass
class Schedule:
    """One layer of people who take turns, and overrides on top. The turn of user_ids[0] began at turns_from.

    `flexible` ones are in /oncalls, and otherwise only in the API's third version, which is not here. (fact sheet 7)
    """

    id: str
    name: str
    team_ids: list[str]
    user_ids: list[str]
    turns_from: float
    turn_seconds: int
    time_zone: str
    overrides: list[Shift] = field(default_factory=list)
    flexible: bool = False


@dataclass
class Rule:
    """One level of an escalation policy. Targets are ids of users or schedules."""

    id: str
    minutes: int
    target_ids: list[str]


@dataclass
class Policy:
    id: str
    name: str
    team_ids: list[str]
    rules: list[Rule]
    num_loops: int = 0


@dataclass
class Service:
    """`status` is only "active" or "disabled" here; the other three words follow from incidents and windows.

    `urgency_outside_hours` is set where the urgency depends on support hours; those are 9 to 17 on working days.
    """

    id: str
    name: str
    description: str
    policy_id: str | None  # PagerDuty insists on one: without, it is only planted
    team_ids: list[str]
    created_at: float
    status: str = "active"
    urgency: str = "high"
    urgency_outside_hours: str | None = None
    acknowledgement_timeout: int | None = None
    auto_resolve_timeout: int | None = None
    integrations: list[str] = field(default_factory=list)  # their names


@dataclass
class MaintenanceWindow:
    id: str
    description: str
    service_ids: list[str]
    start: float
    end: float
    created_by: str
    sequence_number: int = 1


@dataclass
class Priority:
    id: str
    name: str
    description: str
    order: int


@dataclass
class Assignment:
    user_id: str
    at: float


@dataclass
class Note:
    id: str
    user_id: str
    content: str
    created_at: float
    updated_at: float


@dataclass(frozen=True)
class StatusUpdate:
    id: str
    user_id: str
    message: str
    created_at: float
    subject: str | None = None
    html_message: str | None = None


@dataclass
class Responder:
    """Somebody who was asked to help, alone or as one whom a policy reaches (`policy_id`)."""

    user_id: str
    request_id: str
    requester_id: str
    message: str
    requested_at: float
    updated_at: float
    policy_id: str | None = None
    state: str = PENDING


@dataclass(frozen=True)
class ResponderRequest:
    """`target_ids` are users and escalation policies."""

    id: str
    requester_id: str
    message: str
    at: float
    target_ids: tuple[str, ...]


@dataclass(frozen=True)
class LogEntry:
    """`type` without "_log_entry"; `agent_id` of a user or a service, None is PagerDuty itself. Where `more` names an
    integration, that one of the service is the agent.

    `channel` is a type, such as "api", "website" or "timeout"; `channel_more` what else the channel tells, and
    `more` what else the entry does. Ids in them are those of users, services, policies and priorities.
    """

    id: str
    incident_id: str
    type: str
    at: float
    summary: str
    agent_id: str | None
    channel: str = "api"
    channel_more: dict[str, object] = field(default_factory=dict)
    more: dict[str, object] = field(default_factory=dict)


@dataclass
class Incident:
    """`level` is the escalation level now, from 1; `loop` how often the policy has been walked before."""

    id: str
    number: int
    title: str
    service_id: str
    policy_id: str
    urgency: str
    created_at: float
    key: str
    status: str = TRIGGERED
    priority_id: str | None = None
    details: str | None = None
    conference_bridge: dict[str, object] | None = None
    assigned_via: str = BY_POLICY
    assignments: list[Assignment] = field(default_factory=list)
    acknowledgements: list[Assignment] = field(default_factory=list)
    level: int = 1
    loop: int = 0
    escalates_at: float | None = None
    unacknowledges_at: float | None = None
    resolves_at: float | None = None
    resolved_at: float | None = None
    updated_at: float = 0.0
    status_changed_at: float = 0.0
    status_changed_by: str | None = None
    incident_type: str = "incident_default"
    origin: str = BY_API
    alerts: int = 0
    reopened_at: float | None = None
    merged_into: str | None = None
    notes: list[Note] = field(default_factory=list)
    status_updates: list[StatusUpdate] = field(default_factory=list)
    requests: list[ResponderRequest] = field(default_factory=list)
    responders: list[Responder] = field(default_factory=list)
    log: list[LogEntry] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.status != RESOLVED

    def is_assigned_to(self, user_id: str) -> bool:
        return any(assignment.user_id == user_id for assignment in self.assignments)
