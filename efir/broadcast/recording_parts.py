"""Which segments a recording consists of: those of the live time, in order, and what is missing between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from efir.broadcast.live_time import Span, live_spans
from efir.broadcast.models import Segment

# A segment is cut at key frames, never in its middle, so it may begin before the start or end after the stop by this
# much. Words that the speaker says before the start must stay out.
MAX_OUTSIDE = timedelta(seconds=0.5)
# Segments of one container follow each other to the millisecond; a larger step is a gap.
JOINED_S = 0.1
# The maximum size of the tables of an MP4 (ISO/IEC 14496-12). Of a frame: duration 8 bytes, composition offset 8, size
# 4, key 4. Of a packet of sound: duration 8, size 4. Of a second: two chunks of each track, 20 each, or more if they
# are larger than a megabyte.
FRAME_BYTES = 24
SECOND_BYTES = 12 * 48_000 // 1024 + 20 * 8
REST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Parts:
    """The segments in order; `missing_s`: the seconds of live time that they do not cover."""

    segments: tuple[Segment, ...]
    missing_s: float

    @property
    def seconds(self) -> float:
        """How long they play."""
        return sum(each.duration_s for each in self.segments)

    @property
    def index_bytes(self) -> int:
        """How large the index of an MP4 of them may become."""
        frames = sum(each.frames for each in self.segments)
        seconds = round(self.seconds)
        return frames * FRAME_BYTES + seconds * SECOND_BYTES + REST_BYTES

    @property
    def runs(self) -> list[list[Segment]]:
        """The segments in groups that a player can play without a discontinuity."""
        runs: list[list[Segment]] = []
        for segment in self.segments:
            if runs and _follows(runs[-1][-1], segment):
                runs[-1].append(segment)
            else:
                runs.append([segment])
        return runs


def parts_of(webinar_id: int) -> Parts:
    """Return the parts of the recording of a webinar."""
    segments = Segment.objects.filter(webinar_id=webinar_id).order_by("number")
    return select_parts(segments.iterator(2000), live_spans(webinar_id))


def select_parts(segments: Iterable[Segment], spans: Sequence[Span]) -> Parts:
    """Return the segments of these spans of live time."""
    chosen = tuple(segment for segment in segments if _is_live(segment, spans))
    live = sum((end - begin).total_seconds() for begin, end in spans)
    covered = sum(each.duration_s for each in chosen)
    return Parts(chosen, max(0.0, live - covered))


def _is_live(segment: Segment, spans: Sequence[Span]) -> bool:
    return any(
        begin - MAX_OUTSIDE <= segment.starts_at
        and segment.ends_at <= end + MAX_OUTSIDE
        and segment.starts_at < end
        and segment.ends_at > begin
        for begin, end in spans
    )


def _follows(before: Segment, segment: Segment) -> bool:
    step = segment.media_start - (before.media_start + before.duration_s)
    return (
        segment.container_id == before.container_id and segment.init == before.init and abs(step) < JOINED_S
    )
