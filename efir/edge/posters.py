"""Posters from memory: everybody who opens the schedule asks for the same few files."""

from __future__ import annotations

from efir.edge.cached_response import CachedResponse
from efir.lib.asgi import Scope, Send
from efir.lib.concurrency import REQUEST_POOL
from efir.web.security_headers import EVERYWHERE
from efir.webinars.posters.formats import TYPES
from efir.webinars.posters.store import content_of
from efir.webinars.views.posters import FOR_EVER

AT_MOST = 32 * 1024 * 1024  # bytes


class PosterFiles:
    """The files read last: the one that was read first goes first. What an address gives never changes."""

    def __init__(self) -> None:
        self._files: dict[str, CachedResponse] = {}
        self._bytes = 0

    async def __call__(self, scope: Scope, send: Send, digest: str, name: str) -> int:
        """Answer, or leave it: the HTTP status, or 0."""
        file = self._files.get(scope["path"]) or await self._read(scope["path"], digest, name)
        if file is None:
            return 0
        return await file.answer(scope, send)

    async def _read(self, path: str, digest: str, name: str) -> CachedResponse | None:
        content = await REQUEST_POOL.run(content_of, digest, name)
        if content is None:
            return None
        headers = [(b"content-type", TYPES[name].encode()), *EVERYWHERE]
        file = CachedResponse.of(content, headers, FOR_EVER.encode(), b"Accept-Encoding", pack=False)
        if path not in self._files:  # somebody else may have read it meanwhile
            self._files[path] = file
            self._bytes += len(content)
        while self._bytes > AT_MOST:
            oldest = self._files.pop(next(iter(self._files)))
            self._bytes -= len(oldest.plain.body)
        return file
