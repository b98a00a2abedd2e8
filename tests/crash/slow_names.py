"""`incident-central` on a network that is slow to say where a name is: `python -m tests.crash.slow_names FILE serve …`.

As long as FILE is there, no name is found, and whoever needs a new connection waits. The log counts them.
"""

import logging
import socket
import sys
import time
from pathlib import Path
from typing import Any

WAITS = "waits for a name"


def main() -> int:
    delay(Path(sys.argv[1]))
    from incident_central import cli

    return cli.main(sys.argv[2:])


def delay(file: Path) -> None:
    real = socket.getaddrinfo

    def find(*arguments: Any, **more: Any) -> Any:
        if file.exists():
            logging.getLogger("slow_names").warning(WAITS)
        while file.exists():
            time.sleep(0.05)
        return real(*arguments, **more)

    socket.getaddrinfo = find


if __name__ == "__main__":
    sys.exit(main())
