"""The list of incidents over HTTP, on both databases: filters, words, pages, CSV, saved views, who is on call."""

import csv
import io
import re
import shutil
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import history
from tests.doctor import level, policy_id, schedule_id, user_id
from tests.processes import PASSWORD, Browser, Hub, Page, Sandbox, eventually, report_form
from tests.test_sync import all_put_off, moment

NOW = datetime.now(UTC).replace(microsecond=0)
LISBON = ZoneInfo("Europe/Lisbon")
NUMBER = 330
MANY = 1100
Row = dict[str, Any]


@pytest.fixture(scope="module")
def full(
    template: Hub, one_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Hub]:
    """A hub with a history, which nobody changes."""
    one_sandbox.start_over()
    folder = tmp_path_factory.mktemp("full") / "data"
    shutil.copytree(template.folder, folder)
    url = template.database_url and request.getfixturevalue("cluster").new_database(like=template.database_url)
    hub = Hub(one_sandbox, folder, url, {"TIME_ZONE": str(LISBON)})
    hub.start()
    eventually(lambda: hub.rows("SELECT 1 FROM incidents_service LIMIT 1"))
    history.insert(hub, list(_history(hub)))
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def rows(full: Hub) -> list[Row]:
    """What was written, in the order of the list."""
    ranks = {row["id"]: row["rank"] for row in full.rows("SELECT id, rank FROM incidents_priority")}
    found = list(_history(full))
    is_open = [row for row in found if row["status"] != "resolved"]
    resolved = [row for row in found if row["status"] == "resolved"]
    is_open.sort(key=lambda row: (row["created_at"], row["id"]))
    is_open.sort(key=lambda row: (row["status"] == "acknowledged", ranks.get(row["priority_id"], 1000)))
    resolved.sort(key=lambda row: (row["resolved_at"], row["id"]), reverse=True)
    return is_open + resolved


def _history(hub: Hub, number: int = NUMBER) -> Iterator[Row]:
    services = [row["id"] for row in hub.rows("SELECT id FROM incidents_service ORDER BY id LIMIT 6")]
    priorities = [row["id"] for row in hub.rows("SELECT id FROM incidents_priority ORDER BY rank")]
    return history.incidents(number, services=services, priorities=priorities, now=NOW)


# ── filters ───────────────────────────────────────────────────────────────────────────────────────


def words(text: str) -> list[str]:
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))
    return re.findall(r"[^\W_]+", plain)


def lets_through(row: Row, asked: dict[str, Any], teams: dict[str, set[str]]) -> bool:
    """The same filter, in Python."""
    created, day = row["created_at"], row["created_at"].astimezone(LISBON).date().isoformat()
    texts = [row["id"], row["title"], row["description"], row["reporter_name"], row["reporter_email"]]
    text = words(" ".join([*texts, row["acknowledged_by"], *row["assigned"]]))
    statuses = {"open": ["triggered", "acknowledged"]}.get(asked.get("status", ""), [asked.get("status")])
    return (
        ("q" not in asked or all(word in text for word in words(asked["q"])))
        and ("status" not in asked or row["status"] in statuses)
        and ("priority" not in asked or (row["priority_id"] or "none") in asked["priority"])
        and ("service" not in asked or row["service_id"] == asked["service"])
        and ("team" not in asked or row["service_id"] in teams.get(asked["team"], ()))
        and ("assigned" not in asked or asked["assigned"] in row["assigned"])
        and ("created" not in asked or created >= datetime.now(UTC) - timedelta(days=asked["created"]))
        and ("from" not in asked or day >= asked["from"])
        and ("until" not in asked or day <= asked["until"])
    )


def address(asked: dict[str, Any], path: str = "/") -> str:
    return f"{path}?{urllib.parse.urlencode(asked, doseq=True)}"


def names_on(page: Page) -> list[str]:
    assert page.status == 200, page.text[:2000]
    return re.findall(r'<span class="id">([^<]+)</span>', page.text)


def pages_of(hub: Hub, first: str) -> Iterator[Page]:
    page = hub.dana.get(first)
    yield page
    while older := re.search(r'href="([^"]+)" rel="next"', page.text):
        page = hub.dana.get(unescape(older[1]))
        yield page


def test_filters_compose_and_the_order_holds(full: Hub, rows: list[Row]) -> None:
    services = sorted({row["service_id"] for row in rows})
    priorities = [*sorted({row["priority_id"] for row in rows if row["priority_id"]}), "none"]
    links = full.rows("SELECT team_id, service_id FROM incidents_service_teams")
    teams: dict[str, set[str]] = {}
    for link in links:
        teams.setdefault(link["team_id"], set()).add(link["service_id"])
    days = st.integers(-10, 1100).map(lambda age: (NOW - timedelta(days=age)).date().isoformat())
    filters = st.fixed_dictionaries(
        {},
        optional={
            "q": st.sampled_from("incident,refund,Mei,GRÖSSE,grosse,card payments,lighthouse,ref".split(",")),
            "status": st.sampled_from(["open", "triggered", "acknowledged", "resolved"]),
            "priority": st.lists(st.sampled_from(priorities), min_size=1, max_size=3, unique=True),
            "service": st.sampled_from(services),
            "team": st.sampled_from(sorted(teams)),
            "assigned": st.sampled_from([*history.ASSIGNED[:5], "Tomás Herrera", "Nobody"]),
            "created": st.sampled_from([7, 14, 30, 60, 400]),
            "from": days,
            "until": days,
        },
    ).filter(lambda asked: asked.get("from", "") <= asked.get("until", "9"))

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(filters)
    def check(asked: dict[str, Any]) -> None:
        wanted = [row["id"] for row in rows if lets_through(row, asked, teams)]
        page = full.dana.get(address(asked))
        assert names_on(page) == wanted[:50]
        if wanted:
            assert f"1 to {min(50, len(wanted))} of {len(wanted)}" in page.text
        else:
            assert "No incident matches" in page.text

    check()


def test_what_was_resolved_long_after_is_found_by_the_day_on_which_it_was_created(full: Hub, rows: list[Row]) -> None:
    long = timedelta(days=8)
    late = [row for row in rows if row["resolved_at"] and row["resolved_at"] - row["created_at"] > long]
    assert late
    for row in late[:5]:
        day = row["created_at"].astimezone(LISBON).date().isoformat()
        for more in ({}, {"service": row["service_id"]}, *({"assigned": one} for one in history.ASSIGNED[:5])):
            asked = {"from": day, "until": day, **more}
            wanted = [one["id"] for one in rows if lets_through(one, asked, {})]
            assert names_on(full.dana.get(address(asked))) == wanted


def test_every_incident_is_reached_page_by_page_once_and_in_order(full: Hub, rows: list[Row]) -> None:
    for asked in ({}, {"q": "incident"}, {"priority": [rows[-1]["priority_id"] or "none", rows[0]["priority_id"]]}):
        found = [name for page in pages_of(full, address(asked)) for name in names_on(page)]
        assert found == [row["id"] for row in rows if lets_through(row, asked, {})]
    last = list(pages_of(full, "/"))[-1]
    assert f"301 to {NUMBER} of {NUMBER}" in last.text


@pytest.mark.parametrize("status", ["resolved", "open"])
def test_nothing_is_counted_beyond_a_thousand_and_everything_is_reached(
    make_hub: Callable[..., Hub], status: str
) -> None:
    hub = make_hub()
    hub.start()
    eventually(lambda: hub.rows("SELECT 1 FROM incidents_service LIMIT 1"))
    eventually(lambda: all_put_off(hub))  # or PagerDuty would be asked for what it never had
    many = list(_history(hub, MANY))
    if status == "open":
        many = [row | {"status": "triggered", "resolved_at": None} for row in many]
    wanted = {row["id"] for row in many if (row["status"] == "resolved") == (status == "resolved")}
    assert len(wanted) > 1000
    history.insert(hub, many)

    first, *_, last = pages = list(pages_of(hub, f"/?status={status}"))
    found = [name for page in pages for name in names_on(page)]
    assert len(found) == len(wanted)
    assert set(found) == wanted
    assert "<small>1,000+" in first.text
    assert "1 to 50 of 1,000+ ·" in first.text
    assert f"1,051 to {len(wanted):,} ·" in last.text
    if status == "open":
        assert "<h1>1,000+ open, 1,000+ with nobody on it</h1>" in first.text
    csv_page = hub.dana.get(f"/incidents.csv?status={status}")
    assert len(csv_page.text.splitlines()) == len(wanted) + 1


def test_a_filter_may_be_written_with_names(full: Hub, rows: list[Row]) -> None:
    (service,) = full.rows("SELECT id, name FROM incidents_service WHERE id = %s", rows[0]["service_id"])
    (priority,) = full.rows("SELECT id, name FROM incidents_priority WHERE name = 'P1'")
    by_name = names_on(full.dana.get(address({"service": service["name"].lower(), "priority": "p1"})))
    assert by_name == names_on(full.dana.get(address({"service": service["id"], "priority": priority["id"]})))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("status=closed", "“closed” is no status: there are open, triggered, acknowledged and resolved"),
        ("priority=P9&status=open", "There is no PagerDuty priority “P9”"),
        ("service=%00%FF%22%27%3Cb%3E", "There is no service in PagerDuty"),
        ("team=x", "There is no team in PagerDuty “x”"),
        ("created=-7", "“-7” is no number of days"),
        ("created=99999999999", "is no number of days"),
        ("created=%D9%A3", "is no number of days"),
        ("from=yesterday", "“yesterday” is no date such as"),
        ("until=0001-01-01", "“0001-01-01” is no date"),
        ("from=2026-02-03&until=2026-02-01", "2026-02-01 is before 2026-02-03"),
        ("q=%22%2A%20%28%29", "has no letter or digit to look for"),
    ],
)
def test_a_filter_that_makes_no_sense_is_told_and_left_out(full: Hub, query: str, said: str) -> None:
    page = full.dana.get(f"/?{query}")
    assert page.status == 400
    assert said in unescape(page.text)
    assert re.search(r'<span class="id">', page.text), "the rest of the filter holds"
    assert full.dana.get(f"/incidents.csv?{query}").status == 400


@pytest.mark.parametrize(
    "query", ['q=")', "q=a%20OR%20b%20NEAR(", "q=*", "q=filed:s", "q=%27%3B--x", "assigned=%25_%27"]
)
def test_what_means_something_to_the_database_is_text_like_any_other(full: Hub, query: str) -> None:
    assert full.dana.get(f"/?{query}").status in (200, 400)
    assert full.dana.get("/").status == 200


@given(
    st.dictionaries(
        st.sampled_from(
            ["q", "status", "priority", "service", "team", "assigned", "created", "from", "until", "after"]
        ),
        st.text(max_size=40),
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_nothing_breaks_on_nonsense(full: Hub, query: dict[str, str]) -> None:
    assert full.dana.get(address(query)).status in (200, 400)


@pytest.mark.parametrize(
    "after",
    "x ~ 50~r~2025-99-99T00:00:00Z~x 50~t~~~ -1~r~2025-01-01T00:00:00Z~x 1~r~0001-01-01T00:00:00Z~x".split(),
)
def test_a_position_that_makes_no_sense_is_the_beginning(full: Hub, rows: list[Row], after: str) -> None:
    assert names_on(full.dana.get(address({"after": after}))) == [row["id"] for row in rows[:50]]


# ── words ─────────────────────────────────────────────────────────────────────────────────────────


def found(hub: Hub, text: str) -> set[str]:
    return set(names_on(hub.dana.get(address({"q": text}))))


def test_words_of_a_new_report_and_of_its_people_are_found_at_once(hub: Hub) -> None:
    form = report_form(hub, title="Quokka-Größe <wombat@example.com>", description="“Numbat”, 502s")
    name = hub.dana.post("/report", form).incident
    hub.finished(name)
    for text in ("quokka", "QUOKKA große", "größe", "wombat", "numbat", "502s", name, "numbat Dana Okafor"):
        assert name in found(hub, text), text
    (incident,) = hub.rows(
        "SELECT name FROM incidents_responder WHERE incident_id = %s AND why <> 'reporter' LIMIT 1", name
    )
    assert name in found(hub, f"quokka {incident['name']}")
    for text in ("quokk", "uokka", "quokka platypus"):
        assert name not in found(hub, text), "whole words, all of them"


def test_words_follow_what_is_changed(hub: Hub) -> None:
    name = hub.dana.post("/report", report_form(hub, title="Bandicoot")).incident
    hub.finished(name)
    _forget_page(hub, name)
    hub.rows("UPDATE incidents SET title = %s, assigned = %s WHERE id = %s", "Bilby", '["Zoë Example"]', name)
    assert name not in found(hub, "bandicoot")
    assert name in found(hub, "bilby zoe")
    at = "2026-01-02 03:04:05+00" if hub.database_url else "2026-01-02 03:04:05"
    hub.rows("UPDATE incidents SET status = 'resolved', resolved_at = %s WHERE id = %s", at, name)
    assert name in found(hub, "bilby zoe")
    assert names_on(hub.dana.get(address({"assigned": "Zoë Example", "status": "resolved"}))) == [name]


def test_whoever_is_offered_is_found_however_pagerduty_writes_their_name(hub: Hub) -> None:
    name = hub.dana.post("/report", report_form(hub, title="Kowari")).incident
    hub.finished(name)
    _forget_page(hub, name)
    hub.rows("UPDATE incidents SET assigned = %s WHERE id = %s", '["Anna  Example"]', name)
    asked = address({"assigned": "Anna  Example"})
    assert eventually(lambda: names_on(hub.dana.get(asked))) == [name]
    assert '<option value="Anna  Example" selected>' in hub.dana.get(asked).text


def _forget_page(hub: Hub, name: str) -> None:
    """From now on PagerDuty says nothing of it, so what is changed here stays so. Its key would find it again."""
    (row,) = hub.rows("SELECT pagerduty_id FROM incidents WHERE id = %s", name)
    hub.rows("UPDATE incidents SET pagerduty_id = %s WHERE id = %s", f"not-{row['pagerduty_id']}", name)


def test_a_word_that_is_too_long_for_an_index_stops_no_report(hub: Hub) -> None:
    name = hub.dana.post("/report", report_form(hub, title="Dunnart", description="x" * 19_000)).incident
    assert name in found(hub, "dunnart")


def test_what_was_there_before_the_search_is_filed_by_the_migration(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub()
    undone = hub.command("manage", "migrate", "incidents", "0001")
    assert undone.returncode == 0, undone.stderr
    hub.rows(
        "INSERT INTO incidents_service (id, name, description, status, url, listed)"
        " VALUES (%s, %s, '', 'active', '', %s)",
        "POLD",
        "Old service",
        True,
    )
    rows = list(history.incidents(60, services=["POLD"], priorities=[], now=NOW))
    for row in rows:
        row["priority_id"] = None
    history.insert(hub, rows)
    done = hub.command("manage", "migrate")
    assert done.returncode == 0, done.stderr
    hub.start()
    for asked in ({"q": "refund"}, {"assigned": rows[-1]["assigned"][0], "status": "resolved"}):
        wanted = {row["id"] for row in rows if lets_through(row, asked, {})}
        assert wanted
        assert set(names_on(hub.dana.get(address(asked)))) == wanted


def test_where_paging_had_ended_before_the_upgrade_is_known_after_it(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub()
    hub.run("manage", "migrate", "incidents", "0008")
    told = {"ended": ("goes on", "ended"), "goes on": ("ended", "goes on"), "resolved": ("ended",), "untold": ()}
    columns = "id, name, description, status, url, listed"
    hub.rows(f"INSERT INTO incidents_service ({columns}) VALUES ('P1', 'Old', '', 'active', '', %s)", True)  # noqa: S608
    rows = list(history.incidents(len(told), services=["P1"], priorities=[], now=NOW))
    for row, (name, facts) in zip(rows, told.items(), strict=True):
        status = "resolved" if name == "resolved" else "triggered"
        row |= {"id": name, "priority_id": None, "status": status, "resolved_at": NOW if status == "resolved" else None}
        history.insert(hub, [row])
        for minute, fact in enumerate(facts):
            hub.rows(
                "INSERT INTO incidents_timelineentry (incident_id, at, source, kind, text, body, actor, facts)"
                " VALUES (%s, %s, 'pagerduty', 'people', 'told', '', '', %s)",
                *(name, f"2026-01-01 00:0{minute}:00", f"\npaging:{fact}\n"),
            )
    hub.run("manage", "migrate")
    ended = "SELECT id FROM incidents WHERE paging_ended"
    assert [row["id"] for row in hub.rows(ended)] == ["ended"]


#: Some are composed of letters and marks, and may be so in two ways; in some alphabets there is one way alone.
ALPHABETS = "Сергей ёлка Αθήνας 서울 データベース हिन्दी می\u200cخواهم Café".split()
WAYS: list[Literal["NFC", "NFD"]] = ["NFC", "NFD"]


def test_words_of_any_alphabet_are_found_however_they_are_composed(hub: Hub) -> None:
    titles = [unicodedata.normalize(way, " ".join(ALPHABETS)) for way in WAYS]
    both = {hub.dana.post("/report", report_form(hub, title=title)).incident for title in titles}
    for name in both:
        hub.finished(name)
    for word in ALPHABETS:
        for text in (word, word.upper()):
            for way in WAYS:
                assert both <= found(hub, unicodedata.normalize(way, text)), f"{text}, {way}"
    assert both <= found(hub, "cafe")
    for part in ("Серг", "θήνας", "서", "データ", "デ", "हि", "हिन"):
        for way in WAYS:
            assert not both & found(hub, unicodedata.normalize(way, part)), f"whole words: {part}, {way}"


def test_a_word_ends_at_an_emoji(hub: Hub) -> None:
    name = hub.dana.post("/report", report_form(hub, title="⚠️Wallaby👍🏽")).incident
    hub.finished(name)
    assert name in found(hub, "wallaby")


# ── live ──────────────────────────────────────────────────────────────────────────────────────────


def parts(hub: Hub, path: str, digest: str = "") -> Page:
    """What the page's own script is answered."""
    return hub.dana.get(path, **{"HX-Request": "true", "If-None-Match": f'"{digest}"'})


def test_the_page_asks_again_and_is_told_when_nothing_changed(hub: Hub) -> None:
    name = hub.dana.post("/report", report_form(hub, title="Potoroo")).incident
    hub.finished(name)
    _forget_page(hub, name)
    hub.rows("UPDATE incidents SET status = 'resolved', resolved_at = created_at WHERE id = %s", name)

    def unchanged() -> str:
        """The digest of the parts, once they stood still between two looks."""
        page = parts(hub, "/?q=potoroo")
        (digest,) = re.findall(r"""hx-headers='{"If-None-Match": "\\"(\w+)\\""}'""", page.text)
        assert "<form" not in page.text, "nothing that somebody types in is replaced"
        return digest if parts(hub, "/?q=potoroo", digest).status == 304 else ""

    digest = eventually(unchanged)
    hub.rows("UPDATE incidents SET title = 'Potoroo again' WHERE id = %s", name)
    changed = parts(hub, "/?q=potoroo", digest)
    assert changed.status == 200
    assert "Potoroo again" in changed.text


# ── how old it is ─────────────────────────────────────────────────────────────────────────────────


def test_the_first_page_of_all_says_what_will_be_there_and_when_pagerduty_was_read(
    make_hub: Callable[..., Hub],
) -> None:
    hub = make_hub(TIME_ZONE=str(LISBON))
    hub.start()
    eventually(lambda: "<h1>All quiet</h1>" in hub.dana.get("/").text)
    text = hub.dana.get("/").text
    assert "No incident has been reported yet" in text
    assert re.search(r'<a class="button primary" href="/report">Report an incident</a>', text)

    def told() -> bool:
        read_at, text = _read_at(hub, "poll"), hub.dana.get("/").text
        assert read_at is not None
        return (
            f">{read_at.astimezone(LISBON):%H:%M}" in text.partition("Read from PagerDuty at")[2].partition("</p>")[0]
        )

    eventually(told)


def test_pages_say_how_old_they_are_and_after_ten_minutes_that_nobody_can_be_paged(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub(TIME_ZONE=str(LISBON))
    hub.start()
    eventually(lambda: _read_at(hub, "poll") and _read_at(hub, "directory"))
    sandbox.fault("pagerduty", "down")
    hub.poll_now()
    hub.read_directory_now()
    eventually(lambda: "This list is" in hub.dana.get("/").text)
    eventually(lambda: "This page is" in hub.dana.get("/on-call").text)

    _read_before(hub, timedelta(minutes=9, seconds=5))
    eventually(lambda: "<strong>This list is 9 min old.</strong>" in hub.dana.get("/").text)
    assert "You can still report: the Slack channel opens at once" in hub.dana.get("/").text
    eventually(lambda: "<strong>This page is 9 min old.</strong>" in hub.dana.get("/on-call").text)
    assert "nobody can be paged by this page" not in hub.dana.get("/").text

    read_at = _read_before(hub, timedelta(minutes=11))
    eventually(lambda: "nobody can be paged by this page" in hub.dana.get("/").text)
    text = hub.dana.get("/").text
    assert re.search(rf"Nothing was read since ([^<]*, )?{read_at.astimezone(LISBON):%H:%M}", text)
    assert "(11 min)" in text
    assert "PagerDuty has not answered for 11 min" in text
    assert "This list is" not in text

    sandbox.mend()
    hub.poll_now()
    eventually(lambda: "<h1>All quiet</h1>" in hub.dana.get("/").text)
    assert "nobody can be paged by this page" not in hub.dana.get("/").text


def _read_at(hub: Hub, step: str) -> datetime | None:
    """When this part of PagerDuty was last read."""
    rows = hub.rows("SELECT finished_at FROM jobs_step WHERE name = %s AND finished_at IS NOT NULL", step)
    return moment(rows[0]["finished_at"]) if rows else None


def _read_before(hub: Hub, ago: timedelta) -> datetime:
    """Nothing has been read for so long."""
    at = datetime.now(UTC) - ago
    hub.rows("UPDATE jobs_step SET finished_at = %s WHERE name IN ('poll', 'directory')", str(at.replace(tzinfo=None)))
    return at


def test_without_scripts_nothing_reloads_while_somebody_types_and_a_link_reads_again(hub: Hub) -> None:
    name = hub.dana.post("/report", report_form(hub, title="Quokka")).incident
    hub.finished(name)
    eventually(lambda: "Read from PagerDuty at" in hub.dana.get("/").text)
    for path in ("/?q=quokka", f"/incidents/{name}", f"/incidents/{name}?kind=note"):
        text = hub.dana.get(path).text
        assert 'http-equiv="refresh"' not in text
        assert re.search(rf'<noscript>[^<]*<a href="{re.escape(path)}\??">Read again</a></noscript>', text)


# ── CSV ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_csv_has_every_incident_of_the_filter_in_order(full: Hub, rows: list[Row]) -> None:
    for asked in ({}, {"status": "resolved"}, {"q": "refund"}):
        text = full.dana.get(address(asked, "/incidents.csv")).text
        lines = list(csv.DictReader(io.StringIO(text)))
        assert [line["name"] for line in lines] == [row["id"] for row in rows if lets_through(row, asked, {})]
    assert lines[0]["created"].endswith("Z")


def test_a_cell_of_the_csv_is_no_formula(hub: Hub) -> None:
    for sign in "=+-@":
        assert hub.dana.post("/report", report_form(hub, title=f'{sign}cmd() dibblers; {sign}7;"{sign}8')).incident

    def all_there() -> bool:
        text = hub.dana.get("/incidents.csv?q=dibblers").text
        lines = list(csv.DictReader(io.StringIO(text)))
        assert "+1" not in str(lines), "no phone numbers"
        told = sorted(f"'{sign}cmd() dibblers; '{sign}7;\"'{sign}8" for sign in "=+-@")
        assert sorted(line["title"] for line in lines) == told
        elsewhere = [cell.strip() for row in csv.reader(io.StringIO(text), delimiter=";") for cell in row]
        assert not [cell for cell in elsewhere if cell.lstrip('"').startswith(tuple("=+-@"))]
        return True

    eventually(all_there)  # on a busy machine one may come by way of the journal


# ── saved views ───────────────────────────────────────────────────────────────────────────────────


def test_a_view_is_saved_chosen_and_deleted_by_the_person_alone(full: Hub) -> None:
    full.command("manage", "createadmin", "ana@example.com", "--name", "Ana", "--password-stdin", stdin=PASSWORD)
    ana = Browser(full.url)
    ana.sign_in("ana@example.com", PASSWORD)
    shown = ana.post("/views", {"name": "Mine & open", "query": "status=open&nonsense=1"})
    assert shown.url == f"{full.url}/?status=open"
    page = ana.get("/")
    assert '<a href="/?status=open" dir="auto">Mine &amp; open</a>' in page.text
    assert "Mine &amp; open" not in full.dana.get("/").text
    ana.post("/views", {"name": "Mine & open", "query": "", "delete": "1"})
    assert "Mine &amp; open" not in ana.get("/").text
    for n in range(25):
        ana.post("/views", {"name": f"View {n}", "query": "status=open"})
    assert ana.get("/").text.count("Delete <span") == 20
    assert "You have 20 views. Delete one to save another." in ana.get("/?status=open").text


# ── who is on call ────────────────────────────────────────────────────────────────────────────────


def test_the_on_call_page_has_every_service_and_every_person(full: Hub) -> None:
    by_team, by_person = full.dana.get("/on-call").text, full.dana.get("/on-call?by=person").text
    for row in full.rows("SELECT name FROM incidents_service WHERE listed"):
        assert row["name"] in unescape(by_team)
    people = "SELECT DISTINCT p.name FROM incidents_oncall o JOIN incidents_person p ON p.id = o.person_id"
    for row in full.rows(people):
        assert row["name"] in unescape(by_person)
    assert "+1" not in by_team + by_person, "no phone numbers"


def test_a_level_that_nobody_is_on_yet_says_until_when(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    begins = NOW.replace(second=0) + timedelta(hours=6)
    turn = {"user_id": user_id("jonas.weber"), "start": begins.timestamp(), "end": begins.timestamp() + 3600}
    rota = schedule_id("Storefront primary")
    sandbox.plant("pagerduty", "schedules", rota, set={"user_ids": [], "overrides": [turn]})
    levels = [user_id("lucia.paredes"), rota, schedule_id("Payments primary"), user_id("priya.nair")]
    rules = [level(target, number=number) for number, target in enumerate(levels, 1)]
    sandbox.plant("pagerduty", "policies", policy_id("Platform"), set={"rules": rules})
    hub = make_hub(TIME_ZONE=str(LISBON))
    hub.start()
    eventually(lambda: hub.rows("SELECT 1 FROM incidents_service LIMIT 1"))
    local = begins.astimezone(LISBON)
    from_then = f"{local:%H:%M}" if local.date() == datetime.now(LISBON).date() else f"tomorrow {local:%H:%M}"

    (checkout,) = _lines(hub, "/on-call", "Checkout API")
    assert re.search(rf"level 1: nobody until {from_then} Oskar Lindqvist until .+?, level 2", checkout)
    assert f"Jonas Weber from {from_then}" in checkout
    assert "Dana Okafor after 10 min" in checkout
    (identity,) = _lines(hub, "/on-call", "Identity")
    nobody = f"level 2: nobody until {from_then}, then level 3: nobody within a day"
    assert f"{nobody}, then Priya Nair after 5 min" in identity
    (jonas,) = _lines(hub, "/on-call?by=person", "Jonas Weber")
    assert re.search(rf"Checkout API[^)]* level 1, from {from_then}", jonas)
    (payments,) = _lines(hub, "/on-call", "Payments")
    assert payments == "Payments Nobody is on call"


def _lines(hub: Hub, path: str, about: str) -> list[str]:
    """Rows of the page's tables that begin with this, in words."""
    rows = re.findall(r"<tr>(.*?)</tr>", hub.dana.get(path).text, re.DOTALL)
    texts = [" ".join(unescape(re.sub(r"<br>", " ", re.sub(r"</?(?!br)[^>]+>", "", row))).split()) for row in rows]
    return [text for text in texts if text.startswith(about)]


def test_looking_asks_nobody_outside(make_hub: Callable[..., Hub], quiet_sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.sandbox = quiet_sandbox
    hub.start()
    eventually(lambda: hub.rows("SELECT 1 FROM incidents_service LIMIT 1"))
    eventually(lambda: hub.rows("SELECT 1 FROM incidents_member LIMIT 1"))
    later = datetime.now(UTC) + timedelta(hours=1)
    hub.rows("UPDATE jobs_step SET run_at = %s WHERE state = 'waiting'", str(later.replace(tzinfo=None)))
    quiet_sandbox.control("/calls", method="DELETE")
    for path in (
        "/",
        "/?q=refund",
        "/?created=7",
        "/incidents.csv",
        "/on-call",
        "/on-call?by=person",
        "/people",
        "/people.csv",
        "/account",
    ):
        assert hub.dana.get(path).status == 200
    assert quiet_sandbox.calls() == []
