"""A failure that comes back every second."""

from __future__ import annotations

from typing import Any

import structlog
from structlog.testing import LogCapture

from efir.lib import log
from efir.lib.log import ThrottledErrorLog


def told(monkeypatch, outcomes: str, *, seconds_each: float) -> list[dict[str, Any]]:
    """What the log holds after these tries, f for a failure and s for a success, one after another."""
    capture, now = LogCapture(), 1000.0
    monkeypatch.setattr(log.time, "monotonic", lambda: now)
    trouble = ThrottledErrorLog(structlog.wrap_logger(None, [capture]), "work_failed", job="track")
    for outcome in outcomes:
        trouble.failed(rows=7) if outcome == "f" else trouble.succeeded()
        now += seconds_each
    return [{k: v for k, v in entry.items() if k in ("event", "count")} for entry in capture.entries]


def test_the_first_failure_and_the_end_are_told(monkeypatch):
    assert told(monkeypatch, "sfffffss", seconds_each=1) == [
        {"event": "work_failed", "count": 1},
        {"event": "work_recovered", "count": 5},
    ]


def test_a_failure_that_lasts_is_told_again_each_minute(monkeypatch):
    counts = [entry["count"] for entry in told(monkeypatch, "f" * 10, seconds_each=20)]
    assert counts == [1, 4, 7, 10]


def test_a_new_failure_is_told_at_once(monkeypatch):
    events = [(entry["event"], entry["count"]) for entry in told(monkeypatch, "fsffs", seconds_each=1)]
    assert events == [
        ("work_failed", 1),
        ("work_recovered", 1),
        ("work_failed", 1),
        ("work_recovered", 2),
    ]
