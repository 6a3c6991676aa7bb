"""A queue for the writing threads of this process."""

from __future__ import annotations

import threading
from collections import deque


class WriteQueue:
    """A lock that is granted in order of arrival.

    It is taken before SQLite's own write lock. A connection that waits for SQLite's lock polls it ten times a second,
    so a job that writes one transaction after the other would nearly always be first, and all others would wait for
    seconds. Other processes are not in this queue.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._is_taken = False
        self._has_waited = False

    def enter(self, timeout_s: float) -> bool:
        """Wait in the queue. Return False after the time-out."""
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
            self._has_waited = True
        if turn.acquire(timeout=timeout_s):
            return True
        with self._guard:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        return True  # granted at the last moment

    def leave(self) -> None:
        """Grant the lock to the next one."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False

    def pop_has_waited(self) -> bool:
        """Return whether a writer has had to wait in the queue since the last call."""
        with self._guard:
            has_waited, self._has_waited = self._has_waited, False
        return has_waited
