"""Serve files from memory: static files, posters, and the files of the offline page."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage

from efir.edge.cached_response import CachedResponse
from efir.edge.page_cache import PageCache, visitor_scope
from efir.lib.asgi import Application, Scope, Send, cookies_of, header_of
from efir.lib.concurrency import REQUEST_POOL
from efir.lib.sized_cache import SizedCache
from efir.site_settings import colour
from efir.site_settings import files as logos
from efir.web.locale import language_of
from efir.web.security_headers import SECURITY_HEADERS
from efir.web.shortcuts import CACHE_FOREVER
from efir.webinars.posters import store as posters
from efir.webinars.posters.formats import CONTENT_TYPES

# The name of such a file contains a hash of its bytes.
IMMUTABLE = CACHE_FOREVER.encode()
# A schedule full of posters has a few megabytes in all sizes.
MAX_STORED_BYTES = 32 * 1024 * 1024
# The offline files change only with the release.
OFFLINE_MAX_AGE_S = 3600.0


class StaticFiles:
    """The files of `collectstatic` with a hash in their name, all in memory: they are few and small."""

    def __init__(self) -> None:
        hashed = getattr(staticfiles_storage, "hashed_files", {}).values()
        paths = {name: Path(settings.STATIC_ROOT) / name for name in hashed}
        self._files = {
            f"{settings.STATIC_URL}{name}": _read_static(path)
            for name, path in paths.items()
            if path.is_file()
        }

    async def __call__(self, scope: Scope, send: Send) -> int:
        """Answer, or return 0."""
        file = self._files.get(scope["path"])
        return await file.answer(scope, send) if file else 0


def _read_static(path: Path) -> CachedResponse:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    charset = "; charset=utf-8" if kind.startswith("text/") else ""
    headers = [
        (b"content-type", f"{kind}{charset}".encode()),
        *SECURITY_HEADERS,
        (b"access-control-allow-origin", b"*"),
    ]
    return CachedResponse.of(path.read_bytes(), headers, IMMUTABLE, b"Accept-Encoding")


class StoredFiles:
    """A cache of files from the database, up to `MAX_STORED_BYTES`.

    `read` returns a file by the digest and the name in its path, `content_type` its type by the name.
    """

    def __init__(self, read: Callable[[str, str], bytes | None], content_type: Callable[[str], str]) -> None:
        self._read_file, self._content_type = read, content_type
        self._files = SizedCache[CachedResponse](MAX_STORED_BYTES, lambda file: len(file.plain.body))

    async def __call__(self, scope: Scope, send: Send, digest: str, name: str) -> int:
        """Answer, or return 0."""
        file = self._files.get(scope["path"]) or await self._read(scope["path"], digest, name)
        return await file.answer(scope, send) if file else 0

    async def _read(self, path: str, digest: str, name: str) -> CachedResponse | None:
        content = await REQUEST_POOL.run(self._read_file, digest, name)
        if content is None:
            return None
        headers = [(b"content-type", self._content_type(name).encode()), *SECURITY_HEADERS]
        file = CachedResponse.of(content, headers, IMMUTABLE, b"Accept-Encoding", pack=False)
        self._files.put(path, file)
        return file


def poster_files() -> StoredFiles:
    """Return the handler of posters."""
    return StoredFiles(posters.read_file, CONTENT_TYPES.__getitem__)


def logo_files() -> StoredFiles:
    """Return the handler of the logo's files, which are all PNG."""
    return StoredFiles(logos.read_file, lambda _name: "image/png")


async def theme_file(scope: Scope, send: Send, digits: str) -> int:
    """Answer with the stylesheet of the accent colour in the path."""
    return await _theme(digits).answer(scope, send)


@lru_cache(maxsize=20)
def _theme(digits: str) -> CachedResponse:
    headers = [(b"content-type", b"text/css; charset=utf-8"), *SECURITY_HEADERS]
    css = colour.stylesheet(f"#{digits}").encode()
    return CachedResponse.of(css, headers, IMMUTABLE, b"Accept-Encoding")


class OfflineFiles:
    """The offline page and its service worker, in each language: every browser fetches them now and then."""

    def __init__(self, django: Application) -> None:
        self._cache = PageCache(django, max_age_s=OFFLINE_MAX_AGE_S)

    async def __call__(self, scope: Scope, send: Send) -> int:
        """Answer, or return 0."""
        language = language_of(cookies_of(scope), header_of(scope, b"accept-language"))
        key = (scope["path"], scope["scheme"], language)
        page = await self._cache.get(key, visitor_scope(scope, language))
        return await page.answer(scope, send) if page else 0
