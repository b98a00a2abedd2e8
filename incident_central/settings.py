"""Django's settings, made from the environment. This module alone reads it; docs/configuration.md lists all of it.

Every setting may also be given as a file: `SLACK_BOT_TOKEN_FILE=/run/secrets/slack` reads the value from there.
A value that cannot be used raises SettingError, which says what is wrong and how to mend it.
"""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

from incident_central import parse
from incident_central.start import CannotStart


class SettingError(CannotStart):
    """A setting is missing or wrong. The text names it and the fix."""


@dataclass(frozen=True)
class Setting:
    """One environment variable: its default, what it is for, and how its text is read."""

    name: str
    default: str
    about: str
    read: Callable[[str], Any] = str


SETTINGS = [
    Setting(
        "DATABASE_URL",
        "",
        "PostgreSQL: postgresql://user:password@host:5432/name. Empty: SQLite in DATA_DIR.",
        parse.database_url,
    ),
    Setting(
        "DATA_DIR",
        "data",
        "Folder for the SQLite database, the generated secret key, the lock and the journal of reports.",
    ),
    Setting(
        "SECRET_KEY",
        "",
        "Signs sessions; at least 32 characters. Made and kept in DATA_DIR when empty.",
        parse.key_text,
    ),
    Setting(
        "BASE_URL",
        "",
        "The address people open, such as https://incidents.example.com. Links in Slack and PagerDuty lead there.",
        parse.own_address,
    ),
    Setting("ALLOWED_HOSTS", "", "Host names to answer to besides BASE_URL's and this machine's.", parse.hosts),
    Setting(
        "TRUSTED_PROXIES",
        "",
        "Addresses or networks of proxies in front, whose X-Forwarded-For and X-Forwarded-Proto are believed.",
        parse.networks,
    ),
    Setting("TIME_ZONE", "UTC", "The time zone in which times are shown.", parse.time_zone),
    Setting("COMPANY", "", "The company's name, for the sign-in page and the footer."),
    Setting("PAGERDUTY_API_KEY", "", "A General Access REST API key with write access.", parse.header_text),
    Setting(
        "PAGERDUTY_FROM_EMAIL",
        "",
        "Login e-mail of the PagerDuty user that pages are made by. Never somebody who is on call.",
        parse.email,
    ),
    Setting(
        "PAGERDUTY_API_URL",
        "https://api.pagerduty.com",
        "https://api.eu.pagerduty.com for accounts in the EU region.",
        parse.tool_address,
    ),
    Setting(
        "PAGERDUTY_WEBHOOK_SECRET",
        "",
        "The secret of a webhook subscription that you made yourself; `incident-central setup webhook` needs none.",
        parse.words,
    ),
    Setting(
        "PAGERDUTY_IMPORT_INCIDENTS",
        "off",
        "on: incidents that PagerDuty opened by itself are shown as well.",
        parse.switch,
    ),
    Setting("SLACK_BOT_TOKEN", "", "The bot token of the Slack app, xoxb-…", parse.header_text),
    Setting("SLACK_API_URL", "https://slack.com/api/", "Where Slack's Web API is.", parse.tool_address),
    Setting("SLACK_ANNOUNCE_CHANNEL", "", "Channel that is told of every incident: its name or its id."),
    Setting(
        "EMAIL_URL",
        "",
        "Who is told by e-mail, and by which server: smtp://user:password@host:587?from=…&to=…, or smtps://…:465?…",
        parse.email_url,
    ),
    Setting(
        "HEARTBEAT_URL", "", "Asked for once a minute while all is well, so that others notice.", parse.tool_address
    ),
    Setting("FALLBACK_SERVICE", "", "Name or id of the PagerDuty service that “I don’t know” pages."),
    Setting("FALLBACK_CONTACT", "", "Whom to phone when nothing else works: “Incident desk, +1 555 0100”."),
]


def value_of(setting: Setting, environment: dict[str, str]) -> Any:
    """The setting's value. Raises SettingError."""
    text, file = environment.get(setting.name, ""), environment.get(f"{setting.name}_FILE", "")
    if text and file:
        raise SettingError(f"{setting.name} and {setting.name}_FILE are both set. Keep one of them.")
    if file:
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not a text file"
            raise SettingError(
                f"{setting.name}_FILE {file} cannot be read: {why}. Correct the path or its rights."
            ) from None
    try:
        return setting.read(text.strip() or setting.default)
    except ValueError as error:
        raise SettingError(f"{setting.name} {error}.") from None


values = {setting.name: value_of(setting, dict(os.environ)) for setting in SETTINGS}


def writable(data_dir: Path) -> Path:
    """The folder, made if it is missing. Raises SettingError."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (data_dir / "lock").touch()
    except OSError as error:
        raise SettingError(
            f"DATA_DIR {data_dir} cannot be written: {error.strerror}. Name a folder that this user may write."
        ) from None
    return data_dir


def secret_key(data_dir: Path) -> str:
    """The key of an earlier start, or a new one that only this user may read. Raises SettingError."""
    path = writable(data_dir) / "secret-key"
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    try:
        key = path.read_text()
    except (OSError, UnicodeDecodeError):
        key = ""
    if len(key) < parse.KEY_LENGTH:
        raise SettingError(f"{path} holds no usable key. Delete it: a new one is made, and people sign in again.")
    return key


def database(url: str, data_dir: Path) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme in ("", "sqlite"):
        folder = writable(data_dir)  # the journal, the key and backups are there, wherever the database is
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(parts.path)[1:] or str(folder / "incident-central.sqlite3"),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 5,
                # Of each thread's connection: enough for one page or step at a time. A statement kept takes 27 kB.
                "cached_statements": 32,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;",
            },
        }
    options: dict[str, Any] = {name: value[-1] for name, value in parse_qs(parts.query).items()}
    options.setdefault("connect_timeout", 3)
    # Whatever stands in between does not forget a session that is silent, and a server that is gone is noticed.
    options |= {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 10_000}
    # A short reconnect_timeout, since the pauses between the pool's tries to reconnect double until it is over.
    options["pool"] = {"min_size": 2, "max_size": 16, "timeout": 5, "reconnect_timeout": 3}
    # Works behind a transaction pooler, too: no prepared statements, no server-side cursors.
    options["prepare_threshold"] = None
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path)[1:],
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or options.pop("host", "")),
        "PORT": str(parts.port or ""),
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "CONN_HEALTH_CHECKS": True,  # nobody is handed a connection that broke when the server was restarted
        "OPTIONS": options,
    }


# ── what the hub itself asks for ──────────────────────────────────────────────────────────────────

DATA_DIR = Path(values["DATA_DIR"]).absolute()
#: Whether what is written there is still there after a restart: where SQLite is, and where somebody chose the folder.
DATA_DIR_LASTS = bool(os.environ.get("DATA_DIR") or os.environ.get("DATA_DIR_FILE")) or urlsplit(
    values["DATABASE_URL"]
).scheme in ("", "sqlite")
BASE_URL = values["BASE_URL"].rstrip("/")
COMPANY = values["COMPANY"]
PAGERDUTY_API_KEY = values["PAGERDUTY_API_KEY"]
PAGERDUTY_FROM_EMAIL = values["PAGERDUTY_FROM_EMAIL"]
PAGERDUTY_API_URL = values["PAGERDUTY_API_URL"].rstrip("/")
PAGERDUTY_IMPORT_INCIDENTS = values["PAGERDUTY_IMPORT_INCIDENTS"]
PAGERDUTY_WEBHOOK_SECRETS = values["PAGERDUTY_WEBHOOK_SECRET"]
SLACK_BOT_TOKEN = values["SLACK_BOT_TOKEN"]
SLACK_API_URL = values["SLACK_API_URL"]
SLACK_ANNOUNCE_CHANNEL = values["SLACK_ANNOUNCE_CHANNEL"].lstrip("#")
EMAIL: parse.Mail | None = values["EMAIL_URL"]
HEARTBEAT_URL = values["HEARTBEAT_URL"]
FALLBACK_SERVICE = values["FALLBACK_SERVICE"]
FALLBACK_CONTACT = values["FALLBACK_CONTACT"]

# ── Django ────────────────────────────────────────────────────────────────────────────────────────

SECRET_KEY = values["SECRET_KEY"] or secret_key(DATA_DIR)
DEBUG = False
ROOT_URLCONF = "incident_central.urls"
DATABASES = {"default": database(values["DATABASE_URL"], DATA_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_htmx",
    "incident_central.accounts",
    "incident_central.jobs",
    "incident_central.incidents",
    "incident_central.doctor",
    "incident_central.drill",
    "incident_central.web",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "incident_central.web.security.headers",
    "incident_central.web.health.whatever_the_host",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": ["django.template.context_processors.request", "incident_central.web.context.page"],
            "builtins": ["incident_central.web.templatetags.addresses"],
        },
    }
]
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # Tries to sign in, for 15 minutes: more than a processor can look at, or new ones would push out those before.
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    }
}
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["incident_central.accounts.signed_in.Backend"]
SESSION_ENGINE = "incident_central.accounts.signed_in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
SIGN_IN_PAGE = "incident_central.web.signin.page"  # the demo has another
LOGIN_REDIRECT_URL = "home"

ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *values["ALLOWED_HOSTS"]]
if BASE_URL:
    ALLOWED_HOSTS.append(parse.host_of(BASE_URL))
SECURE = BASE_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [BASE_URL] if BASE_URL else []
CSRF_FAILURE_VIEW = "incident_central.web.errors.csrf_failed"
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = SECURE
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 14 * 24 * 3600  # seconds
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
TRUSTED_PROXIES = values["TRUSTED_PROXIES"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600
LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = values["TIME_ZONE"]
ZONE = ZoneInfo(TIME_ZONE)

if EMAIL is not None:
    EMAIL_HOST, EMAIL_PORT = EMAIL.host, EMAIL.port
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = EMAIL.user, EMAIL.password
    EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL.security == "starttls", EMAIL.security == "tls"
EMAIL_TIMEOUT = 10  # seconds

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "incident_central": {"level": "INFO"},
        # Else every 4xx, every /readyz that says no, and every burst of requests would be told.
        "django.request": {"level": "ERROR", "filters": ["not_ready_yet"]},
        "waitress.queue": {"level": "ERROR"},
        "psycopg.pool": {"level": "ERROR"},  # each try to reconnect; what comes of it is told by whoever needed it
    },
    "filters": {
        "not_ready_yet": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: getattr(record, "status_code", 0) != 503,
        }
    },
}
