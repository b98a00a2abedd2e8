"""kill -9 at every step of a response, and a restart: nothing is lost, and nothing is done twice."""

import time
from collections.abc import Callable
from uuid import uuid4

from tests.processes import Hub, Sandbox, eventually, report_form
from tests.test_trouble import assert_everything_once

WRITES_OF_A_RESPONSE = 10


def test_killed_between_any_two_calls_everything_is_done_once(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.start()
    names = []
    for so_many in range(WRITES_OF_A_RESPONSE + 1):
        sandbox.control("/latency", {"pagerduty": 0.04, "slack": 0.04})
        sandbox.control("/calls", method="DELETE")
        names.append(hub.dana.post("/report", report_form(hub)).incident)
        _wait_for_writes(sandbox, so_many)
        # Now in the middle of a call, then between two.
        time.sleep(0.02 * (so_many % 3))
        hub.kill()
        sandbox.control("/latency", {"pagerduty": 0, "slack": 0})
        hub.start()
    for name in names:
        hub.finished(name)
        assert_everything_once(hub, sandbox, name)


def test_killed_before_it_was_answered_and_sent_again_it_is_one_incident(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    form = report_form(hub, report_id=str(uuid4()))
    name = hub.dana.post("/report", form).incident
    hub.kill()
    hub.start()
    assert hub.dana.post("/report", form).incident == name
    hub.finished(name)
    assert len(hub.rows("SELECT id FROM incidents")) == 1
    assert_everything_once(hub, sandbox, name)


def _wait_for_writes(sandbox: Sandbox, so_many: int) -> None:
    reads = ("GET ", "auth.test", "users.", "conversations.history", "bookmarks.list")
    eventually(lambda: len([one for one in sandbox.calls() if not one["method"].startswith(reads)]) >= so_many)
