"""Who is who in Slack, in a browser: found by keyboard alone, put right without JavaScript, accessible."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import on_sqlite, report
from tests.journeys.test_pages_for_everybody import inspect
from tests.processes import Hub, Sandbox, eventually

pytestmark = on_sqlite


@pytest.fixture
def hub(hub: Hub) -> Iterator[Hub]:
    """The shared one, in which nobody has said anything of anybody before or afterwards."""
    yield hub
    hub.rows("DELETE FROM incidents_correction")
    hub.rows("DELETE FROM incidents_otheremail")


def test_from_the_incident_to_the_right_member_by_keyboard_and_without_javascript(
    hub: Hub, window: Callable[..., Page], sandbox: Sandbox, dana: Page
) -> None:
    name = report(dana, service="Data Warehouse")
    hub.finished(name)
    plain = window(base_url=hub.url, java_script_enabled=False)
    cookies = hub.dana.cookies
    plain.context.add_cookies([{"name": one.name, "value": one.value or "", "url": hub.url} for one in cookies])
    plain.goto(f"/incidents/{name}")
    plain.get_by_role("link", name="Say who Ana Costa is in Slack").focus()
    plain.keyboard.press("Enter")
    plain.get_by_label("Name, handle or e-mail in Slack").focus()
    plain.keyboard.type("CÓSTA ana")
    plain.keyboard.press("Enter")
    plain.get_by_role("button", name=re.compile("Invite.*Ana Costa")).focus()
    plain.keyboard.press("Enter")
    plain.wait_for_url(f"**/incidents/{name}")
    eventually(lambda: "Ana Costa" in sandbox.members_of(name))
    plain.goto("/on-call")
    plain.get_by_role("link", name="Who they are in Slack").click()
    expect(plain.get_by_role("row", name="Ana Costa")).to_contain_text("Dana Okafor said so")
    plain.get_by_role("link", name="Ana Costa", exact=True).click()
    plain.get_by_role("button", name="Take it back").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Ana Costa cannot be invited to Slack channels")


@pytest.mark.timeout(200)
def test_the_pages_of_people_are_accessible_and_fit(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    name = report(dana, service="Data Warehouse")
    hub.finished(name)
    dana.goto("/people")
    dana.set_input_files("#file", files={"name": "a.csv", "mimeType": "text/csv", "buffer": b"nonsense"})
    dana.get_by_role("button", name="Correct from this file").click()
    expect(dana.locator(".errors")).to_be_focused()
    found = inspect(dana, "people, a file refused")
    dana.goto(f"/incidents/{name}")
    dana.get_by_role("link", name="Say who Ana Costa is in Slack").click()
    found += inspect(dana, "somebody missing")
    dana.goto("/account?q=a")
    dana.get_by_label("Another e-mail").fill("dana.elsewhere@example.com")
    dana.get_by_role("button", name="Add e-mail").click()
    dana.get_by_role("button", name="Remove dana.elsewhere@example.com").wait_for()
    found += inspect(dana, "account")
    dana.get_by_role("link", name="On call").click()
    dana.get_by_role("link", name="Who they are in Slack").click()
    dana.get_by_role("link", name="Ana Costa", exact=True).click()
    dana.get_by_label("Another e-mail").fill("mei.tanaka@example.com")
    dana.get_by_role("button", name="Add e-mail").click()
    expect(dana.locator(".errors")).to_contain_text("is somebody else’s here")
    found += inspect(dana, "a person, something refused")
    assert found == []
