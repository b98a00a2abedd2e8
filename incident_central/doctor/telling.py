"""People are told when something breaks that would keep a page from arriving, and once more when it is mended.

    speak ── notice ─┬─ announce    in the announce channel
                     └─ mail

What counts as broken, and as mended, is decided in history.py. What has not been told yet is told together.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from incident_central.database import now
from incident_central.doctor import history
from incident_central.doctor.in_words import would_keep
from incident_central.doctor.models import KEPT, SURE, Checked, Notice, Trouble
from incident_central.doctor.parts import PARTS
from incident_central.findings import plain
from incident_central.incidents.response import was_announced
from incident_central.incidents.steps import ON_ITS_WAY, nothing
from incident_central.incidents.tools import chat
from incident_central.integrations import mail
from incident_central.integrations.base import Link, Message
from incident_central.jobs import runner
from incident_central.jobs.models import SETTLED, Job, State, StepRow, job_steps, retry
from incident_central.jobs.workflow import NotNeeded, Record, Step, Workflow
from incident_central.outside import CallFailed

NAME = "notice"
#: What is broken when everything is checked for the first time is told in one message, however long one part takes, up
#: to so long.
PATIENCE = timedelta(minutes=20)
#: For so long it is tried to tell something.
STILL_NEWS = timedelta(hours=24)
MOST_TOLD = 10
SUBJECT_LENGTH = 150


def try_again() -> None:
    """What was refused lately is tried again: at a start, settings may be others. Safe to repeat."""
    lately = Notice.objects.filter(made_at__gt=Now() - STILL_NEWS)
    keys = [str(pk) for pk in lately.values_list("pk", flat=True)]
    for row in StepRow.objects.filter(job__workflow=NAME, job__key__in=keys, state=State.FAILED):
        retry(row.pk, ask_after=STILL_NEWS)


def speak(_: object) -> Record:
    """Have told what has not been told yet. Asks nobody outside."""
    return _speak


def _speak() -> None:
    history.forget_the_old([part.name for part in PARTS])
    _forget_old_notices()
    if not _somebody_listens() or not _has_checked_everything():
        return
    # In the order in which a run that ends holds them.
    broken = list(Trouble.objects.broken().filter(told_broken=None).order_by("pk").select_for_update())
    told = Trouble.objects.exclude(gone_at=None).exclude(told_broken=None)
    mended = list(told.filter(told_mended=None).order_by("pk").select_for_update())
    if not broken and not mended:
        return
    notice = Notice.objects.create()
    Trouble.objects.filter(pk__in=[one.pk for one in broken]).update(told_broken=notice)
    Trouble.objects.filter(pk__in=[one.pk for one in mended]).update(told_mended=notice)
    runner.begin(WORKFLOW, str(notice.pk), notice)


def _somebody_listens() -> bool:
    """Else it is told when that is set up."""
    return settings.EMAIL is not None or _announces()


def _announces() -> bool:
    return bool(settings.SLACK_BOT_TOKEN and settings.SLACK_ANNOUNCE_CHANNEL)


def _has_checked_everything() -> bool:
    """Often enough to be sure. Then it stays so, and nothing is waited for any more."""
    rows = {row.part: row for row in Checked.objects.all()}
    if all(part.name in rows and rows[part.name].runs >= SURE for part in PARTS):
        return True
    began = [row.first_at for row in rows.values() if row.first_at is not None]
    return bool(began) and now() - min(began) > PATIENCE


def _forget_old_notices() -> None:
    old = Notice.objects.filter(made_at__lt=Now() - KEPT, broke=None, mended=None)
    if keys := [str(one.pk) for one in old]:
        Job.objects.filter(workflow=NAME, key__in=keys).delete()
        old.delete()


# ── the steps ─────────────────────────────────────────────────────────────────────────────────────


def announce(notice: Notice) -> Record:
    """Not safe to repeat after a lost answer: look for its marker first."""
    chat().post(settings.SLACK_ANNOUNCE_CHANNEL, message_of(notice))
    return nothing


def look_for_announcement(notice: Notice) -> Record | None:
    return nothing if was_announced(_marker(notice), since=notice.made_at) else None


def send_mail(notice: Notice) -> Record:
    """Repeated after a lost answer, with the same id: twice beats not at all."""
    if settings.EMAIL is None:
        raise NotNeeded("E-mail is not set up.")
    told = _told(notice, "mail")
    paragraphs = [told.title + ".", *told.paragraphs, *([f"Set-up: {_address()}"] if _address() else [])]
    host = urlsplit(settings.BASE_URL).hostname or "incident-central.invalid"
    runner.before_send()
    mail.send(
        subject=f"Incident Central: {told.title}"[:SUBJECT_LENGTH],
        text="\n\n".join(paragraphs) + "\n",
        sender=settings.EMAIL.sender,
        recipients=settings.EMAIL.recipients,
        message_id=f"notice-{notice.pk}-{notice.made_at:%Y%m%d%H%M%S%f}@{host}",
    )
    return nothing


def message_of(notice: Notice) -> Message:
    told = _told(notice, "announce")
    links = (Link("Set-up", _address()),) if _address() else ()
    return Message(marker=_marker(notice), title=told.title, paragraphs=told.paragraphs, links=links)


# ── what is said ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Told:
    title: str
    paragraphs: tuple[str, ...]


def _told(notice: Notice, step: str) -> Told:
    """What is to be said in one place. Raises NotNeeded, and CallFailed while what comes before has not been told."""
    broke = list(notice.broke.order_by("since", "pk"))
    mended = [one for one in notice.mended.order_by("since", "pk") if _was_told(one, step)]
    if not broke and not mended:
        raise NotNeeded("That it was broken was not told here.")
    others = Trouble.objects.broken().exclude(told_broken=notice)
    left = would_keep(one.found for one in others)
    title = would_keep(one.found for one in broke) if broke else _mended_title(len(mended), left)
    lines = [*map(_broken_line, broke), *map(_mended_line, mended)]
    more = len(lines) - MOST_TOLD
    return Told(title, (*lines[:MOST_TOLD], *([f"And {more} more."] if more > 0 else [])))


def _was_told(trouble: Trouble, step: str) -> bool:
    row = job_steps(NAME, str(trouble.told_broken_id)).filter(name=step).first()
    if row is not None and row.state not in (*SETTLED, State.FAILED):
        raise CallFailed("Waits for the message that it was broken.")
    return row is not None and row.state == State.DONE


def _mended_title(count: int, left: str) -> str:
    what = "1 thing is mended" if count == 1 else f"{count} things are mended"
    return f"{what}; still, {left}" if left else f"{what}: nothing is known that would keep a page from arriving"


def _broken_line(trouble: Trouble) -> str:
    found = trouble.found
    mended = "" if trouble.gone_at is None else f" Mended since {_clock(trouble.gone_at)}."
    return " ".join(f"{plain(found.title)}, since {_clock(trouble.since)}. {plain(found.said)}{mended}".split())


def _mended_line(trouble: Trouble) -> str:
    until = "" if trouble.gone_at is None else f" to {_clock(trouble.gone_at)}"
    return f"Mended: {plain(trouble.found.title)}, from {_clock(trouble.since)}{until}."


def _clock(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{local.day} {local:%b at %H:%M}"


def _address() -> str:
    return f"{settings.BASE_URL}/set-up" if settings.BASE_URL else ""


def _marker(notice: Notice) -> str:
    return f"notice/{notice.pk}/{notice.made_at.isoformat()}"


def _without_announce_channel(notice: Notice) -> str | None:
    return None if _announces() else "No announce channel is set."


def _without_mail(notice: Notice) -> str | None:
    return None if settings.EMAIL else "EMAIL_URL is not set."


def _load(key: str) -> Notice:
    return Notice.objects.get(pk=int(key))


WORKFLOW = Workflow(
    NAME,
    load=_load,
    steps=(
        Step(
            "announce",
            announce,
            look_for_announcement,
            lane="slack",
            off=_without_announce_channel,
            on_its_way=ON_ITS_WAY,
            ask_after=STILL_NEWS,
        ),
        Step("mail", send_mail, lane="doctor", off=_without_mail, ask_after=STILL_NEWS),
    ),
)
