"""What every API of the sandbox speaks: requests, responses and the shape of a provider.

Nothing here knows of sockets: listener.py puts a handler on a port, gate.py in between applies the faults.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from incident_central.sandbox.faults import Fault
from incident_central.sandbox.switches import Switches


class Headers(Mapping[str, str]):
    """Header fields by name, whatever the case of its letters."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = {name.lower(): value for name, value in fields.items()}

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@dataclass(frozen=True)
class Request:
    """What arrived. `path` is decoded and without the query; `port` is the client's; `arrived_at` is time.time()."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    port: int
    arrived_at: float


@dataclass
class Response:
    """What goes out. Content-Length and Date are added by the server. `after_each_byte` is called as it goes."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    after_each_byte: Callable[[], object] | None = None

    @classmethod
    def json(cls, data: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        body = json.dumps(data, ensure_ascii=False).encode(errors="replace")  # half a surrogate pair, too
        return cls(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


class Refused(Exception):
    """Raised anywhere below `Api.handle` to answer at once with this response."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.status}")
        self.response = response


Handler = Callable[[Request], Response]


class Api(Protocol):
    """One provider.

    Constructors: `PagerDutyApi(*, clock, faults, api_url, page_url, company)` and `SlackApi(*, clock, page_url,
    workspace, people=company.PEOPLE)`, where `people` may be the thousands of a larger company. SlackApi also has
    `person_writes(*, channel_id, user_id, text)`, which raises ValueError where that person cannot write.
    """

    name: str  # "pagerduty" or "slack"
    switches: Switches  # its open questions; every provider has one named "rate_limits" ("on", "off")

    def method_of(self, request: Request) -> str:
        """The call's name in the log and in faults: "POST /incidents", "conversations.create"."""

    def only_reads(self, request: Request) -> bool:
        """Whether the call changes nothing."""

    def handle(self, request: Request) -> Response:
        """Answer the call; may raise Refused."""

    def fault_response(self, kind: str, fault: Fault) -> Response:
        """How this provider words one of faults.WORDED."""

    def as_json(self) -> dict[str, object]:
        """Its part of /state.json."""

    def plant(
        self, *, collection: str, record_id: str | None, values: dict[str, object] | None, delete: bool
    ) -> dict[str, object] | None:
        """Change, delete or (without an id) create any record, past all rules; the record as JSON.

        Raises ValueError, in words for a person, for an unknown collection, record or field.
        """


def answered(handler: Handler, request: Request) -> Response:
    """The handler's answer, or what it refused with."""
    try:
        return handler(request)
    except Refused as refused:
        return refused.response
