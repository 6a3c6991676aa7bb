"""The limits for a sender: 1080p60 at 8 Mbit/s, with plausible times."""

from __future__ import annotations

from collections import deque
from typing import Any

from efir.broadcast.fragment import VIDEO_SCALE

MAX_PIXELS = 1920 * 1088
MAX_SIDE = 1920
MAX_FPS = 60
# A key frame makes a second twice as heavy, so the rate is an average.
MAX_BITS_PER_S = 8_000_000
TOLERANCE = 1.25
AVERAGED_S = 10.0
# A segment is cut without a key frame if an encoder sends none: memory and delay stay bounded.
LONGEST_S = 10.0
MAX_PENDING_BYTES = int(MAX_BITS_PER_S / 8 * LONGEST_S * TOLERANCE)
# A sender has one picture and one sound; the rest is ignored.
MAX_STREAMS = 8
# A recorder's times do not go back, and do not jump ahead by hours.
MAX_BACK_S = 1.0
MAX_AHEAD_S = 12 * 3600.0


class Fault(Exception):
    """The input is refused; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def check_size(context: Any) -> None:
    """Raise Fault if the picture is too large."""
    if context.width * context.height > MAX_PIXELS or max(context.width, context.height) > MAX_SIDE:
        raise Fault("too_large_picture")


def checked_times(pts: int, dts: int, last_dts: int | None) -> tuple[int, int]:
    """Return a frame's times in steps of `VIDEO_SCALE`, each after the one before. Raises Fault."""
    if last_dts is not None:
        if dts < last_dts - MAX_BACK_S * VIDEO_SCALE:
            raise Fault("times")
        if dts > last_dts + MAX_AHEAD_S * VIDEO_SCALE:
            raise Fault("times")
        dts = max(dts, last_dts + 1)
    elif abs(dts) > 30 * MAX_AHEAD_S * VIDEO_SCALE:
        raise Fault("times")
    pts = max(pts, dts)
    if pts - dts > LONGEST_S * VIDEO_SCALE:
        raise Fault("times")
    return pts, dts


class RateLimit:
    """Refuses more bits or frames than the limits allow, averaged over the last seconds."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, int]] = deque()  # (pts, bytes)
        self._recent_bytes = 0

    def add(self, pts: int, size: int) -> None:
        """Count a frame. Raises Fault."""
        self._recent.append((pts, size))
        self._recent_bytes += size
        while pts - self._recent[0][0] > AVERAGED_S * VIDEO_SCALE:
            self._recent_bytes -= self._recent.popleft()[1]
        if self._recent_bytes * 8 > MAX_BITS_PER_S * AVERAGED_S * TOLERANCE:
            raise Fault("too_fast")
        if len(self._recent) > MAX_FPS * AVERAGED_S * TOLERANCE:
            raise Fault("too_fast")
