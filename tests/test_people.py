"""Who people are in Slack: looked up by e-mail, put right by people, and used when they are invited."""

import base64
import csv
import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from html import unescape
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.processes import ADMIN, PASSWORD, Browser, Hub, Page, Sandbox, company, eventually, report_form

MORE = {"role": "user", "job_title": "", "time_zone": "Europe/Lisbon"}
ANA = "ana.costa@example.com"  # in PagerDuty; Slack has her as ana@example.com


@pytest.fixture
def hub(hub: Hub, sandbox: Sandbox) -> Iterator[Hub]:
    """The shared one, in which nobody has said anything of anybody before or afterwards."""
    eventually(lambda: hub.rows("SELECT 1 FROM incidents_membersread WHERE ended_at IS NOT NULL"))
    yield hub
    hub.rows("DELETE FROM incidents_correction")
    hub.rows("DELETE FROM incidents_otheremail")


def member_id(sandbox: Sandbox, name: str) -> str:
    return next(str(one["id"]) for one in sandbox.state["slack"]["members"] if one["real_name"] == name)


def person_page(hub: Hub, name: str) -> str:
    (row,) = hub.rows("SELECT id FROM incidents_person WHERE name = %s", name)
    return f"/people/{row['id']}"


def colleague(hub: Hub, name: str) -> Browser:
    """Somebody with an account who is no administrator, signed in."""
    email = f"{name.lower().replace(' ', '.').replace('í', 'i')}@example.com"
    columns = "password, is_active, views, created_at"
    there = hub.rows("SELECT 1 FROM users WHERE email = %s", email)
    if not there:
        insert = f"INSERT INTO users (email, name, is_admin, {columns}) SELECT %s, %s, %s, {columns} FROM users"  # noqa: S608
        hub.rows(f"{insert} WHERE email = %s", email, name, False, ADMIN)
    browser = Browser(hub.url)
    browser.sign_in(email, PASSWORD)
    return browser


def corrections(hub: Hub) -> dict[str, str]:
    return {row["whose"]: row["member_id"] for row in hub.rows("SELECT * FROM incidents_correction")}


def missing_page(hub: Hub, name: str) -> str:
    """Where the incident's page leads from somebody who is missing."""
    return the_missing_page(hub.dana.get(f"/incidents/{name}"))


def the_missing_page(page: Page) -> str:
    (path,) = re.findall(r'href="([^"]+/people/\d+)"', page.text)
    return str(path)


def report_missing_ana(hub: Hub, sandbox: Sandbox) -> str:
    name = hub.dana.post("/report", report_form(hub, service_name="Data Warehouse")).incident
    hub.finished(name)
    assert "Ana Costa" not in sandbox.members_of(name)
    return name


def text_of(page: Page) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.text))


# ── the response uses what people said ────────────────────────────────────────────────────────────


def test_whom_an_administrator_chose_is_invited_whatever_slack_says_of_e_mails(hub: Hub, sandbox: Sandbox) -> None:
    page = hub.dana.get(person_page(hub, "Ana Costa"))
    assert "Ana Costa cannot be invited to Slack channels" in page.text
    chosen = hub.dana.post(person_page(hub, "Ana Costa"), {"member": member_id(sandbox, "Ana Costa")})
    assert "Ana Costa is known in Slack" in chosen.text
    assert "Dana Okafor said so" in chosen.text

    name = hub.dana.post("/report", report_form(hub, service_name="Data Warehouse")).incident
    hub.finished(name)
    assert "Ana Costa" in sandbox.members_of(name)
    assert sandbox.calls("users.lookupByEmail") == []
    assert "Ana Costa is not in the channel" not in hub.dana.get(f"/incidents/{name}").text


def test_a_correction_survives_a_change_of_e_mail_and_can_be_taken_back(hub: Hub, sandbox: Sandbox) -> None:
    path = person_page(hub, "Ana Costa")
    hub.dana.post(path, {"member": member_id(sandbox, "Ana Costa")})
    ana = path.rpartition("/")[2]
    sandbox.plant("pagerduty", "users", ana, set={"email": "ana.married@example.com"})
    hub.read_directory_now()
    eventually(lambda: "ana.married@example.com" in hub.dana.get(path).text)
    name = hub.dana.post("/report", report_form(hub, service_name="Data Warehouse")).incident
    hub.finished(name)
    assert "Ana Costa" in sandbox.members_of(name)

    taken_back = hub.dana.post(path, {"take_back": "1"})
    assert "Ana Costa cannot be invited" in taken_back.text
    assert corrections(hub) == {}
    sandbox.plant("pagerduty", "users", ana, set={"email": ANA})
    hub.read_directory_now()
    eventually(lambda: ANA in hub.dana.get(path).text)


@pytest.fixture
def other_pagerduty(hub: Hub, sandbox: Sandbox) -> Iterator[None]:
    """There may be users more; afterwards the shared hub lists those of the first day again."""
    listed = "SELECT id FROM incidents_person WHERE listed ORDER BY id"
    before = hub.rows(listed)
    yield
    sandbox.start_over()
    hub.read_directory_now()
    eventually(lambda: hub.rows(listed) == before)


def new_user(hub: Hub, sandbox: Sandbox, name: str, email: str) -> str:
    """A new user in PagerDuty, and their page here."""
    sandbox.plant("pagerduty", "users", create={"name": name, "email": email} | MORE)
    (id_,) = [one["id"] for one in sandbox.state["pagerduty"]["users"] if one["email"] == email]
    hub.read_directory_now()
    eventually(lambda: hub.rows("SELECT 1 FROM incidents_person WHERE id = %s AND listed", id_))
    return f"/people/{id_}"


@pytest.mark.usefixtures("other_pagerduty")
def test_what_was_said_before_somebody_came_to_pagerduty_or_came_anew_holds_and_is_taken_back(
    hub: Hub, sandbox: Sandbox
) -> None:
    noor, ribeiro = colleague(hub, "Noor Haddad"), member_id(sandbox, "Ana Ribeiro")
    noor.post("/account", {"member": ribeiro})
    noor.post("/account", {"add_email": "ana.ribeiro@noor.example"})
    path = new_user(hub, sandbox, "Noor Haddad", "noor.haddad@example.com")
    for _ in range(2):
        for page in (noor.get("/account"), hub.dana.get(path), noor.post("/account", {"member": ribeiro})):
            assert (page.status, "known in Slack" in page.text) == (200, True)
            assert "Noor Haddad said so" in page.text
            assert "ana.ribeiro@noor.example" in page.text
        assert noor.post("/account", {"add_email": "ana.ribeiro@noor.example"}).status == 200
        name = noor.post("/report", report_form(hub)).incident
        hub.finished(name)
        assert "Ana Ribeiro" in sandbox.members_of(name)
        assert len(corrections(hub)) == 1
        sandbox.plant("pagerduty", "users", path.rpartition("/")[2], delete=True)
        path = new_user(hub, sandbox, "Noor Haddad", "noor.haddad@example.com")

    hub.dana.post(path, {"remove_email": "ana.ribeiro@noor.example"})
    assert hub.rows("SELECT * FROM incidents_otheremail") == []
    assert "Noor Haddad cannot be invited" in hub.dana.post(path, {"take_back": "1"}).text
    assert corrections(hub) == {}


@pytest.mark.usefixtures("other_pagerduty")
def test_an_administrator_puts_right_what_was_said_of_the_account(hub: Hub, sandbox: Sandbox) -> None:
    ines = colleague(hub, "Ines Moreau")
    ines.post("/account", {"member": member_id(sandbox, "Ana Ribeiro")})
    path = new_user(hub, sandbox, "Ines Moreau", "ines.moreau@example.com")
    (line,) = [one for one in lines_of(hub) if one["name"] == "Ines Moreau"]
    assert line["Slack member id"] == member_id(sandbox, "Ana Ribeiro")
    line["Slack member id"] = member_id(sandbox, "Ana Costa")
    assert "1 corrected" in send(hub.dana, as_csv([line])).text
    assert corrections(hub) == {path.rpartition("/")[2]: member_id(sandbox, "Ana Costa")}
    assert f"{path.rpartition('/')[2]} is {member_id(sandbox, 'Ana Costa')} in Slack" in hub.log
    assert "@ana.costa" in ines.get("/account").text
    line["Slack member id"] = ""
    assert "1 taken back" in send(hub.dana, as_csv([line])).text
    assert f"nothing is said of {path.rpartition('/')[2]} in Slack any more" in hub.log
    assert corrections(hub) == {}


def test_pressed_several_times_at_once_it_is_said_once(hub: Hub, sandbox: Sandbox) -> None:
    path = person_page(hub, "Ana Costa")
    for form in ({"member": member_id(sandbox, "Ana Costa")}, {"add_email": "ana@example.com"}, {"take_back": "1"}):
        with ThreadPoolExecutor(6) as pool:
            pages = list(pool.map(lambda form: hub.dana.post(path, form), [form] * 6))
        assert {page.status for page in pages} == {200}
    assert corrections(hub) == {}
    assert len(hub.rows("SELECT * FROM incidents_otheremail")) == 1


def test_other_e_mails_are_tried_after_the_first_one(hub: Hub, sandbox: Sandbox) -> None:
    path = person_page(hub, "Ana Costa")
    found = hub.dana.post(path, {"add_email": " Ana@Example.com "})
    assert "Slack has the other e-mail ana@example.com" in found.text
    name = hub.dana.post("/report", report_form(hub, service_name="Data Warehouse")).incident
    hub.finished(name)
    assert "Ana Costa" in sandbox.members_of(name)
    assert "Ana Costa cannot be invited" in hub.dana.post(path, {"remove_email": "ana@example.com"}).text


def test_of_several_other_e_mails_the_first_that_slack_knows_counts(hub: Hub, sandbox: Sandbox) -> None:
    path = person_page(hub, "Ana Costa")
    for email in ("nobody@elsewhere.example", "ana@example.com", "ana.ribeiro@example.com"):
        found = hub.dana.post(path, {"add_email": email})
    assert "Slack has the other e-mail ana@example.com" in found.text
    assert "Found" in rows_of(hub.dana.get("/people"))["Ana Costa"]
    name = hub.dana.post("/report", report_form(hub, service_name="Data Warehouse")).incident
    hub.finished(name)
    assert "Ana Costa" in sandbox.members_of(name)
    assert "Ana Ribeiro" not in sandbox.members_of(name)


def test_other_e_mails_are_tried_with_slack_itself_where_our_copy_is_old(hub: Hub, sandbox: Sandbox) -> None:
    hub.dana.post(person_page(hub, "Ana Costa"), {"add_email": "ana.new@example.com"})
    sandbox.plant("slack", "members", member_id(sandbox, "Ana Costa"), set={"email": "ana.new@example.com"})
    name = hub.dana.post("/report", report_form(hub, service_name="Data Warehouse")).incident
    hub.finished(name)
    assert "Ana Costa" in sandbox.members_of(name)


@pytest.mark.parametrize(
    ("typed", "said"),
    [("nonsense", "Write an e-mail address"), ("mei.tanaka@example.com", "is somebody else’s here"), ("", "Write an")],
)
def test_an_e_mail_that_cannot_be_hers_is_refused(hub: Hub, sandbox: Sandbox, typed: str, said: str) -> None:
    refused = hub.dana.post(person_page(hub, "Ana Costa"), {"add_email": typed})
    assert refused.status == 422
    assert said in refused.text
    assert refused.value("add_email") == typed
    assert hub.rows("SELECT * FROM incidents_otheremail") == []


# ── on the incident's page ────────────────────────────────────────────────────────────────────────


def test_whoever_is_missing_is_chosen_on_the_incidents_page_and_invited(hub: Hub, sandbox: Sandbox) -> None:
    name = report_missing_ana(hub, sandbox)
    path = missing_page(hub, name)
    page = hub.dana.get(path)
    assert "It may be" in page.text
    form = {"press": page.value("press"), "member": member_id(sandbox, "Ana Costa")}
    for _ in range(2):  # a double click
        assert hub.dana.post(path, form).path == f"/incidents/{name}"
    eventually(lambda: "Ana Costa" in sandbox.members_of(name))
    eventually(lambda: "Ana Costa is not in the channel" not in hub.dana.get(f"/incidents/{name}").text)
    assert len(hub.rows("SELECT * FROM incidents_action WHERE incident_id = %s", name)) == 1
    told = text_of(hub.dana.get(f"/incidents/{name}"))
    assert "Dana Okafor said who Ana Costa is in Slack: Ana Costa (@ana.costa)" in told
    assert "Invited Ana Costa to the channel" in told
    assert list(corrections(hub).values()) == [member_id(sandbox, "Ana Costa")]


def test_the_invitation_waits_until_slack_answers_again(hub: Hub, sandbox: Sandbox) -> None:
    name = report_missing_ana(hub, sandbox)
    fault = sandbox.fault("slack", "down", method="conversations.invite")
    hub.dana.post(missing_page(hub, name), {"member": member_id(sandbox, "Ana Costa")})
    eventually(lambda: "Invite Ana Costa to the channel" in hub.dana.get(f"/incidents/{name}").text)
    assert "Ana Costa" not in sandbox.members_of(name)
    sandbox.control(f"/faults/{fault}", method="DELETE")
    eventually(lambda: "Ana Costa" in sandbox.members_of(name))


def test_whom_slack_refuses_is_shown_as_missing_with_slacks_word(hub: Hub, sandbox: Sandbox) -> None:
    name = report_missing_ana(hub, sandbox)
    sandbox.plant("slack", "members", member_id(sandbox, "Ana Costa"), set={"deleted": True})
    hub.dana.post(missing_page(hub, name), {"member": member_id(sandbox, "Ana Costa")})
    eventually(lambda: "Slack said user_not_found" in hub.dana.get(f"/incidents/{name}").text)
    assert missing_page(hub, name)


def test_whom_a_person_chose_the_response_invites_though_nobody_has_the_e_mail_any_more(
    hub: Hub, sandbox: Sandbox
) -> None:
    tariq = colleague(hub, "Tariq Leaving")
    fault = sandbox.fault("slack", "down", method="conversations.invite")
    name = tariq.post("/report", report_form(hub)).incident
    eventually(lambda: hub.steps(name)["invite"]["state"] == "waiting")
    hub.rows("UPDATE users SET email = %s WHERE name = %s", f"{uuid4()}@example.com", "Tariq Leaving")
    (row,) = hub.rows("SELECT id FROM incidents_responder WHERE incident_id = %s AND name = 'Tariq Leaving'", name)
    path, ribeiro = f"/incidents/{name}/people/{row['id']}", member_id(sandbox, "Ana Ribeiro")
    assert hub.dana.post(path, {"member": ribeiro}).path == f"/incidents/{name}"
    # Before the invitation that was asked for is tried again, the response comes to its own.
    later = """UPDATE jobs_step SET run_at = '2099-01-01 00:00:00' WHERE state = 'waiting' AND attempts > 0
               AND job_id IN (SELECT j.id FROM jobs_job j JOIN incidents_action a ON j.key = CAST(a.id AS TEXT)
                              WHERE j.workflow = 'action' AND a.incident_id = %s) RETURNING id"""
    eventually(lambda: hub.rows(later, name))
    sandbox.control(f"/faults/{fault}", method="DELETE")
    hub.rows(
        """UPDATE jobs_step SET run_at = '2020-01-01 00:00:00' WHERE name = 'invite' AND state = 'waiting' AND job_id =
           (SELECT id FROM jobs_job WHERE workflow = 'response' AND key = %s)""",
        name,
    )
    hub.finished(name)
    (row,) = hub.rows("SELECT * FROM incidents_responder WHERE id = %s", row["id"])
    assert (row["member_id"], row["state"]) == (ribeiro, "invited")
    assert "Ana Ribeiro" in sandbox.members_of(name)


def test_what_a_person_says_while_slack_is_asked_is_not_lost(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "slow", method="users.lookupByEmail", seconds=9, times=1)
    name = hub.dana.post("/report", report_form(hub, service_name="Data Warehouse")).incident
    eventually(lambda: hub.steps(name)["find_missing"]["state"] == "running")
    (row,) = hub.rows("SELECT id FROM incidents_responder WHERE incident_id = %s AND email = %s", name, ANA)
    hub.dana.post(f"/incidents/{name}/people/{row['id']}", {"member": member_id(sandbox, "Ana Costa")})
    eventually(lambda: "Ana Costa" in sandbox.members_of(name))
    assert hub.steps(name)["find_missing"]["state"] == "running"
    hub.finished(name)
    (row,) = hub.rows("SELECT * FROM incidents_responder WHERE id = %s", row["id"])
    assert (row["member_id"], row["state"]) == (member_id(sandbox, "Ana Costa"), "invited")


def test_of_two_choices_the_later_one_is_invited_and_the_first_one_not(hub: Hub, sandbox: Sandbox) -> None:
    name = report_missing_ana(hub, sandbox)
    path = missing_page(hub, name)
    fault = sandbox.fault("slack", "down", method="conversations.invite")
    for chosen in ("Ana Ribeiro", "Ana Costa"):
        hub.dana.post(path, {"member": member_id(sandbox, chosen)})
    sandbox.control(f"/faults/{fault}", method="DELETE")
    states = """SELECT s.state FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id
                JOIN incidents_action a ON j.key = CAST(a.id AS TEXT)
                WHERE j.workflow = 'action' AND s.name = 'invite' AND a.incident_id = %s ORDER BY a.id"""
    eventually(lambda: {row["state"] for row in hub.rows(states, name)} <= {"done", "off"})
    assert [row["state"] for row in hub.rows(states, name)] == ["off", "done"]
    assert "Ana Costa" in sandbox.members_of(name)
    assert "Ana Ribeiro" not in sandbox.members_of(name)


def test_colleagues_look_and_change_nobody_but_themselves(hub: Hub, sandbox: Sandbox) -> None:
    name = report_missing_ana(hub, sandbox)
    path, ana = missing_page(hub, name), member_id(sandbox, "Ana Costa")
    lucia = colleague(hub, "Lucía Paredes")
    assert path not in lucia.get(f"/incidents/{name}").text
    # Nor when the page refreshes itself, whoever of those that may had it made before.
    by_script = {"HX-Request": "true"}
    for browser, may in ((hub.dana, True), (lucia, False), (colleague(hub, "Ana Costa"), True)):
        assert (path in browser.get(f"/incidents/{name}", **by_script).text) == may
    for page in (path, person_page(hub, "Ana Costa")):
        assert 'name="member"' not in lucia.get(page).text
        refused = lucia.post(page, {"member": ana})
        assert refused.status == 403
        assert "Only an administrator" in refused.text
    assert lucia.post("/people", {}).status == 403
    assert corrections(hub) == {}
    assert "Ana Costa" not in sandbox.members_of(name)


# ── one's own account ─────────────────────────────────────────────────────────────────────────────


def test_ana_says_herself_who_she_is_and_comes_into_the_channel(hub: Hub, sandbox: Sandbox) -> None:
    name = report_missing_ana(hub, sandbox)
    ana = colleague(hub, "Ana Costa")
    path = the_missing_page(ana.get(f"/incidents/{name}"))
    assert "You cannot be invited" in ana.get("/account").text
    ana.post(path, {"member": member_id(sandbox, "Ana Costa")})
    eventually(lambda: "Ana Costa" in sandbox.members_of(name))
    assert "You are known in Slack" in ana.get("/account").text
    assert "Ana Costa said so" in hub.dana.get(person_page(hub, "Ana Costa")).text


def test_nobody_can_say_that_they_are_somebody_else(hub: Hub, sandbox: Sandbox) -> None:
    ana = colleague(hub, "Ana Costa")
    for form in ({"member": member_id(sandbox, "Mei Tanaka")}, {"add_email": "mei.tanaka@example.com"}):
        refused = ana.post("/account", form)
        assert refused.status == 422
    assert "Mei Tanaka is Mei Tanaka already" in ana.post("/account", {"member": member_id(sandbox, "Mei Tanaka")}).text
    assert ana.post("/account", {"member": member_id(sandbox, "Henrik Aalto")}).status == 422
    assert ana.post("/account", {"member": "U0NOBODY"}).status == 422
    assert ana.post("/account", {}).status == 422
    assert corrections(hub) == {}
    assert hub.rows("SELECT * FROM incidents_otheremail") == []


def test_nobody_can_be_whom_an_administrator_said_that_somebody_else_is(hub: Hub, sandbox: Sandbox) -> None:
    sam, path = colleague(hub, "Sam Outside"), person_page(hub, "Ana Costa")
    hub.dana.post(path, {"member": member_id(sandbox, "Ana Ribeiro")})
    refused = sam.post("/account", {"add_email": "ana.ribeiro@example.com"})
    assert (refused.status, "is somebody else’s here" in refused.text) == (422, True)
    hub.dana.post(path, {"take_back": "1"})

    hub.dana.post(path, {"add_email": "ana@example.com"})
    refused = sam.post("/account", {"member": member_id(sandbox, "Ana Costa")})
    assert (refused.status, "Ana Costa is Ana Costa already" in refused.text) == (422, True)
    assert corrections(hub) == {}


@contextmanager
def nobody_writes_yet(hub: Hub) -> Iterator[None]:
    """On PostgreSQL, until two of those who want to keep a correction, or wait for one another, have come so far."""
    if not hub.database_url:
        yield
        return
    waiting = """SELECT pid FROM pg_stat_activity
                 WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"""
    with psycopg.connect(hub.database_url) as connection:
        connection.execute("LOCK TABLE incidents_correction IN SHARE MODE")
        yield
        eventually(lambda: len(hub.rows(waiting)) >= 2)


@pytest.mark.parametrize("where", ["account", "incident"])
def test_of_two_who_say_at_once_that_they_are_the_same_member_one_is_refused(
    hub: Hub, sandbox: Sandbox, where: str
) -> None:
    ana, sam = colleague(hub, "Ana Costa"), colleague(hub, "Sam Outside")
    paths = ["/account", "/account"]
    if where == "incident":
        name = sam.post("/report", report_form(hub, service_name="Data Warehouse")).incident
        hub.finished(name)
        paths = [the_missing_page(browser.get(f"/incidents/{name}")) for browser in (ana, sam)]
    form = {"member": member_id(sandbox, "Ana Ribeiro")}
    with ThreadPoolExecutor(2) as pool:
        with nobody_writes_yet(hub):
            pages = [pool.submit(browser.post, path, form) for browser, path in zip((ana, sam), paths, strict=True)]
        assert sorted(page.result().status for page in pages) == [200, 422]
    assert list(corrections(hub).values()) == [member_id(sandbox, "Ana Ribeiro")]


def test_somebody_without_a_seat_in_pagerduty_is_found_in_slack_by_what_they_said(hub: Hub, sandbox: Sandbox) -> None:
    sam = colleague(hub, "Sam Outside")
    assert "You cannot be invited" in sam.get("/account").text
    assert "Ana Ribeiro" in sam.get("/account?q=RIBEIRO").text
    assert "You are known" in sam.post("/account", {"member": member_id(sandbox, "Ana Ribeiro")}).text
    name = sam.post("/report", report_form(hub)).incident
    hub.finished(name)
    assert "Ana Ribeiro" in sandbox.members_of(name)
    sandbox.acknowledge(sandbox.page_of(name)["id"], sandbox.user_id("Mei Tanaka"))
    hub.poll_now()
    mention = f"<@{member_id(sandbox, 'Ana Ribeiro')}>"
    eventually(lambda: any(mention in message["text"] for message in sandbox.messages(name)))
    sam.post("/account", {"take_back": "1"})
    assert "You cannot be invited" in sam.get("/account").text


def test_whoever_is_known_nowhere_is_invited_once_and_nothing_is_kept(hub: Hub, sandbox: Sandbox) -> None:
    name = colleague(hub, "Kim Leaving").post("/report", report_form(hub)).incident
    hub.finished(name)
    hub.rows("UPDATE users SET email = %s WHERE name = %s", f"{uuid4()}@example.com", "Kim Leaving")
    path = missing_page(hub, name)
    assert "nothing is kept for later incidents" in hub.dana.get(path).text
    assert "Ana Ribeiro" in hub.dana.get(f"{path}?q=ribeiro").text
    hub.dana.post(path, {"member": member_id(sandbox, "Ana Ribeiro")})
    eventually(lambda: "Ana Ribeiro" in sandbox.members_of(name))
    assert corrections(hub) == {}


# ── the whole list ────────────────────────────────────────────────────────────────────────────────


def read_members(hub: Hub) -> None:
    """All of Slack's members, however many parts that takes. Twice, since the first may have been under way before."""
    for _ in range(2):
        before = hub.rows("SELECT ended_at FROM incidents_membersread")
        eventually(partial(_read_again, hub, before), within=60)


def _read_again(hub: Hub, before: list[dict[str, Any]]) -> bool:
    if hub.rows("SELECT ended_at FROM incidents_membersread") != before:
        return True
    hub.read_members_now()
    return False


@pytest.fixture
def other_slack(hub: Hub, sandbox: Sandbox) -> Iterator[None]:
    """Slack may be changed, and read; afterwards the shared hub knows it again as it was.

    As often as it takes: the hub on the other database may ask the same Slack, which allows 20 of these calls a minute.
    """
    sandbox.switch(rate_limits="off")
    yield
    sandbox.start_over()
    sandbox.switch(rate_limits="off")
    read_members(hub)


def rows_of(page: Page) -> dict[str, str]:
    """By name, what the table says of everybody, in its order."""
    found = re.findall(r"<tr data-state.*?</tr>", page.text, re.S)
    texts = [unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row))).strip() for row in found]
    names = [unescape(re.findall(r'href="/people/[^"]+">([^<]+)<', row)[0]) for row in found]
    return dict(zip(names, texts, strict=True))


@pytest.mark.usefixtures("other_slack")
def test_everybody_is_listed_who_is_on_call_and_not_in_slack_first(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.plant("slack", "members", member_id(sandbox, "Priya Nair"), set={"is_restricted": True})
    sandbox.plant("slack", "members", member_id(sandbox, "Eva Lindgren"), set={"email": ""})
    sandbox.plant("slack", "members", create={"name": "eva2", "real_name": "EVA LINDGREN", "email": "e@example.com"})
    read_members(hub)
    page = hub.dana.get("/people")
    rows = rows_of(page)
    assert "2 people on call cannot be invited to Slack channels" in page.text
    assert list(rows)[:2] == ["Ana Costa", "Henrik Aalto"]
    assert list(rows)[-1] == "Eva Lindgren", "she is never on call"
    assert "Not found" in rows["Ana Costa"]
    assert "It may be Ana Costa" in rows["Ana Costa"]
    assert "Deactivated" in rows["Henrik Aalto"]
    assert "multi-channel guest: Slack may refuse" in rows["Priya Nair"]
    assert "Several possible" in rows["Eva Lindgren"]
    assert "Found" in rows["Mei Tanaka"]
    assert "Incident Central" not in rows, "our own user is nobody"
    assert set(rows_of(hub.dana.get("/people?show=look"))) == {
        "Ana Costa",
        "Henrik Aalto",
        "Priya Nair",
        "Eva Lindgren",
    }
    assert set(rows_of(hub.dana.get("/people?q=ANA%40example.com"))) == set()
    assert set(rows_of(hub.dana.get("/people?q=lucia"))) == {"Lucía Paredes"}

    # Put right in Slack, and read again at once.
    sandbox.plant("slack", "members", member_id(sandbox, "Ana Costa"), set={"email": ANA})
    hub.dana.post("/people", {})
    eventually(lambda: "Henrik Aalto is on call and cannot be invited" in hub.dana.get("/people").text)


@pytest.mark.usefixtures("other_slack")
def test_read_both_again_does_not_ask_slack_before_its_retry_after(hub: Hub, sandbox: Sandbox) -> None:
    refused = "SELECT run_at, attempts FROM jobs_step WHERE name = 'members' AND state = 'waiting' AND attempts > 0"
    sandbox.fault("slack", "429", method="users.list", seconds=20)
    hub.read_members_now()
    waiting = eventually(lambda: hub.rows(refused))
    hub.dana.post("/people", {})
    assert hub.rows(refused) == waiting
    sandbox.mend()


@pytest.mark.usefixtures("other_slack")
def test_without_the_scope_for_e_mails_the_page_says_so(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.plant("slack", "tokens", company.SLACK_TOKEN, set={"scopes": ["users:read"]})
    read_members(hub)
    eventually(lambda: "users:read.email" in hub.dana.get("/people").text)


@pytest.mark.usefixtures("other_slack")
def test_members_are_read_in_parts_and_anew_where_a_part_is_lost(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.switch(pages="short")
    for n in range(420):  # more than are read at once
        sandbox.plant("slack", "members", create={"name": f"robin{n}", "real_name": f"Robin {n}"})

    def went_on() -> str:
        (row,) = hub.rows("SELECT cursor FROM incidents_membersread")
        return str(row["cursor"])

    hub.read_members_now()
    _, _, next_one = base64.b64decode(eventually(went_on)).decode().partition(":")
    resting = hub.rows("SELECT run_at FROM jobs_step WHERE name = 'members'")
    hub.dana.post("/people", {})
    assert hub.rows("SELECT run_at FROM jobs_step WHERE name = 'members'") == resting, "it rests between two parts"
    sandbox.plant("slack", "members", next_one, delete=True)
    read_members(hub)
    there = hub.rows("SELECT id FROM incidents_member")
    people = {one["id"] for one in sandbox.state["slack"]["members"] if not one["bot_id"]}
    assert {one["id"] for one in there} == people - {"USLACKBOT"}


# ── as a file ─────────────────────────────────────────────────────────────────────────────────────


def lines_of(hub: Hub) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(hub.dana.get("/people.csv").text)))


def send(browser: Browser, content: str | bytes) -> Page:
    return browser.send_file("/people/corrections", "file", "people.csv", content)


def as_csv(lines: list[dict[str, str]], *, delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, lines[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def test_the_list_goes_out_as_a_file_and_comes_back_corrected(hub: Hub, sandbox: Sandbox) -> None:
    lines = lines_of(hub)
    assert "0 corrected, 0 taken back" in send(hub.dana, as_csv(lines)).text
    assert corrections(hub) == {}
    (ana,) = [one for one in lines if one["name"] == "Ana Costa"]
    assert (ana["in Slack"], ana["Slack member id"], ana["on call"]) == ("Not found", "", "now")
    ana["Slack member id"] = "ana@example.com"
    for _ in range(2):
        assert send(hub.dana, "\ufeff" + as_csv(lines, delimiter=";")).status == 200
        assert corrections(hub) == {ana["PagerDuty user id"]: member_id(sandbox, "Ana Costa")}
    (ana,) = [one for one in lines_of(hub) if one["name"] == "Ana Costa"]
    assert (ana["corrected by"], ana["Slack member id"]) == ("Dana Okafor", member_id(sandbox, "Ana Costa"))
    ana["Slack member id"] = ""
    assert "0 corrected, 1 taken back, 0 as before" in send(hub.dana, as_csv([ana])).text
    assert corrections(hub) == {}


def test_a_file_with_a_wrong_line_changes_nothing_and_says_which(hub: Hub, sandbox: Sandbox) -> None:
    ana = member_id(sandbox, "Ana Costa")
    henrik = member_id(sandbox, "Henrik Aalto")
    refused = send(
        hub.dana,
        "PagerDuty e-mail,Slack member id\n"
        f"{ANA},{ana}\n"
        f"nobody@example.com,{ana}\n"
        "\n"
        "mei.tanaka@example.com,U0NOBODY\n"
        f"{ANA.upper()},{ana}\n"
        f"priya.nair@example.com,{henrik}\n"
        "jonas.weber@example.com,'=cmd()\n",
    )
    assert refused.status == 422
    told = unescape(refused.text)
    for said in (
        "Line 3: PagerDuty has no user nobody@example.com",
        "Line 5: Slack lists no member with the id U0NOBODY",
        "Line 6: Ana Costa is in line 2 already",
        "Line 7: Henrik Aalto is deactivated in Slack",
        "Line 8: Slack lists no member with the id =cmd()",
    ):
        assert said in told
    assert "Line 2" not in told
    assert corrections(hub) == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Choose a CSV file that has something in it"),
        (b"\xff\xfe\x00nonsense", "is not UTF-8"),
        (b"name,mail\nAna,x\n", "The first line must name the columns"),
        (b"Slack member id,PagerDuty user id\n" + b"x" * 200_000 + b",y\n", "cannot be read as CSV"),
        (b"x" * 2_000_001, "Send at most 2,000,000"),
    ],
    ids=["empty", "not UTF-8", "no columns", "no CSV", "too large"],
)
def test_what_is_no_list_of_corrections_is_refused(hub: Hub, content: bytes, said: str) -> None:
    refused = send(hub.dana, content)
    assert refused.status == 422
    assert said in unescape(refused.text)


def test_a_name_in_the_file_is_no_formula_and_colleagues_send_none(hub: Hub, sandbox: Sandbox) -> None:
    hub.dana.post(person_page(hub, "Ana Costa"), {"member": member_id(sandbox, "Ana Costa")})
    column = '"by"'
    hub.rows(f"UPDATE incidents_correction SET {column} = %s", "=HYPERLINK(1)")  # noqa: S608
    assert "'=HYPERLINK(1)" in [one["corrected by"] for one in lines_of(hub)]
    lucia = colleague(hub, "Lucía Paredes")
    assert send(lucia, as_csv(lines_of(hub))).status == 403
