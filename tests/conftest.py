"""Fixtures for all tests. `--all` insists: what could not be run is a failure then, and not a skip."""

import faulthandler
import gc
import shutil
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from greenlet import greenlet
from playwright.sync_api import Browser, sync_playwright

from tests.processes import Cluster, Hub, Sandbox, postgresql_binaries

DATABASES = ["sqlite", "postgresql"]

# Where the tests run in the background Ctrl-C is ignored, and processes inherit that; some of ours are ended by it.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


# The same examples every time, however long one of them is held up.
hypothesis.settings.load_profile("ci")

#: Left out unless they are asked for.
LONG = ("crash", "test_bench.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--crash",
        action="store_true",
        help="also run what takes minutes: kills, freezes, lost databases, the benchmarks",
    )
    parser.addoption("--all", action="store_true", help="those, too, and fail when something could not be run")
    parser.addoption(
        "--soak", nargs="?", type=int, const=2000, default=0, metavar="KILLS", help="kill so often (2000) instead of 50"
    )
    parser.addoption(
        "--at", action="append", metavar="PLACE", help="kill at this place instead (tests/crash/mortal.py)"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Kills, freezes and benchmarks take minutes."""
    return True if collection_path.name in LONG and not _wants_long(config) else None


def _wants_long(config: pytest.Config) -> bool:
    asked = any(config.getoption(option) for option in ("--crash", "--all", "--soak"))
    return asked or any(name in arg for name in LONG for arg in config.args)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not _wants_long(config):
        terminalreporter.write_line(
            f"Left out, since they take minutes: {', '.join(LONG)}. bin/test --crash runs them."
        )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with a `seed` is run once, and by --soak in as many rounds of 50 kills as make up its number."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(max(1, metafunc.config.getoption("--soak") // 50)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the hub said last."""
    report = yield
    hub = getattr(item, "funcargs", {}).get("hub")
    if report.failed and isinstance(hub, Hub) and (hub.folder / "hub.log").exists():
        report.sections.append(("end of hub.log", hub.log[-3000:]))
    return report


# A worker that hangs is ended by pytest-timeout, and says as little as one that crashes: what it was at is written to a
# file, and told with the failure.

STACKS = pytest.StashKey[threading.Timer]()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    if worker := getattr(config, "workerinput", None):
        faulthandler.enable(_last_words(worker).open("w"))


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> None:
    if worker := getattr(item.config, "workerinput", None):
        timer = threading.Timer(settings.timeout - 1, _write_stacks, [_last_words(worker)])
        timer.start()
        item.stash[STACKS] = timer


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_cancel_timer(item: pytest.Item) -> None:
    if STACKS in item.stash:
        item.stash[STACKS].cancel()


def _write_stacks(path: Path) -> None:
    with path.open("a") as file:
        for one in gc.get_objects():  # a test that waits for its browser stands in no thread's stack
            if isinstance(one, greenlet) and one.gr_frame:
                print("Greenlet:", *traceback.format_stack(one.gr_frame, limit=12), file=file)
        faulthandler.dump_traceback(file)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_handlecrashitem(report: Any) -> None:
    words = _last_words(report.node.workerinput)
    report.longrepr += "\n" + words.read_text()
    words.unlink()


def pytest_unconfigure(config: pytest.Config) -> None:
    if worker := getattr(config, "workerinput", None):
        _last_words(worker).unlink(missing_ok=True)


def _last_words(worker: dict[str, Any]) -> Path:
    return Path(tempfile.gettempdir()) / f"last-words-{worker['testrunuid']}-{worker['workerid']}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if session.config.getoption("--all") and skipped:
        print(f"\n--all was given, and {len(skipped)} tests were left out: see the reasons above.")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if postgresql_binaries() is None:
        pytest.skip("PostgreSQL is not installed on this machine")
    cluster = Cluster(durable=False)
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One for all tests: Playwright can be started only once at a time."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("Chromium is not installed on this machine (Debian's package is named chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def one_sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture
def sandbox(one_sandbox: Sandbox) -> Sandbox:
    """The make-believe company as on its first day, with nothing broken."""
    one_sandbox.start_over()
    return one_sandbox


@pytest.fixture
def quiet_sandbox() -> Iterator[Sandbox]:
    """A sandbox that no other hub talks to, for tests of what is not called."""
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture(params=DATABASES, scope="session")
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def prepared(database: str, request: pytest.FixtureRequest, one_sandbox: Sandbox) -> Iterator[Hub]:
    """A hub whose database is up to date and has an administrator in it. Not started."""
    folder = Path(tempfile.mkdtemp(prefix="ic-prepared-"))
    url = request.getfixturevalue("cluster").new_database() if database == "postgresql" else ""
    hub = Hub(one_sandbox, folder, url)
    hub.prepare()
    yield hub
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template(prepared: Hub, request: pytest.FixtureRequest) -> Iterator[Hub]:
    """A copy of the prepared database that nobody writes to, for fresh hubs to be made from."""
    folder = prepared.folder.with_name(prepared.folder.name + "-template")
    shutil.copytree(prepared.folder, folder)
    url = prepared.database_url
    yield Hub(prepared.sandbox, folder, url and request.getfixturevalue("cluster").new_database(like=url))
    shutil.rmtree(folder)


@pytest.fixture
def make_hub(
    template: Hub, sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Hub]]:
    """Make a hub with a fresh database; keyword arguments are settings. It is not started yet."""
    hubs: list[Hub] = []

    def make(**settings: str) -> Hub:
        folder = tmp_path / f"data-{len(hubs)}"
        shutil.copytree(template.folder, folder)
        url = template.database_url and request.getfixturevalue("cluster").new_database(like=template.database_url)
        hubs.append(Hub(sandbox, folder, url, settings))
        return hubs[-1]

    yield make
    sandbox.mend()
    for hub in hubs:
        hub.stop()


@pytest.fixture(scope="session")
def one_hub(prepared: Hub, template: Hub, one_sandbox: Sandbox) -> Iterator[Hub]:
    one_sandbox.start_over()  # or it reads what the test before left of the company
    prepared.start()
    yield prepared
    prepared.stop()


@pytest.fixture
def hub(one_hub: Hub, make_hub: Callable[..., Hub], sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[Hub]:
    """A running hub, connected with the sandbox. All tests on one database share it: each looks at its own incident.

    A second try gets one of its own, since what the first left behind could fail it again.
    """
    hub = one_hub
    if getattr(request.node, "execution_count", 1) > 1:
        hub = make_hub()
        hub.start()
    hub.put_off_directory()
    hub.forget_others()
    yield hub
    sandbox.mend()
