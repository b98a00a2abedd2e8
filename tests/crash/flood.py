"""python -m tests.crash.flood URL SECRET PAGE NUMBER RATE: so many webhooks, whether or not earlier ones were answered.

A process of its own, or whoever measures would wait for it. Says how many answers there were, by status.
"""

import json
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

from tests.pagerduty import event, send_to, signed

AGAIN_AFTER = 5.0  # seconds until one that was put off comes again
MOST = 400  # under way at once


def main(url: str, secret: str, page: str, number: int, rate: float) -> None:
    began, send_one = time.monotonic(), partial(_send, url, secret, page)
    with ThreadPoolExecutor(MOST) as threads:
        sent = []
        for one in range(number):
            time.sleep(max(0.0, began + one / rate - time.monotonic()))
            sent.append(threads.submit(send_one))
        print(json.dumps(Counter(one.result() for one in sent)))


def _send(url: str, secret: str, page: str) -> int:
    """Again while it is put off, as PagerDuty does."""
    body, webhook = event(page), uuid4().hex
    while (status := send_to(url, body, signed(body, secret), webhook_id=webhook)) == 503:
        time.sleep(AGAIN_AFTER)
    return status


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
