"""The home page with much on it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import change, on_sqlite, report
from tests.processes import Hub, Sandbox, eventually, report_form

pytestmark = on_sqlite


@pytest.fixture
def hub(fresh_hub: Hub) -> Hub:
    return fresh_hub


def resolved(hub: Hub, number: int) -> None:
    """So many incidents of last year, each resolved in the minute after the one before; some at the same moment."""
    start = datetime(2025, 3, 1, 12, tzinfo=UTC)
    service = hub.service_id("Checkout API")
    for n in range(number):
        at = (start + timedelta(minutes=n // 2)).strftime("%Y-%m-%d %H:%M:%S")
        row = {
            "id": f"incident-old-otter-{n:03}",
            "created_at": at,
            "updated_at": at,
            "resolved_at": at,
            "status": "resolved",
            "title": f"Old trouble {n}",
            "description": "",
            "service_id": service,
            "priority_refused": False,
            "reporter_email": "ana@example.com",
            "reporter_name": "Ana",
            "source": "web",
            "sender": "user:1",
            "report_id": uuid4().hex,
            "digest": "",
            "assigned": "[]",
            "acknowledged_by": "Mei Tanaka",
            "summary_ts": "",
        }
        change(hub, f"INSERT INTO incidents ({','.join(row)}) VALUES ({','.join('?' * len(row))})", *row.values())  # noqa: S608


def test_older_incidents_come_page_by_page_each_once(dana: Page, hub: Hub) -> None:
    resolved(hub, 120)
    seen: list[str] = []
    dana.goto("/")
    expect(dana.get_by_text("1 to 50 of 120")).to_be_visible()
    while True:
        seen += dana.locator("tr[data-state=resolved] .id").all_inner_texts()
        older = dana.get_by_role("link", name="Older incidents")
        if older.count() == 0:
            break
        older.click()
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 120
    dana.get_by_role("link", name="Latest incidents").click()
    expect(dana.get_by_text("1 to 50 of 120")).to_be_visible()


def test_the_list_follows_without_a_reload(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    other = dana.context.new_page()
    name = report(other, title="Card payments fail")
    # While nothing is open it looks every ten seconds, then every second.
    expect(dana.get_by_role("link", name="Card payments fail")).to_be_visible(timeout=15_000)
    expect(dana.locator("#wordmark")).to_have_attribute("data-state", "triggered")
    expect(dana.locator("#icon")).to_have_attribute("href", re.compile("icon-triggered"))
    expect(dana).to_have_title(re.compile("^1 open, nobody on it"))

    page = eventually(lambda: sandbox.page_of(name))
    sandbox.resolve(page["id"], sandbox.user_id("Mei Tanaka"))
    expect(dana.locator("tr[data-state=resolved]")).to_contain_text("Card payments fail", timeout=25_000)
    expect(dana.get_by_role("heading", level=1)).to_have_text("All quiet")


def test_the_list_goes_on_under_a_link_that_has_focus_and_around_selected_text(dana: Page, hub: Hub) -> None:
    report(dana, title="Cards fail")
    dana.goto("/")
    dana.locator("tbody th a").first.focus()
    hub.dana.post("/report", report_form(hub, title="Search fails"))
    expect(dana.locator("tbody th")).to_have_count(2)
    expect(dana.locator("tbody th a:focus")).to_have_text("Cards fail")
    dana.locator("tbody th .id").first.select_text()
    hub.dana.post("/report", report_form(hub, title="Login fails"))
    expect(dana.locator("#open-count")).to_contain_text("3")
    expect(dana.locator("tbody th")).to_have_count(2)
    dana.evaluate("document.getSelection().removeAllRanges()")
    expect(dana.locator("tbody th")).to_have_count(3)


def test_filters_are_chosen_saved_and_left_alone_by_the_refreshing(dana: Page, hub: Hub) -> None:
    resolved(hub, 5)
    report(dana, title="Card payments fail")
    dana.goto("/")
    dana.get_by_label("Status").select_option("resolved")
    dana.get_by_label("Words").fill("old trouble")
    with dana.expect_response(lambda answer: "hx-request" in answer.request.headers):
        expect(dana.get_by_label("Words")).to_have_value("old trouble")
    expect(dana.get_by_label("Words")).to_be_focused()
    expect(dana.get_by_label("Words")).to_have_value("old trouble")
    dana.keyboard.press("Enter")
    dana.wait_for_url("**/?q=old+trouble&status=resolved**")
    expect(dana.locator("tbody th")).to_have_count(5)
    dana.get_by_text("Save this view").click()
    dana.get_by_label("Name of the view").fill("Old ones")
    dana.keyboard.press("Enter")
    dana.get_by_role("link", name="Clear the filters").click()
    expect(dana.locator("tbody th")).to_have_count(6)
    dana.get_by_role("link", name="Old ones").click()
    expect(dana.locator("tbody th")).to_have_count(5)
    dana.get_by_text("Save this view").click()
    dana.get_by_role("button", name="Delete Old ones").click()
    expect(dana.get_by_role("link", name="Old ones")).to_have_count(0)


def test_the_list_is_filtered_by_keyboard_on_a_phone_without_scripts(window: Callable[..., Page], hub: Hub) -> None:
    resolved(hub, 3)
    page = window(base_url=hub.url, java_script_enabled=False, viewport={"width": 360, "height": 740})
    cookies = hub.dana.cookies
    page.context.add_cookies([{"name": one.name, "value": one.value or "", "url": hub.url} for one in cookies])
    page.goto("/")
    page.locator("#filters summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("trouble 2")
    page.keyboard.press("Enter")
    expect(page.locator("tbody th")).to_have_count(1)
    expect(page.locator("#filters summary")).to_contain_text("“trouble 2”")
    page.get_by_role("link", name="Read again").click()
    expect(page.locator("tbody th")).to_have_count(1)


def test_the_menu_of_many_views_stays_on_the_screen(dana: Page, hub: Hub) -> None:
    for number in range(20):
        hub.dana.post("/views", {"name": f"View {number}", "query": "status=open"})
    for width in (1280, 390):
        dana.set_viewport_size({"width": width, "height": 900})
        dana.goto("/?status=resolved")
        dana.locator(".views summary").click()
        shown = dana.locator(".views details > div").bounding_box()
        assert shown is not None
        assert shown["x"] >= 0
        assert shown["x"] + shown["width"] <= width
    expect(dana.locator(".views details")).to_contain_text("You have 20 views. Delete one to save another.")
