"""A watcher outside, who hears from us as long as all is well."""

import httpx2

from incident_central.integrations.base import IntegrationError

TIMEOUT = 5  # seconds


def beat(url: str) -> None:
    """One GET, whose answer is not read. Where it leads is a setting, and nobody else decides that: a redirect is an
    error. Safe to repeat. Raises IntegrationError, which does not name the address: it may be a secret."""
    try:
        with httpx2.stream("GET", url, headers={"User-Agent": "Incident-Central"}, timeout=TIMEOUT) as answer:
            status, is_redirect = answer.status_code, answer.is_redirect
    except httpx2.TimeoutException:
        raise IntegrationError("The watcher did not answer in time.") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise IntegrationError(f"The watcher could not be reached ({type(error).__name__}).") from None
    if not 200 <= status < 300:
        more = ", which leads elsewhere and is not followed" if is_redirect else ""
        raise IntegrationError(f"The watcher answered {status}{more}.", code=str(status))
