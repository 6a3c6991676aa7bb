"""Limits request bodies: their size, their speed, and how many of one address arrive at a time.

Without it Django would write the whole body to a temporary file before it looks at the request, and wait forever for an
unfinished one.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import suppress
from typing import NamedTuple

from django.db import Error as DatabaseError
from django.utils.functional import Promise
from django.utils.http import parse_header_parameters
from django.utils.translation import gettext_lazy

from efir.accounts.access_cache import AccessCache
from efir.accounts.capabilities import Capability
from efir.broadcast.ingest import MAX_CHUNK_BYTES
from efir.edge.error_responses import refuse
from efir.lib import ids, metrics
from efir.lib.asgi import Application, Message, Receive, Scope, Send, cookies_of, header_of
from efir.room.hub import current_hub
from efir.room.sse import session_key
from efir.web.client_ip import scope_rate_limit_key

# A poster has 10 MB at most, and the form comes with it. deploy/nginx.conf has the same limit.
LARGEST_UPLOAD = 12 * 1024 * 1024
# `FILE_UPLOAD_MAX_MEMORY_SIZE` is the same: what is larger waits on the disk.
LARGEST_FORM = 256 * 1024
# The chunks of a sender; the segments' process and the database see no larger ones.
CHUNKS = re.compile(rf"/admin_webinar/{ids.PATTERN}/broadcast/[0-9a-f-]{{36}}/[0-9]+", re.ASCII)
UPLOADS = re.compile(rf"/admin_webinar/(?:new|{ids.PATTERN})/", re.ASCII)
# A body may take this long at any speed: a phone changes cells, a TLS connection is resumed.
ALLOWANCE_S = 20.0
# After that it must have had this speed on average: half of the 64 kbit/s to which mobile operators throttle a line.
MIN_BYTES_PER_S = 4000
# Unfinished bodies of one address. A form arrives at once, so even hundreds of people behind one router have few. At
# the size of a form, one address holds 25 MB.
MAX_UNFINISHED_PER_ADDRESS = 100
RETRY_AFTER_S = 5
# How much of a refused body to read, and for how long; nothing of it is kept. 30 s is nginx' lingering_time.
DRAIN_BYTES = 64 * 1024 * 1024
DRAIN_TIMEOUT_S = 30.0
# A proxy written in Go (Caddy) drops a response that arrives while it still closes its side of the body.
PAUSE_S = 0.05
UTF_8 = frozenset({"utf-8", "utf8"})

LOG_IN_FIRST = gettext_lazy(
    "Файлы принимаются только от тех, кто ведёт вебинары. Войдите ещё раз и повторите отправку."
)
TOO_MANY = gettext_lazy(
    "С вашего адреса сейчас отправляют слишком много сразу. Подождите немного и повторите."
)


class _Refusal(NamedTuple):
    """How a body is refused: the HTTP status, the label in the metrics, and a sentence other than the status has."""

    status: int
    label: str
    sentence: Promise | None = None


UNREADABLE = _Refusal(400, "unreadable")
TOO_SLOW = _Refusal(408, "too slow")
TOO_LARGE = _Refusal(413, "too large")
TOO_LARGE_FOR_GUESTS = _Refusal(413, "too large", LOG_IN_FIRST)
TOO_MANY_UNFINISHED = _Refusal(429, "too many bodies", TOO_MANY)


class _Refused(Exception):
    def __init__(self, refusal: _Refusal) -> None:
        super().__init__(refusal.label)
        self.refusal = refusal


class BodyLimitMiddleware:
    """Refuses bodies that are too large or too slow, and forms in another encoding than UTF-8."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner
        self._unfinished: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request: 400, 408, 413 or 429 if its body is refused."""
        if not _is_utf_8(scope):
            return await _refuse(scope, receive, send, UNREADABLE)
        limit, too_large = await _limit(scope)
        if _content_length(scope) > limit:
            return await _refuse(scope, receive, send, too_large)
        body = _Body(receive, limit, too_large, self._unfinished, scope_rate_limit_key(scope))
        try:
            await self._inner(scope, body.receive, send)
        except _Refused as refused:
            await _refuse(scope, receive, send, refused.refusal, more=not body.is_complete)
        finally:
            body.finish()


class _Body:
    """The body of one request while it arrives."""

    def __init__(
        self, receive: Receive, limit: int, too_large: _Refusal, unfinished: Counter[str], key: str
    ) -> None:
        self._receive, self._limit, self._too_large = receive, limit, too_large
        self._unfinished, self._key = unfinished, key
        self._started_at = asyncio.get_running_loop().time()
        self._received = 0
        self._is_counted = False
        self.is_complete = False

    async def receive(self) -> Message:
        """Return the next ASGI message. Raises _Refused."""
        if self.is_complete:  # only the disconnection of the client can follow, perhaps after minutes
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._started_at + longest_s(self._received)):
                message = await self._receive()
        except TimeoutError:
            raise _Refused(TOO_SLOW) from None
        self._received += len(message.get("body", b""))
        self.is_complete = not message.get("more_body", False)
        if self._received > self._limit:
            raise _Refused(self._too_large)
        if self.is_complete:
            self.finish()
        elif not self._is_counted:
            if self._unfinished[self._key] >= MAX_UNFINISHED_PER_ADDRESS:
                raise _Refused(TOO_MANY_UNFINISHED)
            self._unfinished[self._key] += 1
            self._is_counted = True
        return message

    def finish(self) -> None:
        """Stop counting the body."""
        if self._is_counted:
            self._is_counted = False
            self._unfinished[self._key] -= 1
            if not self._unfinished[self._key]:
                del self._unfinished[self._key]


def longest_s(received: int) -> float:
    """Return how many seconds after its beginning a body with this many bytes received may go on waiting."""
    return ALLOWANCE_S + received / MIN_BYTES_PER_S


async def _limit(scope: Scope) -> tuple[int, _Refusal]:
    """Return how large the body may be, and how to refuse a larger one."""
    if scope["method"] == "PUT" and CHUNKS.fullmatch(scope["path"]):
        largest, capability = MAX_CHUNK_BYTES, Capability.BROADCAST
    elif scope["method"] == "POST" and UPLOADS.fullmatch(scope["path"]):
        largest, capability = LARGEST_UPLOAD, Capability.EDIT_WEBINAR
    else:
        return LARGEST_FORM, TOO_LARGE
    hub = current_hub()
    cache = hub.admission.access_cache if hub else AccessCache()
    try:
        access = await cache.get(session_key(cookies_of(scope)))
    except DatabaseError:
        return largest, TOO_LARGE  # Django has a page for it
    if access and access.can(capability):
        return largest, TOO_LARGE
    return LARGEST_FORM, TOO_LARGE_FOR_GUESTS


async def _refuse(
    scope: Scope, receive: Receive, send: Send, refusal: _Refusal, *, more: bool = True
) -> None:
    """Answer with the refusal; `more`: the body goes on."""
    metrics.count_request(refusal.label, refusal.status)
    # Read the rest first: a proxy that still sends the body when the connection is closed answers 502.
    drained, more = 0, more and refusal is not TOO_SLOW
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            while more and drained <= DRAIN_BYTES:
                message = await receive()
                drained += len(message.get("body", b""))
                more = message.get("more_body", False)
    if drained:
        await asyncio.sleep(PAUSE_S)
    headers = [(b"connection", b"close")]
    if refusal is TOO_MANY_UNFINISHED:
        headers.append((b"retry-after", b"%d" % RETRY_AFTER_S))
    await refuse(scope, send, refusal.status, headers, refusal.sentence)


def _is_utf_8(scope: Scope) -> bool:
    # Browsers send forms in UTF-8. Django would try any other codec that Python has, and fail.
    try:
        _, parameters = parse_header_parameters(header_of(scope, b"content-type"))
    except (ValueError, LookupError):
        return False
    return parameters.get("charset", "utf-8").lower() in UTF_8


def _content_length(scope: Scope) -> int:
    value: bytes = dict(scope["headers"]).get(b"content-length", b"")
    return int(value) if value.isdigit() and len(value) < 20 else 0
