"""Count requests of the playlist as presence and watching: a locked phone may still play the sound."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error as DatabaseError

from efir.lib import clock
from efir.lib.concurrency import REQUEST_POOL
from efir.room.hub import RoomHub
from efir.room.models import Opening

# A player requests the playlist every second or two; a gap up to this length counts as present (see the contract of
# attendance).
MAX_GAP = timedelta(seconds=15)
# A person without an opening is looked up again after this time.
ASK_AGAIN = timedelta(seconds=5)


@dataclass(slots=True)
class _Viewer:
    seen_at: datetime
    recorder_started_at: datetime


class PlaylistPresence:
    """The people who request playlists from this process. Its methods run on the event loop."""

    def __init__(self, hub: RoomHub) -> None:
        self._hub = hub
        self._viewers: dict[tuple[int, int], _Viewer] = {}
        self._opened: set[tuple[int, int]] = set()
        self._without_opening: dict[tuple[int, int], datetime] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, webinar_id: int, person_id: int) -> None:
        """Note a request. It counts if the person has opened the broadcast."""
        key, now = (webinar_id, person_id), clock.now()
        if viewer := self._viewers.get(key):
            viewer.seen_at = now
        elif key in self._opened:
            self._enter(key)
        elif now - self._without_opening.get(key, now - ASK_AGAIN) >= ASK_AGAIN:
            self._without_opening[key] = now
            task = asyncio.create_task(self._look_up(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _look_up(self, key: tuple[int, int]) -> None:
        try:
            if not await REQUEST_POOL.run(_has_opening, *key):
                return
        except DatabaseError:
            return
        self._opened.add(key)
        self._without_opening.pop(key, None)
        if key not in self._viewers:
            self._enter(key)

    def _enter(self, key: tuple[int, int]) -> None:
        recorder = self._hub.recorder
        if recorder.closed:
            return
        recorder.check_for_gap()
        recorder.enter(*key, watching=True)
        self._viewers[key] = _Viewer(clock.now(), recorder.presence.started_at)

    def sweep(self) -> None:
        """Record that people have left whose last request is too long ago."""
        now, recorder = clock.now(), self._hub.recorder
        recorder.check_for_gap()
        for key, viewer in list(self._viewers.items()):
            started_at = recorder.presence.started_at
            if started_at != viewer.recorder_started_at and viewer.seen_at < started_at:
                # The process was blocked: it is unknown whether this person was there.
                until = started_at
            elif now - viewer.seen_at > MAX_GAP:
                until = viewer.seen_at
            else:
                continue
            del self._viewers[key]
            recorder.leave(*key, until, watching=True)
        if not self._viewers and len(self._opened) > 10_000:  # the webinar is over
            self._opened.clear()
            self._without_opening.clear()


def _has_opening(webinar_id: int, person_id: int) -> bool:
    return Opening.objects.filter(webinar_id=webinar_id, person_id=person_id).exists()
