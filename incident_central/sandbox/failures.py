"""The failures that the state page offers as buttons, and every fault in words."""

from __future__ import annotations

from dataclasses import dataclass, field

from incident_central.sandbox.faults import Fault

NAMES = {"pagerduty": "PagerDuty", "slack": "Slack", "*": "PagerDuty and Slack", "webhooks": "Webhooks"}
EFFECTS = {
    "down": "Nobody listens at its address.",
    "hung": "It takes calls and never answers them.",
    "slow": "Every call takes {seconds:g} seconds longer.",
    "late": "It does the work at once, and its answer comes {seconds:g} seconds later.",
    "429": "It says that there were too many calls, and to come back in {seconds:g} seconds.",
    "429-bare": "It says that there were too many calls, and nothing else.",
    "500": "It answers with an error of its own (500).",
    "503": "It answers that it is not available (503), and to come back in {seconds:g} seconds.",
    "html": "It answers with a web page instead of data ({status}).",
    "html-200": "It answers with a web page instead of data, as if all were well.",
    "drip": "It does the work at once, and its answer comes byte by byte, {seconds:g} seconds apart.",
    "gateway-timeout": "It does the work, and a gateway in between says that it took too long (504).",
    "truncated": "It does the work, and its answer breaks off in the middle.",
    "reset": "It drops the connection before it does the work.",
    "answer-lost": "It does the work, and its answer never arrives: the connection is dropped.",
    "answer-lost-hang": "It does the work, and its answer never arrives: the connection stays silent.",
    "missing-scope": "The token lacks the scope {needed}.",
    "unauthorized": "It does not know the token any more.",
    "doubled": "Each comes twice.",
    "delayed": "Each comes {seconds:g} seconds late, and later ones overtake it.",
    "shuffled": "They are gathered for {seconds:g} seconds, and sent in another order.",
    "lost": "They never arrive.",
    "wrong-signature": "They are signed with another secret.",
    "two-signatures": "They carry a second signature, as while a secret is changed.",
}


@dataclass(frozen=True)
class Failure:
    """One button. `fault` holds the fields of its Fault."""

    name: str
    label: str
    fault: dict[str, object] = field(hash=False)


FAILURES = (
    Failure("pagerduty-down", "PagerDuty is down", {"provider": "pagerduty", "kind": "down"}),
    Failure("pagerduty-hung", "PagerDuty does not answer", {"provider": "pagerduty", "kind": "hung"}),
    Failure(
        "pagerduty-answers-lost",
        "PagerDuty’s answers are lost",
        {"provider": "pagerduty", "kind": "answer-lost", "reads": False},
    ),
    Failure("slack-down", "Slack is down", {"provider": "slack", "kind": "down"}),
    Failure("slack-slow", "Slack is slow", {"provider": "slack", "kind": "slow", "seconds": 5}),
    Failure("slack-limits", "Slack limits us", {"provider": "slack", "kind": "429", "seconds": 10}),
    Failure(
        "slack-answers-lost",
        "Slack’s answers are lost",
        {"provider": "slack", "kind": "answer-lost", "reads": False},
    ),
    Failure(
        "slack-no-channels",
        "The bot may not open channels",
        {
            "provider": "slack",
            "kind": "missing-scope",
            "method": "conversations.create",
            "needed": "channels:manage",
        },
    ),
    Failure("webhooks-lost", "Webhooks are lost", {"provider": "webhooks", "kind": "lost"}),
    Failure("webhooks-doubled", "Webhooks come twice", {"provider": "webhooks", "kind": "doubled"}),
    Failure("webhooks-delayed", "Webhooks come late", {"provider": "webhooks", "kind": "delayed", "seconds": 20}),
    Failure("webhooks-shuffled", "Webhooks are shuffled", {"provider": "webhooks", "kind": "shuffled"}),
    Failure("webhooks-forged", "Webhooks are signed wrongly", {"provider": "webhooks", "kind": "wrong-signature"}),
    Failure("webhooks-rotated", "Webhooks have two signatures", {"provider": "webhooks", "kind": "two-signatures"}),
)


def fault_of(name: str) -> Fault:
    """The fault behind a button. Raises ValueError for an unknown one."""
    for failure in FAILURES:
        if failure.name == name:
            return Fault(**failure.fault)  # type: ignore[arg-type]
    raise ValueError(f"No failure is named {name!r}. There are: {', '.join(f.name for f in FAILURES)}.")


def failure_of(fault: Fault) -> Failure | None:
    """The button that turned this fault on, if one did."""
    return next((failure for failure in FAILURES if _is(fault, failure)), None)


def in_words(fault: Fault) -> tuple[str, str]:
    """A heading and a sentence about a fault that is on."""
    failure = failure_of(fault)
    heading = failure.label if failure else f"{NAMES[fault.provider]}: {fault.kind}"
    effect = EFFECTS[fault.kind].format(
        seconds=fault.seconds, status=fault.status, needed=fault.needed or "that it needs"
    )
    limits = [
        f"Only on {fault.method}." if fault.method != "*" else "",
        f"One call in {fault.every}." if fault.every > 1 else "",
        f"At most {fault.times} times." if fault.times else "",
        "Reading still works." if not fault.reads else "",
        f"Calls hit so far: {fault.used}." if not fault.refuses_connections else "",
    ]
    return heading, " ".join(filter(None, [effect, *limits]))


def _is(fault: Fault, failure: Failure) -> bool:
    made = fault_of(failure.name)
    names = ("provider", "kind", "method", "every", "times", "reads", "needed")
    return all(getattr(fault, name) == getattr(made, name) for name in names)
