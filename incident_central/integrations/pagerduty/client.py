"""What we ask of PagerDuty, call by call. How a call is made is in calls.py, what its answers become in shapes.py."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from incident_central.integrations.base import (
    CLOCKS_DIFFER,
    BeforeSend,
    EscalationPolicy,
    IntegrationError,
    LogEntry,
    OnCall,
    Page,
    PageRequest,
    PagerService,
    PagerUser,
    Priority,
    Subscription,
    Team,
)
from incident_central.integrations.pagerduty.calls import Calls
from incident_central.integrations.pagerduty.drill_names import is_of_drill
from incident_central.integrations.pagerduty.log import oldest_first
from incident_central.integrations.pagerduty.shapes import (
    on_call_of,
    page_of,
    phones_of,
    policy_of,
    service_of,
    subscription_of,
    understood,
    user_of,
)

Json = dict[str, Any]

#: Events that tell of something that we show. PagerDuty has none for a new title or urgency. (fact sheet section 8)
EVENTS = [
    "incident.triggered",
    "incident.acknowledged",
    "incident.unacknowledged",
    "incident.escalated",
    "incident.delegated",
    "incident.reassigned",
    "incident.reopened",
    "incident.resolved",
    "incident.priority_updated",
    "incident.service_updated",
    "incident.annotated",
    "incident.status_update_published",
    "incident.responder.added",
    "incident.responder.replied",
]

#: Named in one address.
POLICIES_A_CALL = 25


class PagerDuty(Calls):
    """A Pager. Thread-safe."""

    def __init__(self, *, api_key: str, from_email: str, api_url: str, before_send: BeforeSend) -> None:
        super().__init__(api_key=api_key, from_email=from_email, api_url=api_url, before_send=before_send)
        self._from_email = from_email
        self._own_id: str | None = None

    # ── who and what there is ─────────────────────────────────────────────────────────────────────

    def teams(self) -> list[Team]:
        """None where the account has no teams: they only group services. (fact sheet section 7: ability `teams`)"""
        rows = self.rows("/teams", absent=("402", "403", "404"))
        return [Team(row["id"], row.get("name") or row.get("summary") or "") for row in rows]

    def priorities(self) -> list[Priority]:
        """From most to least severe; none where priorities are switched off (404, or 402 by the specification)."""
        rows = self.rows("/priorities", absent=("402", "404"))
        return [Priority(row["id"], row.get("name") or row["summary"], row.get("description") or "") for row in rows]

    def users(self) -> list[PagerUser]:
        rows = self.rows("/users", include=["contact_methods"])
        return [replace(user_of(row), phones=tuple(phones_of(row))) for row in rows]

    def find_user(self, email: str) -> Json | None:
        """The user with exactly this e-mail, as PagerDuty has it: user_of() makes a PagerUser of it.

        (GET /users; `query` finds parts of names and e-mails, too)
        """
        rows = self.rows("/users", query=email)
        return next((row for row in rows if str(row.get("email")).lower() == email.lower()), None)

    def escalation_policies(self) -> list[EscalationPolicy]:
        """Those of drills left out."""
        return [policy_of(row) for row in self.rows("/escalation_policies") if not is_of_drill(row)]

    def services(self) -> list[PagerService]:
        """Those of drills left out: nobody reports for them."""
        return [service_of(row) for row in self.rows("/services") if not is_of_drill(row)]

    def on_calls(self, *, since: datetime, until: datetime, policy_ids: Sequence[str] | None = None) -> list[OnCall]:
        """Who is on call at some time in the window, in these policies or in all. A level without anybody brings no
        row; rows come in no order. Of all, PagerDuty tells 10,000 at most."""
        some: list[Sequence[str] | None] = [None]
        if policy_ids is not None:
            some = [policy_ids[at : at + POLICIES_A_CALL] for at in range(0, len(policy_ids), POLICIES_A_CALL)]
        rows = (
            self.rows("/oncalls", since=since.isoformat(), until=until.isoformat(), escalation_policy_ids=which)
            for which in some
        )
        return [on_call_of(row) for part in rows for row in part]

    # ── pages ─────────────────────────────────────────────────────────────────────────────────────

    def page(self, request: PageRequest) -> Page:
        """Open a PagerDuty incident, which makes phones ring.

        Safe to repeat while it is open: PagerDuty refuses a second one with the same `incident_key` on the service
        (400, code 2002), and that refusal is raised as doubtful, so that the page is looked up. The incident's creator
        is the From user, who must never be on call: an assignee who is also the creator is not paged. What is assigned
        to a person follows no escalation policy. (POST /incidents; fact sheet sections 1 and 7)
        """
        incident: Json = {
            "type": "incident",
            "title": request.title,
            "service": {"id": request.service_id, "type": "service_reference"},
            "incident_key": request.key,
            "body": {"type": "incident_body", "details": request.details},
        }
        if request.only_person_id is not None:
            incident["assignments"] = [{"assignee": {"id": request.only_person_id, "type": "user_reference"}}]
        if request.priority_id is not None:
            incident["priority"] = {"id": request.priority_id, "type": "priority_reference"}
        return page_of(self.write("/incidents", body={"incident": incident})["incident"])

    def find_page(self, key: str, *, service_id: str, since: datetime) -> Page | None:
        """The newest page with this key made after `since`, in whatever state and on whatever service it is by now.

        (GET /incidents; fact sheet section 0.1: without statuses and with all dates, since the default is a month)
        """
        if not key:
            raise ValueError("an empty key would find every open incident")
        rows = self.rows("/incidents", incident_key=key, date_range="all", sort_by="created_at:desc")
        pages = [page_of(row) for row in rows if row.get("incident_key") == key]
        # Nothing of ours is older than the report: what is, is of a database that was restored.
        ours = [page for page in pages if page.created_at >= since - CLOCKS_DIFFER]
        return max(ours, key=lambda page: page.created_at, default=None)

    def read_page(self, page_id: str) -> Page:
        return self.shaped("/incidents/{}", page_id, shape=lambda answer: page_of(answer["incident"]))

    def open_pages(self) -> list[Page]:
        """Those that can be understood: what is not among them need not be resolved."""
        rows = self.rows("/incidents", statuses=["triggered", "acknowledged"], date_range="all")
        return understood(rows, page_of)

    def resolved_lately(self) -> list[Page]:
        """Those that were resolved last, as many as one call tells. (GET /incidents; fact sheet section 7)"""
        rows = self.rows("/incidents", most=100, statuses=["resolved"], date_range="all", sort_by="resolved_at:desc")
        return understood(rows, page_of)

    def add_note(self, page_id: str, text: str) -> None:
        """Not safe to repeat by itself: look among notes() first."""
        self.write("/incidents/{}/notes", page_id, body={"note": {"content": text}})

    def notes(self, page_id: str) -> list[str]:
        return [note["content"] for note in self.row("/incidents/{}/notes", page_id)["notes"]]

    # ── what happened ─────────────────────────────────────────────────────────────────────────────

    def log_entries(
        self, *, since: datetime, until: datetime | None, most: int, with_pages: bool
    ) -> tuple[list[LogEntry], int]:
        """Of the whole account, oldest first, and how many there were, with those that cannot be understood; of more
        than `most` there are, in no order that can be relied on, only so many. (GET /log_entries; fact sheet section 7:
        the order is not documented)

        `with_pages`: what is triggered comes along, at the cost of longer answers and of no call. (include[])
        """
        rows = self.rows(
            "/log_entries",
            most=most,
            since=since.isoformat(),
            until=until.isoformat() if until else None,
            include=["incidents"] if with_pages else None,
        )
        return oldest_first(rows), len(rows)

    def log_of(self, page_id: str, *, since: datetime | None) -> list[LogEntry]:
        """Of one page, oldest first."""
        rows = self.rows("/incidents/{}/log_entries", page_id, since=since.isoformat() if since else None)
        return oldest_first(rows)

    # ── for the doctor, which never writes ────────────────────────────────────────────────────────

    def abilities(self) -> list[str]:
        """What the account's plan has; the cheapest question that needs a valid key. (GET /abilities; section 1)"""
        return [str(name) for name in self.row("/abilities")["abilities"]]

    def may_write(self) -> bool:
        """Whether the key may write, found out without side effects: a schedule preview is a POST that stores nothing.

        A read-only key gets 403. Any other refusal proves nothing, and is raised. (POST /schedules/preview; fact sheet
        section 1, Read-only keys, and correction 10)
        """
        preview = {"type": "schedule", "time_zone": "Etc/UTC", "name": "preview", "schedule_layers": []}
        try:
            self.write("/schedules/preview", body={"schedule": preview})
        except IntegrationError as error:
            if error.code != "403":
                raise
            return False
        return True

    def owner_of_key(self) -> PagerUser | None:
        """Whose own key ours is; None for a key of the account, which PagerDuty tells by refusing with 400.

        (GET /users/me; fact sheet section 1)
        """
        try:
            row = self.row("/users/me")["user"]
        except IntegrationError as error:
            if not error.permanent or error.code in ("401", "403"):
                raise
            return None
        return user_of(row)

    # ── webhooks ──────────────────────────────────────────────────────────────────────────────────

    def subscriptions(self) -> list[Subscription]:
        """Those of the whole account, without their secrets. (GET /webhook_subscriptions; fact sheet section 7)"""
        return [subscription_of(row) for row in self.rows("/webhook_subscriptions", filter_type="account")]

    def subscribe(self, url: str) -> Subscription:
        """Have webhooks sent to `url`. This answer is the only one that ever holds the secret.

        Not safe to repeat: look among subscriptions() first, and end one whose secret was lost with its answer.
        """
        subscription = {
            "type": "webhook_subscription",
            "delivery_method": {"type": "http_delivery_method", "url": url},
            "description": "Incident Central",
            "events": EVENTS,
            "filter": {"type": "account_reference"},
            "active": True,
        }
        answer = self.write("/webhook_subscriptions", body={"webhook_subscription": subscription})
        return subscription_of(answer["webhook_subscription"])

    def enable(self, subscription: Subscription) -> None:
        """Have it send again, whoever switched it off. Safe to repeat.

        (PUT /webhook_subscriptions/{id}, and POST …/enable, which ends a temporary disablement alone)
        """
        if not subscription.active:
            body = {"webhook_subscription": {"active": True}}
            self.write("/webhook_subscriptions/{}", subscription.id, body=body, method="PUT")
        if subscription.given_up:
            self.press("/webhook_subscriptions/{}/enable", subscription.id)

    def unsubscribe(self, subscription_id: str) -> None:
        """Safe to repeat: what is gone raises a permanent error with code 404."""
        self.press("/webhook_subscriptions/{}", subscription_id, method="DELETE")

    def send_test(self, subscription_id: str) -> None:
        """Have a `pagey.ping` sent. Safe to repeat."""
        self.press("/webhook_subscriptions/{}/ping", subscription_id)

    # ── what is done with a page; each of them as the From user ───────────────────────────────────

    def acknowledge(self, page_id: str) -> Page:
        """Silence the phones; the From user becomes the assignee. Read the page first: it reopens one that is resolved.

        (PUT /incidents/{id}; fact sheet sections 0.3 and 7)
        """
        return self._change(page_id, status="acknowledged")

    def resolve(self, page_id: str) -> Page:
        """Safe to repeat: what is resolved stays so, though PagerDuty may refuse the second one (code 1001)."""
        return self._change(page_id, status="resolved")

    def escalate(self, page_id: str, *, level: int) -> Page:
        """Page a level of its escalation policy. Not safe to repeat by itself: phones ring again."""
        return self._change(page_id, escalation_level=level)

    def reassign(self, page_id: str, *, user_id: str) -> Page:
        """Page one person instead. PagerDuty does not escalate from them. Not safe to repeat: the phone rings again."""
        return self._change(page_id, assignments=[{"assignee": {"id": user_id, "type": "user_reference"}}])

    def delegate(self, page_id: str, *, policy_id: str) -> Page:
        """Page another escalation policy from its first level. Not safe to repeat: phones ring again."""
        return self._change(page_id, escalation_policy=_policy(policy_id))

    def move(self, page_id: str, *, service_id: str, policy_id: str) -> Page:
        """The same page on another service, and that service's people paged: in one call, so it is done or it is not.

        That moving alone pages nobody new cannot be ruled out, so the policy is named. Not safe to repeat by itself.
        """
        service = {"id": service_id, "type": "service_reference"}
        return self._change(page_id, service=service, escalation_policy=_policy(policy_id))

    def change_priority(self, page_id: str, *, priority_id: str) -> Page:
        """Safe to repeat."""
        return self._change(page_id, priority={"id": priority_id, "type": "priority_reference"})

    def snooze(self, page_id: str, *, seconds: int) -> Page:
        """Keep an acknowledged page silent for so long, a week at most. A repeat snoozes from then on.

        (POST /incidents/{id}/snooze; fact sheet section 7)
        """
        return page_of(self.write("/incidents/{}/snooze", page_id, body={"duration": seconds})["incident"])

    def ask_for_help(self, page_id: str, *, message: str, user_ids: Sequence[str], policy_ids: Sequence[str]) -> None:
        """Page more people, who may join or decline. Not safe to repeat by itself: look among help_asked() first.

        (POST /incidents/{id}/responder_requests; fact sheet section 7: who asks is named by id, and 402 is a plan
        without them)
        """
        targets = [
            *({"id": one, "type": "user_reference"} for one in user_ids),
            *({"id": one, "type": "escalation_policy_reference"} for one in policy_ids),
        ]
        body = {
            "requester_id": self._from_id(),
            "message": message,
            "responder_request_targets": [{"responder_request_target": target} for target in targets],
        }
        try:
            self.write("/incidents/{}/responder_requests", page_id, body=body)
        except IntegrationError as error:
            if error.code != "402":
                raise
            said = "PagerDuty said 402: your plan has no responder requests, so nobody more can be paged this way."
            raise IntegrationError(said, code="402", permanent=True) from error

    def help_asked(self, page_id: str) -> list[str]:
        """The messages with which more people were asked to help."""
        asked = self.row("/incidents/{}", page_id)["incident"].get("responder_requests") or ()
        return [one.get("message") or "" for one in asked]

    def _from_id(self) -> str:
        """The From user's id, asked for once."""
        if self._own_id is None:
            row = self.find_user(self._from_email)
            if row is None:
                said = f"PagerDuty has no user with the e-mail {self._from_email} (PAGERDUTY_FROM_EMAIL)."
                raise IntegrationError(said, code="1008", permanent=True)
            self._own_id = str(row["id"])
        return self._own_id

    def _change(self, page_id: str, **fields: object) -> Page:
        body = {"incident": {"type": "incident_reference", **fields}}
        return page_of(self.write("/incidents/{}", page_id, body=body, method="PUT")["incident"])


def _policy(policy_id: str) -> Json:
    return {"id": policy_id, "type": "escalation_policy_reference"}
