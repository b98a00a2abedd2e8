"""What many readers are shown alike: made once for all of them. And the parts of a page that its own script asks for
again and again, which are not sent to who has them already.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Condition
from typing import ParamSpec, TypeVar
from uuid import uuid4

from cachetools import LRUCache, cached
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.middleware.csrf import get_token
from django.template.loader import render_to_string

from incident_central.web.context import basics

P = ParamSpec("P")
R = TypeVar("R")

KEPT = 32  # of what was made, by what it was made of

#: Stand in the parts for their own digest and for what each answer has of its own. Nobody can guess them, or what
#: somebody typed would be filled in as well.
DIGEST, CSRF, PRESS = (secrets.token_hex(16) for _ in range(3))


def made_once(make: Callable[P, R]) -> Callable[P, R]:
    """Who asks for what is being made waits for it: many come in the same moment, when something changed."""
    return cached(LRUCache(KEPT), condition=Condition())(make)


@dataclass(frozen=True)
class Parts:
    text: str
    version: str  # as an ETag


def parts_of(template: str, context: Mapping[str, object]) -> Parts:
    """`template` extends `layout`, and tells its script to send `digest` along."""
    made = {"layout": "web/parts/layout.html", "digest": DIGEST, "csrf_token": CSRF}
    text = render_to_string(template, basics() | dict(context) | made)
    alike = text.replace(DIGEST, "").replace(CSRF, "").replace(PRESS, "")  # wherever it was made
    digest = hashlib.sha256(alike.encode()).hexdigest()[:32]
    return Parts(text.replace(DIGEST, digest), f'"{digest}"')


def parts_for(request: HttpRequest, parts: Parts) -> HttpResponse:
    """304 where the script has them already."""
    if request.headers.get("If-None-Match") == parts.version:
        return HttpResponseNotModified()
    text = parts.text.replace(PRESS, str(uuid4()))
    if CSRF in text:
        text = text.replace(CSRF, get_token(request))
    return HttpResponse(text, headers={"ETag": parts.version})
