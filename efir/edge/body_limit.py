"""Limits request bodies: Django would write the whole of one to a temporary file before it looks at it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from django.utils.http import parse_header_parameters

from efir.edge.error_responses import refuse
from efir.lib import metrics
from efir.lib.asgi import Application, Message, Receive, Scope, Send, header_of

# A poster has 10 MB at most, and the form comes with it. The proxy examples in deploy/ have the same limit.
LARGEST_UPLOAD = 12 * 1024 * 1024
LARGEST_FORM = 256 * 1024
UPLOADS = "/admin_webinar/"
# How long to read the rest of a body that is refused.
DRAIN_TIMEOUT_S = 10
UTF_8 = frozenset({"utf-8", "utf8"})


class _TooLarge(Exception):
    pass


class BodyLimitMiddleware:
    """Refuses bodies that are too large, with or without a Content-Length, and forms in another encoding than UTF-8."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request: 413 if its body is too large, 400 if its encoding is refused."""
        if not _is_utf_8(scope):
            return await self._refuse(scope, receive, send, 400, "unreadable")
        limit = LARGEST_UPLOAD if scope["path"].startswith(UPLOADS) else LARGEST_FORM
        if _content_length(scope) > limit:
            return await self._refuse(scope, receive, send, 413, "too large")
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _TooLarge
            return message

        try:
            await self._inner(scope, limited, send)
        except _TooLarge:
            await self._refuse(scope, receive, send, 413, "too large")

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, status: int, label: str) -> None:
        metrics.count_request(label, status)
        # Read the rest first: a proxy sends the whole body before it reads the response (nginx answers 502).
        drained, more = 0, True
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                while more and drained <= LARGEST_UPLOAD:
                    message = await receive()
                    drained += len(message.get("body", b""))
                    more = message.get("more_body", False)
        await refuse(scope, send, status, [(b"connection", b"close")])


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
