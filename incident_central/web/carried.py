"""What somebody sent who was signed out by then. It travels in the sign-in form, and comes back to be sent once more:
so nothing that was typed is lost, and strangers fill no database of ours."""

import json
from contextlib import suppress
from dataclasses import dataclass

from django.http import HttpRequest

from incident_central.web.addressing import came_from, safe_next

AT_MOST = 25_000  # characters
#: Made by the form itself.
NOT_TYPED = ("csrfmiddlewaretoken", "press")


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
    def words(self) -> list[str]:
        """What of it was typed, as far as one can tell."""
        return [value for _, value in self.fields if len(value.split()) > 1]


def posted(request: HttpRequest) -> Carried | None:
    """None where there is nothing to keep, or nothing that should travel: no file, and no password."""
    given = [[name, value] for name, values in request.POST.lists() for value in values]
    fields = [one for one in given if one[0] != "csrfmiddlewaretoken"]
    typed = any(value.strip() for name, value in fields if name not in NOT_TYPED)
    fits = sum(len(value) for _, value in fields) <= AT_MOST
    secret = request.FILES or any("password" in name for name, _ in fields)
    return Carried(request.get_full_path(), came_from(request), fields) if typed and fits and not secret else None


def unpacked(request: HttpRequest) -> Carried | None:
    """As it comes back with the sign-in form."""
    with suppress(ValueError, TypeError):
        path, back, fields = json.loads(request.POST.get("carried", ""))
        pairs = [[str(name), str(value)] for name, value in fields]
        if path == safe_next(request, str(path)):
            return Carried(path, safe_next(request, str(back)), pairs)
    return None
