"""Stand-ins for PagerDuty and Slack: real HTTP servers to try the hub against, and to test it with."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sandbox until it is stopped; the exit code. See process.main."""
    from incident_central.sandbox import process

    return process.main(argv)
