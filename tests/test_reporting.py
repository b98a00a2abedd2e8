"""What may be sent to the report form, and what becomes of it. Seen from the browser and from the database."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from uuid import uuid4

import pytest

from tests.processes import ADMIN, PASSWORD, Browser, Hub, Page, Sandbox, eventually, report_form

HIDDEN = "\x00\x07\u202e\u2066\u200f\x1b"


def incidents(hub: Hub) -> int:
    return int(hub.rows("SELECT count(*) AS n FROM incidents")[0]["n"])


def refused(hub: Hub, **more: str) -> Page:
    """The page that comes back for a report which must not be accepted."""
    before = incidents(hub)
    page = hub.dana.post("/report", report_form(hub, **more))
    assert incidents(hub) == before
    known = {row["id"] for row in hub.rows("SELECT id FROM incidents")}
    assert [page["key"] for page in hub.sandbox.pages if page["key"] not in known] == []
    assert "Nothing is reported yet" in page.text or "Nothing new is reported yet" in page.text
    return page


# ── the same report again ─────────────────────────────────────────────────────────────────────────


def test_who_was_signed_out_while_typing_signs_in_and_finds_what_they_typed(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub()
    hub.start()
    form = report_form(hub, title="Cards fail", description="<b>since</b> three")
    dana = Browser(hub.url)
    dana.sign_in(ADMIN, PASSWORD)
    dana.get("/")
    hub.rows("DELETE FROM django_session")
    asked = dana.post("/report", form)
    assert asked.status == 403
    assert "You were signed out, and “Report an incident” has not been done." in asked.text
    carried = unescape(asked.value("carried"))
    page = dana.post("/sign-in", {"email": ADMIN, "password": PASSWORD, "carried": carried})
    assert "Nothing is reported yet. Press once more." in page.text
    assert 'action="/report"' in page.text
    assert f'<option value="{form["service"]}" selected>' in page.text
    assert page.value("report_id") == form["report_id"]
    assert page.value("title") == "Cards fail"
    assert "&lt;b&gt;since&lt;/b&gt; three" in page.text
    assert hub.incident(dana.post("/report", form).incident)["title"] == "Cards fail"

    stranger = Browser(hub.url)
    stranger.get("/sign-in")
    stranger.post("/report", form)
    assert len(hub.rows("SELECT session_key FROM django_session")) == 1, "nothing is kept for somebody unknown"


def test_a_form_sent_five_times_at_once_is_one_incident(hub: Hub, sandbox: Sandbox) -> None:
    form = report_form(hub)
    hub.dana.get("/report")
    with ThreadPoolExecutor(5) as pool:
        names = {page.incident for page in pool.map(lambda _: hub.dana.post("/report", form), range(5))}
    (name,) = names
    hub.finished(name)
    assert len(hub.rows("SELECT id FROM incidents WHERE report_id = %s", _stored(hub, form["report_id"]))) == 1
    assert len(sandbox.calls("POST /incidents")) == 1


def test_the_same_form_with_other_content_asks_whether_it_is_a_new_one(hub: Hub) -> None:
    form = report_form(hub)
    first = hub.dana.post("/report", form).incident
    asked = refused(hub, **{**form, "title": "Refunds fail as well"})
    assert "Report this as a new one?" in asked.text
    assert first in asked.text
    assert asked.value("title") == "Refunds fail as well"
    fresh = asked.value("report_id")
    assert fresh != form["report_id"]
    second = hub.dana.post("/report", form | {"title": "Refunds fail as well", "report_id": fresh}).incident
    assert second != first


def test_the_same_id_from_another_person_is_another_report(hub: Hub) -> None:
    made = hub.command(
        "manage", "createadmin", "mei.tanaka@example.com", "--password-stdin", stdin="another long password"
    )
    assert made.returncode == 0, made.stderr
    mei = Browser(hub.url)
    mei.sign_in("mei.tanaka@example.com", "another long password")
    form = report_form(hub)
    assert hub.dana.post("/report", form).incident != mei.post("/report", form).incident


def test_what_is_open_on_the_service_is_listed_first_and_reporting_anyway_is_one_press(
    hub: Hub, sandbox: Sandbox
) -> None:
    open_one = hub.dana.post("/report", report_form(hub, service_name="Search")).incident
    asked = refused(hub, service_name="Search", seen="")
    assert "Is it one of these?" in asked.text
    assert f"/incidents/{open_one}" in asked.text
    assert asked.value("title") == "Card payments fail with 502 at checkout"
    form = report_form(hub, service_name="Search", seen="anyway", report_id=asked.value("report_id"))
    assert hub.dana.post("/report", form).incident != open_one


# ── bad input ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("title", "", "Say in one line what is going wrong."),
        ("title", "  \t ", "Say in one line what is going wrong."),
        ("title", HIDDEN, "Say in one line what is going wrong."),
        ("title", "x" * 10_000, "at most 120 characters; this has 10,000"),
        ("description", "y" * 30_000, "Shorten this to 20,000 characters; it has 30,000"),
        ("service", "", "Choose the service that is affected. If you don’t know, choose “I don’t know”."),
        ("service", "PNOSUCH", "Choose the service that is affected."),
        ("service", "' OR 1=1 --", "Choose the service that is affected."),
        ("priority", "", "Choose how bad it is. Your best guess is enough."),
        ("priority", "P9", "Choose how bad it is."),
    ],
)
def test_bad_input_gets_a_message_at_its_field_and_keeps_what_was_typed(
    hub: Hub, field: str, value: str, says: str
) -> None:
    page = refused(hub, **{field: value})
    assert page.status == 422
    # Once in the list on top, once at the field.
    assert page.text.count(says) == 2
    if field != "title":
        assert page.value("title") == "Card payments fail with 502 at checkout"
    if field != "description":
        assert "Since about 03:15." in page.text
    if field == "title" and len(value) > 100:
        assert page.value("title") == value


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (f"Card{HIDDEN} payments", "Card payments"),
        ("Two\nlines", "Two lines"),
        ("🔥 Checkout 👩‍👩‍👧 is down 🔥", "🔥 Checkout 👩‍👩‍👧 is down 🔥"),
        ("الدفع لا يعمل", "الدفع لا يعمل"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("<!channel> & <@U1>", "<!channel> & <@U1>"),
        ("'; DROP TABLE incidents; --", "'; DROP TABLE incidents; --"),
        ("{{ 7 }} {% x %} ${y}", "{{ 7 }} {% x %} ${y}"),
    ],
)
def test_odd_text_harms_nothing_on_its_way(hub: Hub, sandbox: Sandbox, typed: str, kept: str) -> None:
    name = hub.dana.post("/report", report_form(hub, title=typed, description=typed)).incident
    hub.finished(name)
    assert hub.incident(name)["title"] == kept
    assert sandbox.page_of(name)["title"] == kept
    assert kept in sandbox.channel_of(name)["topic"]["value"].replace("&lt;", "<").replace("&gt;", ">").replace(
        "&amp;", "&"
    )
    for path in ("/", f"/incidents/{name}", f"/incidents/{name}/responding"):
        assert "<script>alert" not in hub.dana.get(path).text


def test_a_description_of_twenty_thousand_characters_is_kept_whole_and_cut_downstream(
    hub: Hub, sandbox: Sandbox
) -> None:
    text = "A line of a log file.\n" * 900
    name = hub.dana.post("/report", report_form(hub, description=text)).incident
    hub.finished(name)
    assert hub.incident(name)["description"] == text.strip()
    (summary,) = sandbox.messages(name, f"{name}/summary")
    assert "the rest is on the incident’s page" in summary["blocks"][1]["text"]["text"]
    assert f"{hub.url}/incidents/{name}" in sandbox.page_of(name)["details"]


def test_a_form_without_its_token_is_refused_and_what_was_typed_is_kept(hub: Hub) -> None:
    before = incidents(hub)
    page = hub.dana.post("/report", report_form(hub, title="Typed before signing in"), token="x" * 32)
    assert page.status == 403
    assert incidents(hub) == before
    assert page.value("title") == "Typed before signing in"
    dana = Browser(hub.url)
    dana.get("/sign-in")
    page = dana.post("/report", report_form(hub, title="Typed before signing in"), token="x" * 32)
    assert page.status == 403
    carried = unescape(page.value("carried"))
    page = dana.post("/sign-in", {"email": ADMIN, "password": PASSWORD, "carried": carried})
    assert page.value("title") == "Typed before signing in"


def test_a_form_from_elsewhere_is_not_shown_filled_in(hub: Hub) -> None:
    before = incidents(hub)
    for browser in (hub.dana, Browser(hub.url)):
        form = report_form(hub, title="Typed by a stranger")
        page = browser.post("/report", form, headers={"Origin": "https://elsewhere.example"})
        assert page.status == 403
        assert "This was not accepted. Nothing was sent." in page.text
        assert "Typed by a stranger" not in page.text
    assert incidents(hub) == before


@pytest.mark.parametrize(("letter", "length"), [("x", 30_000), ("x", 200_000), ("🔥", 80_000)])
def test_what_is_far_too_long_is_kept_though_one_was_signed_out(hub: Hub, letter: str, length: int) -> None:
    dana = Browser(hub.url)
    dana.get("/sign-in")
    form = report_form(hub, title="Cards fail", description=letter * length)
    page = dana.post("/report", form)
    assert page.status == 403
    assert ("Go back one page to copy the rest" in page.text) == (length > 60_000)
    wrong = dana.post("/sign-in", {"email": ADMIN, "password": "wrong", "carried": unescape(page.value("carried"))})
    page = dana.post("/sign-in", {"email": ADMIN, "password": PASSWORD, "carried": unescape(wrong.value("carried"))})
    assert page.value("title") == "Cards fail"
    kept = re.search(f"{letter}{{10000,}}", page.text)
    assert kept
    assert len(kept[0]) == length if length < 60_000 else 59_000 < len(kept[0]) <= 60_000
    assert ("What you typed is still here." in page.text) == (length < 60_000)
    page = dana.post("/report", form | {"description": kept[0]})
    assert page.status == 422
    assert "Shorten this to 20,000 characters" in page.text


def test_who_is_not_signed_in_reports_nothing_and_sees_nothing(hub: Hub) -> None:
    name = hub.dana.post("/report", report_form(hub)).incident
    stranger = Browser(hub.url)
    for path in ("/", "/report", f"/incidents/{name}", f"/incidents/{name}/responding"):
        page = stranger.get(path)
        assert page.path == "/sign-in"
        assert name not in page.text.replace(f"next=/incidents/{name}", "").replace(f"/incidents/{name}", "")
    before = incidents(hub)
    stranger.post("/report", report_form(hub))
    assert incidents(hub) == before


# ── what the form offers ──────────────────────────────────────────────────────────────────────────


def test_every_service_is_offered_by_team_and_what_pages_nobody_says_why(hub: Hub) -> None:
    text = hub.dana.get("/report").text
    for service, why in {
        "Gift Cards": "disabled in PagerDuty",
        "Returns Portal": "in maintenance",
        "Payments": "nobody is on call",
    }.items():
        assert re.search(rf"<option[^>]* disabled>{service} \({why}\)</option>", text), service
    assert [*re.findall(r'<optgroup label="([^"]+)"', text)] == ["Data", "Logistics", "Platform", "Storefront"]
    assert "I don’t know: page Incident Desk" in text
    assert "selected" not in text.split("</select>")[0]
    assert "checked" not in text


def test_a_service_that_pages_nobody_is_refused_with_the_reason(hub: Hub) -> None:
    page = refused(hub, service_name="Payments")
    assert "A report on Payments would page nobody: nobody is on call. Choose another service." in page.text


def test_who_does_not_know_the_service_pages_the_incident_desk(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub, service="unknown")).incident
    hub.finished(name)
    assert sandbox.page_of(name)["service"] == "Incident Desk"
    assert sandbox.ringing == {"Lucía Paredes", "Dana Okafor"}


def test_the_form_says_who_is_on_call_and_who_comes_next(hub: Hub) -> None:
    text = hub.dana.get(f"/report/on-call?service={hub.service_id('Checkout API')}").text
    assert "Mei Tanaka" in text
    assert "5 minutes" in text
    assert text.index("Mei Tanaka") < text.index("Oskar Lindqvist") < text.index("Dana Okafor")


def test_opening_and_sending_the_form_asks_nobody_outside(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("*", "hung")
    began = time.monotonic()
    for _ in range(10):
        assert "Report an incident" in hub.dana.get("/report").text
        hub.dana.get(f"/report/on-call?service={hub.service_id('Checkout API')}")
    hub.dana.post("/report", report_form(hub))
    # A single call to a tool that hangs would take longer than all of it.
    assert time.monotonic() - began < 8


def test_all_of_three_hundred_services_are_offered(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    sandbox.control("/reset", {"scale": {"services": 300, "people": 150}})
    hub = make_hub()
    hub.start()
    assert hub.dana.get("/report").text.count("<option") == 300 + 2
    (people,) = hub.rows("SELECT count(*) AS n FROM incidents_person")
    assert people["n"] >= 100


def test_without_priorities_the_question_is_left_out(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    sandbox.control("/switches", {"pagerduty": {"priorities": "off: 404"}})
    hub = make_hub()
    hub.start()
    assert "How bad is it?" not in hub.dana.get("/report").text
    form = {**_without_priority(hub), "priority": ""}
    name = hub.dana.post("/report", form).incident
    hub.finished(name)
    assert sandbox.page_of(name)["priority"] is None


def test_a_service_that_is_disabled_in_pagerduty_shows_so_within_the_next_readings(hub: Hub, sandbox: Sandbox) -> None:
    service = hub.service_id("Email Delivery")
    sandbox.plant("pagerduty", "services", service, set={"status": "disabled"})
    hub.read_directory_now()
    eventually(lambda: "Email Delivery (disabled in PagerDuty)" in hub.dana.get("/report").text)
    sandbox.start_over()
    hub.read_directory_now()
    eventually(lambda: "Email Delivery (disabled in PagerDuty)" not in hub.dana.get("/report").text)


def test_what_was_reported_before_a_service_was_disabled_stands_when_it_is_sent_again(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub()
    hub.start()
    form = report_form(hub, service_name="Email Delivery")
    name = hub.dana.post("/report", form).incident
    hub.finished(name)
    sandbox.plant("pagerduty", "services", hub.service_id("Email Delivery"), set={"status": "disabled"})
    hub.read_directory_now()
    eventually(lambda: "Email Delivery (disabled in PagerDuty)" in hub.dana.get("/report").text)
    hub.stop()
    hub.start()  # it remembers nothing but what is in the database
    assert hub.dana.post("/report", form).incident == name
    assert len(sandbox.calls("POST /incidents")) == 1
    refused(hub, service=hub.service_id("Email Delivery"))


def _without_priority(hub: Hub) -> dict[str, str]:
    return {
        "report_id": str(uuid4()),
        "service": hub.service_id("Checkout API"),
        "title": "Card payments fail",
        "description": "",
        "seen": "anyway",
    }


def _stored(hub: Hub, report_id: str) -> str:
    """How the database keeps a UUID."""
    return report_id if hub.database_url else report_id.replace("-", "")


# ── what we know is old, or there is less of it ───────────────────────────────────────────────────


def test_an_old_copy_of_the_rota_keeps_nobody_from_reporting(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    """PagerDuty was not read for days, so every shift that we know of is over. PagerDuty itself knows better."""
    hub = make_hub()
    hub.start()
    sandbox.fault("pagerduty", "500", method="GET /oncalls")
    hub.rows("""UPDATE incidents_oncall SET start = %s, "end" = %s""", "2026-01-01 00:00:00", "2026-01-02 00:00:00")
    hub.rows("DELETE FROM incidents_directoryversion")  # whoever changes it behind the hub's back has to say so
    assert "Mei Tanaka" in hub.dana.get(f"/report/on-call?service={hub.service_id('Checkout API')}").text
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)
    assert sandbox.ringing == {"Mei Tanaka"}


def test_an_account_without_teams_can_report(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "missing-scope", method="GET /teams")
    hub = make_hub()
    hub.start()
    assert "Checkout API" in hub.dana.get("/report").text
