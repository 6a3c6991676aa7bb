"""The rooms of this process: who is connected, what they were told last, and the loop that keeps both true."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import structlog
from django.conf import settings
from django.db import Error as DatabaseError

from efir.accounts.access_changes import access_changed, changed_since
from efir.lib import clock, metrics
from efir.lib.concurrency import in_thread, wait_for
from efir.lib.log import ThrottledErrorLog
from efir.room import presence_store
from efir.room.admission import AdmissionChecker
from efir.room.presence import Presence
from efir.room.socket_viewer import SocketPoller
from efir.room.state import encode, rounded_count, state_of
from efir.room.viewer import Viewer
from efir.webinars.core import webinar_changed
from efir.webinars.models import Webinar

TICK_S = 1.0
KEEP_ALIVE_S = 15.0
AT_ONCE = 500
# A process whose pulse is older has no viewers any more.
ALIVE_WITHIN = timedelta(seconds=15)
RETRY_MS = (1000, 5000)  # how soon a viewer comes back: spread, so that all do not come at once
ENDED = frozenset({"finished", "archived"})

log = structlog.get_logger(__name__)


def flush_every_s() -> float:
    """How often the pulse is written while nobody comes or goes: well within the grace that covers its loss."""
    return float(min(5.0, max(0.25, settings.EFIR.grace_s / 10)))


class RoomChannel:
    """One webinar's viewers in this process, and the message that they all get."""

    def __init__(self, webinar: Webinar) -> None:
        self.webinar = webinar
        self.viewers: set[Viewer] = set()
        self.told = -1  # the count of viewers that everybody has heard
        self.message = b""
        self._encoded = 0.0

    @property
    def has_ended(self) -> bool:
        return self.webinar.status in ENDED

    def tell(self, count: int) -> None:
        """Encode the state once and send it to everybody; after the finish it is the last they hear."""
        self.told = count
        self._encode(count)
        for viewer in tuple(self.viewers):
            viewer.tell(self.message, last=self.has_ended)

    def greet(self, viewer: Viewer, count: int) -> None:
        """Send one viewer a message whose server time is not older than a tick."""
        if time.monotonic() - self._encoded > TICK_S:
            self._encode(count)
        viewer.tell(self.message, last=self.has_ended)

    def dismiss(self) -> None:
        """Send everybody away; each comes back after a while of their own."""
        for viewer in tuple(self.viewers):
            dismiss(viewer)

    def _encode(self, count: int) -> None:
        self._encoded = time.monotonic()
        self.message = encode(state_of(self.webinar, count))


def dismiss(viewer: Viewer) -> None:
    """Send one viewer away: they come back, to whatever they are told then."""
    retry_ms = random.randint(*RETRY_MS)  # noqa: S311  # jitter, not a secret
    viewer.tell(f"retry: {retry_ms}\n\n".encode(), last=True)


class RoomHub:
    """All rooms of this process. Its methods run on the event loop."""

    def __init__(self) -> None:
        self.presence = Presence(clock.now(), time.monotonic())
        self.door = AdmissionChecker()
        self._rooms: dict[int, RoomChannel] = {}
        self._streams: Counter[int] = Counter()
        self._elsewhere: dict[int, int] = {}
        self._loop = asyncio.get_running_loop()
        self._changed: set[int] = set()
        self._noticed_at: float | None = None
        self._stir = asyncio.Event()
        self._must_flush = asyncio.Event()
        self._news = asyncio.Event()
        self._closed = asyncio.Event()
        self._attended: dict[int, datetime] = {}
        self._flushing = ThrottledErrorLog(log, "presence_flush_failed")
        self.closing = False
        self._presence_is_over = False

    @cached_property
    def wires(self) -> SocketPoller:
        """The connections that the server has handed over."""
        return SocketPoller(self.leave)

    def join(self, webinar: Webinar, viewer: Viewer) -> None:
        """A stream opened; `webinar` is as it was read last."""
        # Who comes may bring news; who hears it may leave then, and the last one closes the room.
        self._update(webinar)
        room = self._rooms.setdefault(webinar.pk, RoomChannel(webinar))
        viewer.webinar_id = webinar.pk
        room.viewers.add(viewer)
        self._streams[viewer.person_id] += 1
        viewer.recorded = not room.has_ended  # who connects after the finish is not present
        if viewer.recorded:
            self.presence.enter(webinar.pk, viewer.person_id, clock.now())
        viewer.open()
        room.greet(viewer, self.count(webinar.pk))

    def leave(self, viewer: Viewer, until: datetime) -> None:
        """A stream closed, seen alive last at `until`."""
        room = self._rooms[viewer.webinar_id]
        room.viewers.discard(viewer)
        self._streams[viewer.person_id] -= 1
        if not self._streams[viewer.person_id]:
            del self._streams[viewer.person_id]
        if viewer.recorded and not self._presence_is_over:
            self.presence.leave(room.webinar.pk, viewer.person_id, until)
        if not room.viewers:
            self._rooms.pop(room.webinar.pk, None)

    def refusal(self, person_id: int) -> int:
        """The HTTP status with which a stream is refused now: the process ends, or one person has too many; else 0."""
        limit = settings.EFIR.streams_per_person
        if self.closing:
            return 503
        return 429 if limit and self._streams.get(person_id, 0) >= limit else 0

    def count(self, webinar_id: int) -> int:
        """How many people are in the room, by this process and what the others last wrote."""
        return self.presence.count(webinar_id) + self._elsewhere.get(webinar_id, 0)

    def audience(self) -> dict[int, tuple[int, int]]:
        """Webinar's id → people and streams, in this process alone; safe to call from any thread."""
        return {pk: (self.presence.count(pk), len(room.viewers)) for pk, room in tuple(self._rooms.items())}

    def tasks(self) -> int:
        """How many tasks the event loop of this process has; safe to call from any thread."""
        return len(asyncio.all_tasks(self._loop))

    def attend(self, webinar_id: int) -> None:
        """Somebody with `manage_status` has the speaker's page open; safe to call from any thread."""
        self._loop.call_soon_threadsafe(self._attended.__setitem__, webinar_id, clock.now())

    def changed(self, webinar_ids: Iterable[int] | None = None) -> None:
        """These webinars (all that are watched, if None) may have changed; safe to call from any thread."""
        self._loop.call_soon_threadsafe(self._note, webinar_ids)

    def _note(self, webinar_ids: Iterable[int] | None) -> None:
        self.door.programme.changed()
        self._changed.update(self._rooms if webinar_ids is None else webinar_ids)
        self._noticed_at = self._noticed_at or time.monotonic()
        self._stir.set()

    async def run(self) -> None:
        """Tell viewers what changed, count them at most once a second, and write what was seen, until `close`."""
        webinar_changed.connect(self._on_change)
        access_changed.connect(self._on_access)
        try:
            async with asyncio.TaskGroup() as group:
                jobs = [group.create_task(job()) for job in self._jobs()]
                group.create_task(self._record())
                await self._closed.wait()
                for job in jobs:
                    job.cancel()
                self._dismiss_all()
                # The recorder is let finish: a write cut off here might come after the last one.
                self._must_flush.set()
        finally:
            access_changed.disconnect(self._on_access)
            webinar_changed.disconnect(self._on_change)
            self._dismiss_all()
            await self._flush()

    def _jobs(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        alone = settings.EFIR.is_sqlite
        return [
            self._pulse,
            self._tell,
            self._keep_alive,
            self._keep_out,
            *([] if alone else [self._hear_others]),
        ]

    def close(self) -> None:
        """End `run`: everybody is sent away and the end is written."""
        self.closing = True
        self._closed.set()

    def _dismiss_all(self) -> None:
        """They come back to another process, or to the next start; nobody waits for the database to hear that."""
        if self._presence_is_over:
            return
        self.closing = True
        for room in tuple(self._rooms.values()):
            room.dismiss()
        self._presence_is_over = True
        self.presence.close(clock.now())

    def _on_access(self, person_ids: Iterable[int], **kwargs: Any) -> None:
        self._loop.call_soon_threadsafe(self._hear_of_access, person_ids)

    def _hear_of_access(self, person_ids: Iterable[int]) -> None:
        self.door.accesses.drop(person_ids)
        self._news.set()

    async def _keep_out(self) -> None:
        """Send away who may not watch any more, within one flush period of the change."""
        looked = clock.now()
        while True:
            await wait_for(self._news, flush_every_s())
            self._news.clear()
            with suppress(DatabaseError):  # it is looked for again, and a little earlier
                now = clock.now()
                await self._recheck(await in_thread(changed_since, looked))
                looked = now

    async def _recheck(self, person_ids: set[int]) -> None:
        self.door.accesses.drop(person_ids)
        viewers = [v for room in self._rooms.values() for v in room.viewers if v.person_id in person_ids]
        # All at once: they are read together.
        admitted = await asyncio.gather(*(self.door.admit(v.session_key, v.webinar_id) for v in viewers))
        for viewer, admission in zip(viewers, admitted, strict=True):
            if admission.webinar is None:
                log.info("viewer_sent_away", person_id=viewer.person_id, webinar_id=viewer.webinar_id)
                dismiss(viewer)

    def _on_change(self, webinar_id: int, **kwargs: Any) -> None:
        self.changed([webinar_id])

    async def _pulse(self) -> None:
        """Say every second that this process sees. It waits for nothing else: a slow database is no blindness."""
        while True:
            self.presence.tick(clock.now(), time.monotonic())
            self._recount()
            await asyncio.sleep(TICK_S)

    async def _tell(self) -> None:
        """Read the webinars that changed and tell their viewers."""
        while True:
            await self._stir.wait()
            self._stir.clear()
            wanted, self._changed = self._changed & set(self._rooms), set()
            noticed_at, self._noticed_at = self._noticed_at, None
            if wanted and await self._refresh(wanted) and noticed_at:
                metrics.FAN_OUT.observe(time.monotonic() - noticed_at)

    async def _refresh(self, wanted: set[int]) -> bool:
        """Whether there was something to tell."""
        try:
            webinars = await in_thread(lambda: list(Webinar.objects.filter(pk__in=wanted)))
        except DatabaseError:
            log.exception("room_refresh_failed")
            await asyncio.sleep(TICK_S)
            self._note(wanted)
            return False
        told = [self._update(webinar) for webinar in webinars]
        return any(told)

    def _update(self, webinar: Webinar) -> bool:
        room = self._rooms.get(webinar.pk)
        if room is None or webinar.version <= room.webinar.version:
            return False
        moved = webinar.status != room.webinar.status
        room.webinar = webinar
        room.tell(self.count(webinar.pk))
        if moved:
            # What was seen up to a change of status is written at once: entries and verdicts wait for it.
            self.presence.tick(clock.now(), time.monotonic())
            self._must_flush.set()
        return True

    def _recount(self) -> None:
        # Who does not take a message leaves at once, and the last one closes the room.
        for webinar_id, room in tuple(self._rooms.items()):
            count = self.count(webinar_id)
            if rounded_count(count) != rounded_count(room.told) and not room.has_ended:
                room.tell(count)

    async def _hear_others(self) -> None:
        """Learn how many people the other processes have."""
        while True:
            with suppress(DatabaseError):  # what was known last goes on
                since = clock.now() - ALIVE_WITHIN
                self._elsewhere = await in_thread(
                    presence_store.peer_counts, self.presence.recorder_id, since
                )
            await asyncio.sleep(TICK_S)

    async def _keep_alive(self) -> None:
        """Send everybody a sign of life now and then, a few at a time."""
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            viewers = [viewer for room in self._rooms.values() for viewer in room.viewers]
            for start in range(0, len(viewers), AT_ONCE):
                for viewer in viewers[start : start + AT_ONCE]:
                    viewer.keep_alive()
                await asyncio.sleep(0)

    async def _record(self) -> None:
        """Write what was seen: soon when somebody came or went or a status moved, else the pulse alone."""
        while not self.closing:
            await self._flush_is_due()
            await self._flush()

    async def _flush_is_due(self) -> None:
        latest = time.monotonic() + flush_every_s()
        while time.monotonic() < latest:
            if await wait_for(self._must_flush, min(TICK_S, flush_every_s())) or self.presence.has_changes:
                break
        self._must_flush.clear()

    async def _flush(self) -> None:
        pending, attended = self.presence.pending(), dict(self._attended)
        try:
            await in_thread(presence_store.write, pending, attended)
        except DatabaseError:
            # Kept in memory: the next flush writes it.
            self._flushing.failed(intervals=len(pending.intervals))
            return
        self._flushing.succeeded()
        self.presence.written(pending)
        self._attended = {pk: moment for pk, moment in self._attended.items() if attended.get(pk) != moment}


_rooms: RoomHub | None = None


def open_rooms() -> RoomHub:
    """The rooms of this process, opened by its server when it starts."""
    global _rooms  # noqa: PLW0603  # one set of rooms for the process
    _rooms = RoomHub()
    return _rooms


def rooms() -> RoomHub | None:
    """The rooms of this process, or None where no room server runs (tests of pages, the command line)."""
    return _rooms
