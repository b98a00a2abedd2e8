"""`python -m incident_central` is `incident-central`."""

import sys

from incident_central.cli import main

sys.exit(main())
