"""One contender in a process of its own. It is told what to do by lines of JSON, and answers likewise."""

import importlib
import json
import os
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.jobs.workload import Contender, Outside, Setting

WEB_THREADS = 12  # those by which the hub takes reports


def main() -> None:
    setting = Setting(**json.loads(sys.argv[2]))
    contender: Contender = importlib.import_module(f"bench.jobs.with_{sys.argv[1]}").make(
        setting, Outside(setting.standin)
    )
    contender.start()
    _say(answer="ready")
    pool = ThreadPoolExecutor(WEB_THREADS)
    for line in sys.stdin:
        pool.submit(_do, contender, *json.loads(line))
    os._exit(0)


def _do(contender: Contender, word: str, key: str) -> None:
    try:
        if word == "submit":
            contender.submit(key)
            _say(accepted=key)
        elif word == "running":
            _say(answer=contender.running(key))
        elif word == "unfinished":
            _say(answer=contender.unfinished())
        else:
            contender.rescue()
    except Exception:
        traceback.print_exc()  # such as a database that is not there; whoever asks, asks again
        raise


def _say(**what: Any) -> None:
    print(json.dumps(what) + "\n", end="", flush=True)


if __name__ == "__main__":
    main()
