"""What somebody sent who was signed out by then. It travels in the sign-in form, and comes back to be sent once more:
so nothing that was typed is lost, and strangers fill no database of ours."""

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.http import HttpRequest, QueryDict
from django.urls import Resolver404, ResolverMatch, resolve

from incident_central.incidents.models import Action
from incident_central.web.by_hand import DONE, PHONED
from incident_central.web.redirects import came_from, safe_next

#: Characters: more than any form takes, and no more than comes back with the sign-in form. JSON in a form takes up to
#: sixteen bytes for each, of the million that DATA_UPLOAD_MAX_MEMORY_SIZE allows.
AT_MOST = 60_000
#: What was pressed, by the name of the address; the rest is told by the page that it was sent from.
LABELS = {
    "report": "Report an incident",
    "step": "Retry",
    "action-step": "Retry",
    "news": "Retry",
    "edit": "Edit",
    "open-channel": "Open a channel for it",
    "start-drill": "Start a drill",
    "sign-out": "Sign out",
}
#: Where one presses Retry or that it was done by hand.
STEPS = ("step", "action-step", "news")
#: Fields that people write text into.
WRITTEN = ("text", "saw", "title", "description")


@dataclass(frozen=True)
class Carried:
    """A form as it was sent to `path`, from the page `back`."""

    path: str
    back: str
    fields: list[list[str]]  # name, value

    @property
    def packed(self) -> str:
        return json.dumps([self.path, self.back, self.fields])

    @property
    def is_cut(self) -> bool:
        """It was longer than what is kept: `posted` left as much as that."""
        return _length(self.fields) >= AT_MOST

    @property
    def words(self) -> list[str]:
        return [value for name, value in self.fields if name in WRITTEN and value.strip()]

    @property
    def view(self) -> str:
        """Name of the address, as in urls.py."""
        return str(self._found.url_name) if self._found is not None else ""

    @property
    def about(self) -> dict[str, Any]:
        """What the address names, such as an incident."""
        return self._found.kwargs if self._found is not None else {}

    @property
    def kind(self) -> Action.Kind | None:
        """Of the action, where it was one of the buttons of an incident."""
        kind = self.about["kind"] if self.view == "act" else ""
        return Action.Kind(kind) if kind in Action.Kind.values else None

    @property
    def is_by_hand(self) -> bool:
        return self.view in STEPS and self.given.get("done") == "by-hand"

    @property
    def label(self) -> str:
        """Nothing that only somebody who is signed in may know."""
        if self.kind is not None:
            return self.kind.label
        if self.is_by_hand:
            return PHONED if (self.view, self.about["step"]) == ("step", "page") else DONE
        return LABELS.get(self.view, "")

    @property
    def given(self) -> QueryDict:
        given = QueryDict(mutable=True)
        for name, value in self.fields:
            given.appendlist(name, value)
        return given

    @cached_property
    def _found(self) -> ResolverMatch | None:
        with suppress(Resolver404):
            return resolve(self.path.partition("?")[0])
        return None


def posted(request: HttpRequest) -> Carried | None:
    """None where there is nothing that should travel: no form, or a file or a password in it."""
    given = [[name, value] for name, values in request.POST.lists() for value in values]
    fields = [one for one in given if one[0] != "csrfmiddlewaretoken"]
    if request.method != "POST" or request.FILES or any("password" in name for name, _ in fields):
        return None
    return Carried(request.get_full_path(), came_from(request), _cut(fields))


def _cut(fields: list[list[str]]) -> list[list[str]]:
    """What is longest loses its end, until all of it fits."""
    while (over := _length(fields) - AT_MOST) > 0:
        longest = max(fields, key=lambda one: len(one[1]))
        longest[1] = longest[1][: max(len(longest[1]) - over, 0)]
    return fields


def _length(fields: list[list[str]]) -> int:
    return sum(len(value) for _, value in fields)


def unpacked(request: HttpRequest) -> Carried | None:
    """As it comes back with the sign-in form."""
    with suppress(ValueError, TypeError, RecursionError):
        path, back, fields = sent = json.loads(request.POST.get("carried", ""))
        json.dumps(sent, ensure_ascii=False).encode()  # fails at half a character, which no page can show
        pairs = [[str(name), str(value)] for name, value in fields]
        if path == safe_next(request, str(path)):
            return Carried(path, safe_next(request, str(back)), pairs)
    return None
