"""The shapes of the evening for SVG: a bar for each person, the curve of presence. Whole numbers and texts alone.

The horizontal scale is `WIDE` for the webinar's real length, the curve's vertical one `HIGH` for its top.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from efir.attendance.intervals import Span
from efir.attendance.timeline import BroadcastTimeline

WIDE = 1000
HIGH = 200
MINUTE = timedelta(minutes=1)
TICKS_AT_MOST = 4
ROWS_AT_MOST = 20
STEPS_MIN = (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 360)
# Nearer to the edge than this, a tick's label would run into the start's or the end's.
EDGE = 0.2
ROUND = (1, 2, 4, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the scale, and its times in words."""

    x: int
    width: int
    words: str

    @property
    def end(self) -> int:
        return self.x + self.width


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the time axis: where, in per cent, and its text."""

    x: str
    words: str


@dataclass(frozen=True, slots=True)
class Curve:
    """The stepped line and the area under it as SVG paths, what marks its axes, and the same as rows of a table."""

    line: str
    area: str
    top: int
    half: int
    peak: int
    peak_at: str
    ticks: Sequence[Tick]
    rows: Sequence[tuple[str, int]]


def pieces(spans: Iterable[Span], timeline: BroadcastTimeline) -> list[Piece]:
    """The spans on the scale; the shortest is still seen."""
    return [_piece(span, timeline) for span in spans]


def _piece(span: Span, timeline: BroadcastTimeline) -> Piece:
    first, last = (round(timeline.share(moment) * WIDE) for moment in span)
    width = max(last - first, 2)
    return Piece(min(first, WIDE - width), width, timeline.format_span(span))


def curve(counts: Sequence[int], timeline: BroadcastTimeline) -> Curve:
    """The curve of `counts`, one for each minute from the start."""
    top = _round_up(max(counts))
    peak = max(counts)
    line = _line(counts, top, timeline)
    return Curve(
        line=line,
        area=f"{line}V{HIGH}H0Z",
        top=top,
        half=top // 2,
        peak=peak,
        peak_at=timeline.format_time(timeline.start + counts.index(peak) * MINUTE),
        ticks=list(_ticks(timeline)),
        rows=list(_rows(counts, timeline)),
    )


def _line(counts: Sequence[int], top: int, timeline: BroadcastTimeline) -> str:
    steps = [f"M0 {_y(counts[0], top)}"]
    for minute, (before, now) in enumerate(pairwise(counts), start=1):
        if before != now:
            x = round(timeline.share(timeline.start + minute * MINUTE) * WIDE)
            steps.append(f"H{x}V{_y(now, top)}")
    return "".join([*steps, f"H{WIDE}"])


def _y(count: int, top: int) -> int:
    return HIGH - round(HIGH * count / top)


def _round_up(count: int) -> int:
    """The next greater round number, so that the line stays off the edge; its half is whole."""
    size = 1
    while size * 10 <= count:
        size *= 10
    return max(2, next(size * factor for factor in ROUND if size * factor > count))


def _ticks(timeline: BroadcastTimeline) -> Iterator[Tick]:
    for moment in _round_moments(timeline, TICKS_AT_MOST):
        share = timeline.share(moment)
        if EDGE < share < 1 - EDGE:
            yield Tick(f"{share:.2%}", timeline.format_time(moment))


def _round_moments(timeline: BroadcastTimeline, at_most: int) -> Iterator[datetime]:
    """Moments at round minutes of the webinar's clock, at the same distance from each other."""
    minutes = (timeline.end - timeline.start) / MINUTE
    step = next((step for step in STEPS_MIN if minutes / step <= at_most), STEPS_MIN[-1])
    local = timeline.start.astimezone(timeline.zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    number = (local - midnight) // (step * MINUTE) + 1
    while (moment := midnight + number * step * MINUTE) < timeline.end:
        yield moment
        number += 1


def _rows(counts: Sequence[int], timeline: BroadcastTimeline) -> Iterator[tuple[str, int]]:
    step = next((step for step in STEPS_MIN if len(counts) / step <= ROWS_AT_MOST), STEPS_MIN[-1])
    for minute in range(0, len(counts), step):
        yield timeline.format_time(timeline.start + minute * MINUTE), counts[minute]
