"""`incident-central` on a system that is short of something: `python -m tests.crash.starved WHAT=NUMBER serve …`.

    files=256      so many files may be open
    memory=300     so many megabytes may be addressed
    threads=20     so many threads are started, and no more
    nothing=0      it has what it needs

At SIGUSR1 no thread is started any more. At SIGUSR2 the thread that claims what is due dies of a bug.
"""

import ctypes
import os
import resource
import signal
import sys
import threading
from types import FrameType
from typing import Any

_left = sys.maxsize  # threads
STARTS = next(name for name in ("_start_joinable_thread", "_start_new_thread") if hasattr(threading, name))


def main() -> int:
    global _left
    what, _, number = sys.argv[1].partition("=")
    if what == "files":
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(number), int(number)))
    elif what == "memory":
        resource.setrlimit(resource.RLIMIT_AS, (int(number) << 20, int(number) << 20))
    elif what == "threads":
        _left = int(number)
    limit_threads()
    signal.signal(signal.SIGUSR1, no_more_threads)
    signal.signal(signal.SIGUSR2, break_a_thread)
    from incident_central import cli

    return cli.main(sys.argv[2:])


def limit_threads() -> None:
    """A limit on processes does not hold for root, so the system's refusal is played."""
    real = getattr(threading, STARTS)

    def start(*arguments: Any, **more: Any) -> Any:
        global _left
        _left -= 1
        if _left < 0:
            raise RuntimeError("can't start new thread")
        return real(*arguments, **more)

    setattr(threading, STARTS, start)


def no_more_threads(number: int, frame: FrameType | None) -> None:
    global _left
    _left = 0


def break_a_thread(number: int, frame: FrameType | None) -> None:
    (claims,) = (thread for thread in threading.enumerate() if "(_loop)" in thread.name)
    assert claims.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(claims.ident), ctypes.py_object(NotImplementedError))


if __name__ == "__main__":
    # As at the end of any program, but for threads that an emergency left behind.
    code = main()
    sys.stderr.flush()
    os._exit(code)
