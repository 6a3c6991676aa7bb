"""The queue of the threads of this process that want to write."""

from __future__ import annotations

import threading
from collections import deque


class WriteQueue:
    """A lock that goes to whoever has waited for it longest.

    It is taken before SQLite's own write lock. A connection that waits for that one looks for it ten times a second, so
    a job that writes one transaction after the other would nearly always be first, and everybody else would wait for
    seconds. Other processes are not in this queue.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._is_taken = False

    def enter(self, timeout_s: float) -> bool:
        """Wait for the turn. Return False if it has not come in time."""
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=timeout_s):
            return True
        with self._guard:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        return True  # it came at the last moment

    def leave(self) -> None:
        """Let the next one have its turn."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False
