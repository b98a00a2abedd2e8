"""Who may call the make-believe PagerDuty, how often, and how it says no (fact sheets 1, 4, 5 and 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx2
import pagerduty
import pytest

from incident_central.sandbox.company import FROM_USER, PAGERDUTY_KEY, PAGERDUTY_READ_ONLY_KEY, PAGERDUTY_USER_KEY

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox

PREVIEW = {"schedule": {"type": "schedule", "time_zone": "Etc/UTC", "name": "doctor", "schedule_layers": []}}


@pytest.fixture
def raw(sandbox: RunningSandbox) -> httpx2.Client:
    """Plain HTTP with the account key, for what the official client would never send."""
    headers = {"Authorization": f"Token token={PAGERDUTY_KEY}", "From": FROM_USER.email}
    return httpx2.Client(base_url=sandbox.pagerduty, headers=headers)


def report(pager: LocalPagerDuty, **more: Any) -> dict[str, Any]:
    service = pager.find("services", "Checkout API")
    assert service is not None
    reference = {"id": service["id"], "type": "service_reference"}
    return {"incident": {"type": "incident", "title": "It is slow", "service": reference, **more}}


def error_of(response: httpx2.Response) -> tuple[int, int, str, list[str] | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["message"], error.get("errors")


def test_the_account_key_is_alive(pager: LocalPagerDuty) -> None:
    assert pager.account_has_ability("teams")
    with pytest.raises(pagerduty.HttpError, match="unknown ability"):
        pager.account_has_ability("flying")
    assert pager.api_key_access == "account"


@pytest.mark.parametrize(
    "header", [None, "Token token=wrong-key-of-twenty-1", f"Token {PAGERDUTY_KEY}", f"Bearer {PAGERDUTY_KEY}"]
)
def test_any_other_key_is_unauthorized(sandbox: RunningSandbox, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = httpx2.get(f"{sandbox.pagerduty}/abilities", headers=headers)
    assert error_of(answer)[:2] == (401, 2006)


def test_a_401_may_be_plain_text(sandbox: RunningSandbox) -> None:
    sandbox.switch("pagerduty", "unauthorized_body", "text")
    answer = httpx2.get(f"{sandbox.pagerduty}/abilities")
    assert (answer.status_code, answer.text) == (401, "HTTP Token: Access denied.\n")


def test_me_of_an_account_key_is_an_error_whose_word_is_a_bare_string(raw: httpx2.Client) -> None:
    answer = raw.get("/users/me")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Because this request was made using an account-level access token")


def test_a_users_key_knows_its_user_and_needs_no_from(pager_with: Callable[..., LocalPagerDuty]) -> None:
    own = pager_with(PAGERDUTY_USER_KEY, email=None)
    assert own.rget("/users/me")["name"] == "Mei Tanaka"
    assert own.api_key_access == "user"
    assert own.jpost("/incidents", json=report(own))["incident"]["status"] == "acknowledged", "she is on call herself"


@pytest.mark.parametrize("when", ["before the body", "after the body"])
def test_a_read_only_key_reads_and_writes_nothing(
    sandbox: RunningSandbox, pager_with: Callable[..., LocalPagerDuty], when: str
) -> None:
    sandbox.switch("pagerduty", "read_only_check", when)
    reader = pager_with(PAGERDUTY_READ_ONLY_KEY)
    assert reader.list_all("/services")
    assert error_of(reader.post("/incidents", json=report(reader)))[:2] == (403, 2010)
    assert error_of(reader.post("/schedules/preview", json=PREVIEW))[:2] == (403, 2010)
    assert reader.post("/schedules/preview", json={}).status_code == (403 if when == "before the body" else 400)
    assert sandbox.state()["pagerduty"]["incidents"] == []


def test_a_schedule_preview_shows_that_a_key_may_write(pager: LocalPagerDuty) -> None:
    before = pager.list_all("/schedules")
    assert pager.post("/schedules/preview", json=PREVIEW).status_code == 200
    assert pager.post("/schedules/preview", json={"schedule": {}}).status_code == 400
    assert pager.list_all("/schedules") == before


@pytest.mark.parametrize(
    ("sent", "status", "code", "message"),
    [
        (None, 400, 2016, 'You must specify a user\'s email address in the "From" header to perform this action'),
        ("", 400, 1028, 'Malformed "From" header'),
        ("Incident Central", 400, 1028, 'Malformed "From" header'),
        ("nobody@example.com", 400, 1008, "Requester User Not Found"),
        ("eva.lindgren@example.com", 403, 1018, "Requester not authorized to perform action"),
    ],
)
def test_the_from_user_must_be_there_and_may_not_be_a_stakeholder(
    raw: httpx2.Client, pager: LocalPagerDuty, sent: str | None, status: int, code: int, message: str
) -> None:
    del raw.headers["From"]
    headers = {} if sent is None else {"From": sent}
    answer = raw.post("/incidents", json=report(pager), headers=headers)
    assert error_of(answer)[:3] == (status, code, message)


def test_a_stakeholder_may_pass_where_roles_are_not_enforced(sandbox: RunningSandbox, raw: httpx2.Client) -> None:
    sandbox.switch("pagerduty", "from_role", "not checked")
    answer = raw.post("/incidents", json={"incident": {}}, headers={"From": "eva.lindgren@example.com"})
    assert error_of(answer)[:2] == (400, 2001)


def test_a_body_without_its_content_type_is_no_hash(raw: httpx2.Client) -> None:
    answer = raw.post("/incidents", content=b'{"incident": {}}')
    assert error_of(answer) == (400, 2001, "Invalid Input Provided", ["params must be a Hash"])


@pytest.mark.parametrize("body", ["not json", "[]", "{}", '{"incident": 5}'])
def test_a_body_that_it_cannot_read_lacks_a_title(raw: httpx2.Client, body: str) -> None:
    answer = raw.post("/incidents", content=body, headers={"Content-Type": "application/json"})
    assert error_of(answer)[3] in (["Title cannot be empty."], ["Type must be incident"])
    assert error_of(answer)[:2] == (400, 2001)


@pytest.mark.parametrize("path", ["/nowhere", "/services/PNOWHERE", "/incidents/99", "/incidents/QNONE/notes"])
def test_what_is_not_there_is_not_found(raw: httpx2.Client, path: str) -> None:
    assert error_of(raw.get(path))[:2] == (404, 2100)


def test_every_answer_tells_how_many_requests_are_left(raw: httpx2.Client) -> None:
    first, second = raw.get("/abilities"), raw.get("/users/me")
    assert first.headers["ratelimit-limit"] == second.headers["ratelimit-limit"] == "960"
    assert int(first.headers["ratelimit-remaining"]) == int(second.headers["ratelimit-remaining"]) + 1
    assert 0 < int(first.headers["ratelimit-reset"]) <= 60


def test_one_call_too_many_a_minute_is_refused_until_the_minute_is_over(
    sandbox: RunningSandbox, raw: httpx2.Client
) -> None:
    sandbox.switch("pagerduty", "oncalls_limit", "6")
    answers = [raw.get("/oncalls") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429]
    assert answers[-1].json() == {"error": {"message": "Rate Limit Exceeded", "code": 2020}}
    assert answers[-1].headers["ratelimit-limit"] == "6"
    assert answers[-1].headers["ratelimit-remaining"] == "0"
    assert "retry-after" not in answers[-1].headers
    assert raw.get("/abilities").status_code == 200, "the limit of one call leaves the others alone"
    sandbox.advance(61)
    assert raw.get("/oncalls").status_code == 200


def test_the_limit_of_a_key_counts_all_its_calls(sandbox: RunningSandbox, raw: httpx2.Client) -> None:
    statuses = [raw.get("/abilities").status_code for _ in range(961)]
    assert statuses == [200] * 960 + [429]
    sandbox.switch("pagerduty", "rate_limits", "off")
    assert raw.get("/abilities").status_code == 200
    assert "ratelimit-limit" not in raw.get("/abilities").headers


def test_lists_come_in_pages(raw: httpx2.Client, pager: LocalPagerDuty) -> None:
    whole = pager.list_all("/services")
    page = raw.get("/services", params={"limit": 4, "offset": 4}).json()
    assert (page["limit"], page["offset"], page["more"], page["total"]) == (4, 4, True, None)
    assert page["services"] == whole[4:8]
    last = raw.get("/services", params={"limit": 4, "offset": 8, "total": "true"}).json()
    assert (last["more"], last["total"], len(last["services"])) == (False, len(whole), len(whole) - 8)


def test_a_page_holds_25_rows_unless_asked_and_at_most_100(sandbox: RunningSandbox, raw: httpx2.Client) -> None:
    sandbox.ask("POST", "/reset", {"scale": {"services": 130, "people": 40}})
    assert len(raw.get("/services").json()["services"]) == 25
    assert len(raw.get("/services", params={"limit": 500}).json()["services"]) == 100


@pytest.mark.parametrize("params", [{"limit": 100, "offset": 9901}, {"limit": 0}, {"limit": "ten"}, {"offset": -1}])
def test_a_page_that_cannot_be_is_refused(raw: httpx2.Client, params: dict[str, str]) -> None:
    assert raw.get("/services", params=params).status_code == 400


def test_the_official_client_walks_through_every_page(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    sandbox.ask("POST", "/reset", {"scale": {"services": 130, "people": 240}})
    assert len({service["id"] for service in pager.iter_all("/services")}) == 130
    names = [user["name"] for user in pager.iter_all("/users")]
    assert len(names) == 240 - 2 + 1, "two people have no seat, the From user has one"


def test_the_official_client_names_a_wrong_key_as_such(pager_with: Callable[..., LocalPagerDuty]) -> None:
    with pytest.raises(pagerduty.HttpError, match="401"):
        pager_with("wrong-key-of-twenty-1").get("/services")
