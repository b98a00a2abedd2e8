"""How PagerDuty says no (fact sheet 5)."""

from __future__ import annotations

from collections.abc import Sequence

from incident_central.sandbox.server import Refused, Response


def refused(
    status: int,
    code: int,
    message: str,
    errors: Sequence[str] | None = None,
    *,
    headers: dict[str, str] | None = None,
) -> Refused:
    """The error envelope. `errors` may be missing, as with 429 and 404."""
    error: dict[str, object] = {"message": message, "code": code}
    if errors is not None:
        error["errors"] = list(errors)
    return Refused(Response.json({"error": error}, status=status, headers=headers))


def invalid(*errors: str) -> Refused:
    return refused(400, 2001, "Invalid Input Provided", errors)


def wrong_arguments(*errors: str) -> Refused:
    return refused(400, 2002, "Arguments Caused Error", errors)


def not_found() -> Refused:
    return refused(404, 2100, "Not Found")
