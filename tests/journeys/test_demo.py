"""The first two minutes: the demo, one press to sign in, a report, and a phone that rings."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from incident_central import demo
from tests.processes import ALONE, ROOT

WITHIN = 2.0  # seconds from a press on a phone until it shows everywhere


@pytest.fixture
def demo_address() -> Iterator[str]:
    """`incident-central demo`, with the sandbox of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "incident_central", "demo", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=demo.cleaned(os.environ),
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"is ready: (\S+)", line):
                yield found[1]
                break
        else:
            pytest.fail("the demo ended before it was ready")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def test_ana_reports_in_the_demo_meis_phone_rings_and_mei_acknowledges(
    demo_address: str, window: Callable[..., Page]
) -> None:
    ana = window(base_url=demo_address)
    ana.goto("/")
    ana.get_by_role("button", name="Continue as Ana Ribeiro").click()
    expect(ana.get_by_role("heading", level=1)).to_have_text("All quiet")

    ana.get_by_role("banner").get_by_role("link", name="Report an incident").click()
    ana.get_by_label("What is affected?").select_option(label="Checkout API")
    expect(ana.locator("#oncall")).to_contain_text("On call now: Mei Tanaka")
    expect(ana.locator("#oncall")).to_contain_text(
        "If there is no answer in 5 minutes: Oskar Lindqvist, then Dana Okafor"
    )
    ana.get_by_role("radio", name="Priority P1").check()
    ana.get_by_label("What is going wrong?").fill("Card payments fail with 502 at checkout")
    ana.get_by_role("button", name="Report and page Mei Tanaka").click()
    expect(ana.get_by_role("heading", level=1)).to_have_text("Reported. Mei Tanaka is being paged.")
    expect(ana.get_by_role("link", name="Go to the Slack channel")).to_be_visible()
    expect(ana.locator("#actions header")).to_contain_text("13 of 13 done")

    mei = window()
    mei.goto(ana.get_by_role("link", name="Sandbox").get_attribute("href") or "")
    phone = mei.get_by_role("article", name="Mei Tanaka")
    expect(phone).to_contain_text("Ringing")
    expect(phone).to_contain_text("Card payments fail with 502 at checkout")
    # Home and the incident's page, and the channel are looked at all the while, each by somebody.
    home, details = ana.context.new_page(), ana.context.new_page()
    home.goto("/")
    expect(home.get_by_role("heading", level=1)).to_have_text("1 open, nobody on it")
    details.goto(ana.get_by_role("link", name="Card payments fail with 502 at checkout").get_attribute("href") or "")
    expect(details.get_by_text("Nobody has acknowledged it")).to_be_visible()
    channel = window()
    channel.goto(ana.get_by_role("link", name="Go to the Slack channel").get_attribute("href") or "")
    expect(channel.locator(".chat")).to_contain_text("Card payments fail with 502 at checkout")

    pressed = time.monotonic()
    phone.get_by_role("button", name="Acknowledge").click()
    for place, words in (
        (home.get_by_role("heading", level=1), "1 open, acknowledged"),
        (details.locator("#head"), "Acknowledged by Mei Tanaka after"),
        (channel.locator(".chat"), "Acknowledged by Mei Tanaka"),
    ):
        expect(place).to_contain_text(words)
    # Beside other tests, which take its processor, it need only be sooner than the next poll.
    assert time.monotonic() - pressed < (WITHIN if ALONE else 10)
    # Where all is done the page of the report looks less often.
    expect(ana.get_by_role("heading", level=1)).to_have_text("Mei Tanaka has it.")


def test_whoever_was_signed_out_in_the_demo_signs_in_by_one_press_and_reports(
    demo_address: str, window: Callable[..., Page]
) -> None:
    ana = window(base_url=demo_address)
    ana.goto("/report")
    ana.get_by_role("button", name="Continue as Ana Ribeiro").click()
    ana.get_by_label("What is affected?").select_option(label="Search")
    ana.get_by_role("radio", name="Priority P2").check()
    ana.get_by_label("What is going wrong?").fill("Search finds nothing")
    ana.context.clear_cookies(name="sessionid")
    ana.get_by_role("button", name="Report and page").click()
    expect(ana.locator(".banner").first).to_contain_text("“Report an incident” has not been done.")
    ana.get_by_role("button", name="Continue as Ana Ribeiro").click()
    expect(ana.get_by_role("heading", level=1)).to_have_text("Nothing is reported yet. Press once more.")
    expect(ana.get_by_label("What is going wrong?")).to_have_value("Search finds nothing")
    ana.get_by_role("button", name="Report and page").click()
    expect(ana.get_by_role("heading", level=1)).to_contain_text("is being paged.")
