"""Step 4: what needs the settings that were written. `incident-central` itself does it, run with them as people do."""

import shlex
import shutil
import subprocess
import sys
from urllib.parse import urlsplit

from incident_central import parse
from incident_central.guide.asking import Terminal
from incident_central.guide.pagerduty import Account
from incident_central.guide.settings_file import SettingsFile
from incident_central.parse import is_loopback

NAME = "incident-central"
#: As README says: a shell reads the file.
WITH_SETTINGS = 'set -a; . "$1"; set +a; shift; exec "$@"'


def ask(terminal: Terminal, file: SettingsFile, account: Account | None) -> None:
    terminal.say("\nStep 4: Try it.")
    has_administrator = False
    if terminal.wants("Make the database ready now, and you its administrator, as this user?", default=True):
        has_administrator = _migrate(terminal, file) and _make_administrator(terminal, file, account)
        if has_administrator and account is not None and file.value("BASE_URL"):
            _subscribe(terminal, file)
    _say_what_is_next(terminal, file, has_administrator=has_administrator)


def _migrate(terminal: Terminal, file: SettingsFile) -> bool:
    done = _run(file, "manage", "migrate", "--verbosity", "0")
    terminal.say("  ok: The tables are up to date." if done.returncode == 0 else f"  {_said(done)}")
    return done.returncode == 0


def _make_administrator(terminal: Terminal, file: SettingsFile, account: Account | None) -> bool:
    head = account.head if account else {}
    email = terminal.ask(
        "Your e-mail, the one that PagerDuty and Slack know", parse.email, default=str(head.get("email", ""))
    )
    known = str(head.get("name", "")) if email == head.get("email") else ""
    name = terminal.ask("Your name", str, default=known)
    while True:
        password = terminal.ask_secret("A password of at least 10 characters, to sign in with", str)
        if password != terminal.ask_secret("The same again", str):
            terminal.say("  The two are not the same.")
            continue
        done = _run(file, "manage", "createadmin", email, "--name", name, "--password-stdin", stdin=password)
        terminal.say(f"  {_said(done)}")
        if done.returncode == 0 or not terminal.wants("Try again?", default=True):
            return done.returncode == 0


def _subscribe(terminal: Terminal, file: SettingsFile) -> None:
    terminal.say("  With webhooks a change in PagerDuty shows at once, else after up to 15 seconds.")
    url = f"{file.value('BASE_URL')}/webhooks/pagerduty"
    if terminal.wants(f"Have PagerDuty send its webhooks to {url}?", default=url.startswith("https://")):
        terminal.say(f"  {_said(_run(file, 'setup', 'webhook', '--no-test'))}")


def _say_what_is_next(terminal: Terminal, file: SettingsFile, *, has_administrator: bool) -> None:
    first = [] if has_administrator else ["manage migrate", 'manage createadmin you@example.com --name "Your Name"']
    own_name = _own_name()
    commands = [f"{own_name} {command}" for command in [*first, f"serve{_port(file.value('BASE_URL'))}"]]
    load = f"set -a; . {shlex.quote(str(file.path))}; set +a"
    terminal.say("\nNext, run it:")
    terminal.show("\n".join([load, *commands]))
    terminal.say("And while it runs, in another terminal, see that nothing would keep a page from arriving:")
    terminal.show("\n".join([load, f"{own_name} doctor"]))
    terminal.say(
        "Then sign in, open Set-up, and start a drill: it pages nobody but you. To have it run for good, see "
        "docs/deploy.md."
    )


def _port(address: str) -> str:
    """Where no proxy is in front, people open the hub itself."""
    parts = urlsplit(address)
    here = parts.scheme == "http" and is_loopback(parts.hostname or "")
    return f" --port {parts.port or 80}" if here else ""


def _own_name() -> str:
    """How a shell calls us."""
    return NAME if shutil.which(NAME) else f"{shlex.quote(sys.executable)} -m incident_central"


def _run(file: SettingsFile, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Nothing secret is among the arguments: everybody on the machine can read those."""
    command = ["/bin/sh", "-c", WITH_SETTINGS, "sh", str(file.path), sys.executable, "-m", "incident_central"]
    return subprocess.run([*command, *arguments], input=stdin, capture_output=True, text=True)  # noqa: S603  ourselves


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stdout + done.stderr).strip().replace("\n", "\n  ")
