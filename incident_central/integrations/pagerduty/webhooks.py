"""What PagerDuty sends us: whether it is really from PagerDuty, and which page it is about. (fact sheet section 8)"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass

#: PagerDuty sends nothing larger.
LARGEST = 256 * 1024
VERSION = "v1="


@dataclass(frozen=True)
class Heard:
    """`page_id` is empty where a webhook tells of no page, or of something that nobody knows yet."""

    event_id: str
    event_type: str
    page_id: str

    @property
    def is_of_new_page(self) -> bool:
        return self.event_type == "incident.triggered"


def is_signed(body: bytes, signatures: str, secrets: Iterable[str]) -> bool:
    """Whether one of the signatures, comma between, is ours: PagerDuty sends several while a secret is changed.

    Each is compared to its end whatever comes of it, so that the time that it takes says nothing.
    """
    given = [one.strip() for one in signatures.split(",") if one.strip().startswith(VERSION)]
    good = [VERSION + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets]
    found = [hmac.compare_digest(one.encode(), another.encode()) for one in given for another in good]
    return any(found)


def heard(body: bytes) -> Heard:
    """What a webhook tells of. Its own picture of the incident is not that of the REST API, and may be late: it is not
    looked at."""
    try:
        event = json.loads(body)["event"]
        data = event.get("data") or {}
        about = data if data.get("type") == "incident" else data.get("incident") or {}
        return Heard(str(event.get("id") or ""), str(event.get("event_type") or ""), str(about.get("id") or ""))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Heard("", "", "")
