"""Gives every request that Django answers an id: in each of its log lines, and in the response."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from django.conf import settings
from structlog.contextvars import bound_contextvars

from efir.lib.asgi import Application, Receive, Scope, Send

HEADER = b"x-request-id"
VALID = re.compile(rb"[A-Za-z0-9._-]{8,64}")


class RequestIdMiddleware:
    """Binds the request's id to the log context and adds it to the response."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        request_id = _proxy_id(scope) or uuid4().hex.encode()

        async def send_with_id(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (HEADER, request_id)]}
            await send(message)

        with bound_contextvars(request_id=request_id.decode()):
            await self._inner(scope, receive, send_with_id)


def _proxy_id(scope: Scope) -> bytes:
    # Only a trusted proxy may set the id: from anybody else it would be a way to write into the log.
    if not settings.EFIR.trusted_proxies:
        return b""
    given = dict(scope["headers"]).get(HEADER, b"")
    return given if VALID.fullmatch(given) else b""
