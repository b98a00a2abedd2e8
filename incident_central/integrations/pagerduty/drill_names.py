"""What Incident Central's drills are called in PagerDuty, and known by."""

import re
from typing import Any

Json = dict[str, Any]

MARK = "DRILL of Incident Central"


def drill_name(person_name: str, person_id: str) -> str:
    """Of a drill's service, and of its escalation policy; found again by the person's id, whatever they are called."""
    plain = re.sub(r"[^\w .,'-]", "", person_name).strip()[:60]
    return f"{MARK}: pages only {plain} ({person_id})"


def is_drill_of(name: str, person_id: str) -> bool:
    return name.startswith(f"{MARK}: ") and name.endswith(f" ({person_id})")


def is_of_drill(row: Json) -> bool:
    """Whether a service or an escalation policy is a drill's: nobody reports for it, or is on call there."""
    return str(row.get("name") or row.get("summary") or "").startswith(MARK)
