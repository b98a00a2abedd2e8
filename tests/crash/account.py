"""What the sandbox received and what the database holds, added up."""

from collections import Counter
from collections.abc import Collection

from tests.processes import Hub, Json, Sandbox

PEOPLE = {"Mei Tanaka", "Oskar Lindqvist", "Dana Okafor"}


def assert_each_once(hub: Hub, sandbox: Sandbox, names: Collection[str]) -> None:
    """Each report is one incident with one page, channel, summary, announcement and note, the same on both sides."""
    once = Counter(dict.fromkeys(names, 1))
    rows = {row["id"]: row for row in hub.rows("SELECT * FROM incidents")}
    assert Counter(names) == once == Counter(list(rows)), "a report is one incident"
    state = sandbox.state
    pages = {page["id"]: page for page in state["pagerduty"]["incidents"]}
    assert Counter(page["key"] for page in pages.values()) == once, "one page"
    assert {name: row["pagerduty_id"] for name, row in rows.items()} == {one["key"]: id for id, one in pages.items()}
    assert {name: len(pages[row["pagerduty_id"]]["notes"]) for name, row in rows.items()} == once, "one note"
    _assert_channels(state, rows, once)
    _assert_timelines(hub, once)


def _assert_channels(state: Json, rows: dict[str, Json], once: Counter[str]) -> None:
    bot = state["slack"]["bot_user_id"]
    people = {one["id"]: one["real_name"] for one in state["slack"]["members"]}
    ours = {one["id"]: one for one in state["slack"]["channels"] if one["creator"] == bot}
    assert Counter(one["name"] for one in ours.values()) == once, "one channel"
    assert {name: row["slack_channel_id"] for name, row in rows.items()} == {
        one["name"]: id for id, one in ours.items()
    }
    assert _messages(ours.values(), "summary") == once
    announced = [one for one in state["slack"]["channels"] if one["name"] == "incidents"]
    assert _messages(announced, "announcement") == once
    for channel in ours.values():
        assert len(_markers(channel)) == 1, "nothing but the summary"
        assert len(channel["pins"]) == 1
        assert len({one["link"] for one in channel["bookmarks"]}) == len(channel["bookmarks"]) == 2
        assert {people[one] for one in channel["members"] if one != bot} == PEOPLE


def _messages(channels: Collection[Json], kind: str) -> Counter[str]:
    found = [marker.partition("/") for channel in channels for marker in _markers(channel)]
    return Counter(name for name, _, rest in found if rest == kind)


def _markers(channel: Json) -> list[str]:
    ours = [one["metadata"] for one in channel["messages"] if one["metadata"].get("event_type") == "incident_central"]
    return [str(one["event_payload"]["marker"]) for one in ours]


def _assert_timelines(hub: Hub, once: Counter[str]) -> None:
    entries = hub.rows("SELECT incident_id, text FROM incidents_timelineentry")
    for beginning in ("Reported by", "Paged ", "Slack channel ", "Summary posted", "Announced in"):
        told = Counter(one["incident_id"] for one in entries if one["text"].startswith(beginning))
        assert told == once, beginning
