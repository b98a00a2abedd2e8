"""Acting from an incident's page in a browser: what is typed survives the refresh, and the keyboard is enough."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.journeys.conftest import change, fill_in, on_sqlite, report, sign_in
from tests.journeys.test_pages_for_everybody import inspect
from tests.processes import Hub, Sandbox, eventually

pytestmark = on_sqlite


def test_a_note_half_typed_survives_while_the_page_goes_on(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    name = report(dana)
    hub.finished(name)
    dana.goto(f"/incidents/{name}")
    # Dana is on call at level three.
    expect(dana.locator(".actions .primary").first).to_have_text("Acknowledge")
    dana.get_by_text("Add note", exact=True).first.focus()
    dana.keyboard.press("Enter")
    dana.keyboard.press("Tab")
    dana.keyboard.type("Pool is exhaus")
    sandbox.acknowledge(sandbox.page_of(name)["id"], sandbox.user_id("Mei Tanaka"))
    hub.poll_now()
    expect(dana.locator("#head")).to_contain_text("Acknowledged by Mei Tanaka")
    assert dana.locator("#menu-note textarea").input_value() == "Pool is exhaus"
    dana.keyboard.type("ted")
    dana.keyboard.press("Tab")
    dana.keyboard.press("Enter")
    expect(dana.locator("#acting")).to_contain_text("Add note")
    eventually(lambda: any(one["content"].startswith("Pool is exhausted\n") for one in sandbox.page_of(name)["notes"]))
    # Nothing is open any more: the buttons follow what is true now.
    expect(dana.get_by_role("button", name="Acknowledge", exact=True)).to_have_count(0)


def test_whoever_is_signed_out_while_they_type_keeps_their_words(window: Callable[..., Page], hub: Hub) -> None:
    page = window(base_url=hub.url)
    sign_in(page)
    name = report(page)
    page.goto(f"/incidents/{name}")
    page.get_by_text("Add note", exact=True).first.click()
    page.locator("#menu-note textarea").fill("Pool is exhausted")
    (session,) = [one["value"] for one in page.context.cookies() if one["name"] == "sessionid"]
    change(hub, "DELETE FROM django_session WHERE session_key = ?", session)
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    expect(page.locator("#menu-note textarea")).to_have_value("Pool is exhausted")
    expect(page.locator("#cut-off")).to_be_hidden()
    other = page.context.new_page()
    sign_in(other)
    expect(other.get_by_role("heading", level=1)).to_contain_text("open")
    expect(page.get_by_text("You are signed out.")).to_be_hidden()
    expect(page.locator("#menu-note textarea")).to_have_value("Pool is exhausted")
    other.context.clear_cookies(name="sessionid")
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.locator("#menu-note textarea").fill("")
    page.get_by_text("Add note", exact=True).first.click()
    page.wait_for_url("**/sign-in**")


def test_a_menu_stays_on_the_screen_however_wide_that_is(dana: Page, hub: Hub) -> None:
    name = report(dana)
    hub.finished(name)
    dana.goto(f"/incidents/{name}")
    for width in range(1300, 340, -60):
        dana.set_viewport_size({"width": width, "height": 1600})
        for menu in dana.locator(".actions details.menu").all():
            menu.locator("summary").first.click()
            expect(menu.locator(":scope > :not(summary)")).to_be_in_viewport(ratio=1.0)
            menu.locator("summary").first.click()


def test_what_was_left_out_under_a_hand_follows_once_it_is_gone(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    name = report(dana)
    hub.finished(name)
    # What it says of its age stays the same for most of a minute: nothing else brings a new version meanwhile.
    hub.rows("UPDATE incidents SET created_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '-3605 seconds')")
    dana.goto(f"/incidents/{name}")
    dana.get_by_text("Add note", exact=True).first.click()
    sandbox.acknowledge(sandbox.page_of(name)["id"], sandbox.user_id("Mei Tanaka"))
    hub.poll_now()
    expect(dana.locator("#head")).to_contain_text("Acknowledged by Mei Tanaka")
    eventually(lambda: hub.incident(name)["stale_since"] is None)
    dana.wait_for_timeout(3000)  # all that is new is on the page, but for what is in use
    expect(dana.get_by_role("button", name="Acknowledge", exact=True)).to_have_count(1)
    dana.get_by_text("Add note", exact=True).first.click()
    dana.get_by_role("heading", level=1).click()
    expect(dana.get_by_role("button", name="Acknowledge", exact=True)).to_have_count(0)


def test_the_wrong_team_is_exchanged_for_the_right_one_without_javascript(
    dana: Page, window: Callable[..., Page], hub: Hub, sandbox: Sandbox
) -> None:
    name = report(dana)
    hub.finished(name)
    plain = window(base_url=hub.url, java_script_enabled=False)
    cookies = hub.dana.cookies
    plain.context.add_cookies([{"name": one.name, "value": one.value or "", "url": hub.url} for one in cookies])
    plain.goto(f"/incidents/{name}")
    plain.get_by_role("link", name="Wrong service").click()
    plain.get_by_label("What is affected?").select_option(label="Search")
    plain.get_by_role("button", name="Page the right team").click()
    eventually(lambda: sandbox.ringing == {"Jonas Weber"})


def test_enter_in_the_report_form_reports_and_does_not_press_me_too(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    first = report(dana)
    fill_in(dana)
    expect(dana.get_by_role("button", name="Me too").first).to_be_visible()
    dana.get_by_label("What is going wrong?").press("Enter")
    dana.wait_for_url("**/responding")
    assert first not in dana.url


def test_the_menus_and_forms_are_accessible_and_fit(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    name = report(dana)
    hub.finished(name)
    dana.goto(f"/incidents/{name}")
    found = []
    dana.locator("#menu-more > summary").click()
    found += inspect(dana, "incident, a menu open")
    dana.goto(f"/incidents/{name}/actions/more-people")
    found += inspect(dana, "more people")
    assert found == []
