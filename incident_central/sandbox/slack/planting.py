"""Changing records past all rules, so that tests can plant what goes wrong in real workspaces."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TypeVar

from incident_central.sandbox.slack.records import PRIVATE, PUBLIC, Channel, Line, Member, Token
from incident_central.sandbox.slack.workspace import Workspace, slack_id

Values = Mapping[str, object]
Record = TypeVar("Record", Member, Channel, Token)


def plant(
    workspace: Workspace,
    *,
    collection: str,
    record_id: str | None,
    values: Values | None,
    delete: bool,
) -> dict[str, object] | None:
    """Change, delete or (without an id) create a member, a channel or a token; the record as it is now.

    The id of a token is its secret. Raises ValueError, in words for a person.
    """
    with workspace.lock:
        if collection not in _FIELDS:
            raise ValueError(f"Slack has no collection {collection!r}. There are: {', '.join(_FIELDS)}.")
        records = _records(workspace, collection)
        if (delete or record_id is not None) and record_id not in records:
            raise ValueError(f"No record of Slack's {collection} has the id {record_id!r}.")
        if delete:
            _delete(workspace, collection, str(record_id))
            return None
        given = _checked(collection, values or {})
        _check_people(workspace, given)
        if record_id is None:
            record = _new(workspace, collection, given)
        elif "secret" in given:
            raise ValueError("A token keeps its secret. Create another token instead.")
        else:
            record = records[record_id]
            for name, value in given.items():
                setattr(record, name, value)
        return _as_json(record)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("a list of texts")
    return tuple(value)


def _one_of(*choices: str) -> Callable[[object], str]:
    def chosen(value: object) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return str(value)

    return chosen


_FIELDS: dict[str, dict[str, Callable[[object], object]]] = {
    "members": {
        **dict.fromkeys(("name", "real_name", "email", "title", "bot_id", "app_id"), _string),
        **dict.fromkeys(("deleted", "is_restricted", "is_ultra_restricted", "is_admin"), _truth),
    },
    "channels": {
        **dict.fromkeys(("name", "creator"), _string),
        "kind": _one_of(PUBLIC, PRIVATE),
        "is_archived": _truth,
        "members": lambda value: dict.fromkeys(_strings(value)),
        "topic": lambda value: Line(_string(value)),
    },
    "tokens": {
        **dict.fromkeys(("secret", "user_id", "state"), _string),
        "kind": _one_of("bot", "user", "app"),
        "scopes": _strings,
    },
}


def _records(workspace: Workspace, collection: str) -> Mapping[str, Member | Channel | Token]:
    if collection == "members":
        return workspace.members
    return workspace.channels if collection == "channels" else workspace.tokens


def _checked(collection: str, values: Values) -> dict[str, object]:
    fields = _FIELDS[collection]
    checked = {}
    for name, value in values.items():
        if name not in fields:
            raise ValueError(f"Slack's {collection} have no field {name!r}. There are: {', '.join(fields)}.")
        try:
            checked[name] = fields[name](value)
        except ValueError as wanted:
            raise ValueError(f"The field {name!r} of Slack's {collection} is {wanted}.") from None
    return checked


def _check_people(workspace: Workspace, given: Values) -> None:
    members = given.get("members")
    named = [*(members if isinstance(members, dict) else ()), *(given[name] for name in ("user_id",) if name in given)]
    unknown = [str(user) for user in named if user not in workspace.members]
    if unknown:
        raise ValueError(f"Slack has no member with the id {', '.join(unknown)}.")


def _new(workspace: Workspace, collection: str, given: dict[str, object]) -> Member | Channel | Token:
    if collection == "members":
        member = Member(id=slack_id("U", secrets.token_hex(8)), name="somebody", real_name="Somebody")
        return _kept(workspace.members, member.id, member, given)
    if collection == "channels":
        creator = workspace.installer.id
        channel = Channel(slack_id("C", secrets.token_hex(8)), "planted", PUBLIC, workspace.now, creator)
        return _kept(workspace.channels, channel.id, channel, given)
    token = Token(secret=f"xoxb-sandbox-{secrets.token_hex(8)}", kind="bot", user_id=workspace.bot.id)
    return _kept(workspace.tokens, str(given.get("secret", token.secret)), token, given)


def _kept(records: dict[str, Record], key: str, record: Record, given: dict[str, object]) -> Record:
    for name, value in given.items():
        setattr(record, name, value)
    records[key] = record
    return record


def _delete(workspace: Workspace, collection: str, record_id: str) -> None:
    if collection == "channels":
        del workspace.channels[record_id]
    elif collection == "tokens":
        del workspace.tokens[record_id]
    else:
        if record_id in (workspace.bot.id, workspace.installer.id):
            raise ValueError("The app's own bot and its installer stay. Set deleted instead, to deactivate them.")
        del workspace.members[record_id]
        for channel in workspace.channels.values():
            channel.members.pop(record_id, None)
        for token in [each for each in workspace.tokens.values() if each.user_id == record_id]:
            del workspace.tokens[token.secret]


def _as_json(record: Member | Channel | Token) -> dict[str, object]:
    shape = asdict(record)
    if isinstance(record, Channel):
        shape |= {"members": list(record.members), "left_on_archiving": sorted(record.left_on_archiving)}
        del shape["messages"], shape["ephemeral"]
    return shape
