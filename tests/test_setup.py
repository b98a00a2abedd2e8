"""`incident-central setup`: asked, looked at, made after it was shown, and written to a file."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from incident_central import demo
from incident_central.sandbox.company import (
    PAGERDUTY_KEY,
    PAGERDUTY_READ_ONLY_KEY,
    PAGERDUTY_USER_KEY,
    SLACK_TOKEN,
)
from tests.dialogue import Dialogue, SetUp
from tests.doctor import service_id
from tests.processes import Cluster, Hub, Sandbox, eventually, free_port

Json = dict[str, Any]
NOTHING_NOW = ("Make the database ready", "no")
DANA, NOOR = "dana.okafor@example.com", "noor.haddad@example.com"
EXAMPLE = ("Make an example service", "yes")


@pytest.fixture
def set_up(sandbox: Sandbox, tmp_path: Path) -> Iterator[SetUp]:
    """Where Slack is, nobody asks: a file that there is already says it."""
    here = SetUp(sandbox, tmp_path)
    here.file.write_text(f"# Mine.\nSLACK_API_URL={sandbox.addresses['slack']}\n")
    yield here
    sandbox.mend()


def account(sandbox: Sandbox, key: str = PAGERDUTY_KEY) -> list[tuple[str, str]]:
    return [("Where is your PagerDuty account", sandbox.addresses["pagerduty"]), ("API key", key)]


def made(sandbox: Sandbox) -> list[Json]:
    """What PagerDuty was asked to make, in order, previews left out."""
    calls = [call for call in sandbox.calls(provider="pagerduty") if call["http_method"] != "GET"]
    return [call for call in calls if call["method"] != "POST /schedules/preview"]


def shown(said: str) -> list[Json]:
    """What was shown before it was made."""
    blocks = re.findall(r"This is made in PagerDuty \(POST .*?\):\n(.*?)\n\n", said, re.S)
    return [json.loads(block) for block in blocks]


# ── the file ──────────────────────────────────────────────────────────────────────────────────────


def test_the_answers_are_written_for_a_shell_and_readable_by_their_owner_alone(set_up: SetUp, sandbox: Sandbox) -> None:
    set_up.file.chmod(0o644)
    contact = 'Ana\'s desk: "$HOME" `id` \\ #1, +1 555'
    said = set_up.run(
        ("Where will people open", "https://incidents.example.com/"),
        ("Time zone", "Europe/Lisbon"),
        ("Whom to phone", contact),
        *account(sandbox),
        ("Service for whoever", "incident desk"),
        ("Bot User OAuth Token", SLACK_TOKEN),
        ("Channel that is told", "#incidents"),
        NOTHING_NOW,
    )
    assert set_up.code == 0
    assert stat.S_IMODE(set_up.file.stat().st_mode) == 0o600
    assert [one.name for one in set_up.folder.iterdir()] == [".env"]
    assert set_up.text.startswith("# Mine.\nSLACK_API_URL=")
    assert set_up.settings() == {
        "SLACK_API_URL": sandbox.addresses["slack"],
        "BASE_URL": "https://incidents.example.com",
        "TRUSTED_PROXIES": "127.0.0.1",
        "TIME_ZONE": "Europe/Lisbon",
        "FALLBACK_CONTACT": contact,
        "PAGERDUTY_API_URL": sandbox.addresses["pagerduty"],
        "PAGERDUTY_API_KEY": PAGERDUTY_KEY,
        "PAGERDUTY_FROM_EMAIL": "incident-central@example.com",
        "FALLBACK_SERVICE": "Incident Desk",
        "SLACK_BOT_TOKEN": SLACK_TOKEN,
        "SLACK_ANNOUNCE_CHANNEL": "incidents",
        "DATABASE_URL": "",  # or what the shell has of that name, for another program, would be taken
        "DATA_DIR": str(set_up.folder / "data"),
    }
    assert PAGERDUTY_KEY not in said
    assert SLACK_TOKEN not in said
    assert "Report an incident at https://incidents.example.com" in said  # in the manifest
    assert made(sandbox) == []

    before = set_up.file.read_bytes()
    again = set_up.run(("Show the manifest", "yes"), NOTHING_NOW)
    assert set_up.file.read_bytes() == before  # Enter alone changes nothing
    assert f"the one that there is, …{PAGERDUTY_KEY[-4:]}; - for none" in again
    assert PAGERDUTY_KEY not in again
    assert SLACK_TOKEN not in again


def test_what_is_in_the_file_already_stays_and_each_answer_has_its_place(set_up: SetUp, sandbox: Sandbox) -> None:
    secret = set_up.folder / "slack-token"
    secret.write_text("of a file")
    set_up.file.write_text(
        "# Whose: Dana's\n#TIME_ZONE=UTC\nOURS=\"two words\"\nexport FALLBACK_CONTACT='Desk'\n"
        f"SLACK_BOT_TOKEN_FILE={secret}\nSLACK_API_URL={sandbox.addresses['slack']}\nBASE_URL=$(hostname)\nlast line"
    )
    set_up.run(
        ("Time zone", "Europe/Lisbon"),
        ("Whom to phone", "-"),
        ("API key", "-"),
        ("Bot User OAuth Token", SLACK_TOKEN),
        NOTHING_NOW,
    )
    assert set_up.text == (
        '# Whose: Dana\'s\n#TIME_ZONE=UTC\nTIME_ZONE=Europe/Lisbon\nOURS="two words"\nFALLBACK_CONTACT=\n'
        f"SLACK_BOT_TOKEN={SLACK_TOKEN}\nSLACK_API_URL={sandbox.addresses['slack']}\nBASE_URL=$(hostname)\nlast line\n"
        f"SLACK_ANNOUNCE_CHANNEL=\nDATABASE_URL=\nDATA_DIR={set_up.folder}/data\n"
    )


@pytest.mark.parametrize("end", ["no more answers", "Ctrl-C"])
def test_ended_before_the_last_question_nothing_is_written(set_up: SetUp, sandbox: Sandbox, end: str) -> None:
    before = set_up.text
    dialogue = Dialogue(set_up.folder, terminal=end == "Ctrl-C")
    answers = dict(account(sandbox))
    while "Bot User" not in (question := dialogue.question() or ""):
        dialogue.answer(next((text for words, text in answers.items() if words in question), ""))
    dialogue.interrupt() if end == "Ctrl-C" else dialogue.hang_up()
    dialogue.answered()
    assert dialogue.end() == 1
    assert f"{set_up.file} is as it was" in " ".join(dialogue.said.split())
    assert "Traceback" not in dialogue.said
    assert set_up.text == before
    assert [one.name for one in set_up.folder.iterdir()] == [".env"]


def test_where_the_file_cannot_be_written_it_is_as_it_was(set_up: SetUp, sandbox: Sandbox) -> None:
    before = set_up.text
    full = ["/bin/sh", "-c", 'ulimit -f 0; exec "$@"', "sh"]  # no file may grow
    dialogue = Dialogue(set_up.folder, before=full)
    assert dialogue.run([*account(sandbox), ("Bot User OAuth Token", SLACK_TOKEN)]) == 2
    assert f"{set_up.file} cannot be written: File too large. It is as it was." in dialogue.said
    assert set_up.text == before
    assert [one.name for one in set_up.folder.iterdir()] == [".env"]


def test_in_a_terminal_no_secret_is_echoed(set_up: SetUp, sandbox: Sandbox) -> None:
    dialogue = Dialogue(set_up.folder, terminal=True)
    code = dialogue.run([*account(sandbox), ("Bot User OAuth Token", SLACK_TOKEN), NOTHING_NOW])
    assert code == 0, dialogue.said
    assert sandbox.addresses["pagerduty"] in dialogue.said  # what is no secret is echoed
    assert PAGERDUTY_KEY not in dialogue.said
    assert SLACK_TOKEN not in dialogue.said
    assert set_up.settings()["PAGERDUTY_API_KEY"] == PAGERDUTY_KEY


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda file: file.unlink() or file.mkdir(), "cannot be read: Is a directory"),
        (lambda file: file.write_bytes(b"\xff\xfe"), "is not a text file"),
        (lambda file: file.write_text('A="b\nc"\n'), "opens a quote that it does not close"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_before_the_first_question(
    set_up: SetUp, prepare: Callable[[Path], object], said: str
) -> None:
    prepare(set_up.file)
    assert said in set_up.run()
    assert set_up.code == 2


def test_a_folder_that_is_not_there_is_told_before_the_first_question(set_up: SetUp) -> None:
    assert "Name another with --file" in set_up.run(options=["--file", "nowhere/.env"])
    assert set_up.code == 2


def test_an_answer_that_will_not_do_is_asked_for_again(set_up: SetUp, sandbox: Sandbox) -> None:
    said = set_up.run(
        ("Where will people open", "incidents.example.com"),
        ("Where will people open", "https://example.com/incidents"),
        ("Where will people open", "http://127.0.0.1:8000"),
        ("Time zone", "Lisbon"),
        ("Where is your PagerDuty account", "http://pagerduty.example.com"),
        *account(sandbox, "two words"),
        ("API key", "\x1b[200~key"),
        ("API key", PAGERDUTY_KEY),
        ("E-mail of the From user", "nobody"),
        ("Make an example", "perhaps"),
        ("Service for whoever", "Nonsense"),
        ("sqlite or postgresql", "oracle"),
        ("Folder on a local disk", str(set_up.file)),
        NOTHING_NOW,
    )
    assert set_up.code == 0
    for words in (
        "It must be a whole address that begins with https://.",
        "It must end after the host name",
        "It must be a time zone's name",
        "It must begin with https:// (plain http is for a sandbox on this machine only).",
        "It has a blank or a special character in it: copy it again.",
        "It must be one line of plain text.",
        "It must be one e-mail address",
        "It must be yes or no.",
        "It must be the name or the id of a service",
        "It must be sqlite or postgresql.",
        "It must be a folder, and that is a file.",
    ):
        assert words in said
    assert set_up.settings()["BASE_URL"] == "http://127.0.0.1:8000"


# ── PagerDuty ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("no-such-key-anywhere", "FIX THIS: PagerDuty refuses this API key."),
        ("0123456789abcdef" * 2, "FIX THIS: This is an integration key, and an API key is needed."),
        (PAGERDUTY_READ_ONLY_KEY, "FIX THIS: This API key is read-only."),
        (PAGERDUTY_USER_KEY, "LOOK AT IT: This API key is Mei Tanaka's own."),
    ],
)
def test_what_a_key_is_is_said_at_once(set_up: SetUp, sandbox: Sandbox, key: str, said: str) -> None:
    """Mei is on call, so that pages could not be made with her key either."""
    told = set_up.run(*account(sandbox, key), ("API key", PAGERDUTY_KEY), NOTHING_NOW)
    assert said in told
    assert "ok: PagerDuty takes the API key, and lets it write." in told
    assert told.index(said) < told.rindex("API key, of Integrations")
    assert key not in told
    assert set_up.settings()["PAGERDUTY_API_KEY"] == PAGERDUTY_KEY


def test_a_key_goes_nowhere_but_to_the_address_that_was_chosen(
    set_up: SetUp, sandbox: Sandbox, quiet_sandbox: Sandbox
) -> None:
    """Refused at one, it is asked at the other only when somebody says so; then it need not be pasted again."""
    quiet_sandbox.plant("pagerduty", "keys", PAGERDUTY_KEY, delete=True)
    said = set_up.run(
        *account(quiet_sandbox), ("Where is your PagerDuty account", sandbox.addresses["pagerduty"]), NOTHING_NOW
    )
    assert "FIX THIS: PagerDuty refuses this API key." in said
    assert len(quiet_sandbox.calls("GET /abilities")) == len(sandbox.calls("GET /abilities")) == 1
    assert set_up.settings()["PAGERDUTY_API_URL"] == sandbox.addresses["pagerduty"]


def test_where_pagerduty_does_not_answer_one_may_go_on(set_up: SetUp, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "down")
    said = set_up.run(
        *account(sandbox),
        ("Go on with it", "yes"),
        ("Try again?", "no"),
        ("E-mail of the From user", "hub@example.com"),
        NOTHING_NOW,
    )
    assert "FIX THIS: PagerDuty cannot be reached." in said
    assert set_up.code == 0
    assert set_up.settings()["PAGERDUTY_FROM_EMAIL"] == "hub@example.com"


def test_the_from_user_is_made_after_it_was_shown(set_up: SetUp, sandbox: Sandbox) -> None:
    answers = [*account(sandbox), ("E-mail of the From user", "hub@example.com"), NOTHING_NOW]
    said = set_up.run(*answers)
    (call,) = made(sandbox)
    assert call["method"] == "POST /users"
    assert shown(said) == [call["body"]["user"]]
    assert "POST /users, invited as dana.okafor@example.com" in said
    assert "has not accepted its invitation" in said
    set_up.run(*answers)
    assert len(made(sandbox)) == 1  # by then it was there


def test_who_is_on_call_is_no_from_user(set_up: SetUp, sandbox: Sandbox) -> None:
    said = set_up.run(
        *account(sandbox),
        ("E-mail of the From user", "mei.tanaka@example.com"),
        ("E-mail of the From user", "incident-central@example.com"),
        NOTHING_NOW,
    )
    assert "FIX THIS: Mei Tanaka, as whom pages are made, is on call." in said
    assert set_up.settings()["PAGERDUTY_FROM_EMAIL"] == "incident-central@example.com"


def test_the_example_service_is_shown_exactly_as_it_is_made_and_made_once(set_up: SetUp, sandbox: Sandbox) -> None:
    answers = [
        *account(sandbox),
        EXAMPLE,
        ("Its name", "Shop"),
        ("take turns on call", f"{DANA}, incident-central@example.com"),
        ("take turns on call", f"{DANA}, {NOOR}"),
        NOTHING_NOW,
    ]
    said = set_up.run(*answers)
    assert "It must not hold incident-central@example.com: whoever pages are made by is never on call." in said
    calls = made(sandbox)
    kinds = ["users", "schedules", "escalation_policies", "services"]
    assert [call["method"] for call in calls] == [f"POST /{kind}" for kind in kinds]
    assert shown(said) == [next(iter(call["body"].values())) for call in calls]
    service = next(one for one in sandbox.state["pagerduty"]["services"] if one["name"] == "Shop")
    assert (service["urgency"], service["auto_resolve_timeout"]) == ("high", None)
    assert sandbox.calls("POST /users")[0]["headers"]["From"] == DANA  # the owner, who may invite
    assert f"The user “{DANA}” is there already, and is kept as it is." in said

    again = set_up.run(*answers)
    assert made(sandbox) == calls
    assert again.count("is there already, and is kept as it is.") == 5


def test_what_others_called_something_does_not_steer_the_terminal(set_up: SetUp, sandbox: Sandbox) -> None:
    sandbox.plant("pagerduty", "services", service_id("Search"), set={"name": "\x1b[2JSearch"})
    said = set_up.run(*account(sandbox), NOTHING_NOW)
    assert "\x1b" not in said
    assert "�[2JSearch" in said


@pytest.mark.parametrize("kind", ["answer-lost", "gateway-timeout"])
def test_what_was_made_though_the_answer_was_lost_is_found_and_made_once(
    set_up: SetUp, sandbox: Sandbox, kind: str
) -> None:
    for call in ("users", "schedules", "escalation_policies", "services"):
        sandbox.fault("pagerduty", kind, method=f"POST /{call}", times=1)
    said = set_up.run(*account(sandbox), EXAMPLE, ("take turns on call", NOOR), NOTHING_NOW)
    assert "The service “Example service” is there." in said
    assert "That failed." not in said
    assert len(made(sandbox)) == 4
    users = sandbox.state["pagerduty"]["users"]
    assert [one["email"] for one in users].count(NOOR) == 1


def test_what_was_made_though_nobody_could_look_is_found_at_the_next_try(set_up: SetUp, sandbox: Sandbox) -> None:
    """PagerDuty takes two schedules of one name."""
    sandbox.fault("pagerduty", "answer-lost-hang", method="POST /schedules", times=1)
    dialogue = Dialogue(set_up.folder)
    answers = [*account(sandbox), EXAMPLE, ("take turns on call", DANA)]
    while "Make it?" not in (question := dialogue.question() or ""):
        dialogue.answer(next((text for words, text in answers if words in question), ""))
    dialogue.answer("yes")
    eventually(lambda: sandbox.calls("POST /schedules"))
    sandbox.fault("pagerduty", "500", method="GET /schedules", times=1)  # the look after the lost answer
    assert dialogue.run([("Try again?", "yes"), NOTHING_NOW]) == 0
    assert "The service “Example service” is there." in dialogue.said
    assert len(sandbox.calls("POST /schedules")) == 1


def test_what_failed_is_tried_again_when_somebody_wants_it(set_up: SetUp, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "500", method="POST /users", times=1)
    said = set_up.run(*account(sandbox), EXAMPLE, ("take turns on call", NOOR), ("Try again?", "yes"), NOTHING_NOW)
    assert "That failed. PagerDuty said 500" in said
    assert "The service “Example service” is there." in said


@pytest.mark.parametrize("declined", [0, 1, 2, 3])
def test_each_part_may_be_left_out(set_up: SetUp, sandbox: Sandbox, declined: int) -> None:
    answers = [*[("Make it?", "yes")] * declined, ("Make it?", "no")]
    set_up.run(*account(sandbox), EXAMPLE, ("take turns on call", NOOR), *answers, NOTHING_NOW)
    assert set_up.code == 0
    assert len(made(sandbox)) == declined


# ── Slack, the database, and what comes afterwards ────────────────────────────────────────────────


def test_what_a_slack_token_is_is_said_at_once(set_up: SetUp, sandbox: Sandbox) -> None:
    few: Json = {"secret": "xoxb-few-scopes-0001", "scopes": ["channels:manage", "chat:write"]}
    sandbox.plant("slack", "tokens", create=few)
    said = set_up.run(
        ("API key", ""),
        ("Bot User OAuth Token", "xoxb-unknown"),
        ("Bot User OAuth Token", "xapp-sandbox-incident-central"),
        ("Bot User OAuth Token", few["secret"]),
        ("Channel that is told", ""),
        NOTHING_NOW,
    )
    assert "FIX THIS: Slack does not know this token." in said
    assert "FIX THIS: This is an app-level token" in said
    assert "LOOK AT IT: The app lacks the scope pins:write: it cannot pin the summary." in said
    assert set_up.settings()["SLACK_BOT_TOKEN"] == few["secret"]


def test_postgresql_is_looked_at_without_telling_its_password(set_up: SetUp, cluster: Cluster) -> None:
    url = cluster.new_database()
    wrong = url.replace("postgres@", "nobody:a%20secret%20word@")
    said = set_up.run(
        ("API key", ""),
        ("Show the manifest", "no"),
        ("sqlite or postgresql", "postgresql"),
        ("Its address", "mysql://127.0.0.1/hub"),
        ("Its address", "postgresql://hub:sec@ret@127.0.0.1:5432/hub"),
        ("Its address", wrong),
        ("Its address", url),
        ("Your e-mail", DANA),
        ("Your name", "Dana"),
        ("A password", "correct horse battery"),
        ("The same again", "correct horse"),
        ("A password", "password12"),
        ("The same again", "password12"),
        ("Try again?", "yes"),
        ("A password", "correct horse battery"),
        ("The same again", "correct horse battery"),
    )
    assert "It must have %40 for each @ in the password." in said
    assert "It cannot be used: " in said
    assert "secret" not in said.replace("shown", "").partition("Step 3")[2]
    assert "ok: 127.0.0.1 answers." in said
    assert "The two are not the same." in said
    assert "too common" in said
    assert f"{DANA} can sign in now and is an administrator." in said
    assert "correct horse" not in said
    assert set_up.settings()["DATABASE_URL"] == url


def test_webhooks_are_subscribed_once_and_tested_when_the_hub_runs(set_up: SetUp, sandbox: Sandbox) -> None:
    port = free_port()
    said = set_up.run(
        ("Where will people open", f"http://127.0.0.1:{port}"),
        *account(sandbox),
        ("A password", "correct horse battery"),
        ("The same again", "correct horse battery"),
        ("Have PagerDuty send its webhooks", "yes"),
    )
    assert f"PagerDuty now sends webhooks to http://127.0.0.1:{port}/webhooks/pagerduty." in said
    (subscription,) = sandbox.state["pagerduty"]["subscriptions"]
    assert sandbox.calls("POST /webhook_subscriptions/{id}/ping") == []
    hub = Hub(sandbox, set_up.folder / "data", settings=set_up.settings(), port=port)
    try:
        hub.start()
        done = hub.command("setup", "webhook")
    finally:
        hub.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sends webhooks to" in done.stdout
    assert "Its test arrived." in done.stdout
    assert [one["id"] for one in sandbox.state["pagerduty"]["subscriptions"]] == [subscription["id"]]


def test_the_manifest_is_printed_with_the_hubs_address(tmp_path: Path) -> None:
    environment = demo.cleaned(os.environ) | {"DATA_DIR": str(tmp_path), "BASE_URL": "https://incidents.example.com"}
    command = [sys.executable, "-m", "incident_central", "setup", "manifest"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# The Slack app of Incident Central")
    assert 'Report an incident at https://incidents.example.com"' in done.stdout
