"""Deliver messages to the viewers of this process: batched, encoded once, and in one order.

Every process reads the changes of a talk in the order of their numbers, which is the order of their commits. It is
notified by NOTIFY and by the signal of its own writes, and polls the counters every few seconds in case both are lost.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any

import structlog
from django.db import Error as DatabaseError
from django.db.models import Q, QuerySet

from efir.accounts.capabilities import Capability
from efir.lib import metrics
from efir.lib.concurrency import REQUEST_POOL, in_thread
from efir.room.hub import RoomHub
from efir.room.viewer import Viewer
from efir.talk.encoding import Audience, as_json
from efir.talk.models import Message, TalkRoom
from efir.talk.ring import EVERYBODY, MODERATING, SIZE, Entry, Reader, Ring, encode
from efir.talk.selectors import TALKS
from efir.talk.writing import NOTIFY_CHANNEL, talk_changed
from efir.webinars.models import Webinar

# The interface: at most two frames a second, whatever is written.
FRAME_EVERY_S = 0.5
# How often the counters are compared, in case a notification was lost.
CHECK_EVERY_S = 5.0
RETRY_S = 1.0
# Viewers that get a frame in one batch: some 5 ms, which limits the delay of a change of the state.
BATCH = 500
# Changes read in one query.
READ_BATCH = 500

log = structlog.get_logger(__name__)


class TalkChannel:
    """The talk of one webinar in this process."""

    def __init__(self, webinar_id: int) -> None:
        self.webinar_id = webinar_id
        self.ring = Ring()
        self.is_loaded = False
        # Viewers who have received nothing yet: the ring is not loaded, or is older than their last event.
        self.waiting: set[Viewer] = set()
        self.is_stale = True
        self.sender: asyncio.Task[None] | None = None


class TalkDelivery:
    """The extension of the hub that sends messages. Its methods run on the event loop unless they say otherwise."""

    notify_channel = NOTIFY_CHANNEL

    def __init__(self, hub: RoomHub) -> None:
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._channels: dict[int, TalkChannel] = {}
        self._woken = asyncio.Event()

    def viewer_joined(self, webinar: Webinar, viewer: Viewer) -> None:
        """Send the viewer the last messages, or what changed after the last event that they have."""
        if webinar.talk not in TALKS:
            return
        channel = self._channels.get(webinar.pk)
        if channel is None:
            channel = self._channels[webinar.pk] = TalkChannel(webinar.pk)
        after = viewer.last_event
        if channel.is_loaded and (after is None or after <= channel.ring.cursor):
            _send(viewer, channel.ring.frame(_reader(viewer), after))
            return
        channel.waiting.add(viewer)
        channel.is_stale = True
        self._woken.set()

    def webinar_changed(self, webinar: Webinar, viewers: Collection[Viewer]) -> None:
        """Begin or end the talk if its mode was changed."""
        if webinar.talk not in TALKS:
            self.room_left(webinar.pk)
        elif webinar.pk not in self._channels:
            for viewer in tuple(viewers):
                viewer.last_event = None  # the page forgets what it had of the talk before
                self.viewer_joined(webinar, viewer)

    def room_left(self, webinar_id: int) -> None:
        """Forget the talk."""
        channel = self._channels.pop(webinar_id, None)
        if channel and channel.sender:
            channel.sender.cancel()

    def notify_changed(self, webinar_ids: Iterable[int] | None = None) -> None:
        """Read what changed in these talks (None: in all). Thread-safe."""
        with suppress(RuntimeError):  # the loop is closed: there are no viewers left
            self._loop.call_soon_threadsafe(self._mark_stale, webinar_ids)

    def _mark_stale(self, webinar_ids: Iterable[int] | None) -> None:
        for webinar_id in tuple(self._channels) if webinar_ids is None else webinar_ids:
            if channel := self._channels.get(webinar_id):
                channel.is_stale = True
                self._woken.set()

    def _on_talk_changed(self, webinar_id: int, **kwargs: Any) -> None:
        self.notify_changed([webinar_id])

    async def run(self) -> None:
        """Send what changes, until cancelled. Each talk that changes has a task of its own."""
        talk_changed.connect(self._on_talk_changed)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._check_counters())
                while True:
                    await self._woken.wait()
                    self._woken.clear()
                    for channel in self._channels.values():
                        if channel.is_stale and channel.sender is None:
                            channel.sender = group.create_task(self._send_changes(channel))
        finally:
            talk_changed.disconnect(self._on_talk_changed)

    async def _check_counters(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            if not self._channels:
                continue
            with suppress(DatabaseError):
                counters = await in_thread(_read_counters, tuple(self._channels))
                self._mark_stale(
                    [
                        pk
                        for pk, last in counters
                        if (known := self._channels.get(pk)) and last > known.ring.cursor
                    ]
                )

    async def _send_changes(self, channel: TalkChannel) -> None:
        """Read and send what changed in one talk, at most twice a second, until nothing more has."""
        try:
            while channel.is_stale:
                channel.is_stale = False
                began = time.monotonic()
                try:
                    await self._refresh(channel)
                except DatabaseError:
                    log.warning("talk_read_failed", webinar_id=channel.webinar_id)
                    channel.is_stale = True
                    await asyncio.sleep(RETRY_S)
                    continue
                await asyncio.sleep(max(0.0, began + FRAME_EVERY_S - time.monotonic()))
        finally:
            channel.sender = None

    async def _refresh(self, channel: TalkChannel) -> None:
        joined_before = frozenset(channel.waiting)
        if not channel.is_loaded:
            entries, cursor = await REQUEST_POOL.run(_read_last, channel.webinar_id)
            channel.ring.put(entries, cursor)
            channel.is_loaded = True
            return await _serve_waiting(channel, joined_before)
        entries, cursor = await REQUEST_POOL.run(_read_changes, channel.webinar_id, channel.ring.cursor)
        # From here to the loop over batches nothing else runs: who joins later gets these entries from the ring.
        viewers = [each for each in self._hub.viewers_of(channel.webinar_id) if each not in channel.waiting]
        channel.ring.put(entries, cursor)
        await _serve_waiting(channel, joined_before)
        if entries:
            await _send_to_all(viewers, entries, cursor)
        return None


async def _serve_waiting(channel: TalkChannel, joined_before: Collection[Viewer]) -> None:
    """Send the waiting viewers their missing entries. `joined_before`: those who joined before the ring was read."""
    # A viewer who joined during the read may be ahead of its result, and waits for the next one.
    waiting = {
        viewer
        for viewer in channel.waiting
        if viewer in joined_before or (viewer.last_event or 0) <= channel.ring.cursor
    }
    channel.waiting -= waiting
    for count, viewer in enumerate(waiting, start=1):
        # An id above all committed numbers is made up.
        known = None if viewer.last_event is None else min(viewer.last_event, channel.ring.cursor)
        _send(viewer, channel.ring.frame(_reader(viewer), known))
        if count % BATCH == 0:
            await asyncio.sleep(0)


async def _send_to_all(viewers: Collection[Viewer], entries: Collection[Entry], cursor: int) -> None:
    """Send each viewer the entries that they may see; almost all get the same bytes."""
    began = time.monotonic()
    for_everybody, for_moderating = (encode(entries, each, cursor) for each in (EVERYBODY, MODERATING))
    authors = {entry.person_id for entry in entries if entry.author is not None}
    for count, viewer in enumerate(viewers, start=1):
        if Capability.MODERATE_TALK in viewer.capabilities:
            _send(viewer, for_moderating)
        elif viewer.person_id in authors:
            _send(viewer, encode(entries, _reader(viewer), cursor))
        else:
            _send(viewer, for_everybody)
        if count % BATCH == 0:
            await asyncio.sleep(0)
    metrics.TALK_FAN_OUT.observe(time.monotonic() - began)


def _send(viewer: Viewer, frame: bytes) -> None:
    if frame:
        viewer.queue(frame)


def _reader(viewer: Viewer) -> Reader:
    return Reader(viewer.person_id, Capability.MODERATE_TALK in viewer.capabilities)


def _read_counters(webinar_ids: Collection[int]) -> list[tuple[int, int]]:
    return list(TalkRoom.objects.filter(pk__in=webinar_ids).values_list("pk", "last_change"))


def _read_last(webinar_id: int) -> tuple[list[Entry], int]:
    """Return the entries of a ring, and the last change that they include."""
    messages = _messages(webinar_id)
    changed = list(messages.order_by("-change")[:SIZE])
    cursor = changed[0].change if changed else 0
    # Changes during this read are read again.
    known = messages.filter(change__lte=cursor).order_by("-number")
    last, public = known[:SIZE], known.filter(Q(shown_at__isnull=False))[:SIZE]
    found = {message.pk: message for message in (*changed, *last, *public)}
    return [_entry(message) for message in found.values()], cursor


def _read_changes(webinar_id: int, after: int) -> tuple[list[Entry], int]:
    """Return the entries of all messages that changed after this number, and the last change."""
    entries: dict[int, Entry] = {}
    while True:
        batch = list(_messages(webinar_id).filter(change__gt=after).order_by("change")[:READ_BATCH])
        entries |= {message.number: _entry(message) for message in batch}
        after = batch[-1].change if batch else after
        if len(batch) < READ_BATCH:
            return list(entries.values()), after


def _messages(webinar_id: int) -> QuerySet[Message]:
    return Message.objects.filter(webinar_id=webinar_id).select_related("person")


def _entry(message: Message) -> Entry:
    everybody, moderating, author = (
        _encoded(as_json(message, audience))
        for audience in (Audience.EVERYBODY, Audience.MODERATING, Audience.AUTHOR)
    )
    return Entry(
        number=message.number,
        change=message.change,
        person_id=message.person_id,
        everybody=everybody,
        moderating=moderating or b"",
        author=None if author == everybody else author,
    )


def _encoded(data: dict[str, Any] | None) -> bytes | None:
    return None if data is None else json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
