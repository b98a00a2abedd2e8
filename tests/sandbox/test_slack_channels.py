"""Slack's channels: opening, naming, inviting, closing (fact sheet 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse


def refusal(method: Callable[..., SlackResponse], **arguments: Any) -> SlackResponse:
    with pytest.raises(SlackApiError) as refused:
        method(**arguments)
    response: SlackResponse = refused.value.response
    return response


def member(slack: WebClient, name: str) -> str:
    members = slack.users_list()["members"]
    return next(str(each["id"]) for each in members if each["profile"]["real_name"] == name)


def channel_named(slack: WebClient, name: str) -> str:
    channels = slack.conversations_list()["channels"]
    return next(str(each["id"]) for each in channels if each["name"] == name)


def subtypes(slack: WebClient, channel: str) -> list[str]:
    return [each.get("subtype", "") for each in slack.conversations_history(channel=channel)["messages"]]


@pytest.fixture
def incident(slack: WebClient) -> str:
    return str(slack.conversations_create(name="incident-brave-otter-2026-11")["channel"]["id"])


@pytest.fixture
def installer(sandbox: Any) -> WebClient:
    return WebClient(token="xoxp-sandbox-installer", base_url=sandbox.slack, retry_handlers=[])


def test_a_new_channel_has_the_bot_in_it_as_its_creator(slack: WebClient) -> None:
    channel = slack.conversations_create(name="incident-brave-otter-2026-11")["channel"]
    assert channel["name"] == channel["name_normalized"] == "incident-brave-otter-2026-11"
    assert channel["creator"] == slack.auth_test()["user_id"]
    assert (channel["is_member"], channel["is_private"], channel["is_archived"]) == (True, False, False)
    assert channel["topic"] == {"value": "", "creator": "", "last_set": 0}
    assert slack.conversations_members(channel=channel["id"])["members"] == [channel["creator"]]


def test_the_creator_may_be_the_installer(slack: WebClient, sandbox: Any) -> None:
    sandbox.switch("slack", "channel_creator", "installer")
    channel = slack.conversations_create(name="whose")["channel"]
    assert channel["creator"] == member(slack, "Dana Okafor")
    assert channel["is_member"] is True


def test_a_private_channel_says_so_and_begins_with_c_all_the_same(slack: WebClient) -> None:
    channel = slack.conversations_create(name="quiet", is_private=True)["channel"]
    assert channel["id"].startswith("C")
    assert (channel["is_private"], channel["is_group"], channel["is_channel"]) == (True, True, False)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", "invalid_name_required"),
        ("x" * 81, "invalid_name_maxlength"),
        ("--_--", "invalid_name_punctuation"),
        ("Incident", "invalid_name_specials"),
        ("incident otter", "invalid_name_specials"),
        ("incident.otter", "invalid_name_specials"),
        ("incident-🦦", "invalid_name_specials"),
    ],
)
def test_bad_names_are_refused_and_not_mended(slack: WebClient, name: str, error: str) -> None:
    assert refusal(slack.conversations_create, name=name)["error"] == error


def test_eighty_characters_are_a_good_name(slack: WebClient) -> None:
    assert len(slack.conversations_create(name="x" * 80)["channel"]["name"]) == 80


def test_letters_beyond_a_to_z_are_taken_or_refused(slack: WebClient, sandbox: Any) -> None:
    assert slack.conversations_create(name="störung")["ok"]
    sandbox.switch("slack", "non_latin_names", "refused")
    assert refusal(slack.conversations_create, name="größe")["error"] == "invalid_name_specials"


def test_a_name_is_taken_once_even_when_archived_or_unseen(slack: WebClient, sandbox: Any, incident: str) -> None:
    slack.conversations_archive(channel=incident)
    assert refusal(slack.conversations_create, name="incident-brave-otter-2026-11")["error"] == "name_taken"
    assert refusal(slack.conversations_create, name="leadership")["error"] == "name_taken"
    sandbox.switch("slack", "unseen_private_names", "free")
    assert slack.conversations_create(name="leadership")["ok"]


def test_a_workspace_may_forbid_apps_to_create_channels(slack: WebClient, sandbox: Any) -> None:
    sandbox.switch("slack", "channel_creation", "restricted")
    assert refusal(slack.conversations_create, name="not-here")["error"] == "restricted_action"


def test_everybody_invited_is_in_and_the_channel_says_so(slack: WebClient, incident: str) -> None:
    mei, oskar = member(slack, "Mei Tanaka"), member(slack, "Oskar Lindqvist")
    assert slack.conversations_invite(channel=incident, users=[mei, oskar])["channel"]["id"] == incident
    assert slack.conversations_members(channel=incident)["members"][1:] == [mei, oskar]
    newest = slack.conversations_history(channel=incident)["messages"][0]
    assert (newest["subtype"], newest["user"]) == ("channel_join", oskar)
    assert newest["inviter"] == slack.auth_test()["user_id"]


def test_one_bad_invitee_stops_all_the_others_without_force(slack: WebClient, incident: str) -> None:
    mei, bot = member(slack, "Mei Tanaka"), slack.auth_test()["user_id"]
    answer = refusal(slack.conversations_invite, channel=incident, users=[mei, "U0NOBODY", bot])
    assert answer["error"] == "user_not_found"
    assert answer["errors"] == [
        {"user": "U0NOBODY", "ok": False, "error": "user_not_found"},
        {"user": bot, "ok": False, "error": "cant_invite_self"},
    ]
    assert mei not in slack.conversations_members(channel=incident)["members"]


@pytest.mark.parametrize("choice", ["ok", "not ok"])
def test_force_invites_the_good_ones(slack: WebClient, sandbox: Any, incident: str, choice: str) -> None:
    sandbox.switch("slack", "forced_invite", choice)
    mei, henrik = member(slack, "Mei Tanaka"), member(slack, "Henrik Aalto")
    arguments: dict[str, Any] = {"channel": incident, "users": [henrik, mei], "force": True}
    if choice == "ok":
        answer = slack.conversations_invite(**arguments)
    else:
        answer = refusal(slack.conversations_invite, **arguments)
    assert answer["errors"] == [{"user": henrik, "ok": False, "error": "user_not_found"}]
    assert mei in slack.conversations_members(channel=incident)["members"]


def test_force_with_nobody_good_is_an_error(slack: WebClient, incident: str) -> None:
    answer = refusal(slack.conversations_invite, channel=incident, users="U0NOBODY", force=True)
    assert answer["error"] == "user_not_found"


def test_somebody_who_is_in_cannot_be_invited_again(slack: WebClient, incident: str) -> None:
    mei = member(slack, "Mei Tanaka")
    slack.conversations_invite(channel=incident, users=mei)
    assert refusal(slack.conversations_invite, channel=incident, users=mei)["error"] == "already_in_channel"


def test_deactivated_people_and_guests_at_their_limit_cannot_come(
    slack: WebClient, sandbox: Any, incident: str
) -> None:
    sandbox.switch("slack", "deactivated_invitee", "cant_invite")
    henrik, yusuf = member(slack, "Henrik Aalto"), member(slack, "Yusuf Demir")
    assert refusal(slack.conversations_invite, channel=incident, users=henrik)["error"] == "cant_invite"
    assert refusal(slack.conversations_invite, channel=incident, users=yusuf)["error"] == "ura_max_channels"


def test_invitations_are_counted(slack: WebClient, sandbox: Any, incident: str) -> None:
    assert refusal(slack.conversations_invite, channel=incident, users="")["error"] == "no_user"
    users = [f"U{number}" for number in range(101)]
    assert refusal(slack.conversations_invite, channel=incident, users=users)["error"] == "invalid_arguments"
    sandbox.switch("slack", "invite_maximum", "1000")
    assert refusal(slack.conversations_invite, channel=incident, users=users)["error"] == "user_not_found"


def test_only_members_invite_and_set_the_topic(slack: WebClient) -> None:
    general, mei = channel_named(slack, "general"), member(slack, "Mei Tanaka")
    assert refusal(slack.conversations_invite, channel=general, users=mei)["error"] == "not_in_channel"
    assert refusal(slack.conversations_setTopic, channel=general, topic="x")["error"] == "not_in_channel"
    assert refusal(slack.conversations_invite, channel="C0NOWHERE", users=mei)["error"] == "channel_not_found"


def test_a_topic_has_at_most_250_characters_and_is_told_to_the_channel(slack: WebClient, incident: str) -> None:
    assert refusal(slack.conversations_setTopic, channel=incident, topic="x" * 251)["error"] == "too_long"
    channel = slack.conversations_setTopic(channel=incident, topic="P1 Cards & <cash>")["channel"]
    assert channel["topic"]["value"] == "P1 Cards &amp; &lt;cash&gt;"
    assert channel["topic"]["creator"] == slack.auth_test()["user_id"]
    assert subtypes(slack, incident) == ["channel_topic", "channel_join"]
    assert slack.conversations_setTopic(channel=incident, topic="x" * 250)["ok"]


def test_topics_may_stay_as_given_and_untold(slack: WebClient, sandbox: Any, incident: str) -> None:
    sandbox.switch("slack", "topic_escaping", "as given")
    sandbox.switch("slack", "topic_messages", "not posted")
    slack.conversations_setTopic(channel=incident, topic="Cards & <cash>")
    assert slack.conversations_info(channel=incident)["channel"]["topic"]["value"] == "Cards & <cash>"
    assert subtypes(slack, incident) == ["channel_join"]


def test_a_purpose_is_kept(slack: WebClient, incident: str) -> None:
    slack.conversations_setPurpose(channel=incident, purpose="Cards fail")
    info = slack.conversations_info(channel=incident, include_num_members=True)["channel"]
    assert (info["purpose"]["value"], info["num_members"]) == ("Cards fail", 1)


def test_an_archived_channel_is_closed_for_the_bot(slack: WebClient, incident: str) -> None:
    slack.conversations_archive(channel=incident)
    assert slack.conversations_info(channel=incident)["channel"]["is_archived"] is True
    assert refusal(slack.conversations_archive, channel=incident)["error"] == "already_archived"
    assert refusal(slack.conversations_join, channel=incident)["error"] == "is_archived"
    assert refusal(slack.chat_postMessage, channel=incident, text="late")["error"] == "is_archived"
    assert refusal(slack.conversations_history, channel=incident)["error"] == "not_in_channel"
    assert refusal(slack.conversations_unarchive, channel=incident)["error"] == "not_in_channel"


def test_a_private_channel_still_answers_after_archiving(slack: WebClient) -> None:
    channel = slack.conversations_create(name="quiet", is_private=True)["channel"]["id"]
    slack.conversations_archive(channel=channel)
    assert refusal(slack.conversations_archive, channel=channel)["error"] == "already_archived"


def test_a_person_can_open_it_again(slack: WebClient, installer: WebClient, incident: str) -> None:
    slack.conversations_archive(channel=incident)
    installer.conversations_unarchive(channel=incident)
    assert slack.conversations_join(channel=incident)["channel"]["is_archived"] is False
    assert refusal(installer.conversations_unarchive, channel=incident)["error"] == "not_archived"


def test_unarchiving_by_bots_can_be_allowed(slack: WebClient, sandbox: Any, incident: str) -> None:
    slack.conversations_archive(channel=incident)
    sandbox.switch("slack", "unarchive_by_bot", "allowed")
    assert slack.conversations_unarchive(channel=incident)["ok"]


def test_renaming_follows_the_rules_of_names(slack: WebClient, incident: str) -> None:
    assert refusal(slack.conversations_rename, channel=incident, name="general")["error"] == "name_taken"
    assert refusal(slack.conversations_rename, channel=incident, name="X")["error"] == "invalid_name_specials"
    channel = slack.conversations_rename(channel=incident, name="calm-otter")["channel"]
    assert (channel["name"], channel["previous_names"]) == ("calm-otter", ["incident-brave-otter-2026-11"])
    incidents = channel_named(slack, "incidents")
    assert refusal(slack.conversations_rename, channel=incidents, name="mine-now")["error"] == "not_authorized"


def test_joining_twice_is_a_warning(slack: WebClient) -> None:
    contractors = channel_named(slack, "contractors")
    assert "warning" not in slack.conversations_join(channel=contractors).data
    assert slack.conversations_join(channel=contractors)["warning"] == "already_in_channel"


def test_leaving_and_being_put_out(slack: WebClient, incident: str) -> None:
    mei, bot = member(slack, "Mei Tanaka"), slack.auth_test()["user_id"]
    slack.conversations_invite(channel=incident, users=mei)
    assert refusal(slack.conversations_kick, channel=incident, user=bot)["error"] == "cant_kick_self"
    slack.conversations_kick(channel=incident, user=mei)
    assert refusal(slack.conversations_kick, channel=incident, user=mei)["error"] == "not_in_channel"
    slack.conversations_leave(channel=incident)
    assert refusal(slack.conversations_leave, channel=incident)["not_in_channel"] is True
    assert refusal(slack.conversations_leave, channel=channel_named(slack, "general"))["error"] == "cant_leave_general"


def test_an_unseen_private_channel_is_not_there(slack: WebClient, installer: WebClient) -> None:
    channels = installer.conversations_list(types="private_channel")["channels"]
    leadership = next(each["id"] for each in channels if each["name"] == "leadership")
    assert refusal(slack.conversations_info, channel=leadership)["error"] == "channel_not_found"
    assert slack.conversations_list(types="private_channel")["channels"] == []


def test_the_bots_own_channels_are_listed_page_by_page(slack: WebClient) -> None:
    made = {slack.conversations_create(name=f"channel-{number}")["channel"]["id"] for number in range(7)}
    archived = slack.conversations_create(name="over")["channel"]["id"]
    slack.conversations_archive(channel=archived)
    pages = [
        page.data
        for page in slack.users_conversations(types="public_channel,private_channel", exclude_archived=True, limit=3)
    ]
    listed = [channel["id"] for page in pages for channel in page["channels"]]
    assert len(pages) == 3
    assert set(listed) == made | {channel_named(slack, "incidents")}
    assert pages[-1]["response_metadata"]["next_cursor"] == ""


def test_pages_may_be_short_and_even_empty(slack: WebClient, sandbox: Any) -> None:
    sandbox.switch("slack", "pages", "short")
    pages = [page.data for page in slack.conversations_list(limit=4)]
    assert pages[0]["channels"] == []
    assert sorted(each["name"] for page in pages for each in page["channels"]) == [
        "contractors",
        "general",
        "incidents",
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"cursor": "made-up"}, "invalid_cursor"),
        ({"cursor": "dGVhbTpDMA=="}, "invalid_cursor"),
        ({"limit": -1}, "invalid_limit"),
        ({"limit": 1001}, "invalid_limit"),
        ({"types": "secret_channel"}, "invalid_types"),
    ],
)
def test_bad_paging_is_refused(slack: WebClient, arguments: dict[str, Any], error: str) -> None:
    assert refusal(slack.conversations_list, **arguments)["error"] == error


def test_a_direct_message_is_opened_once(slack: WebClient) -> None:
    mei, oskar = member(slack, "Mei Tanaka"), member(slack, "Oskar Lindqvist")
    first = slack.conversations_open(users=mei)["channel"]["id"]
    again = slack.conversations_open(users=mei, return_im=True)
    assert first.startswith("D")
    assert (again["channel"]["id"], again["already_open"], again["channel"]["user"]) == (first, True, mei)
    assert slack.conversations_open(users=[mei, oskar])["channel"]["id"] != first
    assert refusal(slack.conversations_open, users="U0NOBODY")["error"] == "user_not_found"
    assert refusal(slack.conversations_open, users=member(slack, "Henrik Aalto"))["error"] == "user_disabled"
    assert [each["id"] for each in slack.users_conversations(types="im")["channels"]] == [first]
