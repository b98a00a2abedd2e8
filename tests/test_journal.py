"""The hub's own database is gone while something burns: a report pages all the same, once, and is brought in later."""

import re
import struct
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from uuid import uuid4

import psycopg
import pytest
from django.core.signing import TimestampSigner, b62_encode

from tests.processes import ADMIN, PASSWORD, Browser, Hub, Page, Sandbox, eventually, report_form
from tests.test_trouble import assert_everything_once

MakeHub = Callable[..., Hub]
COOKIE = "reporter"
KEY = "a key that only this test and its hub know"

#: Seconds from its sending to the arrival of its page, while the database is gone or hangs: it is waited for for one,
#: and the rest is for the form's way here, for the journal to reach the disk, and for a machine that is busy.
PAGED_WITHIN = 1.5
LONG = re.compile(r"incident(-[a-z]+){5}-\d{4}-\d\d")
noted_or_not = pytest.mark.parametrize("noted", [True, False], ids=["noted", "not-noted"])


def test_a_report_pages_at_once_and_everything_else_follows(make_hub: MakeHub, sandbox: Sandbox) -> None:
    hub = started(make_hub)
    form = report_form(hub)
    with hub.without_database():
        sent = time.time()
        page = hub.dana.post("/report", form)
        name = page.incident
        assert paged_at(sandbox, name) - sent < PAGED_WITHIN
        assert LONG.fullmatch(name)
        assert "own database does not answer" in page.text
        telling(hub, name, "Reported. Mei Tanaka is being paged.")
        assert "Mei Tanaka" in sandbox.ringing
        # The same again is the same, and the next one need not find out anew that the database is gone.
        sent = time.monotonic()
        assert hub.dana.post("/report", form).incident == name
        assert time.monotonic() - sent < 0.9
        assert sandbox.calls("conversations.create") == []
    hub.finished_in_time(name)
    assert_everything_once(hub, sandbox, name)
    assert len(sandbox.calls("POST /incidents")) == 1
    telling(hub, name, "Go to the Slack channel")
    assert "Brought into the database" in hub.dana.get(f"/incidents/{name}").text
    assert hub.dana.post("/report", form).incident == name


@noted_or_not
def test_the_form_opens_shows_who_is_on_call_and_says_what_is_wrong(
    make_hub: MakeHub, sandbox: Sandbox, noted: bool
) -> None:
    hub = started(make_hub, noted=noted)
    filled = report_form(hub)
    with hub.without_database():
        first = hub.dana.post("/report", filled)
        form = hub.dana.get("/report")
        assert form.status == 200
        for text in ("Checkout API", "nobody is on call", "P1", "page Incident Desk"):
            assert text in form.text
        assert "Mei Tanaka" in hub.dana.get(f"/report/on-call?service={filled['service']}").text
        report = filled | {"report_id": str(uuid4()), "description": "kept <b>"}
        wrong = hub.dana.post("/report", report | {"title": " ", "service": "PNOWHERE"})
        assert wrong.status == 422
        assert "Say in one line what is going wrong." in wrong.text
        assert "Choose the service that is affected." in wrong.text
        assert "kept &lt;b&gt;" in wrong.text
        assert "own database does not answer" in wrong.text
        other = hub.dana.post("/report", filled | {"title": "Something else"})
        assert other.status == 409
        assert "Report this as a new one?" in other.text
        assert first.incident in other.text
    hub.finished_in_time(first.incident)
    assert_everything_once(hub, sandbox, first.incident)


def test_pagerduty_gone_too_the_page_says_whom_to_phone_and_goes_out_later(make_hub: MakeHub, sandbox: Sandbox) -> None:
    hub = started(make_hub)
    form = report_form(hub)
    sandbox.fault("pagerduty", "down")
    with hub.without_database():
        name = hub.dana.post("/report", form).incident
        told = telling(hub, name, "Nobody could be paged yet")
        assert "Phone somebody now." in told.text
        assert "Mei Tanaka, level 1" in told.text
        assert 'href="tel:' in told.text
        sandbox.mend()
        telling(hub, name, "is being paged")
    hub.finished_in_time(name)
    assert_everything_once(hub, sandbox, name)
    assert "Dana Okafor looked up phone numbers" in hub.dana.get(f"/incidents/{name}").text


def test_the_database_comes_back_before_pagerduty_does(make_hub: MakeHub, sandbox: Sandbox) -> None:
    hub = started(make_hub)
    form = report_form(hub)
    sandbox.fault("pagerduty", "answer-lost", method="POST /incidents", times=1)
    sandbox.fault("pagerduty", "down", method="GET /incidents")
    with hub.without_database():
        name = hub.dana.post("/report", form).incident
        page = eventually(lambda: sandbox.page_of(name))
        telling(hub, name, "could be paged yet")
        sandbox.resolve(page["id"], sandbox.user_id("Mei Tanaka"))  # from now on PagerDuty would take it a second time
    eventually(lambda: hub.rows("SELECT id FROM incidents WHERE id = %s", name))
    assert hub.steps(name)["page"]["state"] in ("running", "looking", "waiting")
    sandbox.mend()
    hub.finished_in_time(name)
    assert_everything_once(hub, sandbox, name)
    assert len(sandbox.pages) == 1


def test_killed_and_started_without_its_database_it_pages_what_it_had_accepted(
    make_hub: MakeHub, sandbox: Sandbox
) -> None:
    hub = started(make_hub)
    forms = [report_form(hub) for _ in range(3)]
    sandbox.fault("pagerduty", "down")
    with hub.without_database():
        with ThreadPoolExecutor(3) as threads:
            names = [page.incident for page in threads.map(lambda form: hub.dana.post("/report", form), forms)]
        hub.kill()
        sandbox.mend()
        hub.start(ready=False)
        eventually(lambda: {one["key"] for one in sandbox.pages} == set(names))
        telling(hub, names[0], "is being paged")
    for name in names:
        hub.finished_in_time(name)
        assert_everything_once(hub, sandbox, name)
    assert len(sandbox.pages) == 3


def test_only_whoever_was_signed_in_lately_is_known(make_hub: MakeHub, sandbox: Sandbox) -> None:
    hub = started(make_hub, SECRET_KEY=KEY)
    form = report_form(hub)
    with hub.without_database():
        name = hub.dana.post("/report", form).incident
        forged = signed_days_ago(1)[:-3] + "AAA"
        for value, known in [("", False), (forged, False), (signed_days_ago(8), False), (signed_days_ago(6), True)]:
            somebody = Browser(hub.url)
            somebody.get("/sign-in")
            answer = somebody.post("/report", form | {"report_id": str(uuid4())}, cookies={COOKIE: value})
            assert (answer.status, answer.path.endswith("/responding")) == (200 if known else 500, known), value
            if known:
                assert form["title"] in answer.text
            else:
                assert "Page somebody yourself" in answer.text
                # The sign-in page or, where it is known by then, that the database is gone.
                assert form["title"] not in somebody.get(f"/incidents/{name}/responding").text
    eventually(lambda: len(sandbox.pages) == 2)


def test_whoever_signs_in_with_what_another_had_typed_reports_under_their_own_name(
    make_hub: MakeHub, sandbox: Sandbox
) -> None:
    hub = started(make_hub)
    mei, hers = "mei.tanaka@example.com", Browser(hub.url)
    hub.command("manage", "createadmin", mei, "--name", "Mei Tanaka", "--password-stdin", stdin=PASSWORD)
    hers.sign_in(ADMIN, PASSWORD)
    hers.cookies.clear("127.0.0.1", "/", "sessionid")
    form = report_form(hub)
    carried = unescape(hers.post("/report", form).value("carried"))
    page = hers.post("/sign-in", {"email": mei, "password": PASSWORD, "carried": carried})
    assert "Nothing is reported yet. Press once more." in page.text
    with hub.without_database():
        name = hers.post("/report", form).incident
    hub.finished_in_time(name)
    assert hub.incident(name)["reporter_email"] == mei


def signed_days_ago(days: int) -> str:
    """What Dana's browser was given so long ago."""

    class Then(TimestampSigner):
        def timestamp(self) -> str:
            return b62_encode(int(time.time()) - days * 24 * 3600)

    return Then(key=KEY, salt="reporter 1", fallback_keys=[]).sign_object([1, "Dana Okafor", ADMIN])


def test_when_the_journal_is_full_people_are_told_to_phone(make_hub: MakeHub, sandbox: Sandbox) -> None:
    sandbox.switch(rate_limits="off")
    hub = started(make_hub, SLACK_BOT_TOKEN="")
    form = report_form(hub, description="€" * 20_000)
    with hub.without_database():
        names = [hub.dana.post("/report", form | {"report_id": str(uuid4())}).incident for _ in range(100)]
        full = hub.dana.post("/report", form | {"report_id": str(uuid4())})
        assert full.status == 500
        assert "Your report may not have been sent" in full.text
        assert "+1 555 0100" in full.text
        eventually(lambda: len(sandbox.pages) == 100)
    eventually(lambda: len(hub.rows("SELECT id FROM incidents")) == 100, within=60)
    again = hub.dana.post("/report", form | {"report_id": str(uuid4())}).incident
    assert {one["key"] for one in sandbox.pages} - {again} == set(names)
    assert hub.incident(names[0])["description"] == "€" * 20_000


def test_what_cannot_be_understood_in_the_journal_holds_up_nothing_else(make_hub: MakeHub, sandbox: Sandbox) -> None:
    hub = make_hub()
    text = b'[{"model": "incidents.somethingelse", "pk": "1", "fields": {}}]'
    (hub.folder / "journal-1-1").write_bytes(struct.pack(">II", len(text), zlib.crc32(text)) + text)
    (hub.folder / "drafts-1").mkdir()  # no file can be made there
    with_snapshot(hub)
    assert "the journal's slot 0 cannot be understood" in hub.log
    form = report_form(hub)
    with hub.without_database():
        name = hub.dana.post("/report", form).incident
        eventually(lambda: sandbox.page_of(name))
    hub.finished_in_time(name)
    assert_everything_once(hub, sandbox, name)
    assert (hub.folder / "journal-1-1").read_bytes()[8 : 8 + len(text)] == text


@pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="session")
@pytest.mark.parametrize(("table", "again"), [("jobs_job", 1), ("jobs_step", 10)])
def test_numbers_that_are_handed_out_twice_leave_no_report_without_its_page(
    make_hub: MakeHub, sandbox: Sandbox, table: str, again: int
) -> None:
    """As after a crash or a restore that forgot how far PostgreSQL had counted. Once, another draft gets the next
    number; ten times, the journal pages, and brings the report in when the taken numbers are over."""
    hub = started(make_hub)
    hub.finished(hub.dana.post("/report", report_form(hub)).incident)
    (last,) = hub.rows(f"SELECT max(id) AS id FROM {table}")  # noqa: S608  a name of a table
    hub.rows("SELECT setval(%s, %s, false)", f"{table}_id_seq", last["id"] - again + 1)
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished_in_time(name)
    assert sandbox.page_of(name)
    assert bool(LONG.fullmatch(name)) == (again > 1)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="session")
def test_a_directory_that_changes_while_it_is_copied_is_copied_whole(make_hub: MakeHub, sandbox: Sandbox) -> None:
    """Services of which the priorities were read too early: a report that names one would have been refused."""
    sandbox.fault("pagerduty", "down")
    hub = make_hub()
    hub.start(ready=False)
    eventually(lambda: hub.answers("/healthz"))
    with psycopg.connect(hub.database_url) as session:
        session.execute("LOCK TABLE incidents_escalationpolicy IN ACCESS EXCLUSIVE MODE")
        reading = """SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                     AND query LIKE %s"""
        eventually(lambda: hub.rows(reading, "%incidents_escalationpolicy%"))
        time.sleep(2)  # so that whoever keeps the copy has come so far, too
        session.execute("INSERT INTO incidents_priority VALUES ('PRIO', 'P1 of today', '', 1, true)")
        session.execute(
            "INSERT INTO incidents_escalationpolicy (id, name, url, minutes) VALUES ('POL', 'P', '', '[30]')"
        )
        session.execute(
            """INSERT INTO incidents_service (id, name, description, status, url, policy_id, listed)
               VALUES ('SERVICE', 'Service of today', '', 'active', '', 'POL', true)"""
        )
        session.execute("INSERT INTO incidents_directoryversion VALUES (1, gen_random_uuid())")
    copy = hub.folder / "snapshot.json"
    eventually(copy.exists)
    assert "Service of today" in copy.read_text()
    assert "P1 of today" in copy.read_text()


def paged_at(sandbox: Sandbox, name: str) -> float:
    """When its page arrived; it may be on its way yet."""
    eventually(lambda: sandbox.page_of(name))
    calls = sandbox.calls("POST /incidents")
    return next(float(one["arrived_at"]) for one in calls if one["body"]["incident"]["incident_key"] == name)


def started(make_hub: MakeHub, *, noted: bool = True, **settings: str) -> Hub:
    """A hub of this test's own, with a snapshot of its directory, in which Dana has looked at a page. Where it is not
    noted what each report became, only its own memory and the journal tell."""
    hub = make_hub(**settings)
    if not noted:
        (hub.folder / "drafts-1").mkdir()  # no file can be made there
    return with_snapshot(hub)


def with_snapshot(hub: Hub) -> Hub:
    hub.start()
    assert hub.dana.get("/").status == 200
    eventually(lambda: (hub.folder / "snapshot.json").exists())
    return hub


def responding(hub: Hub, name: str) -> Page:
    return hub.dana.get(f"/incidents/{name}/responding")


def telling(hub: Hub, name: str, text: str) -> Page:
    """The page of the response, once it says this."""

    def look() -> Page:
        page = responding(hub, name)
        assert text in page.text
        return page

    return eventually(look)
