"""The form of the list's filters. Nothing in it is anybody's own, so it is kept for all who ask the same."""

from threading import Lock

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from incident_central.web.choices import Choice, Choices
from incident_central.web.filters import DAYS, NONE, STATUSES, Asked

MOST = 200  # forms

_kept: dict[str, SafeString] = {}
_kept_for: list[Choices] = []  # the one whose forms are kept
_lock = Lock()


def filter_form(wanted: Asked, known: Choices) -> SafeString:
    if wanted.problems:  # what was given is not told by the query
        return render_to_string("web/parts/filters.html", _context(wanted, known))
    with _lock:
        if not _kept_for or _kept_for[0] is not known or len(_kept) > MOST:
            _kept.clear()
            _kept_for[:] = [known]
        form = _kept.get(wanted.query)
    if form is None:
        form = render_to_string("web/parts/filters.html", _context(wanted, known))
        with _lock:
            if _kept_for[0] is known:
                _kept[wanted.query] = form
    return form


def _context(wanted: Asked, known: Choices) -> dict[str, object]:
    values = wanted.values
    return {
        "asked": wanted,
        "values": {field: value[0] for field, value in values.items()},
        "problems": {problem.field: problem.text for problem in wanted.problems},
        "statuses": [Choice(value, name) for value, (name, _) in STATUSES.items()],
        "services": _offered(known.services, values.get("service")),
        "teams": _offered(known.teams, values.get("team")),
        "people": _offered(known.people, values.get("assigned")),
        "priorities": [*_offered(known.priorities, values.get("priority")), Choice(NONE, "None")],
        "chosen_priorities": values.get("priority", []),
        "days": _days(values.get("created")),
    }


def _offered(known: list[Choice], chosen: list[str] | None) -> list[Choice]:
    """What can be chosen now, and what was chosen."""
    chosen = chosen or []
    found = [one for one in known if one.listed or one.value in chosen]
    values = {one.value for one in found}
    return found + [Choice(value, value) for value in chosen if value not in values and value != NONE]


def _days(chosen: list[str] | None) -> list[str]:
    days = {*DAYS, *map(int, chosen or [])}
    return [str(one) for one in sorted(days)]
