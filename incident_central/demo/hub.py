"""The demo's hub: `serve` with the demo's settings. `incident-central serve` cannot be made to use them."""

import argparse
import os
import sys

import django

from incident_central.start import CannotStart


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    os.environ["DJANGO_SETTINGS_MODULE"] = "incident_central.demo.settings"
    try:
        django.setup()
        from incident_central.serve import serve

        return serve(host="127.0.0.1", port=parser.parse_args().port)
    except CannotStart as reason:
        print(f"incident-central demo: {reason}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
