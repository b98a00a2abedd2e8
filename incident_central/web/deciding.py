"""What somebody decides about a step that went wrong."""

from dataclasses import dataclass

from incident_central.database import transaction
from incident_central.incidents.models import Incident
from incident_central.jobs import models as jobs
from incident_central.jobs import runner
from incident_central.jobs.workflow import Step
from incident_central.web.security import SignedIn


@dataclass(frozen=True)
class Undecided:
    """A step with Retry and “I did it by hand” beside it."""

    step_id: int
    step: Step
    incident: Incident
    title: str


def decide(request: SignedIn, found: Undecided) -> None:
    """They pressed one of the two. Pressing twice changes nothing."""
    with transaction():
        if request.POST.get("done") != "by-hand":
            jobs.retry(found.step_id, ask_after=found.step.ask_after)
        elif jobs.done_by_hand(found.step_id, who=str(request.user)):
            found.incident.done_by_hand(found.title, str(request.user))
    runner.wake()
