"""No request brings more than there is use for: Django would write all of it to a temporary file before it looks."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from django.utils.http import parse_header_parameters

from efir.edge.error_responses import refuse
from efir.lib import metrics
from efir.lib.asgi import Application, Message, Receive, Scope, Send, header_of

# A poster has 10 MB at most; beside it goes the form. The proxy examples say the same.
LARGEST_UPLOAD = 12 * 1024 * 1024
LARGEST_FORM = 256 * 1024
UPLOADS = "/admin_webinar/"
# For the rest of what is refused. A proxy hands a whole body over before it looks for the answer.
DRAINED_WITHIN_S = 10


_UTF_8 = frozenset({"utf-8", "utf8"})


class _TooLarge(Exception):
    """More has come than may."""


class BodyLimitMiddleware:
    """An application to which no larger body than this comes, told before or not, and none in a strange encoding."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; 413 where its body is too large, 400 where it cannot be read."""
        if not _is_readable(scope):
            return await self._refuse(scope, receive, send, 400, "unreadable")
        largest = LARGEST_UPLOAD if scope["path"].startswith(UPLOADS) else LARGEST_FORM
        if _told(scope) > largest:
            return await self._refuse(scope, receive, send, 413, "too large")
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > largest:
                raise _TooLarge
            return message

        try:
            await self._inner(scope, counted, send)
        except _TooLarge:
            await self._refuse(scope, receive, send, 413, "too large")

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
        metrics.answered(why, status)
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAINED_WITHIN_S):
                await _drain(receive)
        await refuse(scope, send, status, [(b"connection", b"close")])


def _is_readable(scope: Scope) -> bool:
    """Whether a form is in UTF-8, as browsers send it. Django would try any other codec that Python has, and fail."""
    try:
        _, told = parse_header_parameters(header_of(scope, b"content-type"))
    except (ValueError, LookupError):
        return False
    return told.get("charset", "utf-8").lower() in _UTF_8


async def _drain(receive: Receive) -> None:
    """Let the rest come and fall away: an answer while a body still comes would reach nobody (nginx says 502)."""
    dropped = 0
    while dropped <= LARGEST_UPLOAD:
        message = await receive()
        dropped += len(message.get("body", b""))
        if not message.get("more_body"):
            return


def _told(scope: Scope) -> int:
    """The length that the request tells, or 0."""
    told: bytes = dict(scope["headers"]).get(b"content-length", b"")
    return int(told) if told.isdigit() and len(told) < 20 else 0
