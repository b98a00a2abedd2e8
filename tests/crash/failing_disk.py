"""`incident-central` on a disk that fails: `python -m tests.crash.failing_disk HOW serve …`.

From SIGUSR1 on, what is written is all there, and the disk says that it could not be flushed.

once      only the first time
on        and nothing more can be written after that, as where a system makes such a disk read-only, until SIGUSR2
"""

import errno
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

FLUSH = "fdatasync" if hasattr(os, "fdatasync") else "fsync"

_fails = False
_is_read_only = False


def main() -> int:
    signal.signal(signal.SIGUSR1, fail)
    signal.signal(signal.SIGUSR2, mend)
    setattr(os, FLUSH, flushes(getattr(os, FLUSH), stays=sys.argv[1] == "on"))
    os.pwrite = writes(os.pwrite)
    from incident_central import cli

    return cli.main(sys.argv[2:])


def fail(number: int, frame: FrameType | None) -> None:
    global _fails
    _fails = True


def mend(number: int, frame: FrameType | None) -> None:
    global _fails, _is_read_only
    _fails = _is_read_only = False


def flushes(real: Callable[..., None], *, stays: bool) -> Callable[..., None]:
    """No disk can be made to fail at that very place, so its refusal is played."""

    def flush(file: int) -> None:
        global _fails, _is_read_only
        real(file)
        if _fails:
            _fails, _is_read_only = stays, stays
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    return flush


def writes(real: Callable[..., int]) -> Callable[..., int]:
    def write(*arguments: Any) -> int:
        if _is_read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(*arguments)

    return write


if __name__ == "__main__":
    sys.exit(main())
