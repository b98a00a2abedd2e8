"""How the text of a setting becomes its value. What cannot be used raises ValueError: “<setting> must be …”.

The texts of these errors are shown and logged, so they repeat nothing of what was given: it may hold a password.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit
from zoneinfo import available_timezones

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

KEY_LENGTH = 32
HOST = re.compile(r"\*|\.?[\w-]+(\.[\w-]+)*|\[[0-9a-fA-F:.]+\]", re.ASCII)


def email(text: str) -> str:
    name, _, host = text.partition("@")
    if text and (not name or not host or "@" in host or any(character.isspace() for character in text)):
        raise ValueError("must be one e-mail address, such as incident-central@example.com")
    return text


def own_address(text: str) -> str:
    """Where people open us: the root of a host name, written as browsers send it."""
    parts = urlsplit(web_address(text))
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must end after the host name: Incident Central needs one of its own, without a path")
    if not text:
        return text
    if not parts.netloc.isascii():
        raise ValueError("must have its host name as browsers send it, which begins with xn--")
    port = "" if parts.port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host_of(text)}{port}"


def host_of(address: str) -> str:
    """As it stands in an address: IPv6 in brackets."""
    host = urlsplit(address).hostname or ""
    return f"[{host}]" if ":" in host else host


def hosts(text: str) -> list[str]:
    """Names alone, with a dot before for all below; IPv6 in brackets, or * for any."""
    found = words(text)
    if not all(HOST.fullmatch(host) for host in found):
        raise ValueError(
            "must be host names, without https:// and without a port, such as hub.internal; IPv6 as [fd00::5]"
        )
    return found


def tool_address(text: str) -> str:
    """Where a tool's API is. Its key travels there, so plain http is refused except to this machine."""
    parts = urlsplit(web_address(text))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https:// (plain http is for a sandbox on this machine only)")
    return text


def web_address(text: str) -> str:
    form = "must be a whole address that begins with https://"
    if not text:
        return text
    parts = _split(text, or_else=form)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(form)
    if parts.username or parts.password:
        raise ValueError("must not hold a user name or password")
    return text


def database_url(text: str) -> str:
    form = "must be postgresql://user:password@host:5432/name, with %2F for / and %40 for @ in the password"
    if not text or text.startswith("sqlite:///"):
        return text
    parts = _split(text, or_else=form)
    if parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/"):
        raise ValueError(form)
    return text


@dataclass(frozen=True)
class Mail:
    """Where e-mail is handed in, from whom and to whom. `security`: starttls, tls or off."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    security: str
    sender: str
    recipients: tuple[str, ...]


def email_url(text: str) -> Mail | None:
    """smtp:// asks for TLS (STARTTLS), smtps:// begins with it. Without any, only to this machine, and only if told."""
    if not text:
        return None
    form = "must be smtp://user:password@host:587?from=a@example.com&to=b@example.com, or smtps://…:465?…"
    parts = _split(text, or_else=form)
    # A + is one in an address, and no blank.
    asked = {name: values[-1] for name, values in parse_qs(parts.query.replace("+", "%2B")).items()}
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not asked.keys() <= {"from", "to", "tls"}:
        raise ValueError(form)
    security = "tls" if parts.scheme == "smtps" else "starttls"
    if "tls" in asked:
        if asked["tls"] != "off" or security == "tls" or not is_loopback(parts.hostname):
            raise ValueError("may say only tls=off, only with smtp://, and only to this machine")
        security = "off"
    sender, recipients = asked.get("from", ""), words(asked.get("to", ""))
    if not sender or not recipients:
        raise ValueError(form)
    try:
        addresses = [email(one) for one in (sender, *recipients)]
    except ValueError:
        raise ValueError("must name e-mail addresses in from= and to=, those in to= parted by commas") from None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    port = parts.port or (465 if security == "tls" else 587)
    return Mail(parts.hostname, port, user, password, security, addresses[0], tuple(addresses[1:]))


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def networks(text: str) -> list[Network]:
    try:
        return [ipaddress.ip_network(word) for word in words(text)]
    except ValueError:
        raise ValueError("must be addresses or networks, such as 10.0.0.5 or 172.18.0.0/16") from None


def words(text: str) -> list[str]:
    return [word for word in text.replace(",", " ").split() if word]


def time_zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError("must be a time zone's name, such as Europe/Lisbon or UTC")
    return text


def header_text(text: str) -> str:
    if not text.isascii() or any(character.isspace() for character in text):
        raise ValueError("has a blank or a special character in it: copy it again")
    return text


def key_text(text: str) -> str:
    if text and len(text) < KEY_LENGTH:
        raise ValueError(f"must have at least {KEY_LENGTH} characters. Leave it out, and a good one is made")
    return text


def switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError("must be on or off")
    return text == "on"


def port(text: str) -> int:
    """0 is for a free one."""
    if not text.isdecimal() or int(text) > 65535:
        raise ValueError("must be a port: 1 to 65535")
    return int(text)


def _split(text: str, *, or_else: str) -> SplitResult:
    """Raises ValueError(or_else) where the standard library's own error would repeat a part of the text."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # checked only now
    except ValueError:
        raise ValueError(or_else) from None
    return parts
