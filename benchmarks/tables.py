"""Markdown tables and statistics."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence

median = statistics.median


def seconds(work: Callable[[], object]) -> float:
    """Return how long one run of `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that `percent` of the values do not exceed; nan for no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else math.nan


def ms(seconds: float) -> str:
    """Format seconds as milliseconds, with a decimal below 100."""
    return f"{seconds * 1000:,.1f}" if seconds < 0.0995 else f"{seconds * 1000:,.0f}"


def warn(text: str) -> None:
    """Print a warning that stands out."""
    print(f"\n*** {text} ***\n", file=sys.stderr, flush=True)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; all columns but the first are aligned to the right."""
    print(f"### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("| --- |" + " ---: |" * (len(head) - 1))
    for row in rows:
        cells = (f"{cell:,.0f}" if isinstance(cell, float) else str(cell) for cell in row)
        print("| " + " | ".join(cells) + " |")
    print(flush=True)
