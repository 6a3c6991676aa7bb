"""Presence in memory: the union of a person's connections, kept by one process and flushed in bulk.

Used from one thread (the event loop's); `efir.room.presence_store` writes what `pending` gives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID, uuid4

K = TypeVar("K")
V = TypeVar("V")

# A loop that stood still for longer than this did not see who came and went. Nor did a machine that slept, where only
# the wall clock went on; and by a wall clock that was set nobody can say when something was.
BLIND_AFTER_S = 10.0


@dataclass(frozen=True)
class RecorderRow:
    """One recorder as the database should hold it; `counts`: webinar's id → people in its room, as JSON has it."""

    id: UUID
    started_at: datetime
    pulsed_at: datetime
    closed_at: datetime | None = None
    repeats_until: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class IntervalRow:
    """One interval as the database should hold it; open while `ended_at` is None."""

    recorder_id: UUID
    webinar_id: int
    person_id: int
    began_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Pending:
    """What is not in the database yet."""

    recorders: tuple[RecorderRow, ...]
    intervals: tuple[IntervalRow, ...]


@dataclass
class _Seen:
    row: IntervalRow
    connections: int = 0
    until: datetime | None = None  # the latest end among connections that are gone


class Presence:
    """Who is in which room, by this process."""

    def __init__(self, now: datetime, monotonic: float) -> None:
        self._rooms: dict[int, dict[int, _Seen]] = defaultdict(dict)
        self._intervals: dict[tuple[UUID, int, int, datetime], IntervalRow] = {}
        self._recorders: dict[UUID, RecorderRow] = {}
        self._ticked = monotonic
        self._current = self._begin(now)

    def enter(self, webinar_id: int, person_id: int, now: datetime) -> bool:
        """A connection opened; whether the person was not here before."""
        room = self._rooms[webinar_id]
        seen = room.get(person_id)
        if seen is None:
            seen = room[person_id] = _Seen(self._open(webinar_id, person_id, now))
        seen.connections += 1
        return seen.connections == 1

    def leave(self, webinar_id: int, person_id: int, until: datetime) -> bool:
        """A connection ended, seen alive last at `until`; whether it was the person's last one."""
        room = self._rooms[webinar_id]
        seen = room[person_id]
        seen.connections -= 1
        seen.until = max(until, seen.until or until)
        if seen.connections:
            return False
        del room[person_id]
        if not room:  # a dict keeps the size that it once had
            del self._rooms[webinar_id]
        self._end(seen.row, seen.until)
        return True

    def count(self, webinar_id: int) -> int:
        """How many people are in this room."""
        return len(self._rooms.get(webinar_id, ()))

    @property
    def has_changes(self) -> bool:
        """Whether somebody came or went since the last flush."""
        return bool(self._intervals)

    def tick(self, now: datetime, monotonic: float) -> None:
        """Say that this process is up and seeing; called every second or so.

        After a blind gap, or where the clock was set, a new recorder begins: what the old one had open stays open at
        its last pulse, as for a process that died, and those who are still connected are seen anew.
        """
        stood_s, last = monotonic - self._ticked, self._current.pulsed_at
        was_set_s = (now - last).total_seconds() - stood_s
        self._ticked = monotonic
        if stood_s <= BLIND_AFTER_S and abs(was_set_s) <= BLIND_AFTER_S:
            self._current = replace(self._current, pulsed_at=now, counts=self._counts())
            self._recorders[self._current.id] = self._current
            return
        self._current = self._begin(now, repeats_until=last if last > now else None)
        for webinar_id, room in self._rooms.items():
            for person_id, seen in room.items():
                seen.row = self._open(webinar_id, person_id, now)

    def close(self, now: datetime) -> None:
        """A clean end: everybody's interval ends now."""
        for room in self._rooms.values():
            for seen in room.values():
                self._end(seen.row, now)
        self._rooms.clear()
        self._recorders[self._current.id] = replace(self._current, pulsed_at=now, closed_at=now)

    @property
    def recorder_id(self) -> UUID:
        """Under which recorder this process writes now."""
        return self._current.id

    def _counts(self) -> dict[str, int]:
        return {str(webinar_id): len(people) for webinar_id, people in self._rooms.items() if people}

    def pending(self) -> Pending:
        """What to write now; `written` confirms it."""
        return Pending(tuple(self._recorders.values()), tuple(self._intervals.values()))

    def written(self, pending: Pending) -> None:
        """Forget what is in the database now; what has changed meanwhile stays."""
        _forget(self._recorders, ((row.id, row) for row in pending.recorders))
        _forget(self._intervals, ((_key(row), row) for row in pending.intervals))

    def _begin(self, now: datetime, repeats_until: datetime | None = None) -> RecorderRow:
        recorder = RecorderRow(uuid4(), started_at=now, pulsed_at=now, repeats_until=repeats_until)
        self._recorders[recorder.id] = recorder
        return recorder

    def _open(self, webinar_id: int, person_id: int, now: datetime) -> IntervalRow:
        row = IntervalRow(self._current.id, webinar_id, person_id, now)
        self._intervals[_key(row)] = row
        return row

    def _end(self, row: IntervalRow, until: datetime) -> None:
        self._intervals[_key(row)] = replace(row, ended_at=max(until, row.began_at))


def _key(row: IntervalRow) -> tuple[UUID, int, int, datetime]:
    return row.recorder_id, row.webinar_id, row.person_id, row.began_at


def _forget(kept: dict[K, V], gone: Iterable[tuple[K, V]]) -> None:
    for key, value in gone:
        if kept.get(key) == value:
            del kept[key]
