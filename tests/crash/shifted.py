"""`incident-central` on a clock that is wrong: `python -m tests.crash.shifted SECONDS serve …`.

time.time() and datetime.now() are off by so much, for everything that is imported after them.
"""

import ctypes
import gc
import sys
import time
from datetime import datetime, tzinfo


def main() -> int:
    shift(float(sys.argv[1]))
    from incident_central import cli

    return cli.main(sys.argv[2:])


def shift(seconds: float) -> None:
    right = time.time

    def now(cls: type[datetime], tz: tzinfo | None = None) -> datetime:
        return cls.fromtimestamp(time.time(), tz)

    time.time = lambda: right() + seconds
    # Objects of a subclass would not be equal to those that come from the database, so the class itself is changed.
    own = gc.get_referents(datetime.__dict__)[0]
    own["now"] = classmethod(now)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))
    assert abs((datetime.now() - datetime.fromtimestamp(right())).total_seconds() - seconds) < 1


if __name__ == "__main__":
    sys.exit(main())
