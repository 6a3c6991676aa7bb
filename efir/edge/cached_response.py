"""A response that is the same for many visitors: encoded once and sent from memory."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass

from efir.lib.asgi import PREPARED, Headers, Scope, Send, SendPrepared, head_of, send_response

# Headers of the one response that Django made, which would be wrong in the cached one.
_DROPPED = frozenset({b"cache-control", b"content-length", b"expires", b"server-timing", b"vary"})
# Below this, gzip saves nothing: the headers are as long.
_MIN_GZIP_BYTES = 500
_GZIP = (b"content-encoding", b"gzip")


@dataclass(frozen=True, slots=True)
class Representation:
    """One encoding of a response, ready to be sent. `head`: the status line and headers as bytes."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    head: bytes

    @classmethod
    def of(cls, status: int, headers: Headers, body: bytes = b"") -> Representation:
        length = (b"content-length", b"%d" % len(body))
        whole = (*headers, length) if status == 200 else tuple(headers)
        return cls(status, whole, body, head_of(status, whole))

    async def answer(self, scope: Scope, send: Send, more: Headers) -> int:
        send_prepared: SendPrepared | None = scope.get("extensions", {}).get(PREPARED)
        if not (send_prepared and send_prepared(self.head, more, self.body)):
            await send_response(send, self.status, (*self.headers, *more), self.body)
        return self.status


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A response in its representations: plain, gzipped, and 304 Not Modified."""

    tag: bytes
    plain: Representation
    gzipped: Representation
    not_modified: Representation

    @classmethod
    def of(
        cls, body: bytes, headers: Headers, cache_control: bytes, vary: bytes, *, pack: bool = True
    ) -> CachedResponse:
        """Encode this body with these headers, except those that hold for one response only.

        `pack`: whether gzip makes the body smaller; it does not for a picture.
        """
        tag = b'W/"%s"' % hashlib.sha256(body).hexdigest()[:20].encode()
        own = ((b"cache-control", cache_control), (b"etag", tag), (b"vary", vary))
        all_headers = (*(each for each in headers if each[0] not in _DROPPED), *own)
        plain = gzipped = Representation.of(200, all_headers, body)
        if pack and len(body) > _MIN_GZIP_BYTES:
            gzipped = Representation.of(200, (*all_headers, _GZIP), gzip.compress(body, mtime=0))
        return cls(tag, plain, gzipped, Representation.of(304, all_headers))

    async def answer(self, scope: Scope, send: Send, more: Headers = ()) -> int:
        """Send the representation that the request asks for, with `more` headers. Return the HTTP status."""
        asked = dict(scope["headers"])
        if self.tag in asked.get(b"if-none-match", b""):
            return await self.not_modified.answer(scope, send, more)
        accepted = asked.get(b"accept-encoding", b"")
        takes_gzip = b"gzip" in accepted and b"gzip;q=0" not in accepted
        return await (self.gzipped if takes_gzip else self.plain).answer(scope, send, more)
