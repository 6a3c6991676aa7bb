"""Records the presence of this process: heartbeat in memory, flushes to the database in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

import structlog
from django.conf import settings
from django.db import Error as DatabaseError

from efir.lib import clock
from efir.lib.concurrency import in_thread, wait_for
from efir.lib.log import ThrottledErrorLog
from efir.room import presence_store
from efir.room.presence import Presence

# Arrivals and departures are written within this time; entries and the list of people depend on it.
CHANGES_WITHIN_S = 1.0

log = structlog.get_logger(__name__)


def flush_interval_s() -> float:
    """Return the seconds between two flushes while nobody comes or goes.

    If the process dies, what happened since the last flush is lost: a tenth of the grace period hides that loss.
    """
    return float(min(5.0, max(0.25, settings.EFIR.grace_s / 10)))


class PresenceRecorder:
    """The presence of this process and the loop that writes it. Its methods run on the event loop.

    `on_resume` is called after a gap, in which the event loop was blocked, once everybody has a new interval: people
    who disconnected in the gap have to leave now.
    """

    def __init__(self, on_resume: Callable[[], None]) -> None:
        self._on_resume = on_resume
        self.presence = Presence(clock.now(), clock.steady_s())
        self._speaker_pages: dict[int, datetime] = {}
        self._flush_event = asyncio.Event()
        self._error_log = ThrottledErrorLog(log, "presence_flush_failed")
        self.closed = False

    def enter(self, webinar_id: int, person_id: int, *, watching: bool = False) -> None:
        """Record that a person opened a connection to the room; `watching`: one that counts as watching."""
        self.presence.enter(webinar_id, person_id, clock.now(), watching=watching)

    def leave(self, webinar_id: int, person_id: int, until: datetime, *, watching: bool = False) -> None:
        """Record that a connection ended, last seen alive at `until`; ignored once the recorder is closed."""
        if not self.closed:
            self.presence.leave(webinar_id, person_id, until, watching=watching)

    def heartbeat(self) -> None:
        """Record that this process is running and sees its viewers. Never block on the database here."""
        if self.presence.tick(clock.now(), clock.steady_s()):
            self._on_resume()

    def check_for_gap(self) -> None:
        """Handle a gap before anything else is recorded, because events that are noticed after it happened earlier."""
        if not self.closed and self.presence.has_gap(clock.now(), clock.steady_s()):
            self.heartbeat()

    def mark_speaker_active(self, webinar_id: int) -> None:
        """Record that the webinar's speaker page is open now."""
        self._speaker_pages[webinar_id] = clock.now()

    def flush_soon(self) -> None:
        """Flush at once: after a change of status, entries and verdicts wait for the presence up to it."""
        self.heartbeat()
        self._flush_event.set()

    def close(self) -> None:
        """End everybody's presence now and let `run` return after one more flush."""
        self.closed = True
        self.presence.close(clock.now())
        self._flush_event.set()

    async def run(self) -> None:
        """Flush soon after somebody comes or goes or `flush_soon` is called, else once per flush interval."""
        while not self.closed:
            deadline = time.monotonic() + flush_interval_s()
            while time.monotonic() < deadline:
                wait_s = min(CHANGES_WITHIN_S, flush_interval_s())
                if await wait_for(self._flush_event, wait_s) or self.presence.has_changes:
                    break
            self._flush_event.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write the pending rows to the database; if that fails, keep them for the next flush."""
        if not self.closed:
            self.heartbeat()  # rows must not be later than the heartbeat written with them
        pending, speaker_pages = self.presence.pending(), dict(self._speaker_pages)
        try:
            await in_thread(presence_store.write, pending, speaker_pages)
        except DatabaseError:
            self._error_log.failed(intervals=len(pending.intervals) + len(pending.watching))
            return
        self._error_log.succeeded()
        self.presence.written(pending)
        self._speaker_pages = {
            webinar_id: seen_at
            for webinar_id, seen_at in self._speaker_pages.items()
            if speaker_pages.get(webinar_id) != seen_at
        }
