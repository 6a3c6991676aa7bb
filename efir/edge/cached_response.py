"""A response that is the same for many visitors: encoded once and sent from memory.

A page may contain a form token, which differs for each visitor. Then the parts around the token are stored, compressed
so that the token can be inserted without compressing anything again.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from dataclasses import dataclass, replace
from functools import reduce

from efir.edge.form_token import VisitorToken
from efir.lib.asgi import PREPARED, Headers, Scope, Send, SendPrepared, cookies_of, head_of, send_response
from efir.web.form_token import PLACEHOLDER

# Headers that belong to Django's one response, and would be wrong in the cached one.
_DROPPED = frozenset({b"cache-control", b"content-length", b"expires", b"server-timing", b"vary"})
# Below this, gzip saves nothing: the headers are as long.
_MIN_GZIP_BYTES = 500
_GZIP = (b"content-encoding", b"gzip")
_TOKEN = PLACEHOLDER.encode()
# RFC 1952: deflate, no flags, no time, best compression, unknown system.
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
# RFC 1951, 3.2.4: the head of a stored block, which is not the last one, with the length of a token.
_STORED_TOKEN = struct.pack("<BHH", 0, len(_TOKEN), len(_TOKEN) ^ 0xFFFF)


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

    async def answer(self, scope: Scope, send: Send, more: Headers, body: bytes | None = None) -> int:
        """Send it, or another `body` of the same length with its head. Return the HTTP status."""
        body = self.body if body is None else body
        send_prepared: SendPrepared | None = scope.get("extensions", {}).get(PREPARED)
        if not (send_prepared and send_prepared(self.head, more, body)):
            await send_response(send, self.status, (*self.headers, *more), body)
        return self.status


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A response in its representations: plain, gzipped, and 304 Not Modified."""

    tag: bytes
    plain: Representation
    gzipped: Representation
    not_modified: Representation
    parts: TokenParts | None = None  # of a page that holds a form token

    @classmethod
    def of(
        cls, body: bytes, headers: Headers, cache_control: bytes, vary: bytes, *, pack: bool = True
    ) -> CachedResponse:
        """Encode this body with these headers, except those that hold for one response only.

        `pack`: whether gzip makes the body smaller; it does not for a picture.
        """
        parts = TokenParts.of(body) if _TOKEN in body else None
        # Without the placeholder, which differs from process to process.
        digest = hashlib.sha256(parts.plain(b"") if parts else body).hexdigest()[:20].encode()
        tag = digest if parts else b'W/"%s"' % digest
        own = ((b"cache-control", cache_control), (b"vary", vary), *(() if parts else ((b"etag", tag),)))
        all_headers = (*(each for each in headers if each[0] not in _DROPPED), *own)
        plain = gzipped = Representation.of(200, all_headers, body)
        if pack and len(body) > _MIN_GZIP_BYTES:
            packed = parts.packed(_TOKEN) if parts else gzip.compress(body, mtime=0)
            gzipped = Representation.of(200, (*all_headers, _GZIP), packed)
        if parts:  # which are sent instead
            plain, gzipped = replace(plain, body=b""), replace(gzipped, body=b"")
        return cls(tag, plain, gzipped, Representation.of(304, all_headers), parts)

    @property
    def size(self) -> int:
        """How many bytes its bodies take."""
        held = (
            (*self.parts.parts, *self.parts.deflated) if self.parts else (self.plain.body, self.gzipped.body)
        )
        return sum(map(len, held))

    async def answer(self, scope: Scope, send: Send, more: Headers = ()) -> int:
        """Send the representation that the request asks for, with `more` headers. Return the HTTP status."""
        asked = dict(scope["headers"])
        accepted = asked.get(b"accept-encoding", b"")
        takes_gzip = b"gzip" in accepted and b"gzip;q=0" not in accepted
        known = asked.get(b"if-none-match", b"")
        if self.parts:
            return await self._answer_with_token(scope, send, more, known, takes_gzip=takes_gzip)
        if self.tag in known:
            return await self.not_modified.answer(scope, send, more)
        return await (self.gzipped if takes_gzip else self.plain).answer(scope, send, more)

    async def _answer_with_token(
        self, scope: Scope, send: Send, more: Headers, known: bytes, *, takes_gzip: bool
    ) -> int:
        assert self.parts is not None  # noqa: S101  # only pages with a token come here
        token = VisitorToken(cookies_of(scope))
        # The tag changes with the visitor's secret: a browser must not keep a page whose token is no longer good.
        tag = b'W/"%s-%s"' % (self.tag, token.digest)
        more = (*more, *token.headers, (b"etag", tag))
        if tag in known:
            return await self.not_modified.answer(scope, send, more)
        if takes_gzip and _GZIP in self.gzipped.headers:
            return await self.gzipped.answer(scope, send, more, self.parts.packed(token.masked()))
        return await self.plain.answer(scope, send, more, self.parts.plain(token.masked()))


@dataclass(frozen=True, slots=True)
class TokenParts:
    """A page in the parts around its form tokens, plain and deflated."""

    parts: tuple[bytes, ...]
    deflated: tuple[bytes, ...]

    @classmethod
    def of(cls, body: bytes) -> TokenParts:
        parts = body.split(_TOKEN)
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        # A full flush ends on a whole byte, and the data after it does not refer to data before it, so not to the
        # token.
        *before, last = [
            packer.compress(part) + packer.flush(zlib.Z_FINISH if number == len(parts) else zlib.Z_FULL_FLUSH)
            for number, part in enumerate(parts, 1)
        ]
        return cls(tuple(parts), (*(part + _STORED_TOKEN for part in before), last))

    def plain(self, token: bytes) -> bytes:
        """Return the page with this token."""
        return token.join(self.parts)

    def packed(self, token: bytes) -> bytes:
        """Return the page with this token, gzipped; the token itself is stored as it is."""
        first, *rest = self.parts
        # The checksum covers the whole page, and takes ten microseconds for 10 kB.
        checksum = reduce(lambda crc, part: zlib.crc32(part, zlib.crc32(token, crc)), rest, zlib.crc32(first))
        size = sum(map(len, self.parts)) + len(token) * len(rest)
        tail = struct.pack("<II", checksum, size & 0xFFFFFFFF)
        return _GZIP_HEAD + token.join(self.deflated) + tail
