"""The responding page while a tool does not do what it should."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.journeys.conftest import on_sqlite, report
from tests.processes import Hub, Sandbox

pytestmark = on_sqlite


def line(page: Page, title: str) -> Locator:
    return page.locator(".checks > li", has=page.get_by_role("heading", name=title))


def test_a_step_that_failed_says_how_to_do_it_by_hand_and_can_be_tried_again(
    dana: Page, hub: Hub, sandbox: Sandbox
) -> None:
    sandbox.fault("slack", "missing-scope", method="chat.postMessage", needed="chat:write")
    name = report(dana, title="Card payments fail")

    summary = line(dana, "Post the summary")
    expect(summary).to_have_attribute("data-state", "failed")
    expect(summary).to_contain_text("Slack said missing_scope")
    expect(summary.locator("pre")).to_contain_text("Card payments fail")
    expect(dana.locator("#actions header")).to_contain_text("2 need you")
    expect(line(dana, "Pin the summary")).to_contain_text("Starts when the summary is posted.")

    sandbox.mend()
    summary.get_by_role("button", name="Retry").click()
    expect(summary).to_have_attribute("data-state", "done")
    expect(line(dana, "Pin the summary")).to_have_attribute("data-state", "done")
    assert len(sandbox.messages(name, f"{name}/summary")) == 1


def test_i_did_it_by_hand_ends_the_tries_and_is_kept_with_the_name(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "missing-scope", method="chat.postMessage", needed="chat:write")
    name = report(dana)

    announce = line(dana, "Announce it in #incidents")
    announce.get_by_role("button", name="I did it by hand").dblclick()
    expect(announce).to_have_attribute("data-state", "by-hand")
    expect(announce).to_contain_text("Dana Okafor did this by hand.")
    dana.goto(f"/incidents/{name}")
    expect(dana.get_by_text("Dana Okafor did this by hand: Announce it in #incidents")).to_have_count(1)


def test_while_nobody_could_be_paged_the_page_says_so_and_whom_to_phone(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "down")
    name = report(dana, title="Card payments fail")

    expect(dana.get_by_role("heading", level=1)).to_have_text("Nobody could be paged yet")
    phones = dana.locator(".phones-now")
    expect(phones).to_contain_text("Mei Tanaka, level 1")
    expect(phones.get_by_role("link", name="2025550101")).to_have_attribute("href", re.compile(r"^tel:\+?\d+$"))
    expect(phones).to_contain_text("Oskar Lindqvist, level 2")
    expect(phones).not_to_contain_text("Dana Okafor")
    expect(phones.get_by_role("link", name="+1 555 0100")).to_be_visible()
    expect(dana.get_by_role("link", name="Go to the Slack channel")).to_be_visible()
    expect(line(dana, "Page the on-call: Mei Tanaka").locator(".state")).to_have_text(
        re.compile(r"Retry in \d+ s|Trying")
    )
    dana.goto("/")
    expect(dana.get_by_role("heading", level=1)).to_have_text(re.compile("open, 1 that nobody could be paged for"))
    dana.get_by_role("link", name="Phone numbers of on-call").click()

    sandbox.mend()
    dana.get_by_role("button", name="Retry").first.click()
    expect(dana.get_by_role("heading", level=1)).to_have_text("Reported. Mei Tanaka is being paged.")
    expect(dana.locator(".phones-now")).to_have_count(0)
    dana.goto(f"/incidents/{name}")
    expect(dana.get_by_text("Dana Okafor looked up phone numbers of people on call")).to_have_count(1)
    assert len(sandbox.pages) == 1


def test_i_phoned_them_ends_paging(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "down")
    name = report(dana)
    dana.get_by_role("button", name="I phoned them").click()

    expect(dana.get_by_role("heading", level=1)).to_have_text("Reported. Dana Okafor phoned the people on call.")
    dana.goto("/")
    expect(dana.locator("tr", has_text=name)).to_contain_text("Phoned by hand")


def test_who_is_on_call_but_not_in_slack_is_named(dana: Page, hub: Hub) -> None:
    report(dana, service="Data Warehouse")
    missing = line(dana, "Ana Costa is not in the channel")
    expect(missing).to_contain_text("Slack has no active member with the e-mail ana.costa@example.com")
