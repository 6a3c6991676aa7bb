"""The lower rung of one broadcast: the worker passes its segments to a child process that encodes them.

Nothing waits for it. A segment that cannot be encoded in time is left out, and the full rung goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from uuid import UUID

import structlog

from efir.broadcast.child import SegmentChild
from efir.broadcast.lease import LeaseLost
from efir.broadcast.low_committer import LowCommitter
from efir.broadcast.models import Segment
from efir.lib import metrics
from efir.lib.concurrency import in_thread, wait_for
from efir.lib.log import RepeatLimit, ThrottledErrorLog

# A segment of a second takes some 0.2 s. What a sender delivers at once after half a minute without a connection is
# encoded within this time.
LATE_S = 6.0
# Half a minute at 4 Mbit/s.
MAX_WAITING_BYTES = 16 * 2**20
POLL_S = 1.0
# The pause before a process that died is restarted: its input may have killed it.
RESTART_S = 5.0

log = structlog.get_logger(__name__)


class LowRung:
    """Encodes the offered segments, and commits them while the lease is held."""

    def __init__(self, webinar_id: int, held: tuple[int, UUID, int]) -> None:
        self._webinar_id = webinar_id
        self._committer = LowCommitter(webinar_id, held)
        # When it was offered, the segment, its bytes.
        self._waiting: deque[tuple[float, Segment, bytes]] = deque()
        self._waiting_bytes = 0
        self._encoding: Segment | None = None
        self._child: SegmentChild | None = None
        self._wake = asyncio.Event()
        self._not_before = 0.0
        self._log_limit = RepeatLimit()  # a machine that is too slow leaves segments out all the time
        self._is_off = False
        self._errors = ThrottledErrorLog(log, "broadcast_low_failed", webinar_id=webinar_id)

    def offer(self, segment: Segment, data: bytes) -> None:
        """Queue a committed segment with its bytes. Only live segments are encoded."""
        if self._is_off or segment.live_number is None:
            return
        self._waiting.append((time.monotonic(), segment, data))
        self._waiting_bytes += len(data)
        if self._waiting_bytes > MAX_WAITING_BYTES:
            self._leave_out_all()
        self._wake.set()

    async def run(self) -> None:
        """Encode until cancelled."""
        try:
            while not self._is_off:
                self._wake.clear()
                try:
                    await self._commit_ready()
                    await self._feed_next()
                    self._errors.succeeded()
                except LeaseLost:  # the run notices, too
                    return
                except Exception:
                    self._leave_out()
                    self._errors.failed()
                await wait_for(self._wake, POLL_S)
        finally:
            await self._drop_child()

    async def _feed_next(self) -> None:
        """Give the process the next segment, if it has none and this one is not too late."""
        if self._encoding or not self._waiting or time.monotonic() < self._not_before:
            return
        if time.monotonic() - self._waiting[0][0] > LATE_S:
            # Drop all of them: one break is better than a break at every other segment.
            self._leave_out_all()
            return
        _, self._encoding, data = self._waiting.popleft()
        self._waiting_bytes -= len(data)
        if self._child is None:
            self._child = await SegmentChild.start({}, self._wake, "low_process")
        self._child.feed(data)

    async def _commit_ready(self) -> None:
        """Commit the segments that the child has encoded."""
        while self._child and self._child.messages:
            message = self._child.messages.popleft()
            kind = message.body["type"]
            if kind == "segment" and self._encoding:
                await in_thread(self._committer.commit, self._encoding, *message.blobs)
                self._encoding = None
            elif kind == "left_out":
                self._leave_out()
            elif kind == "fault":
                self._is_off = True
                log.warning("broadcast_low_off", webinar_id=self._webinar_id, code=message.body["code"])
                return
            elif kind == "died":
                await self._on_death()
        if self._child and self._child.is_stuck:
            await self._on_death()

    async def _on_death(self) -> None:
        log.warning("broadcast_low_process_died", webinar_id=self._webinar_id)
        self._not_before = time.monotonic() + RESTART_S
        self._leave_out()
        await self._drop_child()

    def _leave_out(self) -> None:
        """Drop the segment that is being encoded."""
        if self._encoding:
            self._encoding = None
            metrics.BROADCAST_LEFT_OUT.inc()

    def _leave_out_all(self) -> None:
        """Drop the segments that are waiting."""
        metrics.BROADCAST_LEFT_OUT.inc(len(self._waiting))
        if self._log_limit.is_due():
            log.warning("broadcast_low_late", webinar_id=self._webinar_id, left_out=len(self._waiting))
        self._waiting.clear()
        self._waiting_bytes = 0

    async def _drop_child(self) -> None:
        child, self._child = self._child, None
        if child:
            await child.kill()
