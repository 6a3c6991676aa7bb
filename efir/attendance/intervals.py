"""Sets of moments as sorted, disjoint spans of time. Durations are in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeAlias

from efir.lib import clock

Span: TypeAlias = tuple[datetime, datetime]


def as_pairs(spans: Iterable[Span]) -> list[list[str]]:
    """Return the spans as pairs of ISO 8601 times, as they are stored."""
    return [[clock.iso(start), clock.iso(end)] for start, end in spans]


def union(spans: Iterable[Span]) -> list[Span]:
    """Return the union as sorted, disjoint, non-empty spans; the input may be in any order."""
    joined: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def clip(spans: Iterable[Span], within: Iterable[Span]) -> list[Span]:
    """Return the moments that are in both sets."""
    windows = union(within)
    return union((max(start, low), min(end, high)) for start, end in union(spans) for low, high in windows)


def total_s(spans: Iterable[Span]) -> float:
    """Return the total duration of the set."""
    return sum((end - start for start, end in union(spans)), timedelta()).total_seconds()


def after(spans: Iterable[Span], moment: datetime) -> list[Span]:
    """Return the part of the set after `moment`."""
    return union((max(start, moment), end) for start, end in spans)


def last_s(spans: Iterable[Span], seconds: float) -> list[Span]:
    """Return the last `seconds` of the set, across its gaps."""
    tail: list[Span] = []
    left = timedelta(seconds=seconds)
    for start, end in reversed(union(spans)):
        if left <= timedelta():
            break
        tail.append((max(start, end - left), end))
        left -= end - start
    return tail[::-1]


def without(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """Return the moments of the first set that are not in the second."""
    left = union(spans)
    for low, high in union(holes):
        left = union(
            part for start, end in left for part in ((start, min(end, low)), (max(start, high), end))
        )
    return left
