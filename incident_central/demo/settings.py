"""The hub's settings with the demo's sign-in added, and with every way out of this machine shut."""

import os
from urllib.parse import urlsplit

from incident_central.parse import is_loopback
from incident_central.settings import *  # noqa: F403
from incident_central.settings import INSTALLED_APPS, PAGERDUTY_API_URL, SLACK_API_URL, SettingError

for address in (PAGERDUTY_API_URL, SLACK_API_URL):
    if not is_loopback(urlsplit(address).hostname or ""):
        raise SettingError(f"The demo talks to nothing but this machine, and {address} is elsewhere.")

ROOT_URLCONF = "incident_central.demo.urls"
SIGN_IN_PAGE = "incident_central.demo.urls.page"
INSTALLED_APPS = [*INSTALLED_APPS, "incident_central.demo"]
SANDBOX_URL = os.environ["SANDBOX_URL"]
