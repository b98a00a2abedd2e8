"""PagerDuty's own API description, to hold answers against."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest

SPECIFICATION = Path(__file__).parents[2].parent / "shared" / "specs" / "pagerduty.openapi.json"
# The description is stricter than reality (fact sheet 7: 18 of its own 66 examples fail it).
# 1. What is not set is null, though it says a string, number or object.
NULL_WHERE_NOT_SET = {
    *("last_incident_timestamp", "support_hours", "auto_resolve_timeout", "acknowledgement_timeout", "description"),
    *("start", "end", "schedule", "rendered_coverage_percentage", "id"),
    *("priority", "resolved_at", "alert_grouping", "resolve_reason"),
    *("incident_key", "address"),  # of what came from events (fact sheet 7), and of a push notification
}
# 2. Log entries match several of its oneOf, or none: acknowledge_log_entry against acknowledgement_log_entry.
# 3. Where include[] puts the whole record, it still says a reference.


@cache
def specification() -> dict[str, Any]:
    if not SPECIFICATION.exists():
        pytest.skip("PagerDuty's description is not beside this checkout (../shared/specs/pagerduty.openapi.json)")
    loaded: dict[str, Any] = json.loads(SPECIFICATION.read_text())
    return loaded


def as_in_reality(schema: Any) -> Any:
    if isinstance(schema, list):
        return [as_in_reality(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    real = {"anyOf" if name == "oneOf" else name: as_in_reality(part) for name, part in schema.items()}
    if isinstance(real.get("properties"), dict):
        for name in NULL_WHERE_NOT_SET & real["properties"].keys():
            real["properties"][name] = {"anyOf": [real["properties"][name], {"type": "null"}]}
    if isinstance(real.get("enum"), list):
        real["enum"] += [str(word).removesuffix("_reference") for word in real["enum"]]
        real["enum"] += ["acknowledge_log_entry"] if "acknowledgement_log_entry" in real["enum"] else []
    return {"anyOf": [real, {"type": "null"}]} if real.get("nullable") is True else real


@cache
def components() -> Any:
    return as_in_reality(specification()["components"])


def check(route: str, answer: httpx2.Response) -> None:
    """Hold one answer to the description of its route and status."""
    method, path = route.lower().split(" ", 1)
    described: dict[str, Any] = specification()["paths"][path][method]["responses"][str(answer.status_code)]
    if "$ref" in described:
        described = specification()["components"]["responses"][described["$ref"].rsplit("/", 1)[-1]]
    if "content" in described:
        schema = as_in_reality(described["content"]["application/json"]["schema"])
        jsonschema.Draft4Validator({**schema, "components": components()}).validate(answer.json())
