"""How calls to PagerDuty and Slack travel: for how long, over which connections, and what it means where one fails."""

import httpx2

from incident_central.integrations.base import IntegrationError

#: Connecting, and each read or write, in seconds. A call must end well within a step's lease.
TIMEOUT = httpx2.Timeout(9, connect=4)
#: Kept open: a new TLS handshake costs more than all our own work.
CONNECTIONS = httpx2.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=90)


def network_error(tool: str, cause: BaseException | None, *, writes: bool) -> IntegrationError:
    """What became of a call that got no answer. A write that may have arrived is doubtful."""
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return IntegrationError(f"{tool} could not be reached.", code="unreachable")
    if isinstance(cause, httpx2.TimeoutException):
        return IntegrationError(f"{tool} did not answer in time.", code="timeout", doubtful=writes)
    return IntegrationError(f"The connection to {tool} broke before it answered.", code="broken", doubtful=writes)
