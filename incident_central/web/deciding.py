"""What somebody decides about a step that went wrong."""

from incident_central.database import transaction
from incident_central.incidents.models import Incident
from incident_central.jobs import models as jobs
from incident_central.jobs import runner
from incident_central.jobs.workflow import Step
from incident_central.web.security import SignedIn


def decide(request: SignedIn, step_id: int, step: Step, *, incident: Incident, title: str) -> None:
    """They pressed Retry or “I did it by hand”. Pressing twice changes nothing."""
    with transaction():
        if request.POST.get("done") != "by-hand":
            jobs.retry(step_id, ask_after=step.ask_after)
        elif jobs.done_by_hand(step_id, who=str(request.user)):
            incident.done_by_hand(title, str(request.user))
    runner.wake()
