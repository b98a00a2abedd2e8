"""Webhooks on their way: signed, posted, and given up waiting for after five seconds (fact sheet 8)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ssl
import threading
import time
from urllib.parse import unquote, urlsplit

from incident_central.sandbox.faults import TWO_SIGNATURES, WRONG_SIGNATURE
from incident_central.sandbox.pagerduty.account import Account
from incident_central.sandbox.pagerduty.outbox import Attempt, Delivery, Lane, Outbox
from incident_central.sandbox.pagerduty.subscriptions import Subscription, is_loopback

TIMEOUT = 5.0  # seconds
SENDERS = 32  # so many deliveries are under way at once
EXPIRED = 10  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED


class Sending:
    """The threads that send what the outbox holds. They begin with the first delivery."""

    def __init__(self, account: Account, outbox: Outbox) -> None:
        self._account = account
        self._outbox = outbox
        self._threads: list[threading.Thread] = []
        self._stopped = False

    def heed(self) -> None:
        """Called under the account's lock, as time passes and after each call."""
        self._outbox.take()
        self._outbox.forget_deleted()
        self._outbox.wake()
        if self._outbox.deliveries and not self._threads and not self._stopped:
            self._threads = [threading.Thread(target=self._run, name="webhooks", daemon=True) for _ in range(SENDERS)]
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        """What is under way ends by itself; nothing more is sent."""
        self._stopped = True
        for _ in self._threads:
            self._outbox.ready.put(None)

    def _run(self) -> None:
        while (lane := self._outbox.ready.get()) is not None and not self._stopped:
            self._send_first_of(lane)

    def _send_first_of(self, lane: Lane) -> None:
        with self._account.lock:
            delivery = lane.waiting[0] if lane.waiting else None
            subscription = self._account.subscriptions.get(lane.key[0])
            redirects = self._account.switches["webhook_redirects"]
            if delivery is None or subscription is None:
                self._outbox.forget_deleted()
                self._outbox.release(lane)
                return
        began, at = time.monotonic(), self._account.clock.now()
        status, error, again = _posted(subscription, delivery)
        if status is not None and 300 <= status < 400:
            again = redirects == "retried"
        attempt = Attempt(at, time.monotonic() - began, status, error, again)
        with self._account.lock:
            self._outbox.settle(lane, delivery, attempt)


def _posted(subscription: Subscription, delivery: Delivery) -> tuple[int | None, str | None, bool]:
    """POST once: the status, else the error, and whether PagerDuty tries again after it."""
    target = urlsplit(subscription.url)
    if not is_loopback(subscription.url):
        return None, "not an address of this machine", False
    kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(target.hostname), target.port, timeout=TIMEOUT)
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    began = time.monotonic()
    try:
        connection.request("POST", path, delivery.body, _headers(subscription, delivery))
        connection.sock.settimeout(max(0.001, TIMEOUT - (time.monotonic() - began)))
        status = connection.getresponse().status
    except TimeoutError:
        return None, "no answer within 5 seconds", True
    except ssl.SSLError as wrong:
        expired = isinstance(wrong, ssl.SSLCertVerificationError) and wrong.verify_code == EXPIRED
        return None, f"TLS: {wrong.reason}", expired
    except (OSError, http.client.HTTPException, ValueError) as wrong:  # ValueError: a planted address or header
        return None, f"{type(wrong).__name__}: {wrong}", True
    finally:
        connection.close()
    return status, None, status == 429 or status >= 500


def _headers(subscription: Subscription, delivery: Delivery) -> dict[str, str]:
    headers = {
        **subscription.headers,
        "Content-Type": "application/json",
        "User-Agent": "PagerDuty-Webhook/V3.0",
        "X-PagerDuty-Signature": _signature(subscription.secret, delivery),
        "X-Webhook-Id": delivery.id,
        "X-Webhook-Subscription": subscription.id,
    }
    target = urlsplit(subscription.url)
    if target.username is not None:
        user = f"{unquote(target.username)}:{unquote(target.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
    return headers


def _signature(secret: str, delivery: Delivery) -> str:
    """Of the body's bytes. A rotated secret signs along, comma between; a fault that was lifted does no more harm."""
    fault = delivery.fault if delivery.fault is not None and not delivery.fault.lifted.is_set() else None
    secrets = [secret]
    if fault is not None and fault.kind == WRONG_SIGNATURE:
        secrets = [f"not {secret}"]
    elif fault is not None and fault.kind == TWO_SIGNATURES:
        secrets = [f"not {secret}", secret]
    return ",".join(f"v1={hmac.new(one.encode(), delivery.body, hashlib.sha256).hexdigest()}" for one in secrets)
