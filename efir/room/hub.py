"""The rooms of this process: who is connected, and the loops that send every viewer the current state."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import Any

import structlog
from django.conf import settings
from django.db import Error as DatabaseError

from efir.accounts.access_changes import access_changed
from efir.lib import metrics
from efir.lib.concurrency import in_thread
from efir.room import presence_store
from efir.room.access_watch import AccessWatch
from efir.room.admission import AdmissionChecker
from efir.room.extensions import EXTENSIONS
from efir.room.openings import OpeningWriter
from efir.room.recorder import PresenceRecorder
from efir.room.socket_viewer import SocketPoller, SocketViewer
from efir.room.state import encode, rounded_count, state_of
from efir.room.viewer import Viewer
from efir.site_settings import current
from efir.webinars.core import seat_booked, webinar_changed
from efir.webinars.models import Webinar

# The heartbeat; it also limits how often a changed number of viewers is broadcast.
TICK_S = 1.0
# Proxies close a connection that is silent for a minute or less, and the room's page reconnects after 40 s of silence
# (connection.js): two keep-alives may be late.
KEEP_ALIVE_S = 15.0
# How long after a block of the event loop the server has reported the connections that were closed meanwhile.
CONFIRM_S = 1.0
# Viewers that get their keep-alive in one batch, before the event loop does other work.
KEEP_ALIVE_BATCH = 500
ENDED = frozenset({"finished", "archived"})

log = structlog.get_logger(__name__)


class RoomChannel:
    """The viewers of one webinar in this process, and the message that they all get."""

    def __init__(self, webinar: Webinar) -> None:
        self.webinar = webinar
        self.viewers: set[Viewer] = set()
        self.broadcast_count = -1  # the number of viewers in the last broadcast
        self.message = b""
        self._encoded_at = 0.0

    @property
    def has_ended(self) -> bool:
        return self.webinar.status in ENDED

    def broadcast(self, count: int) -> None:
        """Encode the state once and send it to every viewer; after the finish this ends their streams."""
        self.broadcast_count = count
        self._encode(count)
        message, last = self.message, self.has_ended
        for viewer in tuple(self.viewers):
            viewer.send(message, last=last)

    def send_snapshot(self, viewer: Viewer, count: int) -> None:
        """Send one viewer the current state; its server time is a tick old at most."""
        if time.monotonic() - self._encoded_at > TICK_S:
            self._encode(count)
        viewer.send(self.message, last=self.has_ended)

    def _encode(self, count: int) -> None:
        self._encoded_at = time.monotonic()
        self.message = encode(state_of(self.webinar, count))


class RoomHub:
    """All rooms of this process. Its methods run on the event loop unless they say otherwise."""

    def __init__(self) -> None:
        self.admission = AdmissionChecker()
        self.recorder = PresenceRecorder(self._find_disconnected)
        self.openings = OpeningWriter()
        self.closing = False
        self._access_watch = AccessWatch(self.admission, self._viewers)
        self._channels: dict[int, RoomChannel] = {}
        self._streams: Counter[int] = Counter()  # by person
        self._unconfirmed: set[Viewer] = set()
        self._confirmed_after = 0.0
        self._peer_counts: dict[int, int] = {}
        self._loop = asyncio.get_running_loop()
        self._changed: set[int] = set()
        self._changed_at: float | None = None
        self._wake_event = asyncio.Event()
        self._closed = asyncio.Event()
        self.extensions = [make(self) for make in EXTENSIONS]

    @cached_property
    def socket_poller(self) -> SocketPoller:
        """The poller of the connections that the server has handed over."""
        return SocketPoller(self.leave)

    def join(self, webinar: Webinar, viewer: Viewer) -> None:
        """Add a stream that has just been opened; `webinar` is as it was last read."""
        self.recorder.check_for_gap()
        # If the row is newer than the channel's, the other viewers get it first. If it is the finish, this ends their
        # streams and removes the channel.
        self._update(webinar)
        channel = self._channels.setdefault(webinar.pk, RoomChannel(webinar))
        viewer.webinar_id = webinar.pk
        channel.viewers.add(viewer)
        self._streams[viewer.person_id] += 1
        # A stream opened after the finish is not presence, nor is one that was given up before this process got to it.
        viewer.recorded = not channel.has_ended and viewer.is_connected()
        if viewer.recorded:
            self.recorder.enter(webinar.pk, viewer.person_id, watching=viewer.watching)
        viewer.open()
        channel.send_snapshot(viewer, self.count(webinar.pk))
        if not channel.has_ended:
            for extension in self.extensions:
                extension.viewer_joined(channel.webinar, viewer)

    def leave(self, viewer: Viewer, until: datetime) -> None:
        """Remove a stream that has ended, last seen alive at `until`."""
        self.recorder.check_for_gap()
        if viewer in self._unconfirmed:
            until = self.recorder.presence.started_at
        channel = self._channels[viewer.webinar_id]
        channel.viewers.discard(viewer)
        self._streams[viewer.person_id] -= 1
        if not self._streams[viewer.person_id]:
            del self._streams[viewer.person_id]
        if viewer.recorded:
            self.recorder.leave(viewer.webinar_id, viewer.person_id, until, watching=viewer.watching)
        if not channel.viewers:
            self._channels.pop(viewer.webinar_id, None)
            for extension in self.extensions:
                extension.room_left(viewer.webinar_id)

    def _find_disconnected(self) -> None:
        """Remove everybody who disconnected while the event loop was blocked; the exact time is unknown.

        Their intervals after the gap are empty, so all that counts is when they were last seen before it.
        """
        self._unconfirmed = set(self._viewers())
        self._confirmed_after = time.monotonic() + CONFIRM_S
        self.socket_poller.poll_all()
        # The kernel has reported closed connections. The server cancels the other viewers' coroutines within a second.
        self._unconfirmed = {each for each in self._unconfirmed if not isinstance(each, SocketViewer)}

    def refusal_status(self, person_id: int) -> int:
        """Return the HTTP status with which to refuse this person a stream now, or 0.

        503 if the process is shutting down, 429 if the person has `EFIR_STREAMS_PER_PERSON` streams already.
        """
        if self.closing:
            return 503
        limit = settings.EFIR.streams_per_person
        return 429 if limit and self._streams.get(person_id, 0) >= limit else 0

    def count(self, webinar_id: int) -> int:
        """Return the number of people in the room, in this process and as the others last wrote."""
        return self.recorder.presence.count(webinar_id) + self._peer_counts.get(webinar_id, 0)

    def viewer_counts(self) -> dict[int, tuple[int, int]]:
        """Return the people and the streams of this process by webinar id. Thread-safe."""
        presence = self.recorder.presence
        return {pk: (presence.count(pk), len(room.viewers)) for pk, room in tuple(self._channels.items())}

    def viewers_of(self, webinar_id: int) -> set[Viewer]:
        """Return the viewers of this webinar in this process."""
        channel = self._channels.get(webinar_id)
        return channel.viewers if channel else set()

    def task_count(self) -> int:
        """Return the number of tasks of this process's event loop. Thread-safe."""
        return len(asyncio.all_tasks(self._loop))

    def mark_speaker_active(self, webinar_id: int) -> None:
        """Record that somebody with `manage_status` has the speaker's page open. Thread-safe."""
        self._loop.call_soon_threadsafe(self.recorder.mark_speaker_active, webinar_id)

    def notify_changed(self, webinar_ids: Iterable[int] | None = None) -> None:
        """Reload these webinars (None: all that are watched here) and broadcast what changed. Thread-safe."""
        self._loop.call_soon_threadsafe(self._mark_changed, webinar_ids)

    def broadcast_state(self, webinar_id: int) -> None:
        """Send everybody in this room its state again: something outside the webinar's row has changed."""
        channel = self._channels.get(webinar_id)
        if channel and not channel.has_ended:
            channel.broadcast(self.count(webinar_id))

    async def run(self) -> None:
        """Serve the rooms until `close`: broadcast changes and counts, record presence, recheck access."""
        webinar_changed.connect(self._on_webinar_changed)
        current.settings_changed.connect(self._on_settings_changed)
        current.set_caching(True)
        access_changed.connect(self._access_watch.on_access_changed)
        seat_booked.connect(self._on_seat_booked)
        loops = [self._heartbeat, self._broadcast_changes, self._send_keep_alives, self._access_watch.run]
        loops += [extension.run for extension in self.extensions]
        if not settings.EFIR.is_sqlite:  # on SQLite there is one process
            loops.append(self._poll_peers)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(loop()) for loop in loops]
                group.create_task(self.recorder.run())
                await self._closed.wait()
                for task in tasks:
                    task.cancel()
                # The recorder is not cancelled: a write that is cut off here could be committed after the last one.
                self._close_channels()
        finally:
            seat_booked.disconnect(self._on_seat_booked)
            access_changed.disconnect(self._access_watch.on_access_changed)
            webinar_changed.disconnect(self._on_webinar_changed)
            current.set_caching(False)
            current.settings_changed.disconnect(self._on_settings_changed)
            self._close_channels()
            await self.recorder.flush()

    def close(self) -> None:
        """Make `run` return: every stream is ended, and the end of all presence is written."""
        self.closing = True
        self._closed.set()

    def _close_channels(self) -> None:
        """End all streams at once, without waiting for the database; browsers reconnect to another process."""
        if self.recorder.closed:
            return
        self.recorder.check_for_gap()
        self.closing = True
        for viewer in tuple(self._viewers()):
            viewer.close()
        self.recorder.close()

    def _viewers(self) -> Iterator[Viewer]:
        return (viewer for channel in self._channels.values() for viewer in channel.viewers)

    def _on_webinar_changed(self, webinar: Webinar, **kwargs: Any) -> None:
        """Broadcast a row that this process has written, without reading it again. Thread-safe."""
        self._loop.call_soon_threadsafe(self._broadcast_written, webinar, time.monotonic())

    def _broadcast_written(self, webinar: Webinar, written_at: float) -> None:
        self.admission.schedule_cache.invalidate()
        if self._update(webinar):
            metrics.FAN_OUT.observe(time.monotonic() - written_at)

    def _on_settings_changed(self, **kwargs: Any) -> None:
        self.notify_changed([])

    def _on_seat_booked(self, person_id: int, **kwargs: Any) -> None:
        self._loop.call_soon_threadsafe(self.admission.seat_cache.invalidate, person_id)

    def _mark_changed(self, webinar_ids: Iterable[int] | None) -> None:
        current.forget()
        self.admission.schedule_cache.invalidate()
        self._changed.update(self._channels if webinar_ids is None else webinar_ids)
        self._changed_at = self._changed_at or time.monotonic()
        self._wake_event.set()

    async def _broadcast_changes(self) -> None:
        """Reload the webinars that changed and broadcast their state."""
        while True:
            await self._wake_event.wait()
            self._wake_event.clear()
            watched, self._changed = self._changed & self._channels.keys(), set()
            changed_at, self._changed_at = self._changed_at, None
            if not watched:
                continue
            try:
                webinars = await in_thread(list, Webinar.objects.filter(pk__in=watched))
            except DatabaseError:
                log.exception("room_refresh_failed")
                await asyncio.sleep(TICK_S)
                self._mark_changed(watched)
                continue
            updated = [self._update(webinar) for webinar in webinars]
            if any(updated) and changed_at:
                metrics.FAN_OUT.observe(time.monotonic() - changed_at)

    def _update(self, webinar: Webinar) -> bool:
        """Broadcast this row if it is newer than the channel's; return whether it is."""
        channel = self._channels.get(webinar.pk)
        if channel is None or webinar.version <= channel.webinar.version:
            return False
        status_changed = webinar.status != channel.webinar.status
        channel.webinar = webinar
        channel.broadcast(self.count(webinar.pk))
        if status_changed:
            self.recorder.flush_soon()
        for extension in self.extensions:
            extension.webinar_changed(webinar, channel.viewers)
        return True

    async def _heartbeat(self) -> None:
        """Update the heartbeat and the counts every second.

        Never block on the database here: slow writes must not look like downtime.
        """
        while True:
            self.recorder.heartbeat()
            if self._unconfirmed and time.monotonic() >= self._confirmed_after:
                self._unconfirmed = set()
            self._broadcast_counts()
            await asyncio.sleep(TICK_S)

    def _broadcast_counts(self) -> None:
        # A copy, because a viewer that cannot take the message leaves at once, and the last one removes the channel.
        for webinar_id, channel in tuple(self._channels.items()):
            count = self.count(webinar_id)
            if rounded_count(count) != rounded_count(channel.broadcast_count) and not channel.has_ended:
                channel.broadcast(count)

    async def _poll_peers(self) -> None:
        """Read how many people are in the rooms of the other processes, every second."""
        while True:
            with suppress(DatabaseError):  # the last known counts stay
                own_id = self.recorder.presence.recorder_id
                self._peer_counts = await in_thread(presence_store.peer_counts, own_id)
            await asyncio.sleep(TICK_S)

    async def _send_keep_alives(self) -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            viewers = list(self._viewers())
            for start in range(0, len(viewers), KEEP_ALIVE_BATCH):
                for viewer in viewers[start : start + KEEP_ALIVE_BATCH]:
                    viewer.keep_alive()
                await asyncio.sleep(0)


_hub: RoomHub | None = None


def open_hub() -> RoomHub:
    """Create the hub of this process; called by its server when it starts."""
    global _hub  # noqa: PLW0603  # one hub per process
    _hub = RoomHub()
    return _hub


def current_hub() -> RoomHub | None:
    """Return the hub of this process, or None if it serves no rooms (tests of pages, the command line)."""
    return _hub
