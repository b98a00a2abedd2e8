"""What somebody sent who was signed out by then. It travels in the sign-in form, and comes back to be sent once more:
so nothing that was typed is lost, and strangers fill no database of ours."""

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from django.http import HttpRequest, QueryDict
from django.urls import Resolver404, ResolverMatch, resolve

from incident_central.incidents.models import Action
from incident_central.web.redirects import came_from, safe_next

#: Characters: more than any form takes, and no more than comes back with the sign-in form. JSON in a form takes up to
#: sixteen bytes for each, of the million that DATA_UPLOAD_MAX_MEMORY_SIZE allows.
AT_MOST = 60_000
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
    def is_report(self) -> bool:
        return self._found is not None and self._found.url_name == "report"

    @property
    def pressed(self) -> tuple[str, Action.Kind] | None:
        """An incident's name and the kind of action, where it was one of its buttons."""
        if self._found is None or self._found.url_name != "act":
            return None
        name, kind = self._found.kwargs["name"], self._found.kwargs["kind"]
        return (name, Action.Kind(kind)) if kind in Action.Kind.values else None

    @property
    def label(self) -> str:
        """Nothing that only somebody who is signed in may know."""
        if self.is_report:
            return "Report an incident"
        return self.pressed[1].label if self.pressed is not None else ""

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
