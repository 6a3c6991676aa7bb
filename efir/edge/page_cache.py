"""Cache pages that Django renders once for each kind of visitor, while they are up to date."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings

from efir.edge.cached_response import CachedResponse
from efir.lib.asgi import Application, Message, Scope
from efir.web.messages import HostCookieStorage
from efir.web.request_metrics import TO_KEEP

# For the pages of one URL, which may be as many as inviters. The least recently used is evicted first.
MAX_BYTES = 16 * 1024 * 1024
# The browser asks each time, and gets 304 if nothing has changed.
ASK_EACH_TIME = b"private, no-cache"
# The header of `never_cache`, which Django sends with a person's pages and with forms that ask for a password.
NOT_STORED = b"max-age=0, no-cache, no-store, must-revalidate, private"
_MESSAGES_DELETED = f'{HostCookieStorage.cookie_name}=""; expires='.encode()


def visitor_scope(
    scope: Scope, language: str, *, query: bytes = b"", cookies: Mapping[str, str] | None = None
) -> Scope:
    """Return the request reduced to this language and this query, without any other data of the visitor.

    `cookies` are those by which the page differs; without a session's it is the page of a guest.
    """
    host = [header for header in scope["headers"] if header[0] == b"host"]
    sent = {settings.LANGUAGE_COOKIE_NAME: language, **(cookies or {})}
    cookie = "; ".join(f"{name}={value}" for name, value in sent.items()).encode()
    headers = [*host, (b"accept", b"text/html"), (b"cookie", cookie)]
    return {**scope, "method": "GET", "query_string": query, "headers": headers}


async def render(django: Application, scope: Scope, cache_control: bytes) -> CachedResponse | None:
    """Have Django render this request without a body; None if the response does not fit all visitors of the kind.

    That is so if its status is not 200, or if it sets a cookie. It may delete the cookie of the messages that it shows,
    because they are part of the kind.
    """
    sent: list[Message] = []
    request = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        # After the request the visitor stays connected forever.
        return request.pop() if request else await asyncio.Future()

    async def send(message: Any) -> None:
        sent.append(message)

    await django({**scope, TO_KEEP: True}, receive, send)
    status, headers = sent[0]["status"], [(name.lower(), value) for name, value in sent[0]["headers"]]
    cookies = [value for name, value in headers if name == b"set-cookie"]
    if status != 200 or not all(cookie.startswith(_MESSAGES_DELETED) for cookie in cookies):
        return None
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return CachedResponse.of(body, headers, cache_control, b"Accept-Encoding, Accept-Language, Cookie")


@dataclass(slots=True)
class _Page:
    rendering: asyncio.Future[CachedResponse | None]
    edition: Hashable
    expires_at: float
    size: int = 0  # in bytes, once it is rendered


class PageCache:
    """The cached pages of one URL, by kind of visitor. Its methods run on the event loop."""

    def __init__(self, django: Application, *, max_age_s: float) -> None:
        self._django = django
        self._max_age_s = max_age_s
        self._pages: OrderedDict[Hashable, _Page] = OrderedDict()
        self._bytes = 0

    async def get(
        self,
        kind: Hashable,
        scope: Scope,
        *,
        edition: Hashable = None,
        cache_control: bytes = ASK_EACH_TIME,
        is_still: Callable[[], Awaitable[bool]] | None = None,
    ) -> CachedResponse | None:
        """Return the page of this kind of visitor, or render this request for all of them; None if it cannot be cached.

        A page of another `edition` of what it shows is rendered again. `is_still` tells, after the page was rendered
        for a person, whether that person is of this kind, because that may have changed during the rendering. Visitors
        who come at the same time wait for one rendering. A visitor who goes away does not cancel it.
        """
        page = self._pages.get(kind)
        if page is None or page.edition != edition or time.monotonic() > page.expires_at:
            self._discard(kind)
            rendering = asyncio.ensure_future(self._render(scope, cache_control, is_still))
            page = self._pages[kind] = _Page(rendering, edition, time.monotonic() + self._max_age_s)
            rendering.add_done_callback(partial(self._rendered, kind, page))
        else:
            self._pages.move_to_end(kind)
        return await asyncio.shield(page.rendering)

    async def _render(
        self, scope: Scope, cache_control: bytes, is_still: Callable[[], Awaitable[bool]] | None
    ) -> CachedResponse | None:
        page = await render(self._django, scope, cache_control)
        return page if page and (is_still is None or await is_still()) else None

    def _rendered(self, kind: Hashable, page: _Page, done: asyncio.Future[CachedResponse | None]) -> None:
        if self._pages.get(kind) is not page:
            return
        response = None if done.cancelled() or done.exception() else done.result()
        if response is None:
            self._discard(kind)
            return
        page.size = response.size
        self._bytes += page.size
        while self._bytes > MAX_BYTES and len(self._pages) > 1:
            self._discard(next(iter(self._pages)))

    def _discard(self, kind: Hashable) -> None:
        if page := self._pages.pop(kind, None):
            self._bytes -= page.size
