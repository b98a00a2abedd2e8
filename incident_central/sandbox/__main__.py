"""python -m incident_central.sandbox"""

import sys

from incident_central.sandbox import main

sys.exit(main())
