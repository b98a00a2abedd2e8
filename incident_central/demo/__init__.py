"""`incident-central demo`: hub and sandbox together, as separate HTTP servers on this machine. Nobody is really paged.

Every PAGERDUTY_*, SLACK_* and DATABASE_URL of the environment is dropped, and the hub's settings for the demo refuse
any upstream that is not on this machine. All data is in a temporary folder that goes when the demo ends.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from incident_central import parse
from incident_central.sandbox import company
from incident_central.start import CannotStart

PATIENCE = 60.0  # seconds to become ready
#: How names of settings begin, those to come included. Not read from settings.py, which would take the environment's.
SETTINGS_BEGIN = tuple(
    "PAGERDUTY_ SLACK_ DATA BASE_URL SECRET_KEY FALLBACK_ ALLOWED_ TRUSTED_ TIME_ZONE COMPANY EMAIL_ HEARTBEAT_".split()
)


def main(argv: Sequence[str] = ()) -> int:
    """Run until Ctrl-C. Raises CannotStart."""
    parser = argparse.ArgumentParser(prog="incident-central demo", description="Hub and sandbox; no accounts needed.")
    parser.add_argument("--port", type=parse.port, default=8000, help="port of the hub on this machine (default: 8000)")
    port = parser.parse_args(argv).port or _free_port()
    _refuse_taken(port)
    signal.signal(signal.SIGTERM, _end)
    with contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(prefix="incident-central-") as folder:
        hub_url = f"http://127.0.0.1:{port}"
        clean = cleaned(os.environ)
        with _child("sandbox", ["sandbox", "--hub-url", hub_url], clean) as sandbox:
            addresses = _addresses(sandbox)
            settings = clean | hub_settings(addresses, hub_url=hub_url, data_dir=Path(folder))
            with _child("hub", ["demo.hub", "--port", str(port)], settings) as hub:
                _wait_until_ready(hub, hub_url)
                _subscribe(settings)
                print(f"\nIncident Central is ready: {hub_url}")
                print(f"Phones and Slack of the make-believe company: {addresses['page']}")
                print("Nobody is really paged. Ctrl-C ends it.", flush=True)
                return _watch({"hub": hub, "sandbox": sandbox})
    print("\nEnded.")
    return 0


def cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without any setting: nothing leads to a real account or database, or through a proxy."""
    kept = {name: value for name, value in environment.items() if not name.startswith(SETTINGS_BEGIN)}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


def hub_settings(addresses: Mapping[str, str], *, hub_url: str, data_dir: Path) -> dict[str, str]:
    """The settings that connect a hub with a sandbox; `addresses` is what the sandbox printed."""
    return {
        "DATA_DIR": str(data_dir),
        "BASE_URL": hub_url,
        "COMPANY": company.NAME,
        "TIME_ZONE": company.TIME_ZONE,
        "PAGERDUTY_API_URL": addresses["pagerduty"],
        "PAGERDUTY_API_KEY": company.PAGERDUTY_KEY,
        "PAGERDUTY_FROM_EMAIL": company.FROM_USER.email,
        "SLACK_API_URL": addresses["slack"],
        "SLACK_BOT_TOKEN": company.SLACK_TOKEN,
        "SLACK_ANNOUNCE_CHANNEL": "incidents",
        "FALLBACK_SERVICE": "Incident Desk",
        "FALLBACK_CONTACT": "Incident desk, +1 555 0100",
        "SANDBOX_URL": addresses["page"],
    }


@contextlib.contextmanager
def _child(what: str, arguments: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    module, *rest = arguments
    command = [sys.executable, "-m", f"incident_central.{module}", *rest]
    output = subprocess.PIPE if what == "sandbox" else None
    # Its own process group: Ctrl-C reaches only us, and we end our children in order.
    process = subprocess.Popen(  # noqa: S603  this very program
        command, env=dict(environment), stdout=output, text=True, process_group=0
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _addresses(sandbox: subprocess.Popen[str]) -> dict[str, str]:
    line = sandbox.stdout.readline() if sandbox.stdout else ""
    if not line:
        raise CannotStart("the sandbox did not start; what it said is above.")
    addresses: dict[str, str] = json.loads(line)
    return addresses


def _wait_until_ready(hub: subprocess.Popen[str], url: str) -> None:
    until = time.monotonic() + PATIENCE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever proxy the environment names
    while time.monotonic() < until:
        if hub.poll() is not None:
            raise CannotStart("the hub did not start; what it said is above.")
        try:
            with opener.open(f"{url}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise CannotStart(f"the hub was not ready after {PATIENCE:.0f} s; what it said is above.")


def _subscribe(environment: Mapping[str, str]) -> None:
    """Have the sandbox's PagerDuty tell the hub of every change, as an administrator does it."""
    command = [sys.executable, "-m", "incident_central", "setup", "webhook"]
    run = subprocess.run(command, env=dict(environment), capture_output=True, text=True)  # noqa: S603  this program
    if run.returncode:
        raise CannotStart(f"webhooks could not be set up: {run.stdout}{run.stderr}")


def _watch(children: Mapping[str, subprocess.Popen[str]]) -> int:
    while True:
        for name, child in children.items():
            if child.poll() is not None:
                raise CannotStart(f"the {name} ended by itself, with exit code {child.returncode}.")
        time.sleep(0.5)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _refuse_taken(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        raise CannotStart(f"port {port} is in use. Choose another: bin/demo --port {port + 1}") from None


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
