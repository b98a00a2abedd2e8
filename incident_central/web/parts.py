"""What many readers are shown alike: made once for all of them. And the parts of a page that its own script asks for
again and again, which are not sent to who has them already.
"""

import hashlib
import secrets
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass
from functools import wraps
from threading import Lock
from typing import TypeVar
from uuid import uuid4

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.middleware.csrf import get_token
from django.template.loader import render_to_string

from incident_central.web.context import basics

R = TypeVar("R")

KEPT = 32  # of what was made, by what it was made of
PATIENCE = 0.5  # seconds

#: Stand in the parts for their own digest and for what each answer has of its own. Nobody can guess them, or what
#: somebody typed would be filled in as well.
DIGEST, CSRF, PRESS = (secrets.token_hex(16) for _ in range(3))


def made_once(make: Callable[..., R]) -> Callable[..., R]:
    """`make`, for arguments from which the same follows each time. Many come in the same moment, when something
    changed: one of them makes it, and the others wait for that, though not for long, or one that hangs would hold all.
    """
    made: dict[tuple[Hashable, ...], Future[R]] = {}
    lock = Lock()

    @wraps(make)
    def once(*of: Hashable) -> R:
        with lock:
            found = made.get(of)
            if found is None:
                mine = made[of] = Future[R]()
                if len(made) > KEPT:
                    del made[next(iter(made))]  # the oldest
        if found is None:
            try:
                mine.set_result(make(*of))
            except BaseException as error:
                with lock:
                    made.pop(of, None)
                mine.set_exception(error)
                raise
            return mine.result()
        try:
            return found.result(PATIENCE)
        except TookTooLong:
            return make(*of)

    return once


@dataclass(frozen=True)
class Parts:
    text: str
    digest: str


def parts_of(template: str, context: Mapping[str, object]) -> Parts:
    """`template` extends `layout`, and tells its script to send `digest` along."""
    made = {"layout": "web/parts/layout.html", "digest": DIGEST, "csrf_token": CSRF}
    text = render_to_string(template, basics() | dict(context) | made)
    alike = text.replace(DIGEST, "").replace(CSRF, "").replace(PRESS, "")  # wherever it was made
    return Parts(text, hashlib.sha256(alike.encode()).hexdigest()[:32])


def parts_for(request: HttpRequest, parts: Parts) -> HttpResponse:
    """304 where the script has them already, with a token that still holds: another sign-in changes it."""
    text, version = parts.text, parts.digest
    if CSRF in text:
        token = get_token(request)
        version += hashlib.sha256(request.META["CSRF_COOKIE"].encode()).hexdigest()[:8]
        text = text.replace(CSRF, token)
    if request.headers.get("If-None-Match") == f'"{version}"':
        return HttpResponseNotModified()
    text = text.replace(PRESS, str(uuid4())).replace(DIGEST, version)
    return HttpResponse(text, headers={"ETag": f'"{version}"'})
