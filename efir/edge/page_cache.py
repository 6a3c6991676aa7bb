"""Pages made by Django once for each kind of visitor, and kept while they are true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from dataclasses import dataclass

from django.conf import settings

from efir.edge.cached_response import CachedResponse, page_of
from efir.lib.asgi import Application, Scope

AT_MOST = 200


def of_anybody(scope: Scope, language: str) -> Scope:
    """The request of anybody who reads this language."""
    host = [header for header in scope["headers"] if header[0] == b"host"]
    cookie = f"{settings.LANGUAGE_COOKIE_NAME}={language}".encode()
    return {**scope, "method": "GET", "headers": [*host, (b"accept", b"text/html"), (b"cookie", cookie)]}


@dataclass(slots=True)
class _Page:
    making: asyncio.Future[CachedResponse | None]
    good_until: float


class Pages:
    """The kept pages of one address. Its methods run on the event loop."""

    def __init__(self, django: Application, *, kept_s: float) -> None:
        self._django = django
        self._kept_s = kept_s
        self._pages: dict[Hashable, _Page] = {}

    async def get(self, kind: Hashable, scope: Scope) -> CachedResponse | None:
        """The page for this kind of visitor, made from this request where there is none yet; None if it is not kept."""
        page = self._pages.get(kind)
        if page is None or time.monotonic() > page.good_until:
            page = self._make(kind, scope)
        return await asyncio.shield(page.making)

    def _make(self, kind: Hashable, scope: Scope) -> _Page:
        if len(self._pages) >= AT_MOST:
            self._pages.clear()
        making = asyncio.ensure_future(page_of(self._django, scope))
        page = self._pages[kind] = _Page(making, time.monotonic() + self._kept_s)
        making.add_done_callback(lambda made: self._settle(kind, page, made))
        return page

    def _settle(self, kind: Hashable, page: _Page, made: asyncio.Future[CachedResponse | None]) -> None:
        # What is not to be kept holds for those who waited for it, and for nobody after them.
        if (made.cancelled() or made.exception() or made.result() is None) and self._pages.get(kind) is page:
            del self._pages[kind]
