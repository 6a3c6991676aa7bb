"""Markdown tables, and medians of repeated runs."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence


def seconds(work: Callable[[], object]) -> float:
    """How long one run of `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median(runs: Sequence[float]) -> float:
    """The middle one: machines are noisy."""
    return statistics.median(runs)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many of a hundred do not exceed; nan of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else math.nan


def ms(seconds: float) -> str:
    """Milliseconds with as many digits as a noisy machine deserves."""
    return f"{seconds * 1000:,.1f}" if seconds < 0.0995 else f"{seconds * 1000:,.0f}"


def warn(text: str) -> None:
    """One loud line."""
    print(f"\n*** {text} ***\n", file=sys.stderr, flush=True)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers are aligned to the right."""
    print(f"### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("| --- |" + " ---: |" * (len(head) - 1))
    for row in rows:
        print(
            "| " + " | ".join(f"{cell:,.0f}" if isinstance(cell, float) else str(cell) for cell in row) + " |"
        )
    print(flush=True)
