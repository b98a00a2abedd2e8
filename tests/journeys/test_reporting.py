"""Reporting in a browser, from the empty form to the phone that rings."""

import re
from collections.abc import Callable

from playwright.sync_api import Dialog, Page, expect

from tests.journeys.conftest import fill_in, on_sqlite, report, send, sign_in
from tests.processes import Hub, Json, Sandbox, eventually

pytestmark = on_sqlite


def titled(hub: Hub, title: str) -> list[Json]:
    return hub.rows("SELECT id FROM incidents WHERE title = %s", title)


def test_a_double_click_is_one_report(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    fill_in(dana, title="Two clicks")
    dana.locator("#send").dblclick()
    while not dana.url.endswith("/responding"):  # the second click may break the first one's way there off
        dana.wait_for_timeout(50)
    dana.reload()

    assert len(titled(hub, "Two clicks")) == 1
    hub.finished(dana.url.split("/")[-2])
    assert len(sandbox.pages) == 1


def test_going_back_and_sending_the_same_again_leads_to_the_same_incident(dana: Page, hub: Hub) -> None:
    name = report(dana)
    dana.go_back()
    assert send(dana) == name


def test_the_form_sent_back_with_other_words_asks_whether_it_is_a_new_one(dana: Page, hub: Hub) -> None:
    first = report(dana, service="Mobile App", title="The app is slow")
    dana.go_back()
    dana.get_by_label("What is going wrong?").fill("The app shows no prices")
    dana.locator("#send").click()

    expect(dana.get_by_role("heading", level=1)).to_have_text("Report this as a new one?")
    expect(dana.get_by_role("link", name=first)).to_be_visible()
    expect(dana.get_by_label("What is going wrong?")).to_have_value("The app shows no prices")
    assert titled(hub, "The app shows no prices") == []

    dana.get_by_role("button", name="Report as a new one and page Mei Tanaka").click()
    dana.wait_for_url("**/responding")
    assert len(titled(hub, "The app shows no prices")) == 1


def test_what_is_open_on_the_service_is_shown_and_reporting_anyway_is_one_press(dana: Page, hub: Hub) -> None:
    first = report(dana, service="Search", title="Search finds nothing")
    fill_in(dana, service="Search", title="Search is slow, too")

    listed = dana.locator("#oncall").get_by_role("link", name="Search finds nothing")
    expect(listed).to_have_attribute("href", f"/incidents/{first}")
    assert send(dana) != first


def test_somebody_else_was_faster_so_the_list_is_shown_before_anybody_is_paged_twice(
    dana: Page, window: Callable[..., Page], hub: Hub
) -> None:
    fill_in(dana, service="Identity", title="Sign-in is broken")
    other = window(base_url=hub.url)
    sign_in(other)
    report(other, service="Identity", title="Nobody can sign in")

    dana.locator("#send").click()
    expect(dana.get_by_role("heading", level=1)).to_have_text("Nothing is reported yet. Is it one of these?")
    expect(dana.get_by_role("link", name="Nobody can sign in")).to_be_visible()
    expect(dana.get_by_label("What is going wrong?")).to_have_value("Sign-in is broken")
    expect(dana.locator("#send")).to_have_text("Report anyway and page Priya Nair")
    # The button keeps saying whom it pages.
    dana.get_by_label("What is affected?").select_option(label="Warehouse Scanners")
    expect(dana.locator("#send")).to_have_text("Report and page Henrik Aalto")
    dana.get_by_label("What is affected?").select_option(label="Identity")
    expect(dana.locator("#send")).to_have_text("Report and page Priya Nair")
    send(dana)
    assert len(titled(hub, "Sign-in is broken")) == 1


def test_missing_and_wrong_answers_are_named_and_what_was_typed_is_kept(dana: Page, hub: Hub) -> None:
    fill_in(dana, title="Card payments fail", description="Since about 03:15.\n14 tickets.")
    dana.evaluate("document.querySelector('form.report').noValidate = true")
    dana.evaluate("document.querySelector('#title').value = 'x'.repeat(10000)")
    dana.evaluate("document.querySelector('[name=priority]:checked').checked = false")
    dana.locator("#send").click()

    expect(dana.get_by_role("heading", level=1)).to_have_text("Nothing is reported yet")
    expect(dana.locator(".errors")).to_be_focused()
    expect(dana.locator(".errors")).to_contain_text("Choose how bad it is.")
    expect(dana.get_by_label("What is going wrong?")).to_have_attribute("aria-invalid", "true")
    assert len(dana.get_by_label("What is going wrong?").input_value()) == 10_000
    expect(dana.get_by_label("What have you seen?")).to_have_value("Since about 03:15.\n14 tickets.")
    expect(dana.get_by_label("What is affected?").locator(":checked")).to_have_text("Checkout API")

    dana.locator(".errors").get_by_role("link", name=re.compile("at most 120 characters")).click()
    dana.keyboard.press("Tab")  # from the place that the link leads to
    dana.get_by_label("What is going wrong?").fill("Card payments fail")
    dana.get_by_role("radio", name="Priority P2").check()
    send(dana)


def test_scripts_pings_and_odd_letters_stay_words(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    title = """<script>alert(1)</script>"><img src=x onerror=alert(2)> <!channel> 支付 🔥 فشل الدفع"""
    description = "</textarea><script>alert(3)</script>\n{{ 7*7 }} & <b>bold</b>"
    dialogs: list[str] = []

    def opened(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    dana.on("dialog", opened)
    name = report(dana, service="Mobile App", title=title, description=description)
    hub.finished(name)

    expect(dana.locator("#live")).to_contain_text(title)
    dana.goto(f"/incidents/{name}")
    expect(dana.get_by_role("heading", level=1)).to_have_text(title)
    expect(dana.locator(".log")).to_contain_text("</textarea><script>alert(3)</script>")
    dana.goto("/")
    expect(dana.get_by_role("link", name=title, exact=True)).to_be_visible()
    fill_in(dana, service="Mobile App", title=title, description=description)
    expect(dana.locator("#oncall")).to_contain_text(title)
    assert dialogs == []
    assert sandbox.page_of(name)["title"] == title


def test_whoever_is_signed_out_and_changes_the_service_keeps_what_they_typed(
    hub: Hub, window: Callable[..., Page]
) -> None:
    dana = window(base_url=hub.url)
    sign_in(dana)
    fill_in(dana, title="Card payments fail")
    dana.context.clear_cookies(name="sessionid")
    dana.get_by_label("What is affected?").select_option(label="Search")
    expect(dana.get_by_text("You are signed out.")).to_be_visible()
    expect(dana.get_by_label("What is going wrong?")).to_have_value("Card payments fail")
    expect(dana.locator("#cut-off")).to_be_hidden()
    other = dana.context.new_page()
    sign_in(other)
    expect(other.get_by_text("DO", exact=True)).to_be_visible()
    dana.get_by_label("What is affected?").select_option(label="Mobile App")
    expect(dana.locator("#oncall")).to_contain_text("On call now")
    expect(dana.get_by_text("You are signed out.")).to_be_hidden()
    expect(dana.get_by_label("What is going wrong?")).to_have_value("Card payments fail")
    dana.goto("/report")
    dana.context.clear_cookies(name="sessionid")
    dana.get_by_label("What is affected?").select_option(label="Search")  # nothing is typed that could be lost
    dana.wait_for_url("**/sign-in**")


def test_a_form_from_before_the_sign_in_keeps_its_words(hub: Hub, window: Callable[..., Page]) -> None:
    dana = window(base_url=hub.url)
    sign_in(dana)
    fill_in(dana, title="Card payments fail", description="Since about 03:15.")
    other = dana.context.new_page()
    other.goto("/")
    other.get_by_text("DO", exact=True).click()
    other.get_by_role("button", name="Sign out").click()
    sign_in(other)
    expect(other.get_by_text("DO", exact=True)).to_be_visible()

    dana.locator("#send").click()
    expect(dana.get_by_role("heading", level=1)).to_have_text("Nothing is reported yet. Press once more.")
    expect(dana.get_by_label("What have you seen?")).to_have_value("Since about 03:15.")
    send(dana)


def test_services_that_would_page_nobody_are_shown_as_such(dana: Page) -> None:
    dana.goto("/report")
    service = dana.get_by_label("What is affected?")
    for label in (
        "Gift Cards (disabled in PagerDuty)",
        "Returns Portal (in maintenance)",
        "Payments (nobody is on call)",
    ):
        expect(service.locator("option", has_text=label)).to_be_disabled()
    assert service.locator("optgroup").evaluate_all("all => all.map(one => one.label)") == [
        "Data",
        "Logistics",
        "Platform",
        "Storefront",
    ]
    service.select_option(label="I don’t know: page Incident Desk")
    expect(dana.locator("#send")).to_have_text("Report and page Lucía Paredes and Dana Okafor")


def test_the_keyboard_alone_is_enough(dana: Page, hub: Hub, sandbox: Sandbox) -> None:
    keys = dana.keyboard
    dana.goto("/report")
    keys.press("Tab")
    expect(dana.get_by_role("link", name="Skip to content")).to_be_focused()
    keys.press("Enter")
    keys.press("Tab")
    expect(dana.get_by_label("What is affected?")).to_be_focused()
    keys.type("Warehouse")
    expect(dana.locator("#send")).to_have_text("Report and page Henrik Aalto")
    keys.press("Tab")
    keys.press("Space")
    keys.press("ArrowDown")
    expect(dana.get_by_role("radio", name="Priority P2")).to_be_checked()
    keys.press("Tab")
    keys.type("Typed without a mouse")
    keys.press("Tab")
    keys.type("Since about 03:15.")
    keys.press("Tab")
    expect(dana.locator("#send")).to_be_focused()
    keys.press("Enter")
    dana.wait_for_url("**/responding")
    assert hub.incident(dana.url.split("/")[-2])["title"] == "Typed without a mouse"

    # The list refreshes itself every second, and does not take away what has focus.
    dana.goto("/")
    link = dana.get_by_role("link", name="Typed without a mouse")
    link.focus()
    for _ in range(3):
        with dana.expect_response(f"{hub.url}/"):
            pass
    expect(link).to_be_focused()
    keys.press("Enter")
    expect(dana.get_by_role("heading", level=1)).to_have_text("Typed without a mouse")


def test_without_javascript_everything_still_works(hub: Hub, sandbox: Sandbox, window: Callable[..., Page]) -> None:
    dana = window(base_url=hub.url, java_script_enabled=False)
    sign_in(dana)
    dana.get_by_role("banner").get_by_role("link", name="Report an incident").click()
    dana.get_by_label("What is going wrong?").fill("No mails arrive")
    dana.get_by_label("What is affected?").select_option(label="Email Delivery")
    dana.get_by_role("button", name="Show who is on call").click()
    expect(dana.locator("#oncall")).to_contain_text("On call now: Priya Nair")
    expect(dana.get_by_label("What is going wrong?")).to_have_value("No mails arrive")
    dana.get_by_role("radio", name="Priority P1").check()
    name = send(dana)
    hub.finished(name)
    dana.get_by_role("link", name="Read again").click()
    expect(dana.get_by_role("heading", level=1)).to_have_text("Reported. Priya Nair is being paged.")
    expect(dana.locator("#actions header")).to_contain_text("13 of 13 done")

    # The second on the same service: shown the first one, then one press.
    dana.goto("/report")
    dana.get_by_label("What is affected?").select_option(label="Email Delivery")
    dana.get_by_role("radio", name="Priority P1").check()
    dana.get_by_label("What is going wrong?").fill("Newsletters are late, too")
    dana.locator("#send").click()
    expect(dana.get_by_role("heading", level=1)).to_have_text("Nothing is reported yet. Is it one of these?")
    dana.get_by_role("button", name="Report anyway and page Priya Nair").click()
    dana.wait_for_url("**/responding")

    sandbox.acknowledge(sandbox.page_of(name)["id"], sandbox.user_id("Priya Nair"))
    eventually(lambda: hub.incident(name)["status"] == "acknowledged", within=25)
    dana.get_by_role("link", name="Incidents").click()
    expect(dana.locator("tr", has_text=name)).to_contain_text("Acknowledged")
    dana.get_by_role("link", name="No mails arrive").click()
    expect(dana.get_by_text("Acknowledged by Priya Nair after")).to_be_visible()
    dana.get_by_role("button", name="Dark").click()
    expect(dana.locator("html")).to_have_attribute("data-theme", "dark")
    expect(dana).to_have_url(f"{hub.url}/incidents/{name}")
