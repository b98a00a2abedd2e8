"""What the documentation says exists, and what exists is in it."""

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from incident_central import demo
from incident_central.findings import Kind, Level
from incident_central.integrations.slack.manifest import SCOPES, manifest
from incident_central.sandbox.faults import KINDS
from incident_central.sandbox.slack.methods import METHODS
from incident_central.sandbox.slack.scopes import SEE_EMAIL, union
from tests.crash.protections import PROTECTIONS, where
from tests.findings_in_docs import documented, passes
from tests.processes import ROOT, Hub, Sandbox, report_form

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
MANIFEST = (ROOT / "docs/setup/slack-manifest.yaml").read_text()

#: Printed by a process of its own, so that reading the settings touches nothing of this one.
FACTS = """
import dataclasses, json, django
django.setup()
from django.apps import apps
from incident_central import serve, settings
from incident_central.api import urls as api
from incident_central.demo import urls as demo
from incident_central.doctor.parts import TABLES
from incident_central.incidents.response import RESPONSE
from incident_central.jobs.models import State
from incident_central.web import urls
tables = {m._meta.db_table for m in apps.get_models(include_auto_created=True)}
print(json.dumps({
    "settings": {setting.name: setting.default for setting in settings.SETTINGS},
    "routes": [pattern.pattern._route for pattern in [*urls.urlpatterns, *api.urlpatterns]],
    "demo": [pattern.pattern._route for pattern in demo.urlpatterns if hasattr(pattern.pattern, "_route")],
    "tables": sorted(table for table in tables if not table.startswith(("auth_", "django_content"))),
    "steps": {step.name: step.after for step in RESPONSE.steps},
    "states": State.values,
    "lanes": serve.LANES,
    "findings": [dataclasses.asdict(kind) for table in TABLES for kind in table],
}))
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    environment = demo.cleaned(os.environ) | {
        "DATA_DIR": str(tmp_path_factory.mktemp("facts")),
        "DJANGO_SETTINGS_MODULE": "incident_central.settings",
    }
    told = subprocess.run(
        [sys.executable, "-c", FACTS], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


# ── settings ──────────────────────────────────────────────────────────────────────────────────────


def test_every_setting_is_documented_with_its_default_and_no_other(facts: dict[str, Any]) -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\| .+ \|$", _page("docs/configuration.md"), re.M)
    assert dict(rows) == facts["settings"]


def test_the_example_lists_every_setting_and_no_other(facts: dict[str, Any]) -> None:
    names = re.findall(r"^#?([A-Z_]+)=", _page(".env.example"), re.M)
    assert sorted(names) == sorted(facts["settings"])


def test_the_example_can_be_read_by_a_shell_and_is_accepted(tmp_path: Path) -> None:
    run = subprocess.run(
        [
            "/bin/sh",
            "-c",
            'set -a; . ./.env.example; DATA_DIR=$FOLDER; exec "$PYTHON" -m incident_central manage migrate',
        ],
        env=demo.cleaned(os.environ) | {"FOLDER": str(tmp_path), "PYTHON": sys.executable},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "incident-central.sqlite3").exists()


# ── links, commands, addresses ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not heading or heading in _headings(there), target


def test_every_command_that_is_named_exists() -> None:
    named = {match for page in PAGES for match in _commands(page.read_text())}
    for command in sorted(named):
        asked = ["manage", "help", *command.split()[1:]] if command.startswith("manage ") else [command, "--help"]
        assert _run(*asked).returncode == 0, command
    for script in {name for page in PAGES for name in re.findall(r"(?<![\w./])bin/[a-z]+", page.read_text())}:
        assert os.access(ROOT / script, os.X_OK), script


def test_every_command_that_exists_is_in_the_table() -> None:
    listed = re.findall(r"^\| `([^`]+)` \|", _section("Commands"), re.M)
    scripts = {f"bin/{path.name}" for path in (ROOT / "bin").iterdir() if not path.name.startswith("_")}
    commands = re.findall(r"^    ([a-z]+)  ", _run("--help").stdout, re.M)
    assert commands
    assert {one for one in listed if one.startswith("bin/")} == scripts
    assert {one.split()[1] for one in listed if one.startswith("incident-central ")} == set(commands)


def test_the_addresses_listed_are_those_that_there_are(facts: dict[str, Any]) -> None:
    rows = re.findall(r"^\| (`/.*?) \| ", _section("Addresses"), re.M)
    listed = {address for row in rows for address in re.findall(r"`([^`]+)`", row)}
    assert listed == {_address(route) for route in facts["routes"]}
    assert {_address(route) for route in facts["demo"]} - listed == {"/demo/sign-in"}


# ── the code as it is ─────────────────────────────────────────────────────────────────────────────


def test_the_tree_names_every_module() -> None:
    tree = ARCHITECTURE.split("```")[1]
    for module in (ROOT / "incident_central").rglob("*.py"):
        folder = module.relative_to(ROOT / "incident_central").parts[0]
        if folder not in ("sandbox", "web", "demo") and "migrations" not in module.parts and module.stem[0] != "_":
            assert module.stem in tree, module
    for name in re.findall(r"(?<![\w-])([a-z]+\.py)", tree):
        assert list((ROOT / "incident_central").rglob(name)), name
    for path in re.findall(r"`((?:incident_central|tests|docs)/[\w/.-]+)`", ARCHITECTURE):
        assert (ROOT / path).exists(), path


def test_the_layers_listed_are_those_that_are_enforced() -> None:
    contracts = tomllib.loads(_page("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    listed = _section("Who may import whom").split("```")[1].strip().splitlines()
    assert [line.split("  ")[0] for line in listed[:-1]] == [each.replace("incident_central.", "") for each in layers]
    assert listed[-1] == "(sandbox stands alone)"


def test_the_steps_listed_are_those_of_the_response(facts: dict[str, Any]) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| .+ \|$", _section("The response"), re.M)
    assert {name: re.findall(r"`(\w+)`", after) for name, after in rows} == facts["steps"]


def test_the_states_and_lanes_listed_are_those_of_the_jobs_package(facts: dict[str, Any]) -> None:
    assert re.findall(r"^\| `([\w-]+)` \|", _section("The jobs package"), re.M) == facts["states"]
    for lane, threads in facts["lanes"].items():
        assert re.search(rf"`{lane}` {threads}\b", _section("The response")), lane
        assert re.search(rf"`{lane}` {threads}\b", _page("docs/decisions/0002-one-process-threads-waitress.md")), lane


def test_the_tables_listed_are_those_of_the_database(facts: dict[str, Any]) -> None:
    rows = re.findall(r"^\| (`.+?`) \| ", _section("Data"), re.M)
    assert sorted(table for row in rows for table in re.findall(r"`(\w+)`", row)) == facts["tables"]


# ── what the doctor finds ─────────────────────────────────────────────────────────────────────────


def test_every_finding_is_documented_in_its_own_words_and_no_other(facts: dict[str, Any]) -> None:
    kinds = [Kind(**one | {"level": Level(one["level"])}) for one in facts["findings"]]
    pages = {
        "pagerduty": "1-pagerduty",
        "slack": "2-slack",
        "people": "2-slack",
        "database": "3-database",
        "hub": "3-database",
        "drill": "4-try-it",
    }
    for kind in kinds:
        page = _page(f"docs/setup/{pages[kind.id.partition('.')[0]]}.md")
        assert (passes(kind) if kind.level == Level.OK else documented(kind)) in page, kind.id
    text = "".join(_page(f"docs/setup/{page}.md") for page in sorted(set(pages.values())))
    assert sorted(re.findall(r"^(?:### |\| )`([a-z]+\.[a-z-]+)`", text, re.M)) == sorted(kind.id for kind in kinds)


def test_every_finding_is_one_that_some_check_gives(facts: dict[str, Any]) -> None:
    code = "".join(path.read_text() for path in (ROOT / "incident_central").rglob("*.py"))
    given = set(re.findall(r'[A-Z]\.found\(\s*"([a-z.-]+)"', code)) | set(
        re.findall(r'": "(slack\.token-[a-z-]+)"', code)
    )
    assert given == {one["id"] for one in facts["findings"]}


def test_every_fault_that_can_be_found_is_planted_in_some_test(facts: dict[str, Any]) -> None:
    tests = "".join(
        _page(f"tests/{name}.py")
        for name in (
            "doctor_scenes",
            "test_doctor_of_people",
            "test_doctor_of_the_database",
            "test_set_up_page",
            "test_drill",
            "test_backup",
            "test_telling",
            "test_weekly_drill",
            "doctor",
        )
    )
    wrong = {one["id"] for one in facts["findings"] if one["level"] != Level.OK}
    assert {id_ for id_ in wrong if f'"{id_}"' not in tests} == set()


# ── Slack's scopes ────────────────────────────────────────────────────────────────────────────────


def test_the_manifest_and_the_page_about_slack_say_what_the_code_does() -> None:
    """From there the doctor and the Set-up page take it, too."""
    assert manifest("") == MANIFEST
    explained = re.findall(r"^\| `([a-z]+:[a-z.:]+)` \| (.+) \|$", _page("docs/setup/2-slack.md"), re.M)
    assert explained == [(scope.name, scope.why) for scope in SCOPES]
    assert _scopes() == [scope.name for scope in SCOPES]


def test_the_manifest_tells_where_the_hub_is_and_keeps_to_slacks_limits() -> None:
    text = manifest("https://incidents.example.com")
    (told,) = re.findall(r'^  long_description: "(.*)"$', text, re.M)
    assert told.endswith(" https://incidents.example.com")
    assert 175 <= len(told) <= 4000
    assert text.replace(f'\n  long_description: "{told}"', "") == MANIFEST


def test_the_manifest_asks_for_nothing_that_no_call_needs() -> None:
    client = _page("incident_central/integrations/slack/client.py")
    called = [method for name, method in METHODS.items() if f'"{name}"' in client]
    assert called
    assert set(_scopes()) <= {SEE_EMAIL, *(scope for method in called for scope in union(method.scopes))}


def test_the_manifests_scopes_suffice_for_every_step(make_hub: Callable[..., Hub], sandbox: Sandbox) -> None:
    token = "xoxb-sandbox-as-in-the-manifest"
    sandbox.plant("slack", "tokens", create={"secret": token, "scopes": _scopes()})
    hub = make_hub(SLACK_BOT_TOKEN=token)
    hub.start()
    name = hub.dana.post("/report", report_form(hub)).incident
    assert {row["state"] for row in hub.finished(name).values()} == {"done"}


def test_the_manifests_scopes_suffice_for_looking_after_lost_answers(
    make_hub: Callable[..., Hub], sandbox: Sandbox
) -> None:
    token = "xoxb-sandbox-as-in-the-manifest"
    sandbox.plant("slack", "tokens", create={"secret": token, "scopes": _scopes()})
    channels = sandbox.state["slack"]["channels"]
    announce = next(channel for channel in channels if channel["name"] == "incidents")
    sandbox.plant("slack", "channels", announce["id"], set={"kind": "private"})
    hub = make_hub(SLACK_BOT_TOKEN=token, SLACK_ANNOUNCE_CHANNEL=announce["id"])
    hub.start()
    for method in ("conversations.create", "bookmarks.add", "chat.postMessage"):
        sandbox.fault("slack", "answer-lost", method=method, times=2)
    name = hub.dana.post("/report", report_form(hub)).incident
    assert {row["state"] for row in hub.finished(name).values()} == {"done"}
    looked = {call["method"] for call in sandbox.calls()}
    assert looked >= {"users.conversations", "bookmarks.list", "conversations.history"}


# ── the sandbox ───────────────────────────────────────────────────────────────────────────────────


def test_every_kind_of_fault_and_every_switch_of_the_sandbox_is_documented(one_sandbox: Sandbox) -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| ", _page("docs/sandbox.md"), re.M)
    switches = [name for provider in one_sandbox.control("/switches").values() for name in provider]
    assert sorted(rows) == sorted([*KINDS, *switches])


def test_every_request_that_is_documented_is_one_that_the_sandbox_knows(one_sandbox: Sandbox) -> None:
    rows = re.findall(r"^\| (`(?:GET|POST|DELETE) .+?) \| ", _page("docs/sandbox.md"), re.M)
    assert rows
    for method, path in re.findall(r"`(GET|POST|DELETE) (\S+?)`", " ".join(rows)):
        connection = http.client.HTTPConnection(urlsplit(one_sandbox.addresses["page"]).netloc, timeout=10)
        connection.request(method, re.sub("<.*?>", "X", path), "{}", {"Content-Type": "application/json"})
        assert b"There is no" not in connection.getresponse().read(), f"{method} {path}"
        connection.close()


# ── reliability ───────────────────────────────────────────────────────────────────────────────────


def test_the_protections_listed_are_those_that_are_taken_out() -> None:
    table = _page("docs/reliability.md").partition("## Which protection each test guards")[2]
    rows = re.findall(r"^\| (.+) \| `([\w.]+)` \| `(\w+\S*)` \|$", table, re.M)
    assert rows == [(one.name, where(one), one.test.partition("::")[2]) for one in PROTECTIONS]
    for one in PROTECTIONS:
        assert _page(one.file).count(one.text) == 1, one.name
        path, _, test = one.test.partition("::")
        assert f"def {test.partition('[')[0]}(" in _page(path), one.name


def test_every_test_that_is_named_exists() -> None:
    files = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    for name in set(re.findall(r"`(test_\w+)`", _page("docs/reliability.md"))):
        assert any(f"def {name}(" in text for text in files), name


def test_what_is_tried_on_one_database_alone_says_so() -> None:
    tests = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    faults = _page("docs/reliability.md").partition("## Which protection")[0]
    for row in re.findall(r"^\|.*`test_.*$", faults, re.M):
        for name in re.findall(r"`(test_\w+)`", row):
            ((file, decorators),) = [
                (file, found) for file in tests for found in re.findall(rf"((?:^[@ )\]].*\n)*)def {name}\(", file, re.M)
            ]
            marks = decorators + "".join(re.findall(r"^pytestmark = .*$", file, re.M))
            for alone in re.findall(r'on_(sqlite|postgresql)\b|"database", \["(sqlite|postgresql)"\]', marks):
                assert "".join(alone) in row.lower(), row


# ── reading the documentation ─────────────────────────────────────────────────────────────────────


def _page(path: str) -> str:
    return (ROOT / path).read_text()


def _section(heading: str) -> str:
    """The part of architecture.md under a heading."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", ARCHITECTURE, re.M | re.S)
    assert found, heading
    return found[1]


def _headings(page: Path) -> set[str]:
    """The anchors of a page, as they are made of its headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _commands(text: str) -> Iterator[str]:
    """`serve`, `manage migrate`, …: what stands after incident-central in code."""
    for code in re.findall(r"^```.*?^```|`[^`\n]+`", text, re.M | re.S):
        for command, argument in re.findall(r"(?<![\w/.-])incident-central ([a-z]+)(?: ([a-z]+))?", code):
            yield f"manage {argument}" if command == "manage" and argument else command


def _address(route: str) -> str:
    return "/" + re.sub(r"<\w+:(\w+)>", r"<\1>", route)


def _scopes() -> list[str]:
    return re.findall(r"^      - (\S+)$", MANIFEST, re.M)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            [sys.executable, "-m", "incident_central", *arguments],
            env=demo.cleaned(os.environ) | {"DATA_DIR": folder},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
