"""Every page, at three widths, light and dark: nothing that axe-core objects to, and no scrolling sideways."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.journeys.conftest import change, fill_in, on_sqlite, report, sign_in
from tests.processes import ADMIN, PASSWORD, Hub, Sandbox

pytestmark = on_sqlite


@pytest.fixture
def hub(fresh_hub: Hub) -> Hub:
    return fresh_hub


WIDTHS = (1280, 390, 360)
LONG = "Zahlungsabwicklungsdienst " + "unbreakably" * 7
LONG_NAME = "incident-watchful-tranquil-southern-friendly-nightingale-2026-11-10"


def inspect(page: Page, what: str) -> list[str]:
    """What is wrong with the page as it stands."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(f"{what} scrolls sideways at {width}")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            results = Axe().run(page)
            if results.violations_count:
                found.append(f"{what} at {width}, {scheme}: {results.generate_report()}")
    return found


@pytest.mark.timeout(400)
def test_every_page_is_accessible_and_fits(dana: Page, window: Callable[..., Page], hub: Hub, sandbox: Sandbox) -> None:
    dana.set_default_timeout(10_000)
    found = inspect(dana, "home, first use")
    fill_in(dana, title=LONG)
    found += inspect(dana, "report form")
    dana.evaluate("document.querySelector('form.report').noValidate = true")
    dana.get_by_label("What is going wrong?").fill("")
    dana.locator("#send").click()
    expect(dana.locator(".errors")).to_be_focused()
    found += inspect(dana, "report form with errors")

    sandbox.fault("slack", "missing-scope", method="chat.postMessage", needed="chat:write")
    sandbox.fault("slack", "429", method="conversations.setTopic", seconds=300)
    name = report(dana, title=LONG, description=LONG * 20)
    expect(dana.locator("#actions header")).to_contain_text("2 need you")  # so the channel is open, and keeps its name
    change(hub, "UPDATE incidents SET slack_channel_name = ? WHERE id = ?", LONG_NAME, name)
    expect(dana.locator("#actions")).to_contain_text(LONG_NAME)
    found += inspect(dana, "responding, with failures")
    dana.goto(f"/incidents/{name}")
    found += inspect(dana, "incident")
    fill_in(dana)
    found += inspect(dana, "report form, is it one of these")

    sandbox.mend()
    sandbox.fault("pagerduty", "down")
    report(dana, service="Data Warehouse")
    expect(dana.get_by_role("heading", level=1)).to_have_text("Nobody could be paged yet")
    found += inspect(dana, "responding, nobody paged")
    sandbox.mend()
    dana.get_by_role("button", name="Retry").first.click()
    change(
        hub,
        "UPDATE incidents SET status = 'resolved', resolved_at = created_at, acknowledged_at = created_at"
        " WHERE service_id <> (SELECT id FROM incidents_service WHERE name = 'Checkout API')",
    )
    dana.goto("/")
    found += inspect(dana, "home, open and resolved")
    dana.get_by_text("DO", exact=True).click()
    found += inspect(dana, "home, menu open")
    dana.goto("/?status=resolved&priority=none&q=nothing")
    dana.locator("#filters summary").evaluate("summary => summary.parentElement.open = true")
    dana.get_by_text("Save this view").click()
    found += inspect(dana, "home, filtered, nothing found")
    dana.goto("/?status=nonsense&from=nonsense")
    found += inspect(dana, "home, filters that make no sense")
    for path in ("/on-call", "/on-call?by=person"):
        dana.goto(path)
        found += inspect(dana, path)
    dana.goto("/set-up")
    found += inspect(dana, "set-up, never checked")
    dana.get_by_role("button", name="Check everything").click()
    expect(dana.get_by_role("button", name="Check everything again")).to_be_visible()
    dana.locator("summary", has_text="that pass").first.click()
    dana.locator("summary", has_text="The Slack app").click()
    found += inspect(dana, "set-up, checked")
    hub.does("on-call")
    change(hub, "UPDATE doctor_trouble SET gone_at = since WHERE id = (SELECT max(id) FROM doctor_trouble)")
    change(hub, "UPDATE doctor_trouble SET broken_at = since, level = 'fail' WHERE gone_at IS NOT NULL")
    dana.goto("/set-up")
    expect(dana.get_by_role("heading", name="Mended lately")).to_be_visible()
    found += inspect(dana, "set-up, with what was mended")
    dana.goto("/")
    expect(dana.locator("#broken")).to_contain_text("would keep a page from arriving.")
    found += inspect(dana, "home, something is broken")
    dana.goto("/drills")
    found += inspect(dana, "drills, nothing made")
    dana.get_by_role("button", name="Make them in PagerDuty").click()
    dana.get_by_role("button", name="Start one every week").click()
    expect(dana.get_by_role("button", name="Stop it")).to_be_visible()
    found += inspect(dana, "drills, one every week")
    dana.get_by_role("button", name="Start a drill").click()
    expect(dana.get_by_text("Summary posted")).to_be_visible()
    found += inspect(dana, "drill, under way")
    dana.get_by_role("button", name="End the drill").click()
    expect(dana.get_by_role("button", name="Delete this drill")).to_be_visible()
    found += inspect(dana, "drill, over")
    dana.goto("/nowhere")
    found += inspect(dana, "404")

    stranger = window(base_url=hub.url)
    stranger.goto("/sign-in")
    found += inspect(stranger, "sign-in")
    sign_in(stranger, password="wrong")
    expect(stranger.locator(".errors")).to_be_focused()
    found += inspect(stranger, "sign-in failed")
    stranger.context.clear_cookies()
    stranger.get_by_role("button", name="Sign in").click(force=True, no_wait_after=True)
    stranger.evaluate("document.querySelector('form').noValidate = true")
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_role("heading", level=1)).to_contain_text("This was not accepted.")
    found += inspect(stranger, "403")
    assert found == []


@pytest.mark.timeout(300)
def test_the_pages_of_whoever_was_signed_out_are_accessible_and_fit(dana: Page, hub: Hub) -> None:
    name = report(dana)
    dana.goto(f"/incidents/{name}")
    dana.get_by_role("button", name="Acknowledge").click()
    expect(dana.locator("#facts")).to_contain_text("Have somebody on call acknowledge it there, too.")
    found = inspect(dana, "incident, acknowledged from here")
    dana.locator("#menu-note > summary").click()
    dana.locator("#menu-note textarea").fill(LONG)
    dana.context.clear_cookies(name="sessionid")
    dana.locator("#menu-note button").click()
    expect(dana.locator(".banner")).to_contain_text("“Add note” has not been done.")
    found += inspect(dana, "sign-in, with what was sent")
    dana.get_by_label("Email").fill(ADMIN)
    dana.get_by_label("Password").fill(PASSWORD)
    dana.get_by_role("button", name="Sign in").click()
    expect(dana.get_by_role("heading", level=1)).to_contain_text("This has not been done yet")
    found += inspect(dana, "what was sent, signed in again")
    dana.get_by_role("button", name="Send it now").press("Enter")
    expect(dana.locator("#acting")).to_contain_text("Add note")
    assert not found, "\n".join(found)
