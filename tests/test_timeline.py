"""The timeline on an incident's page: all of it, of one kind or of every, a screen at a time."""

import re
from urllib.parse import urlsplit

from tests.pagerduty import act
from tests.processes import Hub, Page, Sandbox, eventually, report_form
from tests.test_sync import told, true


def reported(hub: Hub, sandbox: Sandbox) -> tuple[str, str]:
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)
    eventually(lambda: hub.incident(name)["whole_log_read"])
    return name, str(sandbox.page_of(name)["id"])


def entries(page: Page) -> list[tuple[str, str]]:
    """Kind and text of each line, from the top."""
    return re.findall(r'<li data-source="[a-z]+" data-kind="([a-z]+)">.*?<b dir="auto">(.*?)</b>', page.text)


def link(page: Page, text: str) -> str:
    """Where the link with this text leads, as a path of the hub's."""
    found = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>{text}</a>', page.text)
    return urlsplit(page.url).path + found[1].partition("#")[0].replace("&amp;", "&") if found else ""


def everything(hub: Hub, path: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    while path:
        page = hub.dana.get(path)
        found += entries(page)
        path = link(page, "Older entries")
    return found


def test_all_of_a_long_timeline_is_reached_a_screen_at_a_time_and_each_entry_once(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    for number in range(130):
        act(sandbox, page, "note", content=f"Note {number}")
    hub.poll_now()
    count = "SELECT count(*) AS n FROM incidents_timelineentry WHERE incident_id = %s"
    eventually(lambda: hub.rows(count, name)[0]["n"] >= 140)
    eventually(lambda: hub.incident(name)["stale_since"] is None)
    first = hub.dana.get(f"/incidents/{name}")
    assert len(entries(first)) == 50
    whole = everything(hub, f"/incidents/{name}")
    assert len(whole) == hub.rows(count, name)[0]["n"]
    bodies = {row["body"] for row in hub.rows("SELECT body FROM incidents_timelineentry WHERE incident_id = %s", name)}
    assert {f"Note {number}" for number in range(130)} <= bodies
    second = hub.dana.get(link(first, "Older entries"))
    assert link(second, "Back to the newest") == f"/incidents/{name}?"
    # It refreshes itself where it is.
    assert f'hx-get="{urlsplit(second.url).path}?before=' in second.text


def test_one_kind_is_shown_at_an_address_of_its_own(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    act(sandbox, page, "acknowledge")
    act(sandbox, page, "note", content="Looking")
    act(sandbox, page, "edit", title="Cards fail")
    hub.poll_now()
    eventually(lambda: told(hub, name) == true(sandbox, page))
    whole = everything(hub, f"/incidents/{name}")
    assert {kind for kind, _ in whole} == {"status", "people", "note", "change", "step"}
    for kind in ("status", "people", "note", "change", "step"):
        assert entries(hub.dana.get(f"/incidents/{name}?kind={kind}")) == [one for one in whole if one[0] == kind]
    notes = hub.dana.get(f"/incidents/{name}?kind=note")
    assert '<a href="?kind=note#timeline" aria-current="true">Notes</a>' in notes.text
    assert whole[-1] == ("status", "Reported by Dana Okafor"), "nothing stands before it"


def test_addresses_that_make_no_sense_show_the_newest(hub: Hub, sandbox: Sandbox) -> None:
    name, _ = reported(hub, sandbox)
    newest = entries(hub.dana.get(f"/incidents/{name}"))
    for query in ("kind=nonsense", "before=x", "before=-1", "before=99999999999999999999", "before=999999999", "kind="):
        page = hub.dana.get(f"/incidents/{name}?{query}")
        assert page.status == 200
        assert entries(page) == newest, query


def test_the_escalation_policy_is_shown_with_who_is_on_each_level_now(hub: Hub, sandbox: Sandbox) -> None:
    name, page = reported(hub, sandbox)
    text = re.sub(r"<[^>]+>", " ", hub.dana.get(f"/incidents/{name}").text)
    text = re.sub(r"\s+", " ", text)
    assert re.search(
        r"level 1 of 3 reached .*Level 1 Mei Tanaka .*after 5 min the next .*Level 2 Oskar .*Level 3 Dana Okafor", text
    )
    act(sandbox, page, "delegate", to="Data")
    hub.poll_now()
    eventually(lambda: re.search(r"Level 1</dt><dd>Ana Costa", hub.dana.get(f"/incidents/{name}").text))


def test_while_pagerduty_does_not_answer_the_page_says_how_old_it_is(hub: Hub, sandbox: Sandbox) -> None:
    name, _ = reported(hub, sandbox)
    sandbox.fault("pagerduty", "500")
    hub.poll_now()
    eventually(lambda: "PagerDuty has not answered for" in hub.dana.get(f"/incidents/{name}").text)
    sandbox.mend()
    hub.poll_now()
    eventually(lambda: "PagerDuty has not answered for" not in hub.dana.get(f"/incidents/{name}").text)
