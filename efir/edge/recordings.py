"""The files of recordings by the token in their address, before Django: ranges of a large file, and its playlist."""

from __future__ import annotations

from efir.broadcast.models import Recording
from efir.broadcast.recording_links import playable
from efir.broadcast.recording_playlist import CONTENT_TYPES, PRIVATE_HEADERS, playlist
from efir.edge.video import send_file
from efir.lib.asgi import Scope, Send, send_response
from efir.lib.concurrency import REQUEST_POOL
from efir.web.security_headers import SECURITY_HEADERS

# A link may be revoked, so no cache may answer for it.
CACHE = b"private, no-cache"
HEADERS = tuple((name.lower().encode(), value.encode()) for name, value in PRIVATE_HEADERS.items())


async def recording_file(scope: Scope, send: Send, token: str, kind: str) -> int:
    """Send the playlist or the file, or return 0 if there is none: Django says so."""
    if kind == "mp4":
        recording = await REQUEST_POOL.run(playable, token)
        if recording is None or not recording.file:
            return 0
        return await send_file(scope, send, recording.file, HEADERS, CACHE)
    body = await REQUEST_POOL.run(_playlist, token)
    if body is None:
        return 0
    own = (
        (b"content-type", CONTENT_TYPES[kind].encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    )
    await send_response(send, 200, (*own, *HEADERS, *SECURITY_HEADERS), body)
    return 200


def _playlist(token: str) -> bytes | None:
    recording: Recording | None = playable(token)
    return playlist(recording) if recording else None
