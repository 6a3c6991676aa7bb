"""Limit the messages of each room in this process, so that a flood is refused without the database.

The database enforces the limit for all processes together. This module keeps requests from it: more attempts than a
room accepts would only wait for its lock, and occupy connections and threads.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from efir.hooks.actions import ActionRefused, Code
from efir.lib import clock
from efir.talk.writing import FAST_COUNT, FAST_PERIOD, MAX_ACCEPTED_PER_SECOND, TooFast


@dataclass(slots=True)
class _RoomUsage:
    """The messages of one room that were taken in this second, and those that are being written now, also by person."""

    second: int = 0
    taken: int = 0
    writing: int = 0
    writing_by_person: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class Place:
    """The place of one message among those that a room takes. `counts`: it is a new one that others see."""

    counts: bool = True


_lock = threading.Lock()
_usages: dict[int, _RoomUsage] = {}


def is_busy(webinar_id: int) -> bool:
    """Return whether this process alone is writing, or has written in this second, the room's maximum."""
    usage = _usages.get(webinar_id)
    if usage is None:
        return False
    taken = usage.taken if usage.second == _second() else 0
    return max(taken, usage.writing) >= MAX_ACCEPTED_PER_SECOND


@contextmanager
def reserved(webinar_id: int, person_id: int) -> Iterator[Place]:
    """Reserve a place for a message of somebody who does not moderate.

    It is given back if the message is refused or `counts` is false in the end. Raises ActionRefused if the room is
    busy, or if this person alone would make it so.
    """
    with _lock:
        if is_busy(webinar_id):
            raise ActionRefused(Code.TALK_BUSY)
        usage, second = _usages.setdefault(webinar_id, _RoomUsage()), _second()
        if usage.writing_by_person[person_id] >= FAST_COUNT:
            raise TooFast(FAST_PERIOD)
        if usage.second != second:
            usage.second, usage.taken = second, 0
        usage.taken += 1
        usage.writing += 1
        usage.writing_by_person[person_id] += 1
    place = Place()
    try:
        yield place
    except BaseException:
        place.counts = False
        raise
    finally:
        with _lock:
            if not place.counts and usage.second == second:
                usage.taken -= 1
            usage.writing -= 1
            usage.writing_by_person[person_id] -= 1
            if not usage.writing_by_person[person_id]:
                del usage.writing_by_person[person_id]


def _second() -> int:
    return int(clock.now().timestamp())
