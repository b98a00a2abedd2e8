"""The Set-up page in a browser: one finding is checked again, and nothing else on the page moves."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.doctor import level, policy_id, user_id
from tests.journeys.conftest import on_sqlite, sign_in
from tests.processes import Hub, Sandbox
from tests.test_set_up_page import LONG_AGO, check

pytestmark = on_sqlite

NOBODY = "Escalation policy Payments reaches nobody now"


@pytest.fixture
def hub(fresh_hub: Hub) -> Hub:
    check(fresh_hub)
    fresh_hub.rows("UPDATE doctor_checked SET asked_at = %s", LONG_AGO)
    return fresh_hub


def the_finding(page: Page) -> Locator:
    return page.locator("[data-finding]", has=page.get_by_role("heading", name=NOBODY))


def mend(sandbox: Sandbox) -> None:
    rules = [level(user_id("lucia.paredes"))]
    sandbox.plant("pagerduty", "policies", policy_id("Payments"), set={"rules": rules})


def test_only_the_finding_that_is_checked_again_changes(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    dana.goto("/set-up")
    dana.evaluate("window.same = true")
    others = dana.locator("[data-finding]").count()
    place = the_finding(dana).bounding_box()
    sandbox.fault("pagerduty", "slow", method="GET /services", seconds=8)
    the_finding(dana).get_by_role("button", name="Check again").click()
    expect(the_finding(dana).locator(".state")).to_have_text("Checking")
    expect(dana.locator("#status")).to_have_text("Checking again.")
    sandbox.mend()
    expect(the_finding(dana)).to_contain_text("It was checked again, and is still so.")
    expect(dana.get_by_role("heading", level=1)).to_have_text("2 things would keep a page from arriving")

    mend(sandbox)
    hub.rows("UPDATE doctor_checked SET asked_at = %s", LONG_AGO)
    the_finding(dana).get_by_role("button", name="Check again").click()
    expect(the_finding(dana).locator(".state")).to_have_text("Mended")
    expect(dana.get_by_role("heading", level=1)).to_have_text("1 thing would keep a page from arriving")
    assert dana.evaluate("window.same"), "the page was not loaded anew"
    assert dana.locator("[data-finding]").count() == others
    now = the_finding(dana).bounding_box()
    assert place is not None
    assert now is not None
    assert (now["x"], now["y"]) == (place["x"], place["y"])


def test_without_javascript_it_is_the_same(window: Callable[..., Page], hub: Hub, sandbox: Sandbox) -> None:
    page = window(base_url=hub.url, java_script_enabled=False)
    sign_in(page)
    page.goto("/set-up")
    sandbox.fault("pagerduty", "slow", method="GET /services", seconds=8)
    the_finding(page).get_by_role("button", name="Check again").click()
    expect(the_finding(page).locator(".state")).to_have_text("Checking")
    sandbox.mend()
    expect(the_finding(page)).to_contain_text("It was checked again, and is still so.")
