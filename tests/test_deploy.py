"""The files that it is deployed with: what they name exists, and what can be tried of them was tried."""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from incident_central.cli import _parser
from tests.journeys.conftest import on_sqlite
from tests.processes import ROOT, Hub

DEPLOY, PAGE = ROOT / "deploy", (ROOT / "docs/deploy.md").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine")
    for unit in [*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")]:
        # Where it will be installed there is nothing yet.
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/local/bin/incident-central", sys.executable))
    units = sorted(str(unit) for unit in tmp_path.iterdir())
    assert len(units) == 3
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_of_a_unit_and_of_the_image_is_one_that_there_is() -> None:
    commands = re.findall(r"^ExecStart=/usr/local/bin/incident-central (.+)$", _units(), re.M)
    entry, command = (json.loads(one) for one in re.findall(r"^(?:ENTRYPOINT|CMD) (\[.+\])$", DOCKERFILE, re.M))
    assert entry == ["incident-central"]
    for arguments in [*(one.split() for one in commands), command]:
        assert _parser().parse_args(arguments).command == arguments[0]
    assert len(commands) == 2


def test_the_image_is_made_of_what_there_is_and_is_not_root() -> None:
    copied = [name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M) for name in line.split()]
    let_in = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.M)
    assert sorted(copied) == sorted(let_in)
    assert all((ROOT / name).exists() for name in copied)
    (user,) = re.findall(r"^USER (.+)$", DOCKERFILE, re.M)
    assert f"useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin {user}" in DOCKERFILE


@on_sqlite
def test_the_images_health_check_sees_whether_it_lives(make_hub: Callable[..., Hub]) -> None:
    (look,) = re.findall(r"^HEALTHCHECK .* CMD (\[.+\])$", DOCKERFILE, re.M)
    hub = make_hub()
    program, *arguments = json.loads(look.replace(" 8000,", f" {hub.port},"))
    assert program == "python"
    proxied = os.environ | {"http_proxy": "http://127.0.0.1:1"}

    def healthy() -> bool:
        return subprocess.run([sys.executable, *arguments], env=proxied, stderr=subprocess.DEVNULL).returncode == 0

    assert not healthy()
    hub.start()
    assert healthy()


@on_sqlite
def test_the_headers_of_the_proxies_are_those_that_are_believed(make_hub: Callable[..., Hub]) -> None:
    """Browsers are told to stay with https only where the proxy says that they came by it."""
    headers = dict(re.findall(r"proxy_set_header (\S+) (\S+);", (DEPLOY / "nginx.conf").read_text()))
    assert headers.keys() == {"Host", "X-Forwarded-For", "X-Forwarded-Proto"}
    values = {"$host": "incidents.example.com", "$proxy_add_x_forwarded_for": "203.0.113.9"}
    hub = make_hub(BASE_URL="https://incidents.example.com", TRUSTED_PROXIES="127.0.0.1")
    hub.start()

    def kept_at_https(scheme: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=20)
        sent = {name: (values | {"$scheme": scheme})[value] for name, value in headers.items()}
        connection.request("GET", "/sign-in", headers=sent)
        answer = connection.getresponse()
        connection.close()
        assert answer.status == 200
        return answer.getheader("Strict-Transport-Security") is not None

    assert kept_at_https("https")
    assert not kept_at_https("http")
    assert "reverse_proxy 127.0.0.1:8000" in (DEPLOY / "Caddyfile").read_text()


def test_every_setting_that_is_named_there_exists() -> None:
    known = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    named = set(re.findall(r"^([A-Z_]+)=|`([A-Z_]+)=", PAGE, re.M))
    names = {name.removesuffix("_FILE") for pair in named for name in pair if name}
    names |= set(re.findall(r"^      ([A-Z_]+):", (ROOT / "compose.yaml").read_text(), re.M))
    assert {"BASE_URL", "DATABASE_URL", "DATA_DIR"} <= names <= known


def test_every_file_is_named_in_the_page() -> None:
    for file in [*DEPLOY.iterdir(), ROOT / "Dockerfile", ROOT / "compose.yaml"]:
        assert file.name in PAGE, file.name


def _units() -> str:
    return "".join(unit.read_text() for unit in sorted(DEPLOY.glob("*.service")))
