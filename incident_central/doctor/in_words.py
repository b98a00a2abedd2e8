"""What findings amount to, in a sentence."""

from collections.abc import Iterable

from incident_central.findings import Finding, Level


def would_keep(findings: Iterable[Finding]) -> str:
    """How many things would keep a page from arriving, or a channel from opening; empty where none would."""
    fails = [one for one in findings if one.level == Level.FAIL]
    slack = sum(one.area in ("slack", "people") for one in fails)
    page = len(fails) - slack
    if page and slack:
        return f"{_things(page)} would keep a page from arriving, and {slack} a channel from opening"
    if page:
        return f"{_things(page)} would keep a page from arriving"
    return f"{_things(slack)} would keep a channel from opening" if slack else ""


def _things(count: int) -> str:
    return "1 thing" if count == 1 else f"{count} things"
