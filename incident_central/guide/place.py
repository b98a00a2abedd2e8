"""Where the hub is: its address, its proxy, its time zone, and whom to phone when it is nowhere."""

from incident_central import parse
from incident_central.guide.asking import Terminal
from incident_central.guide.settings_file import SettingsFile

PROXY_HERE = "127.0.0.1"


def ask(terminal: Terminal, file: SettingsFile) -> None:
    address = terminal.ask(
        "Where will people open Incident Central, such as https://incidents.example.com",
        parse.own_address,
        default=file.value("BASE_URL"),
        optional=True,
    ).rstrip("/")
    file.put("BASE_URL", address)
    if address.startswith("https://"):
        proxies = terminal.ask(
            "Address of the proxy with TLS in front, as the hub sees it",
            _addresses,
            default=file.value("TRUSTED_PROXIES", PROXY_HERE),
        )
        file.put("TRUSTED_PROXIES", proxies)
    zone = terminal.ask(
        "Time zone in which times are shown, such as Europe/Lisbon",
        parse.time_zone,
        default=file.value("TIME_ZONE", "UTC"),
    )
    file.put("TIME_ZONE", zone)
    contact = terminal.ask(
        "Whom to phone when nothing works, such as Incident desk, +1 555 0100",
        str,
        default=file.value("FALLBACK_CONTACT"),
        optional=True,
    )
    file.put("FALLBACK_CONTACT", contact)


def _addresses(text: str) -> str:
    parse.networks(text)
    return text
