"""PagerDuty over its REST API v2, through the official client.

The official client would repeat a POST whose answer was lost and wait for ever on a 429; here each call is one attempt,
and what failed is said as an IntegrationError. Retrying belongs to the step that called.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx2
import pagerduty

from incident_central.integrations.base import (
    BeforeSend,
    Closed,
    EscalationPolicy,
    IntegrationError,
    Level,
    LogEntry,
    OnCall,
    Page,
    PageRequest,
    PagerService,
    PagerUser,
    Phone,
    Priority,
    Reference,
    Subscription,
    Team,
    ahead,
    seconds_to_wait,
)
from incident_central.integrations.pagerduty.drill_names import is_of_drill
from incident_central.integrations.pagerduty.log import log_entry

T = TypeVar("T")
Json = dict[str, Any]

#: Connecting, and each read or write, in seconds. A call must end well within a step's lease.
TIMEOUT = httpx2.Timeout(9, connect=4)
DUPLICATE = "matching dedup key already exists"
INVALID_PRIORITY = "1020"
ACCOUNT_EXPIRED = "2012"

#: Below this part of PagerDuty's limit, what is left is for paging.
KEPT_FOR_PAGING = 0.1

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


class PagerDuty:
    """A Pager. Thread-safe. Connections are kept open: a new TLS handshake costs more than all our own work."""

    def __init__(self, *, api_key: str, from_email: str, api_url: str, before_send: BeforeSend) -> None:
        self._closed = Closed("PagerDuty")
        self._spare_until = 0.0
        #: What the last answer said of PagerDuty's limit: requests left, and how many there are a minute.
        self.limit: tuple[float, float] | None = None
        #: By how many seconds PagerDuty's clock is ahead of ours, as far as its last answer tells.
        self.clock_ahead = 0.0
        self._from_email = from_email
        self._own_id: str | None = None
        self._client = _Client(
            api_key,
            default_from=from_email,
            base_url=api_url,
            event_hooks={
                "request": [lambda request: before_send(), _note_time],
                "response": [self._heed_limit, self._heed_clock],
            },
            limits=httpx2.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=90),
            trust_env=not api_url.startswith("http://"),
        )

    # ── who and what there is ─────────────────────────────────────────────────────────────────────

    def teams(self) -> list[Team]:
        """None where the account has no teams: they only group services. (fact sheet section 7: ability `teams`)"""
        rows = self._all("/teams", absent=("402", "403", "404"))
        return [Team(row["id"], row.get("name") or row.get("summary") or "") for row in rows]

    def priorities(self) -> list[Priority]:
        """From most to least severe; none where priorities are switched off (404, or 402 by the specification)."""
        rows = self._all("/priorities", absent=("402", "404"))
        return [Priority(row["id"], row.get("name") or row["summary"], row.get("description") or "") for row in rows]

    def users(self) -> list[PagerUser]:
        rows = self._all("/users", include=["contact_methods"])
        return [replace(user_of(row), phones=tuple(_phones(row))) for row in rows]

    def find_user(self, email: str) -> Json | None:
        """The user with exactly this e-mail, as PagerDuty has it: user_of() makes a PagerUser of it.

        (GET /users; `query` finds parts of names and e-mails, too)
        """
        rows = self._all("/users", query=email)
        return next((row for row in rows if str(row.get("email")).lower() == email.lower()), None)

    def escalation_policies(self) -> list[EscalationPolicy]:
        """Those of drills left out."""
        return [
            EscalationPolicy(
                row["id"],
                row.get("name") or row["summary"],
                row.get("html_url") or "",
                tuple(
                    Level(rule["escalation_delay_in_minutes"], tuple(_reference(target) for target in rule["targets"]))
                    for rule in row["escalation_rules"]
                ),
            )
            for row in self._all("/escalation_policies")
            if not is_of_drill(row)
        ]

    def services(self) -> list[PagerService]:
        """Those of drills left out: nobody reports for them."""
        return [
            PagerService(
                row["id"],
                row.get("name") or row["summary"],
                row.get("description") or "",
                row["status"],
                row.get("html_url") or "",
                _reference(row["escalation_policy"]) if row.get("escalation_policy") else None,
                tuple(_reference(team) for team in row.get("teams") or ()),
            )
            for row in self._all("/services")
            if not is_of_drill(row)
        ]

    def on_calls(self, *, since: datetime, until: datetime, policy_ids: Sequence[str] = ()) -> list[OnCall]:
        """Who is on call at some time in the window, in these policies or in all. A level without anybody brings no
        row; rows come in no order."""
        which = list(policy_ids) or None
        rows = self._all("/oncalls", since=since.isoformat(), until=until.isoformat(), escalation_policy_ids=which)
        return [
            OnCall(
                row["escalation_policy"]["id"],
                row["escalation_level"],
                _reference(row["user"]),
                _reference(row["schedule"]) if row.get("schedule") else None,
                _time(row.get("start")),
                _time(row.get("end")),
            )
            for row in rows
        ]

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
        return page_of(self._write("/incidents", body={"incident": incident})["incident"])

    def find_page(self, key: str, *, service_id: str, since: datetime) -> Page | None:
        """The newest page with this key made after `since`, in whatever state and on whatever service it is by now.

        (GET /incidents; fact sheet section 0.1: without statuses and with all dates, since the default is a month)
        """
        if not key:
            raise ValueError("an empty key would find every open incident")
        rows = self._all("/incidents", incident_key=key, date_range="all", sort_by="created_at:desc")
        pages = [page_of(row) for row in rows if row.get("incident_key") == key]
        # PagerDuty's clock and ours may differ, and nothing of ours is older than the report.
        ours = [page for page in pages if page.created_at >= since - timedelta(minutes=15)]
        return max(ours, key=lambda page: page.created_at, default=None)

    def read_page(self, page_id: str) -> Page:
        return page_of(self._get("/incidents/{}", page_id)["incident"])

    def open_pages(self) -> list[Page]:
        rows = self._all("/incidents", statuses=["triggered", "acknowledged"], date_range="all")
        return [page_of(row) for row in rows]

    def resolved_lately(self) -> list[Page]:
        """Those that were resolved last, as many as one call tells. (GET /incidents; fact sheet section 7)"""
        rows = self._all("/incidents", most=100, statuses=["resolved"], date_range="all", sort_by="resolved_at:desc")
        return [page_of(row) for row in rows]

    def add_note(self, page_id: str, text: str) -> None:
        """Not safe to repeat by itself: look among notes() first."""
        self._write("/incidents/{}/notes", page_id, body={"note": {"content": text}})

    def notes(self, page_id: str) -> list[str]:
        return [note["content"] for note in self._get("/incidents/{}/notes", page_id)["notes"]]

    # ── what happened ─────────────────────────────────────────────────────────────────────────────

    def log_entries(self, *, since: datetime, until: datetime | None, most: int) -> list[LogEntry]:
        """Of the whole account, oldest first; of more than `most` there are, in no order that can be relied on, only so
        many. (GET /log_entries; fact sheet section 7: the order is not documented)"""
        rows = self._all("/log_entries", most=most, since=since.isoformat(), until=until.isoformat() if until else None)
        return _oldest_first(rows)

    def log_of(self, page_id: str, *, since: datetime | None) -> list[LogEntry]:
        """Of one page, oldest first."""
        rows = self._all("/incidents/{}/log_entries", page_id, since=since.isoformat() if since else None)
        return _oldest_first(rows)

    def seconds_to_spare_it(self) -> float:
        """How long to leave PagerDuty alone, unless it is to page: as long as hardly any requests are left to us.

        (`ratelimit-remaining`, `ratelimit-limit` and `ratelimit-reset` of the last answer; fact sheet section 4)
        """
        return max(0.0, self._spare_until - time.monotonic())

    def _heed_limit(self, response: httpx2.Response) -> None:
        names = ("ratelimit-remaining", "ratelimit-limit", "ratelimit-reset")
        remaining, limit, reset = (seconds_to_wait(response.headers.get(name)) for name in names)
        if remaining is None or limit is None or reset is None:
            return
        self.limit = (remaining, limit)
        if remaining < limit * KEPT_FOR_PAGING:
            self._spare_until = time.monotonic() + reset

    def _heed_clock(self, response: httpx2.Response) -> None:
        """Its Date, in whole seconds, was written at some time between our asking and its answer's arrival."""
        try:
            date = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
        except ValueError:
            return
        self.clock_ahead = ahead(date, asked_at=response.request.extensions["asked_at"], answered_at=time.time())

    # ── for the doctor, which never writes ────────────────────────────────────────────────────────

    def abilities(self) -> list[str]:
        """What the account's plan has; the cheapest question that needs a valid key. (GET /abilities; section 1)"""
        return [str(name) for name in self._get("/abilities")["abilities"]]

    def rows(self, path: str, **params: Any) -> list[Json]:
        """Every row of a list, as PagerDuty has it. For checks.py alone, which knows PagerDuty's shapes, too."""
        return self._all(path, **params)

    def may_write(self) -> bool:
        """Whether the key may write, found out without side effects: a schedule preview is a POST that stores nothing.

        A read-only key gets 403. Any other refusal proves nothing, and is raised. (POST /schedules/preview; fact sheet
        section 1, Read-only keys, and correction 10)
        """
        preview = {"type": "schedule", "time_zone": "Etc/UTC", "name": "preview", "schedule_layers": []}
        try:
            self._write("/schedules/preview", body={"schedule": preview})
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
            row = self._get("/users/me")["user"]
        except IntegrationError as error:
            if not error.permanent or error.code in ("401", "403"):
                raise
            return None
        return user_of(row)

    # ── for drills and the guided set-up ──────────────────────────────────────────────────────────

    def row(self, path: str, *ids: str) -> Json:
        """One answer as PagerDuty has it. For drill_service.py alone, which knows PagerDuty's shapes, too."""
        return self._get(path, *ids)

    def make(self, path: str, body: Json) -> Json:
        """Make something new. Not safe to repeat after a lost answer: look for it first."""
        return self._write(path, body=body)

    # ── webhooks ──────────────────────────────────────────────────────────────────────────────────

    def subscriptions(self) -> list[Subscription]:
        """Those of the whole account, without their secrets. (GET /webhook_subscriptions; fact sheet section 7)"""
        return [_subscription(row) for row in self._all("/webhook_subscriptions", filter_type="account")]

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
        answer = self._write("/webhook_subscriptions", body={"webhook_subscription": subscription})
        return _subscription(answer["webhook_subscription"])

    def enable(self, subscription_id: str) -> None:
        """End a temporary disablement. Safe to repeat."""
        self._press("/webhook_subscriptions/{}/enable", subscription_id)

    def unsubscribe(self, subscription_id: str) -> None:
        """Safe to repeat: what is gone raises a permanent error with code 404."""
        self._press("/webhook_subscriptions/{}", subscription_id, method="DELETE")

    def send_test(self, subscription_id: str) -> None:
        """Have a `pagey.ping` sent. Safe to repeat."""
        self._press("/webhook_subscriptions/{}/ping", subscription_id)

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
        return page_of(self._write("/incidents/{}/snooze", page_id, body={"duration": seconds})["incident"])

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
            self._write("/incidents/{}/responder_requests", page_id, body=body)
        except IntegrationError as error:
            if error.code != "402":
                raise
            said = "PagerDuty said 402: your plan has no responder requests, so nobody more can be paged this way."
            raise IntegrationError(said, code="402", permanent=True) from error

    def help_asked(self, page_id: str) -> list[str]:
        """The messages with which more people were asked to help."""
        asked = self._get("/incidents/{}", page_id)["incident"].get("responder_requests") or ()
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
        return page_of(self._write("/incidents/{}", page_id, body=body, method="PUT")["incident"])

    # ── one attempt ───────────────────────────────────────────────────────────────────────────────

    def _all(
        self, path: str, *ids: str, absent: tuple[str, ...] = (), most: int | None = None, **params: object
    ) -> list[Json]:
        """Every page of a list, or `most` of it; nothing where PagerDuty answers with one of the statuses in
        `absent`."""

        def read() -> list[Json]:
            given = {name: value for name, value in params.items() if value is not None}
            return list(itertools.islice(self._client.iter_all(path.format(*ids), params=given), most))

        try:
            return self._once(f"GET {path}", read, writes=False)
        except IntegrationError as error:
            if error.code in absent:
                return []
            raise

    def _get(self, path: str, *ids: str) -> Json:
        """The ids go where the path has {}: without them it names the kind of call, and kinds are what is limited."""
        return self._once(f"GET {path}", lambda: self._client.jget(path.format(*ids)), writes=False)

    def _write(self, path: str, *ids: str, body: Json, method: str = "POST") -> Json:
        send = self._client.jpost if method == "POST" else self._client.jput
        return self._once(f"{method} {path}", lambda: send(path.format(*ids), json=body), writes=True)

    def _press(self, path: str, *ids: str, method: str = "POST") -> None:
        """A write without a body, and whose answer says nothing more."""

        def press() -> None:
            response = self._client.request(method, path.format(*ids))
            if not response.is_success:
                raise pagerduty.HttpError(f"{method} {path}", response)

        self._once(f"{method} {path}", press, writes=True)

    def _once(self, call: str, request: Callable[[], T], *, writes: bool) -> T:
        self._closed.check(call)
        try:
            return request()
        except pagerduty.Error as error:
            if error.response is None:
                raise _network_error(error.__cause__, writes=writes) from error
            failure = _error(error.response, writes=writes)
            if failure.retry_after is not None:
                self._closed.until(call, seconds=failure.retry_after)
            raise failure from error
        except (ValueError, KeyError, TypeError, pagerduty.UrlError) as error:
            said = "PagerDuty answered something that is not its API's answer (a proxy, or trouble on its side)."
            raise IntegrationError(said, code="unreadable", doubtful=writes) from error


class _Client(pagerduty.RestApiV2Client):
    """The official client, made to try once, and able to talk to a sandbox over plain http on this machine.

    That an address is https or loopback has been checked where the setting was read. (fact sheet sections 0.8 and 10)
    """

    max_network_attempts = 0
    max_http_attempts = -1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout = TIMEOUT  # type: ignore[assignment]  # the constructor ignores it; a Timeout is passed on as it is
        self.retry = {429: 1}  # with max_http_attempts: return the 429 instead of sleeping on it

    @property
    def url(self) -> str:
        return str(self._url)

    @url.setter
    def url(self, value: str) -> None:
        self._url = value


def _note_time(request: httpx2.Request) -> None:
    request.extensions["asked_at"] = time.time()


def _network_error(cause: BaseException | None, *, writes: bool) -> IntegrationError:
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return IntegrationError("PagerDuty could not be reached.", code="unreachable")
    if isinstance(cause, httpx2.TimeoutException):
        return IntegrationError("PagerDuty did not answer in time.", code="timeout", doubtful=writes)
    return IntegrationError("The connection to PagerDuty broke before it answered.", code="broken", doubtful=writes)


def _error(response: httpx2.Response, *, writes: bool) -> IntegrationError:
    """What PagerDuty said, in a sentence. Its error bodies come in several shapes. (fact sheet section 5)"""
    status, code, detail = response.status_code, str(response.status_code), ""
    try:
        error = response.json().get("error", {})
    except (ValueError, AttributeError):
        error = {}
    if isinstance(error, str):
        detail = error
    elif isinstance(error, dict):
        code = str(error.get("code") or code)
        detail = ", ".join([str(error.get("message") or ""), *_texts(error.get("errors"))]).strip(", ")
    said = f"PagerDuty said {status} {response.reason_phrase}" + (f": {detail}." if detail else ".")
    if response.is_success:
        return IntegrationError(
            "PagerDuty answered something that is not its API's answer.", code="unreadable", doubtful=writes
        )
    if status == 429:
        return IntegrationError(said, code="429", retry_after=_seconds_to_reset(response))
    if status >= 500 or status == 408:
        return IntegrationError(said, code=code, doubtful=writes)
    if DUPLICATE in detail:
        return IntegrationError("PagerDuty has this page already; looking for it.", code="duplicate", doubtful=True)
    if status == 401:
        said = "PagerDuty refused our API key (401). Its administrator must give us a valid one (PAGERDUTY_API_KEY)."
    if status in (401, 402, 403, 404) and code != ACCOUNT_EXPIRED:
        code = str(status)
    return IntegrationError(said, code=code, permanent=True)


def _texts(errors: object) -> Iterable[str]:
    if isinstance(errors, str):
        return [errors]
    if isinstance(errors, dict):
        return [f"{name} {text}" for name, text in errors.items()]
    return [str(error) for error in errors] if isinstance(errors, list) else []


def _seconds_to_reset(response: httpx2.Response) -> float | None:
    for name in ("retry-after", "ratelimit-reset"):
        if (seconds := seconds_to_wait(response.headers.get(name))) is not None:
            return seconds
    return None


def user_of(row: Json) -> PagerUser:
    """Without phones, which only users() asks for."""
    return PagerUser(row["id"], row["name"], row["email"].lower(), row.get("html_url") or "")


def page_of(row: Json) -> Page:
    acknowledgements = row.get("acknowledgements") or []
    return Page(
        id=row["id"],
        key=row.get("incident_key") or "",
        number=row["incident_number"],
        url=row.get("html_url") or "",
        status=row["status"],
        title=row.get("title") or "",
        service_id=row["service"]["id"],
        priority_id=(row.get("priority") or {}).get("id"),
        created_at=_time(row["created_at"]) or datetime.now(UTC),
        assigned=tuple(_reference(assignment["assignee"]) for assignment in row.get("assignments") or ()),
        acknowledged_at=min((at for one in acknowledgements if (at := _time(one.get("at")))), default=None),
        acknowledged_by=tuple(_reference(one["acknowledger"]) for one in acknowledgements),
        resolved_at=_time(row.get("resolved_at") or row.get("last_status_change_at"))
        if row["status"] == "resolved"
        else None,
        urgency=row.get("urgency") or "high",
        service=_reference(row["service"]),
        priority=_reference(row["priority"]) if row.get("priority") else None,
        escalation_policy_id=(row.get("escalation_policy") or {}).get("id"),
        assigned_by_hand=row.get("assigned_via") == "direct_assignment",
        status_changed_at=_time(row.get("last_status_change_at") or row["created_at"]) or datetime.now(UTC),
        updated_at=_time(row.get("updated_at") or row["created_at"]) or datetime.now(UTC),
        merged_into=_merged_into(row),
    )


def _merged_into(row: Json) -> Reference | None:
    """(fact sheet section 7: resolve_reason of an incident that was merged into another)"""
    reason = row.get("resolve_reason")
    target = reason.get("incident") if isinstance(reason, dict) else None
    return _reference(target) if target else None


def _oldest_first(rows: Iterable[Json]) -> list[LogEntry]:
    """They come newest first, as far as is known; PagerDuty's times are whole seconds, so their order tells more."""
    entries = [log_entry(row) for row in rows]
    if entries and entries[0].at >= entries[-1].at:
        entries.reverse()
    return sorted(entries, key=lambda entry: entry.at)


def _subscription(row: Json) -> Subscription:
    method = row["delivery_method"]
    enabled = not method.get("temporarily_disabled")
    return Subscription(row["id"], method.get("url") or "", enabled, method.get("secret") or "")


def _policy(policy_id: str) -> Json:
    return {"id": policy_id, "type": "escalation_policy_reference"}


def _reference(row: Json) -> Reference:
    return Reference(row["id"], row.get("name") or row.get("summary") or "")


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _phones(user: Json) -> Iterable[Phone]:
    """Numbers that reach the person: PagerDuty lists voice and text methods apart, often with one number."""
    seen = set()
    for method in user.get("contact_methods") or ():
        if method.get("type") not in ("phone_contact_method", "sms_contact_method") or not method.get("address"):
            continue
        if method.get("enabled") is False or method.get("blacklisted"):
            continue
        number = f"+{method.get('country_code') or 1} {method['address']}"
        if number not in seen:
            seen.add(number)
            yield Phone(method.get("label") or "", number)
