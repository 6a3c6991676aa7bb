"""Answers that are the same for all of one kind, made once and sent from memory."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from efir.lib.asgi import PREPARED, Application, Headers, Message, Scope, Send, SendPrepared, answer, head_of
from efir.web.request_metrics import TO_KEEP

# Django's own word on these holds for the one request that it answered.
_NOT_KEPT = frozenset({b"cache-control", b"content-length", b"expires", b"server-timing", b"vary"})
_LEAST_PACKED = 500
_GZIP = (b"content-encoding", b"gzip")
# The browser asks each time, and is told where nothing has changed.
_FRESH = b"private, no-cache"


@dataclass(frozen=True, slots=True)
class Representation:
    """One form of an answer, ready to be sent."""

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
            await answer(send, self.status, (*self.headers, *more), self.body)
        return self.status


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """One answer in its forms: plain, packed (gzip), and that nothing has changed since."""

    tag: bytes
    plain: Representation
    packed: Representation
    unchanged: Representation

    @classmethod
    def of(
        cls, body: bytes, headers: Headers, cache_control: bytes, vary: bytes, *, pack: bool = True
    ) -> CachedResponse:
        """Keep this body with these headers, but for those that whoever keeps it decides.

        `pack`: whether gzip makes it smaller; of a picture it does not.
        """
        tag = b'W/"%s"' % hashlib.sha256(body).hexdigest()[:20].encode()
        own = ((b"cache-control", cache_control), (b"etag", tag), (b"vary", vary))
        all_headers = (*(each for each in headers if each[0] not in _NOT_KEPT), *own)
        plain = Representation.of(200, all_headers, body)
        packed = plain
        if pack and len(body) > _LEAST_PACKED:
            packed = Representation.of(200, (*all_headers, _GZIP), gzip.compress(body, mtime=0))
        return cls(tag, plain, packed, Representation.of(304, all_headers))

    async def answer(self, scope: Scope, send: Send, more: Headers = ()) -> int:
        """Send it as the request takes it: not at all where the browser has it already, packed where it can unpack.

        Gives back the HTTP status.
        """
        asked = dict(scope["headers"])
        if self.tag in asked.get(b"if-none-match", b""):
            return await self.unchanged.answer(scope, send, more)
        takes = asked.get(b"accept-encoding", b"")
        takes_packed = b"gzip" in takes and b"gzip;q=0" not in takes
        return await (self.packed if takes_packed else self.plain).answer(scope, send, more)


async def page_of(django: Application, scope: Scope) -> CachedResponse | None:
    """What Django answers to this request, to be kept; None where it is for this one visitor alone."""
    sent: list[Message] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await django({**scope, TO_KEEP: True}, _nothing_more(), send)
    status, headers = sent[0]["status"], [(name.lower(), value) for name, value in sent[0]["headers"]]
    if status != 200 or any(name == b"set-cookie" for name, _ in headers):
        return None
    return CachedResponse.of(
        b"".join(message.get("body", b"") for message in sent[1:]),
        headers,
        _FRESH,
        b"Accept-Encoding, Accept-Language, Cookie",
    )


def _nothing_more() -> Any:
    """A request without a body from somebody who stays."""
    messages: Iterable[Message] = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        for message in messages:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    return receive
