"""Presence and watching in memory: the union of each person's connections in one process, flushed in bulk.

Not thread-safe: used on the event loop. `efir.room.presence_store` writes what `pending` returns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid4

K = TypeVar("K")
V = TypeVar("V")

# More than this between two heartbeats is a gap in the record: the event loop was blocked, or the machine was
# suspended. A wall clock that was set by more than this is a gap, too, because its times are not comparable.
MAX_GAP_S = 10.0


@dataclass(frozen=True)
class RecorderRow:
    """A row of `Recorder` to write. `counts`: webinar id → people in its room, with the keys as in JSON."""

    id: UUID
    started_at: datetime
    pulsed_at: datetime
    closed_at: datetime | None = None
    repeats_until: datetime | None = None
    skipped_from: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class IntervalRow:
    """A row of `PresenceInterval` or `WatchingInterval` to write; open while `ended_at` is None."""

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
    watching: tuple[IntervalRow, ...] = ()


@dataclass
class _PersonPresence:
    row: IntervalRow
    connections: int = 0
    until: datetime | None = None  # the latest end of the connections that have ended


class _Track:
    """The intervals of one kind, presence or watching, from the connections of people to rooms."""

    def __init__(self) -> None:
        self.rooms: dict[int, dict[int, _PersonPresence]] = defaultdict(dict)
        self.intervals: dict[tuple[UUID, int, int, datetime], IntervalRow] = {}

    def enter(self, recorder_id: UUID, webinar_id: int, person_id: int, now: datetime) -> bool:
        room = self.rooms[webinar_id]
        seen = room.get(person_id)
        if seen is None:
            seen = room[person_id] = _PersonPresence(self._open(recorder_id, webinar_id, person_id, now))
        seen.connections += 1
        return seen.connections == 1

    def note_return(self, recorder_id: UUID, webinar_id: int, person_id: int, now: datetime) -> None:
        """Add an empty interval, unless one begins at this moment anyway."""
        if now != self.rooms[webinar_id][person_id].row.began_at:
            self._end(self._open(recorder_id, webinar_id, person_id, now), now)

    def leave(self, webinar_id: int, person_id: int, until: datetime) -> bool:
        room = self.rooms[webinar_id]
        seen = room[person_id]
        seen.connections -= 1
        seen.until = max(until, seen.until or until)
        if seen.connections:
            return False
        del room[person_id]
        if not room:  # an emptied dict keeps its memory
            del self.rooms[webinar_id]
        self._end(seen.row, seen.until)
        return True

    def reopen(self, recorder_id: UUID, now: datetime) -> None:
        """Begin a new interval for everybody who is connected; the old ones stay open."""
        for webinar_id, room in self.rooms.items():
            for person_id, seen in room.items():
                seen.row = self._open(recorder_id, webinar_id, person_id, now)

    def close(self, now: datetime) -> None:
        for room in self.rooms.values():
            for seen in room.values():
                self._end(seen.row, now)
        self.rooms.clear()

    def _open(self, recorder_id: UUID, webinar_id: int, person_id: int, now: datetime) -> IntervalRow:
        row = IntervalRow(recorder_id, webinar_id, person_id, now)
        self.intervals[_key(row)] = row
        return row

    def _end(self, row: IntervalRow, until: datetime) -> None:
        self.intervals[_key(row)] = replace(row, ended_at=max(until, row.began_at))


class Presence:
    """The people in each room of this process, and those of them who watch."""

    def __init__(self, now: datetime, steady_s: float) -> None:
        self._present = _Track()
        self._watching = _Track()
        self._recorders: dict[UUID, RecorderRow] = {}
        self._ticked = steady_s
        self._current = self._begin(now)

    def enter(self, webinar_id: int, person_id: int, now: datetime, *, watching: bool = False) -> bool:
        """Add a connection; `watching`: one that counts as watching. Return whether it is the person's first one.

        A further one is noted as an empty interval: it may replace a connection to a process that died, and shows that
        the person has been seen since.
        """
        if watching:
            self._watching.enter(self._current.id, webinar_id, person_id, now)
        is_first = self._present.enter(self._current.id, webinar_id, person_id, now)
        if not is_first:
            self._present.note_return(self._current.id, webinar_id, person_id, now)
        return is_first

    def leave(self, webinar_id: int, person_id: int, until: datetime, *, watching: bool = False) -> bool:
        """Remove a connection, last seen alive at `until`. Return whether it was the person's last one."""
        if watching:
            self._watching.leave(webinar_id, person_id, until)
        return self._present.leave(webinar_id, person_id, until)

    def count(self, webinar_id: int) -> int:
        """Return the number of people in this room."""
        return len(self._present.rooms.get(webinar_id, ()))

    @property
    def has_changes(self) -> bool:
        """Whether somebody has come or gone, or begun or ceased to watch, since the last flush."""
        return bool(self._present.intervals or self._watching.intervals)

    def tick(self, now: datetime, steady_s: float) -> bool:
        """Update the heartbeat; called every second. Return whether a new recorder had to begin.

        `now` is the wall clock, `steady_s` the seconds of a clock that cannot be set.

        After a gap, or if the clock was set, begin a new recorder. The intervals of the old one stay open at its last
        heartbeat, as if the process had died, and everybody gets a new interval from `started_at` on. The caller must
        find out who has disconnected by then, and call `leave` for them at `started_at`.
        """
        last, clock_set_by_s = self._current.pulsed_at, self._clock_set_by_s(now, steady_s)
        has_gap = self.has_gap(now, steady_s)
        self._ticked = steady_s
        if not has_gap:
            self._current = replace(self._current, pulsed_at=now, counts=self._counts())
            self._recorders[self._current.id] = self._current
            return False
        self._current = self._begin(
            now,
            repeats_until=last if last > now else None,
            skipped_from=now - timedelta(seconds=clock_set_by_s) if clock_set_by_s > MAX_GAP_S else None,
        )
        for track in (self._present, self._watching):
            track.reopen(self._current.id, now)
        return True

    def has_gap(self, now: datetime, steady_s: float) -> bool:
        """Return whether the last heartbeat is too long ago, or the clock was set meanwhile."""
        return steady_s - self._ticked > MAX_GAP_S or abs(self._clock_set_by_s(now, steady_s)) > MAX_GAP_S

    def _clock_set_by_s(self, now: datetime, steady_s: float) -> float:
        return (now - self._current.pulsed_at).total_seconds() - (steady_s - self._ticked)

    def close(self, now: datetime) -> None:
        """End everybody's intervals now: a clean shutdown."""
        for track in (self._present, self._watching):
            track.close(now)
        self._recorders[self._current.id] = replace(self._current, pulsed_at=now, closed_at=now)

    @property
    def started_at(self) -> datetime:
        """When the recorder began that this process writes now: at its start, or after the last gap."""
        return self._current.started_at

    @property
    def recorder_id(self) -> UUID:
        """The id of the recorder that this process writes now."""
        return self._current.id

    def _counts(self) -> dict[str, int]:
        return {str(webinar_id): len(people) for webinar_id, people in self._present.rooms.items() if people}

    def pending(self) -> Pending:
        """Return the rows to write; pass them to `written` afterwards."""
        return Pending(
            tuple(self._recorders.values()),
            tuple(self._present.intervals.values()),
            tuple(self._watching.intervals.values()),
        )

    def written(self, pending: Pending) -> None:
        """Forget rows that have been written, unless they have changed meanwhile."""
        _forget(self._recorders, ((row.id, row) for row in pending.recorders))
        _forget(self._present.intervals, ((_key(row), row) for row in pending.intervals))
        _forget(self._watching.intervals, ((_key(row), row) for row in pending.watching))

    def _begin(
        self, now: datetime, repeats_until: datetime | None = None, skipped_from: datetime | None = None
    ) -> RecorderRow:
        recorder = RecorderRow(
            uuid4(), started_at=now, pulsed_at=now, repeats_until=repeats_until, skipped_from=skipped_from
        )
        self._recorders[recorder.id] = recorder
        return recorder


def _key(row: IntervalRow) -> tuple[UUID, int, int, datetime]:
    return row.recorder_id, row.webinar_id, row.person_id, row.began_at


def _forget(kept: dict[K, V], gone: Iterable[tuple[K, V]]) -> None:
    for key, value in gone:
        if kept.get(key) == value:
            del kept[key]
