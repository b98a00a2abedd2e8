"""E-mail about what is broken, handed to a real mail server; and the heartbeat that a watcher outside hears."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.doctor import WEBHOOK_SECRET
from tests.journeys.conftest import on_sqlite
from tests.processes import Hub, Sandbox, eventually
from tests.test_set_up_page import findings
from tests.test_watching import NOBODY, empty_payments, fill_payments, speak, started
from tests.watchers import PASSWORD, USER, MailServer, Watcher, mail_server, make_certificate, watcher

WITH_OPENSSL = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl, which makes the certificate, is not installed"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def post(certificate: Path) -> Iterator[MailServer]:
    with mail_server(certificate) as server:
        yield server


def email_url(server: MailServer, *, scheme: str = "smtp", host: str = "localhost", password: str = PASSWORD) -> str:
    account = f"{quote(USER, safe='')}:{quote(password, safe='')}"
    return (
        f"{scheme}://{account}@{host}:{server.port}?from=hub@example.com&to=ana.ribeiro+hub@example.com,ops@example.com"
    )


def hub_with_mail(
    make_hub: Callable[..., Hub], sandbox: Sandbox, url: str, certificate: Path | None, **more: str
) -> Hub:
    """`certificate`: what it trusts."""
    trusted = {"SSL_CERT_FILE": str(certificate)} if certificate else {}
    return started(make_hub(EMAIL_URL=url, PAGERDUTY_WEBHOOK_SECRET=WEBHOOK_SECRET, **trusted, **more), sandbox)


def breaks(hub: Hub, sandbox: Sandbox) -> None:
    empty_payments(sandbox)
    hub.does("on-call")
    hub.does("on-call")


# ── e-mail ────────────────────────────────────────────────────────────────────────────────────────


@WITH_OPENSSL
def test_it_is_told_by_mail_once_and_once_more_when_it_is_mended(
    make_hub: Callable[..., Hub], sandbox: Sandbox, post: MailServer, certificate: Path
) -> None:
    hub = hub_with_mail(make_hub, sandbox, email_url(post), certificate)
    breaks(hub, sandbox)
    speak(hub)
    ((message, recipients),) = post.taken
    assert recipients == ["ana.ribeiro+hub@example.com", "ops@example.com"]
    assert message["Subject"] == "Incident Central: 1 thing would keep a page from arriving"
    assert NOBODY in message.get_content()
    assert f"{hub.url}/set-up" in message.get_content()
    assert message["From"] == "hub@example.com"
    speak(hub)
    assert len(post.taken) == 1
    fill_payments(sandbox)
    hub.does("on-call")
    hub.does("on-call")
    speak(hub)
    assert post.taken[1][0]["Subject"].startswith("Incident Central: 1 thing is mended")
    assert post.taken[1][0]["Message-ID"] != message["Message-ID"]
    assert PASSWORD not in hub.log
    assert "hub.told" in findings(hub.dana.get("/set-up"))


@WITH_OPENSSL
@on_sqlite
def test_a_server_with_tls_from_the_start_works_too(
    make_hub: Callable[..., Hub], sandbox: Sandbox, certificate: Path
) -> None:
    with mail_server(certificate, tls_from_the_start=True) as server:
        hub = hub_with_mail(make_hub, sandbox, email_url(server, scheme="smtps"), certificate)
        breaks(hub, sandbox)
        speak(hub)
        assert len(server.taken) == 1


@WITH_OPENSSL
def test_after_a_lost_answer_it_is_sent_again_under_the_same_id(
    make_hub: Callable[..., Hub], sandbox: Sandbox, post: MailServer, certificate: Path
) -> None:
    hub = hub_with_mail(make_hub, sandbox, email_url(post), certificate)
    post.hangs_up = True
    breaks(hub, sandbox)
    hub.does("speak")
    eventually(lambda: post.taken)
    hub.kill()
    post.hangs_up = False
    hub.start()
    speak(hub)
    assert len(post.taken) >= 2
    assert len({message["Message-ID"] for message, _ in post.taken}) == 1


@WITH_OPENSSL
@on_sqlite
@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("certificate", "certificate is not to be trusted"),
        ("host", "certificate is not to be trusted"),
        ("password", "refused the user name or the password of EMAIL_URL (535)"),
        ("message", "refused the message (554)"),
        ("gone", "could not be used (ConnectionRefusedError)"),
    ],
)
def test_what_could_not_be_sent_is_found_and_names_no_secret(
    make_hub: Callable[..., Hub], sandbox: Sandbox, post: MailServer, certificate: Path, way: str, said: str
) -> None:
    url = email_url(
        post,
        host="127.0.0.1" if way == "host" else "localhost",
        password="wrong-one" if way == "password" else PASSWORD,
    )
    if way == "gone":
        url = url.replace(f":{post.port}?", ":9?")
    post.refuses = "554 no" if way == "message" else ""
    hub = hub_with_mail(make_hub, sandbox, url, None if way == "certificate" else certificate)
    breaks(hub, sandbox)
    hub.does("speak")
    of_notices = "FROM jobs_step s JOIN jobs_job j ON j.id = s.job_id WHERE j.workflow = 'notice'"
    mail = f"SELECT s.error {of_notices} AND s.name = 'mail'"
    eventually(lambda: said in hub.rows(mail)[0]["error"])
    hub.does("hub")
    page = hub.dana.get("/set-up")
    assert "hub.mail-refused" in findings(page)
    assert said in page.text
    assert post.taken == []
    for secret in (PASSWORD, quote(PASSWORD, safe=""), "wrong-one"):
        assert secret not in page.text
        assert secret not in hub.log
    eventually(lambda: hub.rows(f"SELECT s.id {of_notices} AND s.state = 'done'"))  # the announce channel was told
    if way == "password":  # put right: it arrives after all
        hub.stop()
        hub.settings["EMAIL_URL"] = email_url(post)
        hub.start()
        eventually(lambda: post.taken)
        eventually(lambda: not hub.rows(f"SELECT s.id {of_notices} AND s.state <> 'done'"))
        hub.does("hub")
        assert "hub.told" in findings(hub.dana.get("/set-up"))


# ── the heartbeat ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def outside() -> Iterator[Watcher]:
    with watcher() as found:
        yield found


def beats(hub: Hub) -> None:
    hub.does("pulse")
    hub.does("heartbeat")


def test_a_watcher_hears_that_it_lives_and_the_page_says_so(
    make_hub: Callable[..., Hub], sandbox: Sandbox, outside: Watcher
) -> None:
    hub = make_hub(HEARTBEAT_URL=f"{outside.url}/ping/a-secret-of-the-watcher")
    hub.start()
    beats(hub)
    assert set(outside.heard) == {"/ping/a-secret-of-the-watcher"}
    (row,) = hub.rows("SELECT run_at, finished_at FROM jobs_step WHERE name = 'heartbeat'")
    assert row["run_at"] is not None
    hub.does("hub")
    page = hub.dana.get("/set-up")
    assert "hub.heartbeat-answered" in findings(page)
    assert "127.0.0.1. It last answered on " in page.text
    assert "a-secret-of-the-watcher" not in page.text + hub.log


@on_sqlite
@pytest.mark.parametrize("status", [301, 404, 500])
def test_a_watcher_that_does_not_take_it_is_found_and_a_redirect_is_not_followed(
    make_hub: Callable[..., Hub], sandbox: Sandbox, outside: Watcher, status: int
) -> None:
    hub = make_hub(HEARTBEAT_URL=f"{outside.url}/ping/a-secret-of-the-watcher")
    hub.start()
    outside.status = status
    hub.does("pulse")
    hub.does("heartbeat", well=False)
    assert "/elsewhere" not in outside.heard
    hub.does("hub")
    page = hub.dana.get("/set-up")
    assert "hub.heartbeat-refused" in findings(page)
    assert f"The watcher answered {status}" in page.text
    assert "a-secret-of-the-watcher" not in page.text + hub.log


def test_no_heartbeat_while_the_database_cannot_be_written(
    make_hub: Callable[..., Hub], sandbox: Sandbox, outside: Watcher
) -> None:
    hub = make_hub(HEARTBEAT_URL=outside.url)
    hub.start()
    beats(hub)
    hub.rows("UPDATE jobs_step SET run_at = '2100-01-01' WHERE name = 'heartbeat'")
    heard = len(outside.heard)
    hub.rows("UPDATE jobs_step SET run_at = '2100-01-01' WHERE name IN ('poll', 'log', 'changed', 'remind')")
    soon = datetime.now(UTC) + timedelta(seconds=5)
    hub.rows("UPDATE jobs_step SET run_at = %s WHERE name = 'heartbeat'", f"{soon:%Y-%m-%d %H:%M:%S.%f}")
    with hub.without_database():
        eventually(lambda: hub.log.count("cannot look for due steps") >= 2, within=60)
        assert len(outside.heard) == heard
    eventually(lambda: len(outside.heard) > heard)


@on_sqlite
def test_no_heartbeat_while_the_lane_of_the_pages_does_nothing(
    make_hub: Callable[..., Hub], sandbox: Sandbox, outside: Watcher
) -> None:
    hub = make_hub(HEARTBEAT_URL=outside.url)
    hub.start()
    beats(hub)
    heard = len(outside.heard)
    hub.rows("UPDATE jobs_step SET run_at = '2100-01-01', finished_at = '2026-01-01' WHERE name = 'pulse'")
    hub.does("heartbeat", well=False)
    (row,) = hub.rows("SELECT error FROM jobs_step WHERE name = 'heartbeat'")
    assert row["error"] == "Not sent: the threads that page have done nothing for minutes."
    assert len(outside.heard) == heard
    beats(hub)
    assert len(outside.heard) > heard
