"""A real browser, Debian's Chromium, against a real hub and a real sandbox."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.processes import ADMIN, PASSWORD, Hub

#: Answers that a page itself shows are told to the console, too: those are not problems.
EXPECTED = "Failed to load resource: the server responded with a status of"
PATIENCE = 20_000  # milliseconds
expect.set_options(timeout=15_000)


#: Pages are the same on both databases: one is enough here. (An own `database` fixture would share what hangs from the
#: other one.)
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True, scope="session")


@pytest.fixture
def fresh_hub(make_hub: Callable[..., Hub]) -> Hub:
    """A hub of this test's own, in which nothing was reported yet."""
    hub = make_hub()
    hub.start()
    return hub


@pytest.fixture
def problems() -> list[str]:
    """What consoles of browsers said; a test that makes trouble on purpose empties it."""
    return []


@pytest.fixture
def window(chromium: Browser, problems: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens windows, each with cookies of its own; keyword arguments are Playwright's, such as java_script_enabled.

    To be named after the hub, so that it is closed before. In the end none of them may have met an error of a script,
    or something that the Content-Security-Policy refuses.
    """

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(EXPECTED):
            problems.append(message.text)

    def make(**options: Any) -> Page:
        page = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options).new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", note)
        page.on("pageerror", lambda error: problems.append(str(error)))
        return page

    yield make
    for context in chromium.contexts:
        context.close()
    assert problems == []


@pytest.fixture
def dana(hub: Hub, window: Callable[..., Page]) -> Page:
    """A window in which Dana is signed in already, and sees the list of incidents. Who signs out takes another one."""
    page = window(base_url=hub.url)
    cookies = hub.dana.cookies
    page.context.add_cookies([{"name": one.name, "value": one.value or "", "url": hub.url} for one in cookies])
    page.goto("/")
    return page


def sign_in(page: Page, *, email: str = ADMIN, password: str = PASSWORD) -> None:
    page.goto("/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def fill_in(
    page: Page, *, service: str = "Checkout API", title: str = "Card payments fail", description: str = ""
) -> None:
    """Fill in the report form, as far as one can before the button."""
    page.goto("/report")
    page.get_by_label("What is affected?").select_option(label=service)
    page.get_by_text("On call now").wait_for()
    page.get_by_role("radio").first.check()
    page.get_by_label("What is going wrong?").fill(title)
    page.get_by_label("What have you seen?").fill(description)


def send(page: Page) -> str:
    """Press the button; the name of the incident that it became."""
    page.locator("#send").click()
    page.wait_for_url("**/responding")
    return page.url.split("/")[-2]


def report(page: Page, **what: str) -> str:
    fill_in(page, **what)
    return send(page)


def change(hub: Hub, statement: str, *values: object) -> None:
    """Do something to the hub's database behind its back."""
    with contextlib.closing(sqlite3.connect(hub.folder / "incident-central.sqlite3", timeout=10)) as connection:
        connection.execute(statement, values)
        connection.commit()
