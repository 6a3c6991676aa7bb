"""What browsers keep for the time without a network: everybody's browser asks for it now and then."""

from __future__ import annotations

from efir.edge.page_cache import Pages, of_anybody
from efir.lib.asgi import Application, Scope, Send, cookies_of, header_of
from efir.web.locale import language_of

OFFLINE = frozenset({"/offline/", "/offline.js"})
# They change with the release alone.
KEPT_S = 3600.0


class OfflineFiles:
    """The offline page and the worker that shows it, in each language."""

    def __init__(self, django: Application) -> None:
        self._pages = Pages(django, kept_s=KEPT_S)

    async def __call__(self, scope: Scope, send: Send) -> int:
        """Answer, or leave it: the HTTP status, or 0."""
        language = language_of(cookies_of(scope), header_of(scope, b"accept-language"))
        kind = (scope["path"], scope["scheme"], language)
        page = await self._pages.get(kind, of_anybody(scope, language))
        if page is None:
            return 0
        return await page.answer(scope, send)
