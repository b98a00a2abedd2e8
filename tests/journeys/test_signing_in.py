"""Who gets in, and where they land."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import on_sqlite, report, sign_in
from tests.processes import ADMIN, PASSWORD, Browser, Hub

pytestmark = on_sqlite

PAGES = [
    "/",
    "/report",
    "/report/on-call",
    "/on-call",
    "/incidents.csv",
    "/incidents/incident-brave-otter-2026-11",
    "/incidents/x/responding",
]


def test_pages_are_for_people_signed_in(hub: Hub) -> None:
    stranger = Browser(hub.url)
    for path in PAGES:
        assert stranger.get(path).path == "/sign-in", path
    assert stranger.get("/healthz").text == "alive\n"
    assert stranger.get("/readyz").text == "ready\n"
    assert stranger.get("/favicon.ico").status == 200
    page = stranger.post("/incidents/x/steps/page", {})
    assert (page.status, "Sign in to Harbour Finch" in page.text) == (403, True)


def test_after_signing_in_one_is_where_one_wanted_to_go(dana: Page, hub: Hub) -> None:
    name = report(dana)
    dana.context.clear_cookies()
    dana.goto(f"/incidents/{name}")
    dana.get_by_label("Email").fill(ADMIN)
    dana.get_by_label("Password").fill(PASSWORD)
    dana.get_by_role("button", name="Sign in").click()
    expect(dana).to_have_url(f"{hub.url}/incidents/{name}")


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_nobody_is_sent_elsewhere(hub: Hub, elsewhere: str) -> None:
    browser = Browser(hub.url)
    browser.get("/sign-in")
    page = browser.post("/sign-in", {"email": ADMIN, "password": PASSWORD, "next": elsewhere})
    assert page.url == f"{hub.url}/"


def test_a_wrong_password_keeps_the_email(dana: Page) -> None:
    dana.context.clear_cookies()
    sign_in(dana, password="wrong")
    expect(dana.get_by_text("E-mail and password do not match")).to_be_visible()
    expect(dana.get_by_label("Email")).to_have_value(ADMIN)


def test_too_many_tries_shut_the_door_for_a_while(hub: Hub) -> None:
    browser = Browser(hub.url)
    for _ in range(10):
        assert browser.sign_in("mallory@example.com", "guess").status == 422
    page = browser.sign_in("mallory@example.com", "guess")
    assert page.status == 429
    assert "Try again at" in page.text
    assert browser.sign_in(ADMIN, PASSWORD).path == "/"
    assert "Warning" not in hub.log


def test_signing_out_ends_it(hub: Hub, window: Callable[..., Page]) -> None:
    dana = window(base_url=hub.url)
    sign_in(dana)
    dana.get_by_text("DO", exact=True).click()
    dana.get_by_role("button", name="Sign out").click()
    dana.goto("/")
    expect(dana.get_by_role("heading", level=1)).to_have_text("Sign in to Harbour Finch")


def test_the_demos_sign_in_is_not_in_serve(hub: Hub) -> None:
    assert hub.dana.post("/demo/sign-in", {"email": "mei.tanaka@example.com"}).status == 404
    assert Browser(hub.url).get("/demo/sign-in").status == 404
