"""Fixtures of the crash tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.replicas import another, wake
from tests.processes import Hub, Sandbox


@pytest.fixture
def unlimited(sandbox: Sandbox) -> Sandbox:
    """The sandbox without limits on how often it may be called: many responses at once, and no waiting for it."""
    sandbox.switch(rate_limits="off")
    return sandbox


@pytest.fixture
def make_replica(tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    """Make a replica of a hub: see `another`."""
    replicas: list[Hub] = []

    def make(hub: Hub, *, database_url: str = "", clock: int = 0) -> Hub:
        folder = tmp_path / f"replica-{len(replicas)}"
        replicas.append(another(hub, folder, database_url=database_url, clock=clock))
        return replicas[-1]

    yield make
    for replica in replicas:
        wake(replica)
        replica.stop()
