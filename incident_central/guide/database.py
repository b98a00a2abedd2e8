"""Step 3: where what happened is kept."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from incident_central import parse
from incident_central.guide.asking import Terminal
from incident_central.guide.settings_file import SettingsFile

SQLITE, POSTGRESQL = "sqlite", "postgresql"
#: Where packages and systemd's StateDirectory= keep what a service writes.
USUAL_FOLDER = Path("/var/lib/incident-central")
OLDEST = 15  # PostgreSQL's version
TIMEOUT = 5  # seconds


def ask(terminal: Terminal, file: SettingsFile) -> None:
    terminal.say(
        "\nStep 3: Database. SQLite is a file and needs nothing; PostgreSQL can be shared by several machines."
    )
    there = file.value("DATABASE_URL")
    kind = terminal.ask("sqlite or postgresql", _kind, default=POSTGRESQL if there.startswith("postgres") else SQLITE)
    if kind == POSTGRESQL:
        file.put("DATABASE_URL", _ask_for_url(terminal, there if there.startswith("postgres") else ""))
    elif not there.startswith("sqlite:"):
        file.put("DATABASE_URL", "")
    usual = USUAL_FOLDER if os.access(USUAL_FOLDER, os.W_OK) else Path("data").absolute()
    folder = terminal.ask(
        "Folder on a local disk for its data, which outlives a restart; made when it is missing",
        _folder,
        default=file.value("DATA_DIR", str(usual)),
    )
    file.put("DATA_DIR", folder)


def _kind(text: str) -> str:
    for kind in (SQLITE, POSTGRESQL):
        if text.lower() == kind:
            return kind
    raise ValueError(f"must be {SQLITE} or {POSTGRESQL}")


def _ask_for_url(terminal: Terminal, kept: str) -> str:
    while True:
        kept = terminal.ask_secret(
            "Its address, postgresql://user:password@host:5432/name; it is not shown", _postgresql, kept=kept
        )
        trouble = _looked_at(kept)
        terminal.say(f"  {trouble}" if trouble else f"  ok: {urlsplit(kept).hostname or 'it'} answers.")
        if not trouble or terminal.wants("Go on with it all the same?", default=False):
            return kept


def _postgresql(text: str) -> str:
    if not text.startswith("postgres"):
        raise ValueError("must begin with postgresql://")
    if text.count("@") > 1:  # or a part of the password would be taken for the host, and be named in its error
        raise ValueError("must have %40 for each @ in the password")
    return parse.database_url(text)


def _looked_at(url: str) -> str:
    """What is wrong with it, without a word of the address: it may hold the password."""
    try:
        with psycopg.connect(url, connect_timeout=TIMEOUT) as connection:
            version = connection.info.server_version // 10_000
    except psycopg.OperationalError as error:
        return f"It cannot be used: {_without(url, str(error))}"
    except psycopg.Error as error:
        return f"Its address cannot be used ({type(error).__name__}). See docs/setup/3-database.md."
    return f"It is PostgreSQL {version}, and {OLDEST} or newer is needed." if version < OLDEST else ""


def _without(url: str, said: str) -> str:
    password = urlsplit(url).password
    said = " ".join(said.split())
    return said.replace(password, "…") if password else said


def _folder(text: str) -> str:
    folder = Path(text).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise ValueError("must be a folder, and that is a file")
    return str(folder)
