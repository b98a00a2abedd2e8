"""The state page as a browser without scripts gets it: what it shows, and what its buttons do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html import unescape
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from slack_sdk import WebClient

from incident_central.sandbox.failures import FAILURES
from tests.sandbox.asking import subscribe
from tests.sandbox.receiver import Receiver

if TYPE_CHECKING:
    from tests.sandbox.conftest import LocalPagerDuty, RunningSandbox

CHANNEL = "incident-brave-otter-2026-11"


@pytest.fixture
def incident(pager: LocalPagerDuty) -> str:
    service, priority = pager.find("services", "Checkout API"), pager.find("priorities", "P1")
    assert service is not None
    assert priority is not None
    body = {
        "type": "incident",
        "title": "Card payments fail with <b>502</b>",
        "service": {"id": service["id"], "type": "service_reference"},
        "priority": {"id": priority["id"], "type": "priority_reference"},
    }
    return str(pager.rpost("/incidents", json=body)["id"])


@pytest.fixture
def channel(slack: WebClient) -> str:
    return str(slack.conversations_create(name=CHANNEL)["channel"]["id"])


def page(sandbox: RunningSandbox, path: str = "/") -> str:
    answer = sandbox.http.get(path)
    assert answer.status_code == 200
    return answer.text


def words(html: str) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html))).strip()


def send(sandbox: RunningSandbox, path: str, **fields: str) -> httpx2.Response:
    """A form of the page, as a browser sends it."""
    headers = {"Origin": sandbox.page, "Content-Type": "application/x-www-form-urlencoded"}
    answer = sandbox.http.post(path, data=fields, headers=headers)
    assert answer.status_code == 303
    return answer


def user(pager: LocalPagerDuty, name: str) -> str:
    found = pager.find("users", name)
    assert found is not None
    return str(found["id"])


def test_it_says_that_nobody_is_really_paged(sandbox: RunningSandbox) -> None:
    text = words(page(sandbox))
    assert "Nobody is really paged here." in text
    assert "Every phone is silent." in text
    assert "#incidents" in text


def test_nothing_in_it_is_inline_and_its_policy_forbids_what_would_be(sandbox: RunningSandbox) -> None:
    answer = sandbox.http.get("/")
    assert "'unsafe" not in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<style|style=|onclick|<script(?! src=)", answer.text)
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', answer.text):
        assert sandbox.http.get(path).status_code == 200


def test_a_phone_rings_with_priority_service_and_title(sandbox: RunningSandbox, incident: str) -> None:
    html = page(sandbox)
    assert re.search(r'data-state="ringing".*?Mei Tanaka', html, re.DOTALL)
    assert "P1 Checkout APICard payments fail with <b>502</b>" in words(html)
    assert "<b>502</b>" not in html, "a title is text"
    assert re.search(r"Oskar Lindqvist Silent Level 2. Rings in [45]:\d\d if nobody answers.", words(html))


def test_the_buttons_on_a_phone_act_on_pagerduty(sandbox: RunningSandbox, pager: LocalPagerDuty, incident: str) -> None:
    path = f"/pagerduty/incidents/{incident}"
    send(sandbox, f"{path}/escalate", user=user(pager, "Mei Tanaka"))
    send(sandbox, f"{path}/acknowledge", user=user(pager, "Oskar Lindqvist"))
    shown = pager.rget(f"/incidents/{incident}")
    assert (shown["status"], shown["assignments"][0]["assignee"]["summary"]) == ("acknowledged", "Oskar Lindqvist")
    assert "Oskar Lindqvist Acknowledged" in words(page(sandbox))
    send(sandbox, f"{path}/resolve", user=user(pager, "Oskar Lindqvist"))
    assert pager.rget(f"/incidents/{incident}")["status"] == "resolved"
    assert "Every phone is silent." in words(page(sandbox))


def test_people_act_in_pagerduty_itself_by_the_pages_forms(
    sandbox: RunningSandbox, pager: LocalPagerDuty, incident: str
) -> None:
    html = page(sandbox)
    actions = set(re.findall(rf'formaction="/pagerduty/incidents/{incident}/(\w+)"', html))
    fields = {"user": "Dana Okafor", "content": "Looking", "priority": "P2", "to": "Priya Nair", "seconds": "3600"}
    for action in ("note", "priority", "reassign", "ask", "snooze"):
        assert action in actions
        send(sandbox, f"/pagerduty/incidents/{incident}/{action}", **fields)
    assert pager.rget(f"/incidents/{incident}/notes")[0]["content"] == "Looking"
    html = page(sandbox)
    assert "P2 · Checkout API · Dana Okafor" in words(html), "whoever snoozes has it"
    assert "You are asked to help: Please help with this incident" in words(html)
    send(sandbox, f"/pagerduty/incidents/{incident}/join", user=user(pager, "Priya Nair"))
    (responder,) = pager.rget(f"/incidents/{incident}")["incidents_responders"]
    assert responder["state"] == "joined"


def test_monitoring_opens_an_incident_and_resolves_it_by_the_pages_forms(sandbox: RunningSandbox) -> None:
    send(sandbox, "/pagerduty/incidents", title="Disk is full", service="Search")
    html = page(sandbox)
    assert re.search(r"#\d+ Disk is full Triggered Search · Jonas Weber", words(html.replace("<br>", " ")))
    resolve = re.search(r'<form method="post" action="(/pagerduty/incidents/\w+/resolve)">', html)
    assert resolve
    send(sandbox, resolve[1])
    assert re.search(r"#\d+ Disk is full Resolved", words(page(sandbox)))
    assert "Resolve by monitoring" not in words(page(sandbox))


def test_webhooks_are_shown_as_they_go_and_a_subscription_can_be_switched_off(
    sandbox: RunningSandbox, pager: LocalPagerDuty
) -> None:
    assert "Nobody has subscribed to webhooks yet." in words(page(sandbox))
    with Receiver().listening() as receiver:
        subscription = subscribe(pager, method={"url": receiver.url})["id"]
        send(sandbox, f"/webhooks/{subscription}/ping")
        sandbox.until(lambda: "answered 202 Delivered" in words(page(sandbox)))
    assert "pagey.ping" in words(page(sandbox))
    send(sandbox, f"/webhooks/{subscription}/disable")
    assert "Switched off for a day" in words(page(sandbox))
    send(sandbox, f"/webhooks/{subscription}/enable")
    assert "Switched off for a day" not in words(page(sandbox))


def test_mei_does_not_answer_and_the_next_phone_rings(sandbox: RunningSandbox, incident: str) -> None:
    assert "Mei does not answer" in words(page(sandbox))
    send(sandbox, "/clock", advance="next-escalation")
    text = words(page(sandbox))
    assert "Oskar Lindqvist Ringing" in text
    assert "Oskar does not answer" in text
    assert re.search(r"clock is [45]:\d\d ahead", text)


def test_somebody_without_a_phone_is_shown_as_such(sandbox: RunningSandbox, pager: LocalPagerDuty) -> None:
    service = pager.find("services", "Data Warehouse")
    assert service is not None
    reference = {"id": service["id"], "type": "service_reference"}
    pager.rpost("/incidents", json={"type": "incident", "title": "Empty reports", "service": reference})
    text = words(page(sandbox))
    assert "PagerDuty has no phone number or app that it could ring for Tomás Herrera." in text


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_each_failure_is_turned_on_and_off_by_a_button(sandbox: RunningSandbox, failure: Any) -> None:
    assert f'value="{failure.name}"' in page(sandbox)
    send(sandbox, "/faults", failure=failure.name)
    (fault,) = sandbox.ask("GET", "/faults")
    html = page(sandbox)
    assert f'value="{failure.name}"' not in html, "it is on already"
    assert f"Turn off: {failure.label}" in words(html)
    send(sandbox, f"/faults/{fault['id']}/remove")
    assert sandbox.ask("GET", "/faults") == []


def test_a_fault_that_came_over_http_is_shown_in_words(sandbox: RunningSandbox) -> None:
    sandbox.fault("slack", "500", method="chat.postMessage", every=3)
    text = words(page(sandbox))
    assert "It answers with an error of its own (500). Only on chat.postMessage. One call in 3." in text


def test_start_over_leaves_nothing_behind(sandbox: RunningSandbox, incident: str, channel: str) -> None:
    send(sandbox, "/faults", failure="slack-slow")
    send(sandbox, "/reset")
    text = words(page(sandbox))
    assert CHANNEL not in text
    assert "Turn off" not in text
    assert "Every phone is silent." in text


def test_the_chat_shows_the_channel_as_its_members_see_it(
    sandbox: RunningSandbox, slack: WebClient, channel: str
) -> None:
    slack.conversations_setTopic(channel=channel, topic="P1 Checkout API")
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "*P1* <https://example.com|Details>"}}
    fields = {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Paged*\nMei Tanaka"}]}
    message = slack.chat_postMessage(channel=channel, text="P1", blocks=[section, fields])
    slack.pins_add(channel=channel, timestamp=message["ts"])
    slack.bookmarks_add(channel_id=channel, title="In PagerDuty", type="link", link="https://example.com/incidents/1")
    slack.chat_postMessage(channel=channel, text="&lt;script&gt;alert(1)&lt;/script&gt; is text")
    html = page(sandbox, f"/?channel={channel}")
    assert f"#{CHANNEL}1 member · P1 Checkout API" in words(html)
    assert '<a href="https://example.com/incidents/1">In PagerDuty</a>' in html
    assert '<a href="https://example.com">Details</a>' in html
    assert "<dt>Paged</dt><dd>Mei Tanaka</dd>" in re.sub(r">\s+|\s+<", lambda found: found[0].strip(), html)
    assert "pinned" in html
    assert "<script>alert" not in html


def test_a_person_writes_in_the_channel(sandbox: RunningSandbox, slack: WebClient, channel: str) -> None:
    ana = next(m["id"] for m in slack.users_list()["members"] if m["profile"]["real_name"] == "Ana Ribeiro")
    slack.conversations_invite(channel=channel, users=ana)
    path = f"/slack/channels/{channel}/messages"
    answer = send(sandbox, path, user=ana, text="All the tickets are Visa", back=channel)
    assert answer.headers["Location"] == f"/?channel={channel}#slack"
    assert "Ana Ribeiro" in words(page(sandbox, answer.headers["Location"].partition("#")[0]))
    assert slack.conversations_history(channel=channel)["messages"][0]["text"] == "All the tickets are Visa"
    refused = sandbox.http.post(path, data={"user": "UNOBODY", "text": "hello"})
    assert refused.status_code == 400


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_look_can_be_chosen(sandbox: RunningSandbox, theme: str) -> None:
    answer = send(sandbox, "/theme", theme=theme)
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    sandbox.http.cookies.clear()
    assert "data-theme" not in page(sandbox).partition(">")[2].partition(">")[0]
    html = sandbox.http.get("/", headers={"Cookie": cookie}).text
    assert f'<html lang="en" data-theme="{theme}">' in html
    assert f'value="{theme}" aria-pressed="true"' in html


def test_links_of_both_tools_lead_to_the_page(
    sandbox: RunningSandbox, pager: LocalPagerDuty, incident: str, channel: str
) -> None:
    url = pager.rget(f"/incidents/{incident}")["html_url"]
    assert sandbox.http.get(url).headers["Location"] == "/#phones"
    place = sandbox.http.get(f"{sandbox.page}/slack/archives/{channel}").headers["Location"]
    assert CHANNEL in page(sandbox, place.partition("#")[0])


def test_the_way_back_to_the_hub_is_there_when_the_hub_is_known() -> None:
    command = [sys.executable, "-m", "incident_central.sandbox", "--hub-url", "http://127.0.0.1:8000/"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        html = httpx2.get(json.loads(process.stdout.readline())["page"]).text
    finally:
        process.terminate()
        process.wait(10)
    assert 'href="http://127.0.0.1:8000/report">Report a make-believe incident' in html
    assert 'class="wordmark" href="http://127.0.0.1:8000/"' in html
