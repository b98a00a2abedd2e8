"""Responses begun by one version are finished by the next: its steps were renamed, added and removed."""

from collections.abc import Callable

from tests.crash.account import assert_each_once
from tests.crash.replicas import all_finished, report_all
from tests.crash.versions import ADDED
from tests.processes import Hub, Sandbox, eventually

VERSIONS = "tests.crash.versions"


def test_what_one_version_began_the_next_ones_finish(make_hub: Callable[..., Hub], unlimited: Sandbox) -> None:
    sandbox, hub = unlimited, make_hub()
    current, hub.launcher = hub.launcher, (VERSIONS, "older")
    hub.start()
    # Killed while the summaries are on their way, `greet` waits for its next try, and `part` for `greet`.
    slow = sandbox.fault("slack", "slow", method="chat.postMessage", seconds=1.5)
    names = report_all([hub], each=6)
    eventually(lambda: len(sandbox.calls("chat.postMessage")) == 2 * len(names))
    eventually(lambda: _states(hub, "greet") == ["waiting"] * len(names))
    hub.kill()
    assert _states(hub, "summary") == ["running"] * len(names)
    assert _states(hub, "part") == ["queued"] * len(names)
    assert not any(_states(hub, step) for step in ADDED)

    # Killed while it has found out about none of them.
    sandbox.control(f"/faults/{slow}", method="DELETE")
    lookups = sandbox.fault("slack", "500", method="conversations.history")
    hub.launcher = current
    hub.start()
    eventually(lambda: all(hub.steps(name)["summary"]["attempts"] for name in names))
    hub.kill()
    assert set(_states(hub, "summary")) <= {"waiting", "looking"}

    sandbox.control(f"/faults/{lookups}", method="DELETE")
    hub.launcher = (VERSIONS, "newer")
    hub.start()
    eventually(lambda: all_finished(hub))
    assert_each_once(hub, sandbox, names)
    for name in names:
        steps = hub.steps(name)
        assert "brief" not in steps, "it is the same step, under its old name"
        assert {steps[step]["state"] for step in ("summary", "pin", *ADDED)} == {"done"}
        for step in ("greet", "part"):
            assert (steps[step]["state"], steps[step]["error"]) == ("off", "This version does not do this any more.")


def _states(hub: Hub, step: str) -> list[str]:
    return [str(row["state"]) for row in hub.rows("SELECT state FROM jobs_step WHERE name = %s", step)]
