"""The state page: phones that ring, the chat as its members see it, and buttons that break things."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from incident_central.sandbox.server import Refused, Response

if TYPE_CHECKING:
    from incident_central.sandbox.process import Sandbox

HERE = Path(__file__).parent
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


def shown(sandbox: Sandbox, *, channel_id: str) -> Response:
    return Response(200, b"<!doctype html><title>Sandbox</title>", {"Content-Type": "text/html; charset=utf-8"})


def static(name: str) -> Response:
    file = HERE / "static" / name
    if not file.is_file():
        raise Refused(Response.json({"error": f"There is no file {name}."}, status=404))
    return Response(200, file.read_bytes(), {"Content-Type": TYPES[file.suffix], "Cache-Control": "max-age=60"})
