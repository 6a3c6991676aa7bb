"""The log of a failure that repeats every second."""

from __future__ import annotations

from typing import Any

import structlog
from structlog.testing import LogCapture

from efir.lib import log
from efir.lib.log import ThrottledErrorLog


def logged(monkeypatch, outcomes: str, *, seconds_each: float) -> list[dict[str, Any]]:
    """Return the log lines of these outcomes: f for a failure, s for a success."""
    capture, now = LogCapture(), 1000.0
    monkeypatch.setattr(log.time, "monotonic", lambda: now)
    error_log = ThrottledErrorLog(structlog.wrap_logger(None, [capture]), "work_failed", job="track")
    for outcome in outcomes:
        error_log.failed(rows=7) if outcome == "f" else error_log.succeeded()
        now += seconds_each
    return [{k: v for k, v in entry.items() if k in ("event", "count")} for entry in capture.entries]


def test_first_failure_and_recovery_are_logged(monkeypatch):
    assert logged(monkeypatch, "sfffffss", seconds_each=1) == [
        {"event": "work_failed", "count": 1},
        {"event": "work_recovered", "count": 5},
    ]


def test_lasting_failure_is_logged_every_minute(monkeypatch):
    counts = [entry["count"] for entry in logged(monkeypatch, "f" * 10, seconds_each=20)]
    assert counts == [1, 4, 7, 10]


def test_new_failure_is_logged_at_once(monkeypatch):
    events = [(entry["event"], entry["count"]) for entry in logged(monkeypatch, "fsffs", seconds_each=1)]
    assert events == [
        ("work_failed", 1),
        ("work_recovered", 1),
        ("work_failed", 1),
        ("work_recovered", 2),
    ]
