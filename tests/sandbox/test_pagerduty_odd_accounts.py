"""Accounts that are set up oddly, for whoever looks for it: keys, regions, urgency by the hour, no policy."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx2
import pagerduty
import pytest

from incident_central.sandbox.company import FROM_USER, PAGERDUTY_KEY
from incident_central.sandbox.pagerduty.records import fixed_id

if TYPE_CHECKING:
    from slack_sdk import WebClient

    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox

SEARCH = fixed_id("service", "Search")


def service(pager: LocalPagerDuty) -> dict[str, Any]:
    found: dict[str, Any] = pager.rget(f"/services/{SEARCH}")
    return found


def reported(pager: LocalPagerDuty) -> dict[str, Any]:
    incident = {"type": "incident", "title": "It is slow", "service": {"id": SEARCH, "type": "service_reference"}}
    answer: dict[str, Any] = pager.rpost("/incidents", json=incident, headers={"From": FROM_USER.email})
    return answer


def test_a_key_can_be_made_read_only_or_deleted(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    sandbox.plant("pagerduty", "keys", PAGERDUTY_KEY, values={"kind": "read-only"})
    with pytest.raises(pagerduty.HttpError, match="403"):
        reported(pager)
    sandbox.plant("pagerduty", "keys", values={"secret": "a-key-of-20-letters-", "kind": "account"})
    headers = {"Authorization": "Token token=a-key-of-20-letters-"}
    assert httpx2.get(f"{sandbox.pagerduty}/abilities", headers=headers).status_code == 200
    sandbox.plant("pagerduty", "keys", PAGERDUTY_KEY, delete=True)
    assert httpx2.get(f"{sandbox.pagerduty}/abilities", headers=dict(pager.headers)).status_code == 401


@pytest.mark.parametrize("status", [402, 403])
def test_an_account_that_has_ended_says_so(sandbox: RunningSandbox, pager: LocalPagerDuty, status: int) -> None:
    sandbox.switch("pagerduty", "account", f"expired: {status}")
    answer = pager.get("/abilities")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, 2012)


def test_others_use_up_the_limit(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    sandbox.switch("pagerduty", "other_requests", "800")
    assert int(pager.get("/abilities").headers["ratelimit-remaining"]) < 160


def test_links_tell_the_region(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    sandbox.switch("pagerduty", "region", "eu")
    assert service(pager)["html_url"] == f"https://harbour-finch.eu.pagerduty.com/service-directory/{SEARCH}"


def test_the_urgency_may_follow_support_hours(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    sandbox.plant("pagerduty", "services", SEARCH, values={"urgency": "low", "urgency_outside_hours": "low"})
    found = service(pager)
    assert found["incident_urgency_rule"]["type"] == "use_support_hours"
    assert found["incident_urgency_rule"]["outside_support_hours"]["urgency"] == "low"
    assert found["support_hours"]["days_of_week"] == [1, 2, 3, 4, 5]
    assert reported(pager)["urgency"] == "low"


def test_a_service_without_a_policy_takes_no_incident(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    sandbox.plant("pagerduty", "services", SEARCH, values={"policy_id": None})
    assert service(pager)["escalation_policy"] is None
    with pytest.raises(pagerduty.HttpError, match="1014"):
        reported(pager)


def test_a_flexible_schedule_is_in_oncalls_alone(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    rota = fixed_id("schedule", "Platform rota")
    sandbox.plant("pagerduty", "schedules", rota, values={"flexible": True})
    assert rota not in {schedule["id"] for schedule in pager.list_all("/schedules")}
    assert rota in {(row["schedule"] or {}).get("id") for row in pager.list_all("/oncalls")}


def test_answers_carry_the_time_of_the_sandboxs_clock(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    sandbox.advance(3600)
    now = sandbox.state()["clock"]["now"]
    assert abs(parsedate_to_datetime(pager.get("/abilities").headers["Date"]).timestamp() - now) < 60


def test_the_app_may_be_installed_for_an_organisation(sandbox: RunningSandbox, slack: WebClient) -> None:
    assert slack.auth_test()["is_enterprise_install"] is False
    sandbox.switch("slack", "installation", "organisation")
    assert slack.auth_test()["is_enterprise_install"] is True
