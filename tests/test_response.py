"""What follows a report when everything works, seen from PagerDuty, from Slack and in the database."""

import time
from collections.abc import Callable

from tests.doctor import schedule_id, user_id
from tests.processes import Hub, Sandbox, eventually, report_form


def test_mei_is_paged_and_told_what_is_wrong_and_who_says_so(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)

    page = sandbox.page_of(name)
    assert (page["title"], page["service"], page["priority"]) == (
        "Card payments fail with 502 at checkout",
        "Checkout API",
        "P1",
    )
    assert page["details"].startswith("Since about 03:15.")
    assert "Dana Okafor (dana.okafor@example.com)" in page["details"]
    assert f"{hub.url}/incidents/{name}" in page["details"]
    assert sandbox.ringing == {"Mei Tanaka"}


def test_the_channel_opens_under_the_incidents_name_with_the_right_people_in_it(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)

    channel, row = sandbox.channel_of(name), hub.incident(name)
    assert (row["slack_channel_id"], row["slack_channel_name"]) == (channel["id"], name)
    assert row["slack_channel_url"] == f"{sandbox.addresses['page']}/slack/archives/{channel['id']}"
    # Levels one and two of the policy, and the reporter.
    assert sandbox.members_of(name) == {"Mei Tanaka", "Oskar Lindqvist", "Dana Okafor"}


def test_who_took_over_since_the_rota_was_read_is_invited_too(hub: Hub, sandbox: Sandbox) -> None:
    _takes_over(sandbox, "priya.nair")
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)
    assert sandbox.ringing == {"Priya Nair"}
    assert sandbox.members_of(name) == {"Priya Nair", "Mei Tanaka", "Oskar Lindqvist", "Dana Okafor"}


def test_who_took_over_from_a_namesake_is_not_taken_for_them(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    sandbox.plant("pagerduty", "users", user_id("priya.nair"), set={"name": "Mei Tanaka"})
    hub = make_hub()
    hub.start()
    hub.put_off_directory()
    _takes_over(sandbox, "priya.nair")
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)
    assert "Priya Nair" in sandbox.members_of(name)  # as Slack knows her


def test_pagerduty_is_not_asked_whom_it_paged_where_it_has_said_so(hub: Hub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "500", method="GET /incidents/{id}")
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)
    assert sandbox.members_of(name) == {"Mei Tanaka", "Oskar Lindqvist", "Dana Okafor"}


def _takes_over(sandbox: Sandbox, who: str) -> None:
    shift = {"user_id": user_id(who), "start": time.time() - 60, "end": time.time() + 86400}
    sandbox.plant("pagerduty", "schedules", schedule_id("Storefront primary"), set={"overrides": [shift]})


def test_the_channel_has_a_topic_a_pinned_summary_and_bookmarks(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)

    channel = sandbox.channel_of(name)
    assert channel["topic"]["value"] == (
        "P1 Checkout API · Card payments fail with 502 at checkout · Triggered · Commander: Dana Okafor"
    )
    (summary,) = sandbox.messages(name, f"{name}/summary")
    assert [pin["ts"] for pin in channel["pins"]] == [summary["ts"]]
    assert "Since about 03:15." in summary["text"]
    links = {bookmark["title"]: bookmark["link"] for bookmark in channel["bookmarks"]}
    assert links == {"Incident": f"{hub.url}/incidents/{name}", "PagerDuty": hub.incident(name)["pagerduty_url"]}


def test_calls_share_connections_that_are_kept(hub: Hub, sandbox: Sandbox) -> None:
    for _ in range(3):
        hub.finished(hub.dana.post("/report", report_form(hub)).incident)
    for provider in ("pagerduty", "slack"):
        calls = sandbox.calls(provider=provider)
        assert len({call["port"] for call in calls}) < len(calls) / 2, provider


def test_incidents_is_told_and_pagerduty_gets_the_channels_link(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)

    (announcement,) = sandbox.messages("incidents", f"{name}/announcement")
    assert "Card payments fail" in announcement["text"]
    (note,) = sandbox.page_of(name)["notes"]
    assert hub.incident(name)["slack_channel_url"] in note["content"]


def test_the_database_keeps_the_ten_columns_it_always_had(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)

    query = """SELECT id, created_at, updated_at, pagerduty_id, pagerduty_url, slack_channel_id, slack_channel_name,
                      slack_channel_url, reporter_email, incident_commander_email FROM incidents"""
    (row,) = hub.rows(f"{query} WHERE id = %s", name)
    assert row["pagerduty_id"] == sandbox.page_of(name)["id"]
    assert row["reporter_email"] == row["incident_commander_email"] == "dana.okafor@example.com"
    assert None not in row.values()


def test_whoever_slack_does_not_know_is_named_in_the_channel_and_on_the_page(hub: Hub, sandbox: Sandbox) -> None:
    """Ana Costa is on call for the warehouse, and has another e-mail in Slack."""
    name = hub.dana.post("/report", report_form(hub, service_name="Data Warehouse")).incident
    hub.finished(name)

    assert sandbox.ringing == {"Ana Costa"}
    assert sandbox.members_of(name) == {"Tomás Herrera", "Dana Okafor"}
    (message,) = sandbox.messages(name, f"{name}/missing/ana.costa@example.com")
    assert "Ana Costa" in message["text"]
    assert "Ana Costa" in hub.dana.get(f"/incidents/{name}/responding").text


def test_somebody_deactivated_in_slack_does_not_keep_the_others_out(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub, service_name="Warehouse Scanners")).incident
    hub.finished(name)
    assert sandbox.members_of(name) == {"Dana Okafor"}
    assert "Henrik Aalto" in sandbox.messages(name, f"{name}/missing/henrik.aalto@example.com")[0]["text"]


def test_somebody_who_joined_slack_after_our_last_reading_is_found_and_invited(hub: Hub, sandbox: Sandbox) -> None:
    member = next(one for one in sandbox.state["slack"]["members"] if one["real_name"] == "Ana Costa")
    sandbox.plant("slack", "members", member["id"], set={"email": "ana.costa@example.com"})
    name = hub.dana.post("/report", report_form(hub, service_name="Data Warehouse")).incident
    hub.finished(name)
    assert "Ana Costa" in sandbox.members_of(name)


def test_when_nobody_answers_the_next_level_rings_and_the_page_says_so(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)
    sandbox.advance(5 * 60 + 1)
    eventually(lambda: "Oskar Lindqvist" in sandbox.ringing)
    hub.poll_now()
    eventually(lambda: "Oskar Lindqvist" in hub.incident(name)["assigned"])


def test_acknowledging_and_resolving_in_pagerduty_arrives_by_the_poll(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)
    page = sandbox.page_of(name)["id"]

    sandbox.acknowledge(page, sandbox.user_id("Mei Tanaka"))
    hub.poll_now()
    eventually(lambda: hub.incident(name)["status"] == "acknowledged")
    assert "Acknowledged by Mei Tanaka" in hub.dana.get(f"/incidents/{name}").text

    # What is resolved leaves PagerDuty's open list, and is read by itself then.
    sandbox.resolve(page, sandbox.user_id("Mei Tanaka"))
    hub.poll_now()
    row = eventually(lambda: (row := hub.incident(name))["status"] == "resolved" and row)
    assert row["resolved_at"] is not None


def test_without_an_announce_channel_the_step_says_it_is_not_set_up(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    hub = make_hub(SLACK_ANNOUNCE_CHANNEL="")
    hub.start()
    name = hub.dana.post("/report", report_form(hub)).incident
    assert hub.finished(name)["announce"]["state"] == "off"
    assert sandbox.messages("incidents") == []


def test_markup_in_a_report_pings_nobody_in_slack(hub: Hub, sandbox: Sandbox) -> None:
    form = report_form(hub, title="<!channel> *all* & <@U123> down", description="<!here> <script>alert(1)</script>")
    name = hub.dana.post("/report", form).incident
    hub.finished(name)
    for channel in (name, "incidents"):
        for message in sandbox.messages(channel):
            assert "<!channel>" not in message["text"]
            assert "<!here>" not in message["text"]
            assert "<@U123>" not in message["text"]
            plain = {b["text"]["text"] for b in message["blocks"] if b.get("text", {}).get("type") == "plain_text"}
            assert all("<!" not in text for text in _markup_of(message)), plain


def _markup_of(message: dict[str, object]) -> list[str]:
    """All text of a message that Slack reads as markup."""
    found = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if node.get("type") == "mrkdwn":
                found.append(str(node["text"]))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(message["blocks"])
    return found


def test_an_incident_that_pagerduty_reopens_is_open_here_again(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)
    page = sandbox.page_of(name)["id"]
    sandbox.resolve(page, sandbox.user_id("Mei Tanaka"))
    hub.poll_now()
    eventually(lambda: hub.incident(name)["status"] == "resolved")

    sandbox.plant("pagerduty", "incidents", page, set={"status": "triggered"})
    hub.poll_now()
    eventually(lambda: hub.incident(name)["status"] == "triggered")
    assert "Reopened" in hub.dana.get(f"/incidents/{name}").text


def test_a_poll_that_brings_nothing_new_writes_nothing(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)
    hub.poll_now()
    before = hub.incident(name)
    polled = len(sandbox.calls("GET /incidents"))
    hub.poll_now()
    eventually(lambda: len(sandbox.calls("GET /incidents")) > polled)
    assert hub.incident(name)["updated_at"] == before["updated_at"]
