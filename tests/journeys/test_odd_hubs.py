"""Hubs that are new, half set up, cut off or broken."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import change, on_sqlite, report, sign_in
from tests.processes import Hub, Sandbox, eventually

pytestmark = on_sqlite


@pytest.fixture
def hub(fresh_hub: Hub) -> Hub:
    return fresh_hub


def test_home_does_not_say_all_quiet_while_pagerduty_is_down(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "down")
    expect(dana.get_by_role("heading", level=1)).to_have_text("No open incident that we know of", timeout=30_000)
    expect(dana.locator(".banner:visible")).to_contain_text("PagerDuty could not be reached")
    expect(dana.locator("#tools")).to_contain_text("PagerDuty has not answered for")
    dana.get_by_role("main").get_by_role("link", name="Report an incident").click()
    expect(dana.locator("option", has_text="Checkout API")).to_be_enabled()


def test_without_slack_the_pages_say_so(make_hub: Callable[..., Hub], window: Callable[..., Page]) -> None:
    hub = make_hub(SLACK_BOT_TOKEN="")
    hub.start()
    dana = window(base_url=hub.url)
    sign_in(dana)
    expect(dana.locator(".banner:visible")).to_contain_text("Slack is not set up.")
    report(dana)
    expect(dana.get_by_role("heading", level=1)).to_have_text("Reported. Mei Tanaka is being paged.")
    expect(dana.locator("#actions header")).to_contain_text("2 of 2 done")
    expect(dana.get_by_text("Slack is not set up, so no channel opens.")).to_be_visible()


def test_without_pagerduty_no_report_is_taken(make_hub: Callable[..., Hub], window: Callable[..., Page]) -> None:
    hub = make_hub(PAGERDUTY_API_KEY="")
    hub.start(ready=False)
    dana = window(base_url=hub.url)
    sign_in(dana)
    expect(dana.locator(".banner:visible")).to_contain_text("PAGERDUTY_API_KEY")
    dana.goto("/report")
    expect(dana.get_by_role("heading", level=1)).to_have_text("No report can be taken")
    expect(dana.get_by_role("link", name="+1 555 0100")).to_be_visible()
    assert hub.dana.get("/readyz").status == 503


def test_a_hub_that_ended_does_not_leave_a_page_that_looks_fresh(dana: Page, hub: Hub, problems: list[str]) -> None:
    report(dana)
    hub.stop()
    expect(dana.get_by_text("Incident Central does not answer.")).to_be_visible()
    hub.start()
    expect(dana.get_by_text("Incident Central does not answer.")).to_be_hidden()
    problems.clear()  # no answer, as intended


def test_when_the_hub_breaks_the_page_says_what_to_do_and_a_reference_that_the_log_has(dana: Page, hub: Hub) -> None:
    change(hub, "ALTER TABLE users RENAME TO gone")
    dana.goto("/")
    expect(dana.get_by_role("heading", level=1)).to_contain_text("Incident Central broke.")
    expect(dana.get_by_role("link", name="+1 555 0100")).to_be_visible()
    quoted = dana.locator(".hint .mono").inner_text()
    eventually(lambda: quoted.split()[-1] in hub.log)
