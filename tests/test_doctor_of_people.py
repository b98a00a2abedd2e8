"""What the doctor says of people on call who cannot be invited to Slack channels."""

from collections.abc import Callable

from incident_central.sandbox.company import SLACK_TOKEN
from tests.doctor import UNTRIED, Doctor, heal, member_id
from tests.journeys.conftest import on_sqlite
from tests.processes import Hub, Sandbox, eventually

pytestmark = on_sqlite


def started(hub: Hub, sandbox: Sandbox) -> Hub:
    """In the healthy company, once it knows who people are."""
    heal(sandbox, f"{hub.url}/webhooks/pagerduty")
    hub.start()
    eventually(lambda: hub.rows("SELECT 1 FROM incidents_oncall"))
    eventually(lambda: ended_at(hub))
    return hub


def ended_at(hub: Hub) -> str:
    return "".join(str(row["ended_at"]) for row in hub.rows("SELECT ended_at FROM incidents_membersread"))


def read_members(hub: Hub) -> None:
    before = ended_at(hub)
    hub.read_members_now()
    eventually(lambda: ended_at(hub) != before)


def test_each_person_on_call_whom_slack_does_not_know_is_found_and_the_fixes_turn_it_green(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    doctor = Doctor(hub := started(make_hub(), sandbox))
    assert doctor.finds().keys() == UNTRIED
    assert doctor.exit_code == 0

    def member(name: str, **fields: object) -> None:
        sandbox.plant("slack", "members", member_id(sandbox, name), set=fields)

    member("Ana Costa", email="ana@example.com")
    member("Henrik Aalto", deleted=True)
    member("Jonas Weber", is_restricted=True)
    member("Priya Nair", email="")
    sandbox.plant("slack", "members", create={"name": "priya2", "real_name": "PRIYA NAIR", "email": "p@example.com"})
    member("Eva Lindgren", email="")
    read_members(hub)
    found = doctor.finds()
    titles = {id_: [one["title"] for one in findings] for id_, findings in found.items() if id_ not in UNTRIED}
    assert titles == {
        "people.not-in-slack": ["Ana Costa is on call now, and not known in Slack"],
        "people.deactivated": ["Henrik Aalto is on call now, and deactivated in Slack"],
        "people.guest": ["Jonas Weber is on call now, and a guest in Slack"],
        "people.ambiguous": ["Priya Nair is on call now, and several members of Slack may be them"],
        "people.others-not-known": ["People who are not on call, and not known in Slack: 1"],
    }
    assert doctor.exit_code == 1
    (ana,) = found["people.not-in-slack"]
    assert "Slack lists nobody with ana.costa@example.com. It may be Ana Costa (@ana.costa)." in ana["said"]
    assert ana["url"].startswith(f"{hub.url}/people/")
    assert "PRIYA NAIR (@priya2)" in found["people.ambiguous"][0]["said"]
    assert "a multi-channel guest" in found["people.guest"][0]["said"]
    assert "Eva Lindgren" in found["people.others-not-known"][0]["said"]
    assert seen_in_step_2(hub) >= titles.keys()

    # As the fixes say: here for two of them, in Slack for the others.
    for finding in (ana, *found["people.ambiguous"]):
        name = finding["title"].partition(" is ")[0]
        hub.dana.post(finding["url"].removeprefix(hub.url), {"member": member_id(sandbox, name)})
    member("Henrik Aalto", deleted=False)
    member("Jonas Weber", is_restricted=False)
    member("Eva Lindgren", email="eva.lindgren@example.com")
    read_members(hub)
    assert doctor.finds().keys() == UNTRIED

    # Whoever was chosen has left Slack.
    sandbox.plant("slack", "members", member_id(sandbox, "Ana Costa"), delete=True)
    read_members(hub)
    assert "Dana Okafor said that it is Ana Costa" in doctor.finds()["people.not-in-slack"][0]["said"]


def seen_in_step_2(hub: Hub) -> set[str]:
    """Findings on the page Set-up, once everything was checked."""
    hub.dana.post("/set-up/check", {})

    def step_2() -> str:
        text = hub.dana.get("/set-up").text
        assert "Check everything again" in text
        return text.partition('id="step-2"')[2].partition('id="step-3"')[0]

    return {part.partition('"')[0] for part in eventually(step_2).split('data-finding="')[1:]}


def test_what_is_not_known_of_people_is_no_pass(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    doctor = Doctor(hub := started(make_hub(), sandbox))

    def said(**settings: str) -> str:
        (finding,) = doctor.finds(**settings)["people.not-checked"]
        assert doctor.exit_code
        return str(finding["said"])

    assert "Slack is not set up" in said(SLACK_BOT_TOKEN="")

    sandbox.plant("slack", "tokens", SLACK_TOKEN, set={"state": "token_revoked"})
    hub.read_members_now()
    eventually(lambda: hub.rows("SELECT 1 FROM jobs_step WHERE name = 'members' AND error <> ''"))
    assert "when both were last read. Slack's members: " in said()

    sandbox.plant("slack", "tokens", SLACK_TOKEN, set={"state": "", "scopes": ["users:read"]})
    read_members(hub)
    assert "users:read.email" in said()

    hub.stop()
    hub.rows("DELETE FROM incidents_membersread")
    assert "Slack's members have not been read yet" in said()
    hub.rows("UPDATE incidents_person SET listed = %s", False)
    assert "PagerDuty's users have not been read yet" in said()
