"""`efir doctor`: looks over an installation and says of each thing that is not well what to do about it.

It changes nothing, migrates nothing, and prints no secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Level = Literal["ok", "warning", "failed"]
FAR_S = 5.0
MARKS: dict[str, str] = {"ok": "✓", "warning": "!", "failed": "✗"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` is empty where nothing is to be done."""

    check: str
    level: Level
    detail: str
    advice: str = ""

    def __str__(self) -> str:
        line = f"{MARKS[self.level]} {self.check}: {self.detail}"
        return f"{line}\n    → {self.advice}" if self.advice else line


Check = Callable[[], Iterable[Finding]]


def ok(check: str, detail: str) -> Finding:
    """It is as it should be."""
    return Finding(check, "ok", detail)


def warning(check: str, detail: str, advice: str) -> Finding:
    """It works, and somebody should know."""
    return Finding(check, "warning", detail, advice)


def failed(check: str, detail: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(check, "failed", detail, advice)


def clock_off(whose: str, theirs: datetime) -> Finding:
    """How far this machine's clock is from another one."""
    seconds = abs((datetime.now(UTC) - theirs).total_seconds())
    text = f"{seconds:.0f} s from {whose}"
    if seconds < FAR_S:
        return ok("clock", text)
    return warning("clock", text, "let NTP set it: systemctl start systemd-timesyncd")
