"""The state page in a real browser: it keeps itself up to date, and anybody can use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from slack_sdk import WebClient

from tests.sandbox.asking import subscribe

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox


@pytest.fixture
def page(chromium: Browser, sandbox: RunningSandbox) -> Iterator[Page]:
    opened = chromium.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(sandbox.page)
    yield opened
    opened.close()
    assert complaints == []


def report(pager: LocalPagerDuty, service: str) -> None:
    found = pager.find("services", service)
    assert found is not None
    reference = {"id": found["id"], "type": "service_reference"}
    pager.rpost("/incidents", json={"type": "incident", "title": "It is slow", "service": reference})


def test_a_phone_rings_and_falls_silent_without_reloading(
    page: Page, pager: LocalPagerDuty, sandbox: RunningSandbox
) -> None:
    expect(page.get_by_text("Every phone is silent.")).to_be_visible()
    report(pager, "Checkout API")
    phone = page.get_by_role("article", name="Mei Tanaka")
    expect(phone).to_contain_text("Ringing")
    phone.get_by_role("button", name="Acknowledge").click()
    expect(phone).to_contain_text("Acknowledged")
    phone.get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("Every phone is silent.")).to_be_visible()


def test_what_somebody_unfolds_stays_open_while_the_page_refreshes(page: Page, pager: LocalPagerDuty) -> None:
    report(pager, "Checkout API")
    incident = page.locator("#in-pagerduty li")
    incident.get_by_text("Act").click()
    note = incident.get_by_label("Note")
    note.fill("Somebody looks at it")
    pager.rput("/incidents/4201", json={"type": "incident_reference", "status": "acknowledged"})
    expect(incident).to_contain_text("Acknowledged")
    expect(note).to_have_value("Somebody looks at it")
    incident.get_by_role("button", name="Add note").click()
    expect(page.get_by_role("heading", name="Sandbox")).to_be_visible()
    assert pager.rget("/incidents/4201/notes")[0]["content"] == "Somebody looks at it"


def test_what_somebody_is_typing_is_left_alone(page: Page, slack: WebClient, sandbox: RunningSandbox) -> None:
    channel = next(one["id"] for one in sandbox.state()["slack"]["channels"] if one["name"] == "incidents")
    page.goto(f"{sandbox.page}/?channel={channel}")
    line = page.get_by_label("Message", exact=True)
    line.fill("I am still typ")
    slack.chat_postMessage(channel=channel, text="Somebody else was faster")
    expect(page.get_by_text("Somebody else was faster")).to_be_visible()
    expect(line).to_have_value("I am still typ")
    expect(line).to_be_focused()
    line.press("Enter")
    expect(page.locator("#messages")).to_contain_text("I am still typ")


def test_a_new_channel_is_shown_by_itself_but_not_to_whom_writes_in_another(
    page: Page, slack: WebClient, sandbox: RunningSandbox
) -> None:
    slack.chat_postMessage(channel="incidents", text="Good morning")
    heading = page.locator(".chat h3")
    expect(heading).to_have_text("#incidents")
    page.get_by_label("Message", exact=True).fill("Is anybody on this")
    slack.conversations_create(name="incident-brave-otter-2026-11")
    expect(page.get_by_role("link", name="#incident-brave-otter-2026-11")).to_be_visible()
    expect(heading).to_have_text("#incidents")
    page.get_by_label("Message", exact=True).fill("")
    page.get_by_role("heading", name="Sandbox").click()
    expect(heading).to_have_text("#incident-brave-otter-2026-11")


def test_it_comes_back_after_the_sandbox_was_away(
    chromium: Browser, sandbox: RunningSandbox, pager: LocalPagerDuty
) -> None:
    page = chromium.new_page()
    page.goto(sandbox.page)
    with page.expect_request_finished():
        page.route("**/*", lambda route: route.fulfill(status=502, body="away"))
    report(pager, "Checkout API")
    page.unroute("**/*")
    expect(page.get_by_role("article", name="Mei Tanaka")).to_contain_text("Ringing")
    page.close()


@pytest.mark.parametrize("width", [1280, 390, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_from_using_it(
    chromium: Browser, sandbox: RunningSandbox, pager: LocalPagerDuty, slack: WebClient, width: int, scheme: str
) -> None:
    report(pager, "Checkout API")
    report(pager, "Data Warehouse")
    channel = slack.conversations_create(name="incident-brave-otter-2026-11")["channel"]["id"]
    slack.chat_postMessage(channel=channel, text="Everybody is *here*: `now`")
    sandbox.ask("POST", "/faults", {"failure": "slack-slow"})
    subscription = subscribe(pager)  # nobody listens there
    pager.post(f"/webhook_subscriptions/{subscription['id']}/ping")
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(sandbox.page)
    page.locator("#in-pagerduty summary").first.click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing scrolls sideways"
    page.close()
