"""What a call brings: its arguments and its token, in any of the styles that Slack takes (fact sheet 1).

Query string, form, multipart form and JSON are read on every method, because slack_sdk sends forms for reads
and JSON for some writes (fact sheet 12).
"""

from __future__ import annotations

import json
import re
from email import message_from_bytes
from urllib.parse import parse_qsl

from incident_central.sandbox.server import Request
from incident_central.sandbox.slack.errors import SlackError

CHARSETS = ("utf-8", "iso-8859-1")
DEEPEST_NESTING = 50
FORM, MULTIPART, JSON, PLAIN = (
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/json",
    "text/plain",
)


class Arguments:
    """The arguments of one call, asked for by name and type.

    A missing argument and a null one are the same. Raises SlackError("invalid_arguments") for a wrong type.
    """

    def __init__(self, given: dict[str, object]) -> None:
        self._given = {name: value for name, value in given.items() if value is not None}

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def text(self, name: str, default: str = "") -> str:
        value = self._given.get(name, default)
        if not isinstance(value, str):
            raise wrong(f"must provide a string [json-pointer:/{name}]")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._given.get(name, default)
        if isinstance(value, bool):
            return value
        known = {"1": True, "true": True, "0": False, "false": False, "": False}.get(str(value).lower())
        if known is None:
            raise wrong(f"must provide a boolean [json-pointer:/{name}]")
        return known

    def number(self, name: str) -> int | None:
        """A whole number, or None when it was not given."""
        value = self._given.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,9}(\.0+)?", str(value), re.ASCII):
            raise wrong(f"must provide an integer [json-pointer:/{name}]")
        return int(float(str(value)))

    def words(self, name: str) -> list[str]:
        """A comma list (slack_sdk joins lists so), or a JSON array of strings."""
        value = self._given.get(name, "")
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return [word.strip() for word in value if word.strip()]
        return [word.strip() for word in self.text(name).split(",") if word.strip()]

    def structure(self, name: str, *, error: str) -> object:
        """An object or a list: as it stands in a JSON body, or as JSON text. Raises `error` for bad JSON."""
        value = self._given.get(name)
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return decoded(value)
        except ValueError as bad:
            raise SlackError(error) from bad


def wrong(message: str) -> SlackError:
    return SlackError("invalid_arguments", messages=[message])


def read(request: Request) -> tuple[Arguments, str, list[str]]:
    """The arguments, the token ("" when there is none) and the warnings of one request.

    The token counts in the Authorization header or in a form, never in the query nor in a JSON body.
    """
    given: dict[str, object] = {name: values[-1] for name, values in request.query.items()}
    given.pop("token", None)
    form_token, warnings = "", []
    if request.method == "POST" and request.body:
        content_type, charset = _content_type(request)
        body = _body(request, content_type, charset or "utf-8")
        token = body.pop("token", "")
        if content_type in (FORM, MULTIPART):
            form_token = str(token)
        elif not charset:
            warnings.append("missing_charset")
        given |= body
    for name in given:
        if name.endswith("]"):
            raise SlackError("invalid_array_arg")
        if not re.fullmatch(r"\w{1,64}", name, re.ASCII):
            raise SlackError("invalid_arg_name")
    scheme, _, bearer = (request.headers.get("Authorization") or "").partition(" ")
    token_given = bearer.strip() if scheme.lower() == "bearer" else form_token
    return Arguments(given), token_given, warnings


def _content_type(request: Request) -> tuple[str, str]:
    """The content type without its parameters, and the charset ("" when none is named)."""
    header = (request.headers.get("Content-Type") or "").lower()
    if not header:
        raise SlackError("missing_post_type")
    content_type = header.partition(";")[0].strip()
    if content_type not in (FORM, MULTIPART, JSON, PLAIN):
        raise SlackError("invalid_post_type")
    named = re.search(r';\s*charset="?([^";\s]+)', header)
    charset = named.group(1) if named else ""
    if charset and charset not in CHARSETS:
        raise SlackError("invalid_charset")
    return content_type, charset


def _body(request: Request, content_type: str, charset: str) -> dict[str, object]:
    if content_type == MULTIPART:
        return _multipart(request)
    text = request.body.decode(charset, "replace")
    if content_type == FORM:
        return dict(parse_qsl(text, keep_blank_values=True))
    if content_type == PLAIN:
        return {}
    try:
        body = decoded(text)
    except ValueError as bad:
        raise SlackError("invalid_json") from bad
    if not isinstance(body, dict):
        raise SlackError("json_not_object")
    return body


def _multipart(request: Request) -> dict[str, object]:
    head = f"Content-Type: {request.headers.get('Content-Type')}\r\n\r\n".encode("latin-1", "replace")
    message = message_from_bytes(head + request.body)
    if not message.is_multipart():
        raise SlackError("invalid_form_data")
    fields: dict[str, object] = {}
    for part in message.walk():
        name = part.get_param("name", header="Content-Disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            fields[name] = payload.decode("utf-8", "replace")
    return fields


def decoded(text: str) -> object:
    """JSON text as Python values that can be kept and sent out again. Raises ValueError for anything else."""
    try:
        value = json.loads(text, parse_constant=_no_such_number)
    except RecursionError as bad:
        raise ValueError("nested too deeply") from bad
    if _nesting_exceeds(value, DEEPEST_NESTING):
        raise ValueError("nested too deeply")
    if "\\ud" in text.lower():
        # Half a surrogate pair is no character and cannot be sent out again.
        value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return value


def _no_such_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _nesting_exceeds(value: object, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return False
    return True


def _parts(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
