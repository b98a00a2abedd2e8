"""What follows a report when everything works."""

from tests.processes import Hub, Sandbox, report_form


def test_mei_is_paged_and_a_channel_opens_with_the_right_people_in_it(hub: Hub, sandbox: Sandbox) -> None:
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.finished(name)

    page = sandbox.page_of(name)
    assert page["title"] == "Card payments fail with 502 at checkout"
    assert "Since about 03:15." in page["body"]["details"]
    assert "Dana Okafor" in page["body"]["details"]
    phones = {phone["name"]: phone["state"] for phone in sandbox.state["phones"]}
    assert phones["Mei Tanaka"] == "ringing"

    channel = sandbox.channel_of(name)
    row = hub.incident(name)
    assert row["slack_channel_id"] == channel["id"]
    assert row["pagerduty_id"] == page["id"]
    print(channel)
