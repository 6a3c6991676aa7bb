"""Pages that Django renders once for each kind of visitor, cached while they are true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings

from efir.edge.cached_response import CachedResponse
from efir.lib.asgi import Application, Message, Scope
from efir.web.request_metrics import TO_KEEP

# Kinds of visitors times webinars are far fewer; when the cache is full, it is cleared.
MAX_PAGES = 200


def anonymous_scope(scope: Scope, language: str) -> Scope:
    """Return the same request as a visitor without a session sends it in this language."""
    host = [header for header in scope["headers"] if header[0] == b"host"]
    cookie = f"{settings.LANGUAGE_COOKIE_NAME}={language}".encode()
    return {**scope, "method": "GET", "headers": [*host, (b"accept", b"text/html"), (b"cookie", cookie)]}


async def render(django: Application, scope: Scope) -> CachedResponse | None:
    """Have Django render this request without a body; None if its response is not for every visitor of this kind.

    Such a response has another status than 200, or sets a cookie.
    """
    sent: list[Message] = []
    request = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        # After the request the visitor stays connected for ever.
        return request.pop() if request else await asyncio.Future()

    async def send(message: Any) -> None:
        sent.append(message)

    await django({**scope, TO_KEEP: True}, receive, send)
    status, headers = sent[0]["status"], [(name.lower(), value) for name, value in sent[0]["headers"]]
    if status != 200 or any(name == b"set-cookie" for name, _ in headers):
        return None
    body = b"".join(message.get("body", b"") for message in sent[1:])
    # `no-cache`: the browser asks each time, and gets 304 if nothing has changed.
    return CachedResponse.of(body, headers, b"private, no-cache", b"Accept-Encoding, Accept-Language, Cookie")


@dataclass(slots=True)
class _Page:
    rendering: asyncio.Future[CachedResponse | None]
    expires_at: float


class PageCache:
    """The cached pages of one URL, by kind of visitor. Its methods run on the event loop."""

    def __init__(self, django: Application, *, max_age_s: float) -> None:
        self._django = django
        self._max_age_s = max_age_s
        self._pages: dict[Hashable, _Page] = {}

    async def get(self, key: Hashable, scope: Scope) -> CachedResponse | None:
        """Return the cached page of this kind of visitor, or render it; None if it cannot be cached.

        Visitors who come at the same time wait for one rendering. A visitor who goes away does not cancel it.
        """
        page = self._pages.get(key)
        if page is None or time.monotonic() > page.expires_at:
            if len(self._pages) >= MAX_PAGES:
                self._pages.clear()
            rendering = asyncio.ensure_future(render(self._django, scope))
            page = self._pages[key] = _Page(rendering, time.monotonic() + self._max_age_s)
            rendering.add_done_callback(partial(self._drop_uncacheable, key, page))
        return await asyncio.shield(page.rendering)

    def _drop_uncacheable(
        self, key: Hashable, page: _Page, done: asyncio.Future[CachedResponse | None]
    ) -> None:
        if (done.cancelled() or done.exception() or done.result() is None) and self._pages.get(key) is page:
            del self._pages[key]
