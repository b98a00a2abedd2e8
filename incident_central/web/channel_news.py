"""What an incident's channel could not be told, though it is true."""

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from incident_central.incidents.models import Incident
from incident_central.incidents.news import NEWS, WAITS, News, message_of, name_in, news_of, steps_that_matter
from incident_central.incidents.wording import summary_of
from incident_central.jobs.models import StepRow
from incident_central.web import by_hand, deciding, steps
from incident_central.web.by_hand import ByHand
from incident_central.web.deciding import Undecided
from incident_central.web.redirects import SeeOther
from incident_central.web.renamed import by_present_name
from incident_central.web.security import SignedIn, signed_in
from incident_central.web.templatetags.addresses import address


def lines(incident: Incident) -> list[steps.Line]:
    """Steps that went wrong. Those that only wait for the response are not among them: its own steps say why."""
    wanted = steps_that_matter(incident)
    if not wanted:
        return []
    rows = steps.rows_of_jobs(NEWS.name, {key for key, _ in wanted})
    return [
        _line(news_of(incident, key), row)
        for key, row in rows
        if (key, row.name) in wanted and steps.went_wrong(row) and not row.by_hand and row.error != WAITS
    ]


def _line(news: News, row: StepRow) -> steps.Line:
    return steps.Line(
        row.state,
        _title(news, row.name),
        steps.told_of(row),
        hint=" ".join(filter(None, [row.error, steps.tried(row), steps.doubt(row, NEWS)])),
        step=f"{row.name}-{row.job_id}",
        fix=_by_hand(news, row.name),
        sent_to=address("news", news.incident.name, row.job_id, row.name),
    )


def _title(news: News, step: str) -> str:
    if step == "tell":
        return f"Tell the channel: {by_hand.text_of(message_of(news))}"
    return "Update the pinned summary" if step == "update_summary" else "Set the channel’s topic"


def _by_hand(news: News, step: str) -> ByHand:
    if step == "update_topic":
        return by_hand.by_hand("topic", news.incident)
    message = message_of(news) if step == "tell" else summary_of(news.incident)
    return ByHand((by_hand.open_channel(news.incident), "Post this:"), by_hand.text_of(message))


@require_POST
@signed_in
@by_present_name
def decide(request: SignedIn, name: str, job: int, step: str) -> HttpResponse:
    """Somebody pressed Retry or “I did it by hand” at one of the lines. Pressing twice changes nothing."""
    deciding.decide(request, undecided(name, job, step))
    return SeeOther(reverse("incident", args=[name]))


def undecided(name: str, job: int, step: str) -> Undecided:
    """Raises Http404."""
    incident = get_object_or_404(Incident.objects.select_related("service", "priority"), pk=name)
    rows = StepRow.objects.filter(job__workflow=NEWS.name).select_related("job")
    row = get_object_or_404(rows, job=job, name=step)
    if name_in(row.job.key) != name:
        raise Http404
    return Undecided(row.pk, NEWS.step(step), incident, _title(news_of(incident, row.job.key), step))
