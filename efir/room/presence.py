"""Presence in memory: the union of each person's connections in one process, flushed in bulk.

Not thread-safe: used on the event loop. `efir.room.presence_store` writes what `pending` returns.
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

# Longer than this between two heartbeats is a gap in the record: the event loop was blocked, or the machine slept, so
# that only the wall clock went on. So is a wall clock that was set by more than this: its times are not comparable.
MAX_GAP_S = 10.0


@dataclass(frozen=True)
class RecorderRow:
    """A row of `Recorder` to write. `counts`: webinar id → people in its room, with the keys as in JSON."""

    id: UUID
    started_at: datetime
    pulsed_at: datetime
    closed_at: datetime | None = None
    repeats_until: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class IntervalRow:
    """A row of `PresenceInterval` to write; open while `ended_at` is None."""

    recorder_id: UUID
    webinar_id: int
    person_id: int
    began_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Pending:
    """The rows that are not in the database yet."""

    recorders: tuple[RecorderRow, ...]
    intervals: tuple[IntervalRow, ...]


@dataclass
class _PersonPresence:
    row: IntervalRow
    connections: int = 0
    until: datetime | None = None  # the latest end of the connections that have ended


class Presence:
    """The people in each room of this process."""

    def __init__(self, now: datetime, monotonic: float) -> None:
        self._rooms: dict[int, dict[int, _PersonPresence]] = defaultdict(dict)
        self._intervals: dict[tuple[UUID, int, int, datetime], IntervalRow] = {}
        self._recorders: dict[UUID, RecorderRow] = {}
        self._ticked = monotonic
        self._current = self._begin(now)

    def enter(self, webinar_id: int, person_id: int, now: datetime) -> bool:
        """Add a connection. Return whether it is the person's first one."""
        room = self._rooms[webinar_id]
        seen = room.get(person_id)
        if seen is None:
            seen = room[person_id] = _PersonPresence(self._open(webinar_id, person_id, now))
        seen.connections += 1
        return seen.connections == 1

    def leave(self, webinar_id: int, person_id: int, until: datetime) -> bool:
        """Remove a connection, last seen alive at `until`. Return whether it was the person's last one."""
        room = self._rooms[webinar_id]
        seen = room[person_id]
        seen.connections -= 1
        seen.until = max(until, seen.until or until)
        if seen.connections:
            return False
        del room[person_id]
        if not room:  # an emptied dict keeps its memory
            del self._rooms[webinar_id]
        self._end(seen.row, seen.until)
        return True

    def count(self, webinar_id: int) -> int:
        """Return the number of people in this room."""
        return len(self._rooms.get(webinar_id, ()))

    @property
    def has_changes(self) -> bool:
        """Whether somebody has come or gone since the last flush."""
        return bool(self._intervals)

    def tick(self, now: datetime, monotonic: float) -> None:
        """Update the heartbeat; called every second.

        After a gap, or if the clock was set, begin a new recorder. The intervals of the old one stay open at its last
        heartbeat, as if the process had died, and those who are still connected get new intervals.
        """
        gap_s, last = monotonic - self._ticked, self._current.pulsed_at
        clock_set_by_s = (now - last).total_seconds() - gap_s
        self._ticked = monotonic
        if gap_s <= MAX_GAP_S and abs(clock_set_by_s) <= MAX_GAP_S:
            self._current = replace(self._current, pulsed_at=now, counts=self._counts())
            self._recorders[self._current.id] = self._current
            return
        self._current = self._begin(now, repeats_until=last if last > now else None)
        for webinar_id, room in self._rooms.items():
            for person_id, seen in room.items():
                seen.row = self._open(webinar_id, person_id, now)

    def close(self, now: datetime) -> None:
        """End everybody's interval now: a clean shutdown."""
        for room in self._rooms.values():
            for seen in room.values():
                self._end(seen.row, now)
        self._rooms.clear()
        self._recorders[self._current.id] = replace(self._current, pulsed_at=now, closed_at=now)

    @property
    def recorder_id(self) -> UUID:
        """The id of the recorder that this process writes now."""
        return self._current.id

    def _counts(self) -> dict[str, int]:
        return {str(webinar_id): len(people) for webinar_id, people in self._rooms.items() if people}

    def pending(self) -> Pending:
        """Return the rows to write; pass them to `written` afterwards."""
        return Pending(tuple(self._recorders.values()), tuple(self._intervals.values()))

    def written(self, pending: Pending) -> None:
        """Forget rows that have been written, unless they have changed meanwhile."""
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
