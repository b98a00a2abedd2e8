"""Fixtures of the crash tests."""

import pytest

from tests.processes import Sandbox


@pytest.fixture
def unlimited(sandbox: Sandbox) -> Sandbox:
    """The sandbox without limits on how often it may be called: many responses at once, and no waiting for it."""
    sandbox.switch(rate_limits="off")
    return sandbox
