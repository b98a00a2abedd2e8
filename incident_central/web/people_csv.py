"""Everybody in PagerDuty and who they are in Slack as a CSV file, and corrections from one."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from incident_central.database import transaction
from incident_central.incidents import correcting, people
from incident_central.incidents.correcting import CannotCorrect
from incident_central.incidents.models import Member
from incident_central.incidents.people import Match, Someone
from incident_central.incidents.text import clean, plain
from incident_central.web.csv_file import guarded, in_utc, unguarded
from incident_central.web.people import SHOWN, list_of_people
from incident_central.web.redirects import SeeOther
from incident_central.web.security import SignedIn, signed_in

USER, EMAIL, MEMBER = "PagerDuty user id", "PagerDuty e-mail", "Slack member id"
LARGEST = 2_000_000  # bytes
SHOWN_ERRORS = 30


@require_safe
@signed_in
def people_csv(request: SignedIn) -> HttpResponse:
    """Times are UTC, in ISO 8601. What is downloaded can be changed and sent back."""
    text = io.StringIO()
    writer = csv.writer(text)
    rows = [_cells(one) for one in people.matches()]
    writer.writerow(rows[0] if rows else [USER, EMAIL, MEMBER])
    writer.writerows(guarded(row.values()) for row in rows)
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="people-{timezone.localdate()}.csv"'
    return response


def _cells(one: Match) -> dict[str, str]:
    member, said = one.member, one.correction
    return {
        USER: one.someone.id,
        "name": one.someone.name,
        EMAIL: one.someone.email,
        "on call": "now" if one.is_on_call else "next" if one.turn else "",
        "in Slack": SHOWN[one.state][1],
        MEMBER: said.member_id if said else member.pk if member else "",
        "Slack name": member.name if member else said.member_name if said else "",
        "Slack handle": member.handle if member else "",
        "known by": one.how,
        "corrected by": said.by if said else "",
        "corrected": in_utc(said.at) if said else "",
        "other e-mails": " ".join(other.email for other in one.others),
    }


# ── corrections from a file ───────────────────────────────────────────────────────────────────────


@dataclass
class Wanted:
    """What a file asks for. With any problem, nothing of it is done."""

    chosen: dict[Someone, Member] = field(default_factory=dict)
    taken_back: list[Someone] = field(default_factory=list)
    same: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def told(self) -> list[str]:
        more = len(self.problems) - SHOWN_ERRORS
        return self.problems[:SHOWN_ERRORS] + ([f"And {more} more."] if more > 0 else [])


@require_POST
@signed_in
def upload(request: SignedIn) -> HttpResponse:
    """All lines or none: each that cannot be done is told with its number. The same file again changes nothing.

    Who is not in the file stays as they are. An empty member takes a correction back.
    """
    by, file = str(request.user), request.FILES.get("file")
    if not request.user.is_admin:
        return list_of_people(request, refused=["Only an administrator can correct others."], status=403)
    if file is None or not file.size:
        return list_of_people(request, refused=["Choose a CSV file that has something in it."], status=422)
    if file.size > LARGEST:
        said = f"The file has {file.size:,} bytes. Send at most {LARGEST:,} at once."
        return list_of_people(request, refused=[said], status=422)
    wanted = _wanted(file.read())
    if wanted.problems:
        return list_of_people(request, refused=wanted.told, status=422)
    with transaction():
        correcting.correct_all(wanted.chosen, wanted.taken_back, by=by)
    done = {"corrected": len(wanted.chosen), "taken_back": len(wanted.taken_back), "same": wanted.same}
    return SeeOther(f"{reverse('people')}?{urlencode(done)}")


def _wanted(content: bytes) -> Wanted:
    wanted, seen = Wanted(), dict[str, int]()
    known = {one.someone.id: one for one in people.matches()}
    by_email = {one.someone.email: one for one in known.values()}
    try:
        rows = list(_rows(content))
    except CannotCorrect as reason:
        return Wanted(problems=[str(reason)])
    members = _members({row[MEMBER] for _, row in rows})
    for number, row in rows:
        try:
            one = _whose(row, known, by_email)
            if one.someone.id in seen:
                raise CannotCorrect(f"{one.someone.name} is in line {seen[one.someone.id]} already.")
            seen[one.someone.id] = number
            _want(wanted, one, row[MEMBER], members)
        except CannotCorrect as reason:
            wanted.problems.append(f"Line {number}: {reason}")
    return wanted


def _members(typed: set[str]) -> dict[str, Member]:
    """By what was typed: an id, or an e-mail; who is active rather than who is not."""
    rows = Member.objects.filter(Q(pk__in=typed) | Q(email__in={each.lower() for each in typed if "@" in each}))
    found = {member.email: member for member in rows.order_by("-deactivated", "-id")}
    by_id = {member.pk: member for member in rows}
    return {each: member for each in typed if (member := by_id.get(each) or found.get(each.lower())) and each}


def _want(wanted: Wanted, one: Match, typed: str, members: dict[str, Member]) -> None:
    now = one.correction.member_id if one.correction else one.member.pk if one.member else ""
    member = members.get(typed)
    if typed == now or (not typed and not one.correction) or (member is not None and member.pk == now):
        wanted.same += 1
    elif not typed:
        wanted.taken_back.append(one.someone)
    elif member is None:
        raise CannotCorrect(f"Slack lists no member with the {'e-mail' if '@' in typed else 'id'} {typed}.")
    else:
        wanted.chosen[one.someone] = correcting.active(member)


def _whose(row: dict[str, str], known: dict[str, Match], by_email: dict[str, Match]) -> Match:
    id_, email = row.get(USER, ""), row.get(EMAIL, "")
    one = known.get(id_) if id_ else by_email.get(email.lower())
    if one is None:
        raise CannotCorrect(f"PagerDuty has no user {id_ or email or 'here: write their id or their e-mail'}.")
    return one


def _rows(content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line with its number, by the names of the columns. Raises CannotCorrect."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CannotCorrect("The file is not UTF-8. Save it as “CSV UTF-8”.") from None
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        names = {plain(unguarded(name)): place for place, name in enumerate(next(reader, []))}
        places = {name: names[plain(name)] for name in (USER, EMAIL, MEMBER) if plain(name) in names}
        if MEMBER not in places or len(places) < 2:
            raise CannotCorrect(f"The first line must name the columns “{MEMBER}” and “{USER}” or “{EMAIL}”.")
        for row in reader:
            cells = {name: clean(unguarded(row[place])) if place < len(row) else "" for name, place in places.items()}
            if any(cell.strip() for cell in row):
                yield reader.line_num, cells
    except csv.Error as error:
        raise CannotCorrect(f"Line {reader.line_num}: it cannot be read as CSV ({error}).") from None
