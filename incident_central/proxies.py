"""Requests that come through a proxy of ours: who really asked, and whether by https."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from incident_central.parse import Network

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def behind(proxies: Sequence[Network], application: "WSGIApplication") -> "WSGIApplication":
    """The application, believing X-Forwarded-For and X-Forwarded-Proto of these proxies and of nobody else."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        addresses = str(environ.pop("HTTP_X_FORWARDED_FOR", "")).split(",")
        scheme = str(environ.pop("HTTP_X_FORWARDED_PROTO", "")).strip().lower()
        if _is_one_of(proxies, environ["REMOTE_ADDR"]):
            if scheme in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
            # Each proxy adds at the end whom it heard; what stands before the first stranger may be made up.
            for address in reversed([each.strip() for each in addresses if each.strip()]):
                environ["REMOTE_ADDR"] = address
                if not _is_one_of(proxies, address):
                    break
        return application(environ, start_response)

    return answer


def _is_one_of(proxies: Sequence[Network], address: str) -> bool:
    try:
        asker = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(asker in proxy for proxy in proxies)
