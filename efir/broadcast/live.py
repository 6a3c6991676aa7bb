"""The live broadcasts in a web process: the segments of the last minute, the playlists, and the signal."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.db.models import Sum

from efir.broadcast.committer import segments_changed
from efir.broadcast.models import LowSegment, Segment
from efir.broadcast.playlist import ListedSegment, Rendition, media_playlist, read_listed, read_new, window
from efir.broadcast.playlist_presence import PlaylistPresence
from efir.lib import clock
from efir.lib.concurrency import in_thread, wait_for
from efir.lib.log import ThrottledErrorLog
from efir.room.hub import RoomHub
from efir.room.state import set_picture_sources
from efir.webinars.lifecycle import Status, Video
from efir.webinars.models import Webinar

# How often to look for segments made by another process; those of this process are announced.
POLL_S = 0.25
# How often to look whether a webinar with an own broadcast has begun.
IDLE_S = 0.5
# Segments come each second. The room must show a lost picture within 8 s: 4 s, and the time to deliver it.
SIGNAL_S = 4.0
# An encoder with rare key frames makes longer segments: then the signal waits one and a half of them, up to this.
MAX_SIGNAL_S = 7.0
# The smaller picture follows within a second. After a burst it may be further behind for a moment, and still comes;
# viewers who chose it are sent back to the full one only if it does not.
MAX_BEHIND_S = 15.0
LOW_PATIENCE = timedelta(seconds=10)

log = structlog.get_logger(__name__)


class LiveBroadcast:
    """One live webinar: its listed segments, and the playlists, encoded once for all viewers."""

    def __init__(self) -> None:
        self.segments: list[ListedSegment] = []
        self.low_segments: list[ListedSegment] = []
        self.changed = asyncio.Event()
        self.told = (
            False,
            False,
        )  # the last state sent to the room: whether there is a picture, and a smaller one
        self._encoded: dict[Rendition, bytes] = {}

    def add(self, segment: ListedSegment) -> None:
        """Add the next segment."""
        self.segments = window([*self.segments, segment])
        self._encoded.clear()
        self.changed.set()
        self.changed = asyncio.Event()

    def add_low(self, segment: ListedSegment) -> None:
        """Add the next segment of the lower rung."""
        self.low_segments = window([*self.low_segments, segment])
        self._encoded.pop(Rendition.LOW, None)

    def playlist(self, rendition: Rendition) -> bytes:
        """Return the encoded playlist; empty while there is nothing to play."""
        segments = self.low_segments if rendition is Rendition.LOW else self.segments
        if not segments:
            return b""
        if rendition not in self._encoded:
            audio = rendition is Rendition.AUDIO
            self._encoded[rendition] = media_playlist(segments, audio=audio).encode()
        return self._encoded[rendition]

    @property
    def is_coming(self) -> bool:
        """Whether segments are arriving."""
        if not self.segments:
            return False
        last = self.segments[-1]
        return is_recent(last.created_at, last.duration_s)

    @property
    def has_low(self) -> bool:
        """Whether the lower rung keeps up with the full one."""
        if not self.low_segments:
            return False
        last = self.low_segments[-1]
        later = (segment.duration_s for segment in self.segments if segment.starts_at > last.starts_at)
        return _keeps_up(sum(later), last.created_at)


def _keeps_up(behind_s: float, created_at: datetime) -> bool:
    return behind_s < MAX_BEHIND_S or clock.now() - created_at < LOW_PATIENCE


def is_recent(created_at: datetime, duration_s: float) -> bool:
    """Return whether the next segment is not overdue yet."""
    patience_s = min(MAX_SIGNAL_S, max(SIGNAL_S, 1.5 * duration_s + 1))
    return clock.now() - created_at < timedelta(seconds=patience_s)


class LiveBroadcasts:
    """The live broadcasts of this process. Its methods run on the event loop unless they say otherwise."""

    def __init__(self, hub: RoomHub) -> None:
        self.presence = PlaylistPresence(hub)
        self._hub = hub
        self._broadcasts: dict[int, LiveBroadcast] = {}
        self._last_id: dict[int, int] = {}
        self._last_low_id: dict[int, int] = {}
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._errors = ThrottledErrorLog(log, "broadcast_refresh_failed")

    def get(self, webinar_id: int) -> LiveBroadcast | None:
        """Return a broadcast that is live or paused."""
        return self._broadcasts.get(webinar_id)

    def has_signal(self, webinar_id: int) -> bool:
        """Return whether segments of this webinar are arriving. Thread-safe."""
        broadcast = self._broadcasts.get(webinar_id)
        return broadcast is not None and broadcast.is_coming

    def has_low(self, webinar_id: int) -> bool:
        """Return whether a smaller picture of this webinar can be played. Thread-safe."""
        broadcast = self._broadcasts.get(webinar_id)
        return broadcast is not None and broadcast.has_low

    async def run(self) -> None:
        """Follow the broadcasts until cancelled."""
        segments_changed.connect(self._on_segments)
        try:
            while True:
                self._wake.clear()
                try:
                    await self._refresh()
                    self._errors.succeeded()
                except Exception:
                    self._errors.failed()
                self._notify_signals()
                self.presence.sweep()
                await wait_for(self._wake, POLL_S if self._broadcasts else IDLE_S)
        finally:
            segments_changed.disconnect(self._on_segments)

    async def _refresh(self) -> None:
        schedule = await self._hub.admission.schedule_cache.get()
        own = {webinar.pk for webinar in schedule.on_air if webinar.video == Video.OWN}
        for gone in self._broadcasts.keys() - own:
            del self._broadcasts[gone]
        new, known = own - self._broadcasts.keys(), own & self._broadcasts.keys()
        for last_id in (self._last_id, self._last_low_id):
            last_id.update(dict.fromkeys(new, 0))
        segments = await self._read(new, known, self._last_id)
        for webinar_id in new:
            self._broadcasts[webinar_id] = LiveBroadcast()
        for segment in segments:
            self._broadcasts[segment.webinar_id].add(segment)
        if settings.EFIR.low_rung:
            for segment in await self._read(new, known, self._last_low_id, low=True):
                self._broadcasts[segment.webinar_id].add_low(segment)

    async def _read(
        self, new: set[int], known: set[int], last_id: dict[int, int], *, low: bool = False
    ) -> list[ListedSegment]:
        """Return the segments of these webinars that were not read before, and keep the last id of each webinar."""
        segments = await in_thread(read_listed, new, low=low) if new else []
        if known:
            segments += await in_thread(read_new, {pk: last_id[pk] for pk in known}, low=low)
        unread = []
        for segment in segments:
            if segment.id > last_id[segment.webinar_id]:
                last_id[segment.webinar_id] = segment.id
                unread.append(segment)
        return unread

    def _notify_signals(self) -> None:
        for webinar_id, broadcast in self._broadcasts.items():
            now = broadcast.is_coming, broadcast.has_low
            if now != broadcast.told:
                broadcast.told = now
                self._hub.broadcast_state(webinar_id)

    def _on_segments(self, **kwargs: Any) -> None:
        with suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._wake.set)


_live: LiveBroadcasts | None = None


def open_live(hub: RoomHub) -> LiveBroadcasts:
    """Create the live broadcasts of this process; called by its server when it starts."""
    global _live  # noqa: PLW0603  # one for a process, as the hub
    _live = LiveBroadcasts(hub)
    return _live


def current_live() -> LiveBroadcasts | None:
    """Return the live broadcasts of this process, or None if it serves no rooms."""
    return _live


def has_signal(webinar: Webinar) -> bool:
    """Return whether the live webinar's segments are arriving: from memory, or from the database in other processes."""
    if _live is not None:
        return _live.has_signal(webinar.pk)
    try:
        last = Segment.objects.filter(webinar=webinar).order_by("-number").first()
    except SynchronousOnlyOperation:
        return False
    return last is not None and is_recent(last.created_at, last.duration_s)


def has_low(webinar: Webinar) -> bool:
    """Return whether a smaller picture of the webinar can be played: from memory, or from the database."""
    if _live is not None:
        return _live.has_low(webinar.pk)
    try:
        last = (
            LowSegment.objects.select_related("segment")
            .filter(webinar=webinar)
            .order_by("live_number")
            .last()
        )
        if last is None:
            return False
        later = Segment.objects.filter(
            webinar=webinar, live_number__isnull=False, starts_at__gt=last.segment.starts_at
        )
        behind_s = later.aggregate(total=Sum("duration_s"))["total"] or 0.0
    except SynchronousOnlyOperation:
        return False
    return _keeps_up(behind_s, last.created_at)


def playlist_of(webinar: Webinar, rendition: Rendition) -> bytes:
    """Return the webinar's playlist from the database; empty if there is nothing to play."""
    if webinar.state not in (Status.LIVE, Status.PAUSED) or webinar.video != Video.OWN:
        return b""
    low = rendition is Rendition.LOW
    if low and not settings.EFIR.low_rung:
        return b""
    segments = window(read_listed([webinar.pk], low=low))
    return media_playlist(segments, audio=rendition is Rendition.AUDIO).encode() if segments else b""


def register() -> None:
    """Register the functions with which the room asks for the signal and the smaller picture."""
    set_picture_sources(signal=has_signal, low=has_low)
