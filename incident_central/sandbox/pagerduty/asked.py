"""One authenticated call to the PagerDuty API: its parameters, its body, who asks (fact sheets 1 and 6)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from incident_central.sandbox.pagerduty.account import READ_ONLY_KEY, Account, Key
from incident_central.sandbox.pagerduty.errors import invalid, not_found, refused
from incident_central.sandbox.pagerduty.records import User
from incident_central.sandbox.pagerduty.shapes import Json, Shapes
from incident_central.sandbox.server import Request, Response

Record = TypeVar("Record")
DEFAULT_LIMIT, LARGEST_LIMIT, LAST_ROW = 25, 100, 10_000
STAKEHOLDERS = ("read_only_user", "read_only_limited_user")
NO_FROM = 'You must specify a user\'s email address in the "From" header to perform this action'


@dataclass
class Asked:
    """`ids` are the variable parts of the path."""

    account: Account
    request: Request
    key: Key
    ids: tuple[str, ...] = ()
    now: float = field(init=False)

    def __post_init__(self) -> None:
        self.now = self.account.clock.now()

    # ── parameters ──

    def one(self, name: str) -> str | None:
        values = self.request.query.get(name)
        return values[-1] if values else None

    def many(self, name: str) -> list[str]:
        """`name[]=a&name[]=b`; without the brackets PagerDuty takes it for one value."""
        return self.request.query.get(f"{name}[]", []) or self.request.query.get(name, [])

    def flag(self, name: str) -> bool:
        return self.one(name) in ("true", "1")

    def time(self, name: str) -> float | None:
        """An ISO 8601 time in epoch seconds; without an offset it is in the account's zone."""
        given = self.one(name)
        if not given:
            return None
        try:
            told = datetime.fromisoformat(given)
        except ValueError:
            raise refused(400, 2004, "Invalid 'since' or 'until' Parameter Values", []) from None
        return (told if told.tzinfo else told.replace(tzinfo=self.account.zone)).timestamp()

    def span(self, *, longest: timedelta, default: tuple[float, float]) -> tuple[float, float]:
        """since and until. Raises Refused (2005) for a span that is upside down or too long."""
        since, until = self.time("since"), self.time("until")
        since = default[0] if since is None else since
        until = max(default[1], since) if until is None else until
        if until < since or until - since > longest.total_seconds():
            raise refused(400, 2005, "Invalid Query Date Range", [])
        return since, until

    def zone(self, default: tzinfo) -> tzinfo:
        name = self.one("time_zone")
        if not name:
            return default
        if name in ("UTC", "Etc/UTC"):
            return UTC
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise invalid("Time zone is invalid") from None

    def found(self, records: dict[str, Record]) -> Record:
        """The record whose id is in the path. Raises Refused (404)."""
        record = records.get(self.ids[0])
        if record is None:
            raise not_found()
        return record

    def matches(self, name: str) -> bool:
        """Whether `query` is part of this name."""
        return (self.one("query") or "").lower() in name.lower()

    def in_teams(self, team_ids: list[str]) -> bool:
        wanted = self.many("team_ids")
        return not wanted or bool(set(wanted).intersection(team_ids))

    def shapes(self, *, zone: tzinfo | None = None) -> Shapes:
        """Times in the account's zone, unless the call names one or `zone` says otherwise."""
        return Shapes(self.account, self.zone(zone or self.account.zone), frozenset(self.many("include")))

    # ── body ──

    def body(self, wrapper: str, *, filled: str = "") -> Json:
        """The object under `wrapper`. What PagerDuty cannot read gives the errors it is known for; so does a field that
        must be `filled` and is not."""
        content = self._parsed_body().get(wrapper)
        if not isinstance(content, dict):
            raise invalid("Title cannot be empty." if wrapper == "incident" else f"{wrapper} is missing")
        if filled and not content.get(filled):
            raise invalid(f"{filled} cannot be empty")
        self.must_write(before_body=False)
        return content

    def whole_body(self) -> Json:
        """The body of a call that has no wrapper."""
        content = self._parsed_body()
        self.must_write(before_body=False)
        return content

    def list_body(self, wrapper: str) -> list[object]:
        """The list under `wrapper`."""
        content = self._parsed_body().get(wrapper)
        if not isinstance(content, list) or not content:
            raise invalid(f"{wrapper} cannot be empty")
        self.must_write(before_body=False)
        return content

    def _parsed_body(self) -> Json:
        content_type = self.request.headers.get("Content-Type") or ""
        if not content_type.startswith("application/json"):
            raise invalid("params must be a Hash")
        try:
            given = json.loads(self.request.body)
        except ValueError:
            return {}
        return given if isinstance(given, dict) else {}

    # ── who asks ──

    def must_write(self, *, before_body: bool) -> None:
        """Refuse a read-only key. Whether PagerDuty does so before or after reading the body is not known."""
        expected = self.account.switches["read_only_check"] == "before the body"
        if self.key.kind == READ_ONLY_KEY and expected == before_body:
            raise refused(403, 2010, "Access Denied", [])

    def requester(self) -> User:
        """The acting user: the owner of a user key, else the From header's."""
        if self.key.user_id is not None:
            return self.account.users[self.key.user_id]
        email = self.request.headers.get("From")
        if email is None:
            raise refused(400, 2016, NO_FROM)
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", email.strip()):
            raise refused(400, 1028, 'Malformed "From" header')
        user = self.account.user_by_email(email.strip())
        if user is None:
            raise refused(400, 1008, "Requester User Not Found", [])
        if user.role in STAKEHOLDERS and self.account.switches["from_role"] == "checked":
            raise refused(403, 1018, "Requester not authorized to perform action", [])
        return user

    # ── answers ──

    def page(self, name: str, records: Iterable[Record], shape: Callable[[Record], Json]) -> Response:
        """One page of a list, with classic pagination."""
        rows = list(records)
        limit, offset = self._whole("limit", DEFAULT_LIMIT), self._whole("offset", 0)
        limit = min(limit, LARGEST_LIMIT)
        if offset + limit > LAST_ROW:
            raise invalid(f"Offset and limit together must not exceed {LAST_ROW}")
        shown = rows[offset : offset + limit]
        return Response.json(
            {
                name: [shape(row) for row in shown],
                "limit": limit,
                "offset": offset,
                "more": offset + limit < len(rows),
                "total": len(rows) if self.flag("total") else None,
            }
        )

    def _whole(self, name: str, default: int) -> int:
        given = self.one(name)
        if given is None:
            return default
        if not given.isdecimal() or (name == "limit" and int(given) < 1):
            raise invalid(f"{name.capitalize()} must be a positive number")
        return int(given)
