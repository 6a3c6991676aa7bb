"""Answers that are the same for all of one kind, made once and sent from memory."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from efir.asgi_http import Application, Headers, Message, Scope, Send, answer

# Django's own word on these holds for the one request that it answered.
_NOT_KEPT = frozenset({b"cache-control", b"content-length", b"expires", b"server-timing", b"vary"})
_LEAST_PACKED = 500
_GZIP = (b"content-encoding", b"gzip")
# The browser asks each time, and is told where nothing has changed.
_FRESH = b"private, no-cache"


@dataclass(frozen=True, slots=True)
class Kept:
    """One answer, plain and packed (gzip)."""

    body: bytes
    packed: bytes
    tag: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def of(cls, body: bytes, headers: Headers, cache_control: bytes, vary: bytes) -> Kept:
        """Keep this body with these headers, but for those that whoever keeps it decides."""
        tag = b'W/"%s"' % hashlib.sha256(body).hexdigest()[:20].encode()
        packed = gzip.compress(body, mtime=0) if len(body) > _LEAST_PACKED else b""
        own = ((b"cache-control", cache_control), (b"etag", tag), (b"vary", vary))
        return cls(body, packed, tag, (*(each for each in headers if each[0] not in _NOT_KEPT), *own))

    async def answer(self, scope: Scope, send: Send, more: Headers = ()) -> None:
        """Send it as the request takes it: not at all where the browser has it already, packed where it can unpack."""
        asked = dict(scope["headers"])
        if self.tag in asked.get(b"if-none-match", b""):
            return await answer(send, 304, (*self.headers, *more))
        takes = asked.get(b"accept-encoding", b"")
        if self.packed and b"gzip" in takes and b"gzip;q=0" not in takes:
            length = (b"content-length", b"%d" % len(self.packed))
            return await answer(send, 200, (*self.headers, length, _GZIP, *more), self.packed)
        return await answer(
            send, 200, (*self.headers, (b"content-length", b"%d" % len(self.body)), *more), self.body
        )


async def page_of(django: Application, scope: Scope) -> Kept | None:
    """What Django answers to this request, to be kept; None where it is for this one visitor alone."""
    sent: list[Message] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await django(dict(scope), _nothing_more(), send)
    status, headers = sent[0]["status"], [(name.lower(), value) for name, value in sent[0]["headers"]]
    if status != 200 or any(name == b"set-cookie" for name, _ in headers):
        return None
    return Kept.of(
        b"".join(message.get("body", b"") for message in sent[1:]),
        headers,
        _FRESH,
        b"Accept-Encoding, Cookie",
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
