"""Serve the own broadcast before Django: playlists by session, and signed media files from memory."""

from __future__ import annotations

import re
from functools import lru_cache

from efir.broadcast import media
from efir.broadcast.live import current_live
from efir.broadcast.media_cache import MediaCache, read_part, size_of
from efir.broadcast.playlist import Rendition
from efir.lib import clock, metrics
from efir.lib.asgi import (
    PREPARED,
    Headers,
    PreparedResponse,
    Scope,
    Send,
    SendPrepared,
    cookies_of,
    head_of,
    header_of,
    send_response,
)
from efir.room.hub import current_hub
from efir.room.sse import session_key
from efir.web.security_headers import SECURITY_HEADERS
from efir.webinars.lifecycle import Video

PLAYLIST_HEADERS = (
    (b"content-type", b"application/vnd.apple.mpegurl"),
    (b"cache-control", b"no-store"),
    *SECURITY_HEADERS,
)
MEDIA_ROUTE = "media/"  # its label in the metrics
RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII)
PART_BYTES = 256 * 1024


class LivePlaylist:
    """`live.m3u8`, `low.m3u8` or `audio.m3u8`."""

    def __init__(self, rendition: Rendition) -> None:
        self._rendition = rendition

    async def __call__(self, scope: Scope, send: Send, webinar_id: str) -> int:
        """Answer, or return 0: without the caches of the room it is Django's."""
        hub, live = current_hub(), current_live()
        if hub is None or live is None:
            return 0
        admission = await hub.admission.admit(session_key(cookies_of(scope)), int(webinar_id))
        webinar, access = admission.webinar, admission.access
        if access is None or webinar is None:
            return await _refuse(send, admission.status)
        broadcast = live.get(webinar.pk)
        if broadcast is None or not webinar.is_on_air or webinar.video != Video.OWN:
            return await _refuse(send, 404)
        live.presence.note(webinar.pk, access.person_id)
        body = broadcast.playlist(self._rendition)
        if not body:
            return await _refuse(send, 404)
        return await _send(
            scope, send, 200, (*PLAYLIST_HEADERS, (b"content-length", b"%d" % len(body))), body
        )


class MediaFiles:
    """Segments and recordings by signed addresses, without a session."""

    def __init__(self) -> None:
        self._cache = MediaCache()

    def from_memory(self, path: str) -> PreparedResponse | None:
        """Return the response for a path, or None if the file is not in memory or the address is not valid."""
        match = media.PATH.fullmatch(path)
        content = self._cache.peek(match[3]) if match else None
        if match is None or content is None or not media.is_valid(match[1], match[2], match[3]):
            return None
        metrics.MEDIA_SENT.inc(len(content))
        metrics.count_request(MEDIA_ROUTE, 200)
        cache = (b"cache-control", cache_until(int(match[1])))
        return segment_head(match[3], len(content)), (cache,), content

    async def __call__(self, scope: Scope, send: Send, expires: str, signature: str, name: str) -> int:
        """Answer: 404 if the address is forged or has expired, or if the file is gone."""
        if not media.is_valid(expires, signature, name):
            return await _refuse(send, 404)
        if name.endswith(".mp4"):
            return await send_file(scope, send, name, (), cache_until(int(expires)))
        content = await self._cache.get(name)
        if content is None:
            return await _refuse(send, 404)
        metrics.MEDIA_SENT.inc(len(content))
        cache = (b"cache-control", cache_until(int(expires)))
        prepared: SendPrepared | None = scope.get("extensions", {}).get(PREPARED)
        if prepared is None or not prepared(segment_head(name, len(content)), (cache,), content):
            await send_response(send, 200, (*_segment_headers(name, len(content)), cache), content)
        return 200


async def send_file(scope: Scope, send: Send, name: str, more: Headers, cache: bytes) -> int:
    """Send a large file, or the requested range of it, in parts. Return the HTTP status."""
    size = await size_of(name)
    if size is None:
        return await _refuse(send, 404)
    start, end = 0, size - 1
    asked = RANGE.fullmatch(header_of(scope, b"range"))
    if asked and any(asked.groups()):
        first, last = asked.groups()
        start = int(first) if first else max(0, size - int(last))
        end = min(int(last), end) if first and last else end
        if start > end:
            unsatisfied = ((b"content-range", b"bytes */%d" % size), (b"content-length", b"0"))
            await send_response(send, 416, (*_file_headers(name, cache), *unsatisfied))
            return 416
    status = 206 if asked else 200
    ranged = ((b"content-range", b"bytes %d-%d/%d" % (start, end, size)),) if asked else ()
    length = (b"content-length", b"%d" % (end - start + 1))
    headers = [*_file_headers(name, cache), (b"accept-ranges", b"bytes"), length, *ranged, *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    while start <= end:
        part = await read_part(name, start, min(PART_BYTES, end - start + 1))
        if not part:
            break
        start += len(part)
        metrics.MEDIA_SENT.inc(len(part))
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    return status


@lru_cache(maxsize=2000)  # some minutes of a few broadcasts
def segment_head(name: str, size: int) -> bytes:
    """Return the head of a segment's response, encoded once for all viewers."""
    return head_of(200, _segment_headers(name, size))


def _segment_headers(name: str, size: int) -> Headers:
    etag = f'"{name.rpartition("/")[2]}"'.encode()
    length = (b"content-length", b"%d" % size)
    return ((b"content-type", media.CONTENT_TYPES["m4s"]), length, (b"etag", etag), *SECURITY_HEADERS)


def cache_until(expires: int) -> bytes:
    """Return the Cache-Control of a signed address: the file never changes, but its address expires, also in caches."""
    return b"public, max-age=%d, immutable" % max(0, round(expires - clock.now().timestamp()))


def _file_headers(name: str, cache: bytes) -> Headers:
    kind = media.CONTENT_TYPES[name.rpartition(".")[2]]
    etag = f'"{name.rpartition("/")[2]}"'.encode()
    return ((b"content-type", kind), (b"cache-control", cache), (b"etag", etag), *SECURITY_HEADERS)


async def _send(scope: Scope, send: Send, status: int, headers: Headers, body: bytes) -> int:
    prepared: SendPrepared | None = scope.get("extensions", {}).get(PREPARED)
    if prepared is None or not prepared(head_of(status, headers), (), body):
        await send_response(send, status, headers, body)
    return status


async def _refuse(send: Send, status: int) -> int:
    headers = (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"content-length", b"0"),
    )
    await send_response(send, status, (*headers, *SECURITY_HEADERS))
    return status
