"""The playlist of a recording: HLS (RFC 8216) as VOD, of the same segments that the room played."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from functools import lru_cache

from efir.broadcast import media
from efir.broadcast.models import Recording, RecordingState
from efir.broadcast.recording_parts import parts_of
from efir.lib import clock

CONTENT_TYPES = {"m3u8": "application/vnd.apple.mpegurl", "mp4": "video/mp4"}
# Whoever has the address may see the recording: search engines must not list it, and other sites must not learn it.
PRIVATE_HEADERS = {"X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer"}
# Long enough to watch to the end with half a day of breaks.
BREAKS = timedelta(hours=12)
# Addresses stay the same for an hour, so that caches can store the segments.
SAME_FOR_S = 3600


def playlist(recording: Recording) -> bytes:
    """Return the playlist with signed addresses of the segments."""
    assert recording.state == RecordingState.READY  # noqa: S101  # what `playable` returns
    return _playlist(recording.pk, recording.ready_at, expires_of(recording))


def expires_of(recording: Recording) -> datetime:
    """Return until when an address that is given out now is valid."""
    until = clock.now() + timedelta(seconds=recording.seconds) + BREAKS
    return datetime.fromtimestamp(math.ceil(until.timestamp() / SAME_FOR_S) * SAME_FOR_S, tz=until.tzinfo)


# An hour of recording has 3600 segments, whose addresses take some 20 ms: kept for viewers who seek or come back.
@lru_cache(maxsize=8)
def _playlist(webinar_id: int, ready_at: datetime, expires: datetime) -> bytes:
    parts = parts_of(webinar_id)
    longest = max((segment.duration_s for segment in parts.segments), default=1.0)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{math.ceil(longest)}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    for number, run in enumerate(parts.runs):
        if number:
            lines.append("#EXT-X-DISCONTINUITY")
        lines.append(f'#EXT-X-MAP:URI="{media.url_of(run[0].init, expires)}"')
        for segment in run:
            lines += [f"#EXTINF:{segment.duration_s:.5f},", media.url_of(segment.name, expires)]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode()
