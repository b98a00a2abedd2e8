"""A setting that is missing or wrong is named with its fix, in one line, before anything else happens."""

import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from incident_central import demo
from tests.processes import ROOT

SECRET = "s3cr3t-7b1f"  # in values that must not come back

WRONG = [
    ("PAGERDUTY_API_URL", f"http://pagerduty.example.com/{SECRET}", "must begin with https://"),
    ("PAGERDUTY_API_URL", f"api.pagerduty.com/{SECRET}", "must be a whole address that begins with https://"),
    ("PAGERDUTY_API_URL", f"https://[{SECRET}", "must be a whole address that begins with https://"),
    ("PAGERDUTY_API_URL", f"https://bot:{SECRET}@api.pagerduty.com", "must not hold a user name or password"),
    ("SLACK_API_URL", "http://slack.com/api/", "must begin with https://"),
    ("SLACK_API_URL", "ftp://slack.com/api/", "must be a whole address that begins with https://"),
    ("SLACK_API_URL", f"http://127.0.0.1.{SECRET}.example/", "must begin with https://"),
    ("PAGERDUTY_FROM_EMAIL", f"incident central {SECRET}", "must be one e-mail address, such as"),
    ("PAGERDUTY_FROM_EMAIL", f"@{SECRET}", "must be one e-mail address, such as"),
    ("PAGERDUTY_FROM_EMAIL", f"a@{SECRET}, b@{SECRET}", "must be one e-mail address, such as"),
    ("PAGERDUTY_API_KEY", f"“{SECRET}”", "has a blank or a special character in it: copy it again"),
    ("SLACK_BOT_TOKEN", f"xoxb {SECRET}", "has a blank or a special character in it: copy it again"),
    ("TIME_ZONE", "Lisbon", "must be a time zone's name, such as Europe/Lisbon"),
    ("BASE_URL", "incidents.example.com", "must be a whole address that begins with https://"),
    ("BASE_URL", "https://example.com/incidents", "must end after the host name"),
    ("BASE_URL", "https://incidents.example.com?from=chat", "must end after the host name"),
    ("BASE_URL", "https://störung.example.com", "as browsers send it, which begins with xn--"),
    ("ALLOWED_HOSTS", "störung.example.com", "must be host names"),
    ("ALLOWED_HOSTS", "https://hub.internal", "must be host names, without https://"),
    ("ALLOWED_HOSTS", "hub.internal, hub2.internal:8000", "and without a port"),
    ("ALLOWED_HOSTS", "fd00::5", "IPv6 as [fd00::5]"),
    ("DATABASE_URL", f"mysql://hub:{SECRET}@127.0.0.1/hub", "must be postgresql://user:password@host:5432/name"),
    ("DATABASE_URL", f"postgresql://hub:a/{SECRET}@127.0.0.1/hub", "with %2F for /"),
    ("DATABASE_URL", f"postgresql://hub:{SECRET}@127.0.0.1", "must be postgresql://user:password@host:5432/name"),
    ("DATABASE_URL", f"postgresql://hub:{SECRET}@[127.0.0.1/hub", "must be postgresql://"),
    ("SECRET_KEY", SECRET, "must have at least 32 characters. Leave it out, and a good one is made"),
    ("EMAIL_URL", f"http://{SECRET}@mail.example.com", "must be smtp://user:password@host:587"),
    ("EMAIL_URL", f"smtp://hub:{SECRET}@mail.example.com:587", "?from=a@example.com&to=b@example.com"),
    ("EMAIL_URL", f"smtp://hub:a/{SECRET}@mail.example.com?from=a@b.c&to=d@e.f", "must be smtp://user:password@host"),
    ("EMAIL_URL", f"smtp://mail.example.com?from=a@b.c&to={SECRET}", "must name e-mail addresses in from= and to="),
    ("EMAIL_URL", f"smtp://h:{SECRET}@mail.example.com?from=a@b.c&to=d@e.f&tls=off", "only to this machine"),
    ("EMAIL_URL", f"smtp://h:{SECRET}@mail.example.com?from=a@b.c&to=d@e.f&cc=g@h.i", "must be smtp://"),
    ("HEARTBEAT_URL", f"http://watcher.example.com/{SECRET}", "must begin with https://"),
    ("TRUSTED_PROXIES", "the proxy", "must be addresses or networks, such as 10.0.0.5 or 172.18.0.0/16"),
]


def test_it_tells_its_version_whatever_is_set() -> None:
    told = command("--version", DATABASE_URL="wrong")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (told.returncode, told.stdout) == (0, f"{version}\n")


@pytest.mark.parametrize(("name", "value", "fix"), WRONG, ids=lambda text: text.replace(SECRET, "SECRET"))
def test_a_wrong_value_stops_the_start_and_is_named_with_its_fix(
    tmp_path: Path, name: str, value: str, fix: str
) -> None:
    said = refused(DATA_DIR=str(tmp_path), **{name: value})
    assert said.startswith(f"incident-central: {name} ")
    assert fix in said
    assert SECRET not in said


def test_other_commands_say_the_same(tmp_path: Path) -> None:
    run = command("manage", "migrate", DATA_DIR=str(tmp_path), TIME_ZONE="Lisbon")
    assert run.returncode == 2
    assert run.stderr.startswith("incident-central: TIME_ZONE must be a time zone's name")
    assert "Traceback" not in run.stderr


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"
    said = refused(DATA_DIR=str(folder))
    assert f"DATA_DIR {folder} cannot be written: Not a directory. Name a folder that this user may write." in said


def test_the_folder_is_checked_where_a_secret_key_is_given_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refused(DATA_DIR=str(tmp_path / "file" / "data"), SECRET_KEY="k" * 40)
    assert "cannot be written" in said


@pytest.mark.parametrize(
    ("address", "base_url", "answers_to"),
    [
        ("HTTPS://Incidents.example.com/", "https://incidents.example.com", "incidents.example.com"),
        ("https://incidents.example.com:443", "https://incidents.example.com", "incidents.example.com"),
        ("http://[fd00::5]:8000", "http://[fd00::5]:8000", "[fd00::5]"),
    ],
)
def test_an_address_is_read_as_browsers_send_it(tmp_path: Path, address: str, base_url: str, answers_to: str) -> None:
    settings = {"DATA_DIR": str(tmp_path), "BASE_URL": address, "ALLOWED_HOSTS": "hub.internal [fd00::6]"}
    assert shown("BASE_URL", **settings) == base_url
    assert shown("SECURE", **settings) == str(base_url.startswith("https"))
    assert shown("ALLOWED_HOSTS", **settings).endswith(f"'hub.internal', '[fd00::6]', '{answers_to}']")


# ── from a file ───────────────────────────────────────────────────────────────────────────────────


def test_a_setting_may_be_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text("Lisbon\n")
    said = refused(DATA_DIR=str(tmp_path), TIME_ZONE_FILE=str(tmp_path / "zone"))
    assert said.startswith("incident-central: TIME_ZONE must be a time zone's name")

    (tmp_path / "zone").write_text("  Europe/Lisbon\n")
    assert shown("TIME_ZONE", DATA_DIR=str(tmp_path), TIME_ZONE_FILE=str(tmp_path / "zone")) == "Europe/Lisbon"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "slack-token"
    said = refused(DATA_DIR=str(tmp_path), SLACK_BOT_TOKEN_FILE=str(missing))
    assert f"SLACK_BOT_TOKEN_FILE {missing} cannot be read: No such file or directory. Correct the path" in said

    missing.write_bytes(b"\xff\xfe\x00")
    assert "it is not a text file" in refused(DATA_DIR=str(tmp_path), SLACK_BOT_TOKEN_FILE=str(missing))


def test_a_value_and_a_file_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    said = refused(DATA_DIR=str(tmp_path), PAGERDUTY_API_KEY=SECRET, PAGERDUTY_API_KEY_FILE=str(tmp_path / "key"))
    assert "PAGERDUTY_API_KEY and PAGERDUTY_API_KEY_FILE are both set. Keep one of them." in said
    assert SECRET not in said


# ── the secret key ────────────────────────────────────────────────────────────────────────────────


def test_a_secret_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first = shown("SECRET_KEY", DATA_DIR=str(folder))
    file = folder / "secret-key"
    assert file.read_text() == first
    assert len(first) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert shown("SECRET_KEY", DATA_DIR=str(folder)) == first
    assert shown("SECRET_KEY", DATA_DIR=str(tmp_path / "other")) != first


def test_a_secret_key_that_is_given_is_used_and_none_is_made(tmp_path: Path) -> None:
    assert shown("SECRET_KEY", DATA_DIR=str(tmp_path), SECRET_KEY="k" * 40) == "k" * 40
    assert not (tmp_path / "secret-key").exists()


def test_a_secret_key_file_that_was_cut_short_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret-key").write_text("short")
    said = refused(DATA_DIR=str(tmp_path))
    assert f"{tmp_path}/secret-key holds no usable key. Delete it" in said


# ── asking ────────────────────────────────────────────────────────────────────────────────────────


def refused(**settings: str) -> str:
    """What `serve` says when it does not start: one line, no traceback, exit code 2."""
    run = command("serve", "--port", "0", **settings)
    assert run.returncode == 2, run.stderr
    assert run.stderr.count("\n") == 1, run.stderr
    assert run.stdout == ""
    return run.stderr


def shown(name: str, **settings: str) -> str:
    """The value that the hub works with."""
    run = command("manage", "diffsettings", "--all", **settings)
    assert run.returncode == 0, run.stderr
    (line,) = [line for line in run.stdout.splitlines() if line.lstrip("# ").startswith(f"{name} = ")]
    return line.partition(" = ")[2].removesuffix("  ###").strip("'")  # ### marks what Django's own settings lack


def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "incident_central", *arguments],
        env=demo.cleaned(os.environ) | settings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
