"""How much each room takes from this process, so that a flood is refused without the database.

The database decides for all processes together. This bounds what is asked of it: more attempts than a room accepts
would only wait for its lock, and keep connections and threads from everybody else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from efir.hooks.actions import ActionRefused, Code
from efir.lib import clock
from efir.talk.writing import MAX_ACCEPTED_PER_SECOND


@dataclass(slots=True)
class _RoomUsage:
    """The messages of one room that were taken in this second, and those that are being written now."""

    second: int = 0
    taken: int = 0
    writing: int = 0


_lock = threading.Lock()
_usages: dict[int, _RoomUsage] = {}


def is_busy(webinar_id: int) -> bool:
    """Return whether this process alone writes, or has written in this second, all that the room takes."""
    usage = _usages.get(webinar_id)
    if usage is None:
        return False
    taken = usage.taken if usage.second == _second() else 0
    return max(taken, usage.writing) >= MAX_ACCEPTED_PER_SECOND


@contextmanager
def reserved(webinar_id: int) -> Iterator[None]:
    """Reserve a place for a message of somebody who does not moderate; a refused message gives it back.

    Raises ActionRefused if the room is busy.
    """
    with _lock:
        if is_busy(webinar_id):
            raise ActionRefused(Code.TALK_BUSY)
        usage, second = _usages.setdefault(webinar_id, _RoomUsage()), _second()
        if usage.second != second:
            usage.second, usage.taken = second, 0
        usage.taken += 1
        usage.writing += 1
    try:
        yield
    except BaseException:
        with _lock:
            usage.taken -= usage.second == second
        raise
    finally:
        with _lock:
            usage.writing -= 1


def _second() -> int:
    return int(clock.now().timestamp())
