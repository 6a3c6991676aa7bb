"""A failure that may come back every second, told in the log without flooding it."""

from __future__ import annotations

import time
from typing import Any

AGAIN_S = 60.0


class ThrottledErrorLog:
    """One thing that is tried again and again: its first failure is told, then one a minute, and the end of it."""

    def __init__(self, log: Any, event: str, **about: Any) -> None:
        self._log = log.bind(**about)
        self._event = event
        self._count = 0
        self._told_at = 0.0

    def failed(self, **about: Any) -> None:
        """To be called in the `except` of a try that failed."""
        self._count += 1
        if self._count == 1 or time.monotonic() - self._told_at >= AGAIN_S:
            self._told_at = time.monotonic()
            self._log.exception(self._event, count=self._count, **about)

    def succeeded(self) -> None:
        """To be called after a try that did not fail."""
        if self._count:
            self._log.info(f"{self._event}_over", count=self._count)
            self._count = 0
