"""How `incident-central serve` starts, what it says, how it ends, and what it never gives away."""

import errno
import http.client
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from incident_central.sandbox import company
from tests.processes import PASSWORD, ROOT, Browser, Cluster, Hub, Sandbox, eventually, free_port, report_form

MakeHub = Callable[..., Hub]

#: What does not depend on the database.
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True, scope="session")


# ── what keeps it from starting ───────────────────────────────────────────────────────────────────


def test_a_second_process_on_the_same_folder_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    first, second = Hub(sandbox, tmp_path), Hub(sandbox, tmp_path)
    first.start()
    try:
        said = refused(second)
        assert f"another Incident Central works on {tmp_path}. Stop it, give this one a DATA_DIR of its own" in said
        assert first.answers("/readyz")
    finally:
        first.stop()


@on_sqlite
def test_a_folder_that_is_not_there_is_said_to_be_missing(make_hub: MakeHub, tmp_path: Path) -> None:
    hub = make_hub(DATABASE_URL=f"sqlite:///{tmp_path}/missing/hub.sqlite3")
    assert f"{tmp_path}/missing" in refused(hub)


def test_the_folder_is_held_before_all_that_takes_time(sandbox: Sandbox, tmp_path: Path) -> None:
    """What a predecessor left in doubt may be repeated a while after it is known to be dead."""
    hub = Hub(sandbox, tmp_path)
    hub.start()
    hub.kill()
    held = f":{(tmp_path / 'lock').stat().st_ino} "
    command = [sys.executable, "-m", "incident_central", "serve", "--port", str(hub.port)]
    with subprocess.Popen(command, env=hub.environment, cwd=ROOT) as process, socket.socket() as probe:
        try:
            eventually(lambda: held in Path("/proc/locks").read_text())
            assert probe.connect_ex(("127.0.0.1", hub.port)) == errno.ECONNREFUSED
        finally:
            process.kill()


def test_the_folder_of_a_killed_process_is_free_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    hub = Hub(sandbox, tmp_path)
    hub.start()
    hub.kill()
    hub.start()
    hub.stop()


def test_a_port_in_use_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(Hub(sandbox, tmp_path, port=port))
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use. Choose another with --port." in said


def test_a_host_that_does_not_exist_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    said = refused(Hub(sandbox, tmp_path), "--host", "no-such-host.invalid")
    assert "cannot listen on no-such-host.invalid port" in said


@pytest.mark.parametrize("port", ["70000", "-1", "http"])
def test_a_port_that_is_none_is_refused(sandbox: Sandbox, tmp_path: Path, port: str) -> None:
    run = Hub(sandbox, tmp_path).command("serve", "--port", port)
    assert run.returncode == 2
    assert "argument --port" in run.stderr


def test_postgresql_that_is_not_up_to_date_is_named_with_the_command(
    sandbox: Sandbox, tmp_path: Path, cluster: Cluster
) -> None:
    said = refused(Hub(sandbox, tmp_path, cluster.new_database()))
    assert "the database is not up to date. Run `incident-central manage migrate`, then start again." in said


def test_a_database_out_of_reach_is_named_without_its_password(sandbox: Sandbox, tmp_path: Path) -> None:
    hub = Hub(sandbox, tmp_path, f"postgresql://hub:s3cr3t@127.0.0.1:{free_port()}/hub")
    said = refused(hub)
    assert "the database cannot be used (connection failed: " in said
    assert "Check DATABASE_URL, and that it is running." in said
    assert "s3cr3t" not in said

    made = hub.command("manage", "createadmin", "ana@example.com", "--password-stdin", stdin="correct horse")
    assert made.returncode == 2
    assert "the database cannot be used (connection failed: " in made.stderr, "the pool says only that it waited"
    assert "Traceback" not in made.stderr
    assert "s3cr3t" not in made.stderr


@on_sqlite
def test_who_leaves_is_signed_out_at_once_and_signs_in_no_more(hub: Hub) -> None:
    email = "leaving@example.com"
    made = hub.command("manage", "createuser", email, "--name", "Lee", "--password-stdin", stdin=PASSWORD)
    assert made.stdout == f"{email} can sign in now and is no administrator.\n"
    lee = Browser(hub.url)
    assert lee.sign_in(email, PASSWORD).path == "/"
    for _ in range(2):
        gone = hub.command("manage", "deactivate", email.upper())
        assert gone.stdout == f"{email} is signed out, and cannot sign in any more.\n"
    assert lee.get("/").path == "/sign-in"
    assert lee.sign_in(email, PASSWORD).status == 422
    nobody = hub.command("manage", "deactivate", "nobody@example.com")
    assert (nobody.returncode, "Nobody here has the e-mail" in nobody.stderr) == (1, True)


def test_an_administrator_before_the_tables_is_told_what_to_do_first(sandbox: Sandbox, tmp_path: Path) -> None:
    made = Hub(sandbox, tmp_path).command("manage", "createadmin", "a@example.com", "--password-stdin", stdin="x" * 12)
    assert made.returncode == 2
    assert "`incident-central manage migrate` brings it up to date." in made.stderr
    assert "Traceback" not in made.stderr


@pytest.mark.parametrize("arguments", [("worker",), ("serve", "--no-worker", "--port", "0")], ids=" ".join)
def test_web_and_work_apart_need_postgresql(sandbox: Sandbox, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    run = Hub(sandbox, tmp_path).command(*arguments)
    assert run.returncode == 2
    assert run.stderr.startswith("incident-central: SQLite belongs to one process")


# ── what is not set up ────────────────────────────────────────────────────────────────────────────


def test_without_pagerduty_it_starts_says_what_is_missing_and_takes_no_report(
    make_hub: MakeHub, quiet_sandbox: Sandbox
) -> None:
    hub = make_hub(PAGERDUTY_API_KEY="", PAGERDUTY_FROM_EMAIL="")
    hub.sandbox = quiet_sandbox
    hub.start(ready=False)
    for name in ("PAGERDUTY_API_KEY", "PAGERDUTY_FROM_EMAIL"):
        assert f"{name} is not set: nobody can be paged, so no report is accepted." in hub.log
        assert name in hub.dana.get("/").text
        assert name in hub.dana.get("/report").text
        assert name in hub.dana.get("/readyz").text
    assert hub.dana.get("/readyz").status == 503

    sent = hub.dana.post("/report", {"report_id": str(uuid4()), "service": "P1", "title": "Nothing works"})
    assert sent.status == 503
    assert "Nothing works" in sent.text
    assert hub.rows("SELECT id FROM incidents") == []
    assert hub.rows("SELECT id FROM jobs_job WHERE workflow = 'response'") == []
    assert quiet_sandbox.calls(provider="pagerduty") == []


def test_without_slack_it_pages_and_records_and_says_so(make_hub: MakeHub, quiet_sandbox: Sandbox) -> None:
    hub = make_hub(SLACK_BOT_TOKEN="")
    hub.sandbox = quiet_sandbox
    hub.start()
    assert "SLACK_BOT_TOKEN is not set: reports page and are recorded, but open no channel." in hub.log
    assert "Slack is not set up, so no channel opens." in hub.dana.get("/report").text

    shown = hub.dana.post("/report", report_form(hub))
    steps = hub.finished(shown.incident)
    assert steps.pop("page")["state"] == "done"
    assert {row["state"] for row in steps.values()} == {"off"}
    assert {row["error"] for row in steps.values()} == {"Slack is not set up."}
    assert "Slack is not set up." in hub.dana.get(f"/incidents/{shown.incident}/responding").text
    assert quiet_sandbox.page_of(shown.incident)["status"] == "triggered"
    assert quiet_sandbox.calls(provider="slack") == []


# ── starting and ending ───────────────────────────────────────────────────────────────────────────


def test_it_is_alive_at_once_and_ready_once_pagerduty_has_been_read(make_hub: MakeHub, sandbox: Sandbox) -> None:
    sandbox.fault("pagerduty", "down")
    hub = make_hub()
    hub.start(ready=False)
    assert hub.dana.get("/healthz").text == "alive\n"
    eventually(lambda: "read from PagerDuty yet. PagerDuty could not be reached." in hub.dana.get("/readyz").text)
    assert hub.dana.get("/readyz").status == 503

    sandbox.mend()
    eventually(lambda: hub.dana.get("/readyz").text == "ready\n")


def test_a_database_that_went_away_is_said_and_its_return_is_enough(
    sandbox: Sandbox, tmp_path: Path, cluster: Cluster
) -> None:
    hub = Hub(sandbox, tmp_path, cluster.new_database())
    hub.prepare()
    hub.start()
    assert hub.dana.get("/").path == "/"  # signed in before
    eventually(lambda: (hub.folder / "snapshot.json").exists())
    name = hub.database_url.rpartition("/")[2]
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    try:
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as administrator:
            administrator.execute(allow.format(sql.Identifier(name), False))

            def said() -> bool:
                # Again each time: a session that was being opened may not have been listed yet.
                administrator.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
                )
                return "The database cannot be used" in Browser(hub.url).get("/readyz").text

            eventually(said)
            ready = Browser(hub.url).get("/readyz")
            assert ready.text.startswith("ready, but only to page: reports go to the journal.")
            assert ready.status == 200
            assert hub.answers("/healthz")
            administrator.execute(allow.format(sql.Identifier(name), True))
        eventually(lambda: hub.answers("/readyz"))
        incident = hub.dana.post("/report", report_form(hub)).incident
        # Sent a moment too early, it is paged from the journal, and that step is off.
        assert {row["state"] for row in hub.finished_in_time(incident).values()} <= {"done", "off"}
        assert sandbox.page_of(incident)
    finally:
        hub.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_it_ends_cleanly_when_told_to(make_hub: MakeHub, number: signal.Signals) -> None:
    hub = make_hub()
    hub.start()
    assert hub.process is not None
    hub.process.send_signal(number)
    assert hub.process.wait(timeout=15) == 0
    assert "Traceback" not in hub.log


def test_ended_in_the_middle_of_a_response_it_finishes_what_is_under_way(make_hub: MakeHub, sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.start()
    sandbox.fault("*", "slow", seconds=1)
    name = hub.dana.post("/report", report_form(hub)).incident
    hub.stop()
    assert hub.process is not None
    assert hub.process.returncode == 0
    assert {row["state"] for row in hub.steps(name).values()}.isdisjoint({"running", "looking"})
    sandbox.mend()
    hub.start()
    hub.finished(name)
    assert sandbox.page_of(name)


def test_web_and_work_apart_answer_a_report_together(sandbox: Sandbox, tmp_path: Path, cluster: Cluster) -> None:
    hub = Hub(sandbox, tmp_path, cluster.new_database())
    hub.prepare()
    start = [sys.executable, "-m", "incident_central"]
    options = {"env": hub.environment, "cwd": ROOT, "stderr": subprocess.DEVNULL}
    hub.process = subprocess.Popen([*start, "serve", "--no-worker", "--port", str(hub.port)], text=True, **options)  # type: ignore[call-overload]
    worker = subprocess.Popen([*start, "worker"], **options)  # type: ignore[call-overload]
    try:
        eventually(lambda: hub.answers("/readyz"))
        name = hub.dana.post("/report", report_form(hub)).incident
        assert {row["state"] for row in hub.finished(name).values()} == {"done"}
        worker.terminate()
        assert worker.wait(timeout=15) == 0
    finally:
        worker.kill()
        hub.stop()


# ── what it never gives away ──────────────────────────────────────────────────────────────────────


@on_sqlite
@pytest.mark.parametrize("module", ["", "incident_central.demo.settings"])
def test_the_demos_sign_in_is_not_there(make_hub: MakeHub, module: str) -> None:
    hub = make_hub(DJANGO_SETTINGS_MODULE=module, SANDBOX_URL="http://127.0.0.1:1/")
    hub.start()
    stranger = Browser(hub.url)
    stranger.get("/sign-in")
    assert stranger.post("/demo/sign-in", {"email": "ana.ribeiro@example.com"}).status == 404
    assert stranger.get("/demo/sign-in").status == 404
    assert stranger.get("/").path == "/sign-in"


@on_sqlite
@pytest.mark.skipif(not Path("/proc").exists(), reason="needs Linux's list of open files")
def test_one_report_after_another_is_the_work_of_few_threads(make_hub: MakeHub, sandbox: Sandbox) -> None:
    """Each thread that uses the database keeps a connection, and a connection keeps memory."""
    hub = make_hub()
    hub.start()
    for _ in range(12):
        hub.finished(hub.dana.post("/report", report_form(hub, seen="anyway")).incident)
    assert hub.process is not None
    files = [link.readlink().name for link in Path(f"/proc/{hub.process.pid}/fd").iterdir() if link.is_symlink()]
    assert 3 < files.count("incident-central.sqlite3") < 30


@on_sqlite
def test_no_answer_names_the_server(hub: Hub) -> None:
    for request in (
        "GET /healthz HTTP/1.1",
        "GET /sign-in HTTP/1.1",
        "GET /static/web/incident-central.css HTTP/1.1",
        "GET /nothing-here HTTP/1.1",
        "POST /sign-in HTTP/1.1",
        "GET /healthz HTTP/1.1\r\nContent-Length: abc",
        "nonsense",
    ):
        answer = raw(hub, request).lower()
        assert answer.startswith("http/1."), request
        headers = answer.partition("\r\n\r\n")[0]
        for word in ("server:", "via:", "x-powered-by:", "django", "python", "whitenoise"):
            assert word not in headers, f"{word}: {request}"
        assert "waitress" not in answer, request


@on_sqlite
def test_it_answers_to_its_own_names_alone(hub: Hub) -> None:
    assert raw(hub, "GET /sign-in HTTP/1.1").startswith("HTTP/1.1 200")
    assert raw(hub, "GET /sign-in HTTP/1.1", host="evil.example").startswith("HTTP/1.1 400")


@on_sqlite
def test_probes_are_answered_whatever_host_they_name(hub: Hub) -> None:
    for address, told in (("/healthz", "alive\n"), ("/readyz", "ready\n")):
        assert raw(hub, f"GET {address} HTTP/1.1", host="10.0.3.7:8000").endswith(f"\r\n\r\n{told}")
        with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as connection:
            connection.sendall(f"GET {address} HTTP/1.0\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        assert answer.startswith("HTTP/1.0 200")
        assert answer.endswith(f"\r\n\r\n{told}")


@on_sqlite
def test_nothing_secret_is_in_the_log_whatever_goes_wrong(make_hub: MakeHub, sandbox: Sandbox) -> None:
    hub = make_hub()
    hub.start()
    for kind in ("unauthorized", "500", "html"):
        for provider in ("pagerduty", "slack"):
            sandbox.fault(provider, kind, times=3, reads=False)
    name = hub.dana.post("/report", report_form(hub, description="Customer 4711 lost everything.")).incident
    eventually(lambda: hub.steps(name)["page"]["attempts"] > 0)
    Browser(hub.url).post("/sign-in", {"email": "dana.okafor@example.com", "password": "hunter2-hunter2"})
    hub.dana.get("/nothing-here")
    hub.stop()
    secrets = [
        company.PAGERDUTY_KEY,
        company.SLACK_TOKEN,
        (hub.folder / "secret-key").read_text(),
        "hunter2-hunter2",
        "Customer 4711",
        "555 0101",
        "2025550101",
    ]
    assert [secret for secret in secrets if secret in hub.log] == []
    columns = hub.rows("SELECT error FROM jobs_step")
    assert not [row for row in columns if company.PAGERDUTY_KEY[-4:] in row["error"]]


# ── behind a proxy ────────────────────────────────────────────────────────────────────────────────


@on_sqlite
@pytest.mark.parametrize(
    ("proxies", "believed"), [("10.1.2.3, 127.0.0.0/8", True), ("10.1.2.3", False), ("", False)], ids=repr
)
def test_forwarded_headers_are_believed_from_trusted_proxies_alone(
    make_hub: MakeHub, proxies: str, believed: bool
) -> None:
    hub = make_hub(TRUSTED_PROXIES=proxies, BASE_URL="https://incidents.example.com")
    hub.start()
    answer = raw(hub, "GET /sign-in HTTP/1.1\r\nX-Forwarded-Proto: https", host="incidents.example.com").lower()
    assert answer.startswith("http/1.1 200")
    assert ("strict-transport-security: max-age=31536000" in answer) is believed

    # Too many wrong passwords shut one address out, and the address is what a trusted proxy says.
    statuses = [wrong_password(hub, f"203.0.113.{number}, 10.1.2.3") for number in range(11)]
    assert statuses[:10] == [422] * 10
    assert statuses[10] == (422 if believed else 429)
    if believed:  # one customer's network counts as one
        statuses = [wrong_password(hub, f"2001:db8:1:2::{number:x}, 10.1.2.3") for number in range(11)]
        assert (statuses[:10], statuses[10]) == ([422] * 10, 429)
        assert wrong_password(hub, "::ffff:203.0.113.99, 10.1.2.3") == 422, "which is IPv4, and another one"


def test_tries_of_many_others_do_not_push_out_those_before(tmp_path: Path, sandbox: Sandbox) -> None:
    # Through the form each try takes a processor a third of a second, so 40 times as many do not fit in 15 minutes.
    tries = (
        "from incident_central.web import signin;"
        "[signin._count('dana') for _ in range(10)];"
        "[signin._count(f'other-{n}') for n in range(10_000)];"
        "print('shut' if signin._count('dana') else 'open')"
    )
    assert Hub(sandbox, tmp_path).command("manage", "shell", "--no-imports", "-c", tries).stdout == "shut\n"


# ── asking ────────────────────────────────────────────────────────────────────────────────────────


def refused(hub: Hub, *options: str) -> str:
    """What `serve` says when it does not start: one line, no traceback, exit code 2."""
    run = hub.command("serve", "--port", str(hub.port), *options)
    assert run.returncode == 2, run.stderr
    assert run.stderr.startswith("incident-central: ")
    assert run.stderr.count("\n") == 1, run.stderr
    return run.stderr


def raw(hub: Hub, request: str, *, host: str = "127.0.0.1") -> str:
    """The whole answer, headers and all, to a request that need not be a good one."""
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as connection:
        connection.sendall(f"{request}\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode("utf-8", "replace")


def wrong_password(hub: Hub, forwarded_for: str) -> int:
    """The status of a try to sign in with a wrong password, said to come from there."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=10)
    headers = {"X-Forwarded-For": forwarded_for, "X-Forwarded-Proto": "https", "Host": "incidents.example.com"}
    connection.request("GET", "/sign-in", headers=headers)
    first = connection.getresponse()
    page = first.read().decode()
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    cookie = (first.headers["Set-Cookie"] or "").split(";")[0]
    headers |= {
        "Cookie": cookie,
        "Origin": "https://incidents.example.com",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = f"csrfmiddlewaretoken={token}&email=dana.okafor%40example.com&password=wrong-password"
    connection.request("POST", "/sign-in", body, headers)
    status = connection.getresponse().status
    connection.close()
    return status
