"""A watcher outside, who hears from us as long as all is well."""

import http.client
import urllib.error
import urllib.request
from email.message import Message
from typing import IO

from incident_central.integrations.base import IntegrationError

TIMEOUT = 5  # seconds


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Where it leads is a setting, and nobody else decides that. The 3xx is an error then."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


def beat(url: str) -> None:
    """One GET, whose answer is not read. Safe to repeat. Raises IntegrationError, which does not name the address: it
    may be a secret."""
    request = urllib.request.Request(url, headers={"User-Agent": "Incident-Central"})  # noqa: S310  https, by parse.py
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=TIMEOUT) as answer:
            if not 200 <= answer.status < 300:
                raise IntegrationError(f"The watcher answered {answer.status}.", code=str(answer.status))
    except urllib.error.HTTPError as error:
        error.close()
        more = ", which leads elsewhere and is not followed" if 300 <= error.code < 400 else ""
        raise IntegrationError(f"The watcher answered {error.code}{more}.", code=str(error.code)) from None
    except TimeoutError:
        raise IntegrationError("The watcher did not answer in time.") from None
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        said = "did not answer in time" if isinstance(reason, TimeoutError) else "could not be reached"
        raise IntegrationError(f"The watcher {said} ({type(reason).__name__}).") from None
