"""The worker: runs all work outside requests. The database is the queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import structlog

from efir.attendance import classifier, tracker
from efir.hooks.bus import retry_failed_listeners
from efir.lib import clock
from efir.lib.concurrency import in_thread, wait_for
from efir.lib.log import ThrottledErrorLog
from efir.lib.sqlite.base import pop_writers_waited
from efir.room.auto_stop import stop_forgotten
from efir.server.archiving import archive_settled
from efir.server.models import WorkerHeartbeat
from efir.server.retention import RetentionJob
from efir.telegram import reminders
from efir.telegram.outbox import enqueue
from efir.webinars.posters.store import delete_unused

TICK_S = 1.0
# The pause after a chunk of verdicts for which another writer had to wait, in terms of the chunk's time. SQLite has one
# writer. Writers queue, but the dispatcher writes several times in a row and would wait for a chunk each time.
PAUSE_PER_CHUNK = 2.0
# These jobs rarely have something to do, and a few seconds of delay do not matter.
PERIODIC_S = 5.0
# A worker that was killed leaves its row behind.
DELETE_HEARTBEATS_AFTER = timedelta(days=1)

log = structlog.get_logger(__name__)


class Worker:
    """Runs the jobs until told to stop. Any number of workers may run: each job tolerates the others."""

    def __init__(self) -> None:
        self.id = uuid4()
        self.started_at = clock.now()
        self._periodic_at = 0.0
        self._failing: dict[str, ThrottledErrorLog] = {}
        self._retention = RetentionJob()

    async def run(self, stop: asyncio.Event) -> None:
        """Run the jobs every second, or at once while leads wait for their verdicts."""
        while not stop.is_set():
            for job in (tracker.record_new_entries, reminders.enqueue_due, *self.periodic_jobs()):
                await self.run_job(job)
            has_more = await self.classify(stop)
            await self.run_job(self.write_heartbeat)
            if not has_more:
                await wait_for(stop, TICK_S)
        await self.run_job(self.deregister)

    async def classify(self, stop: asyncio.Event) -> bool:
        """Classify chunk by chunk until the other jobs are due. Return whether there may be more to do."""
        until = time.monotonic() + TICK_S
        while (started := time.monotonic()) < until and not stop.is_set():
            pop_writers_waited()
            if await self.run_job(classifier.classify_due) is not True:
                return False
            if pop_writers_waited():
                await wait_for(stop, PAUSE_PER_CHUNK * (time.monotonic() - started))
        return True

    def periodic_jobs(self) -> list[Callable[[], object]]:
        """Return the jobs of every five seconds if these are over, else nothing."""
        if time.monotonic() - self._periodic_at < PERIODIC_S:
            return []
        self._periodic_at = time.monotonic()
        return [
            clock.refresh,
            enqueue.expire,
            retry_failed_listeners,
            stop_forgotten,
            archive_settled,
            delete_unused,
            self._retention.prune,
        ]

    async def run_job(self, job: Callable[[], object]) -> object:
        """Run one job in a thread and return its result; None if it failed, which must not stop the others."""
        try:
            result = await in_thread(job)
        except Exception:
            failing = ThrottledErrorLog(log, "job_failed", job=job.__qualname__)
            self._failing.setdefault(job.__name__, failing).failed()
            return None
        if recovered := self._failing.pop(job.__name__, None):
            recovered.succeeded()
        return result

    def write_heartbeat(self) -> None:
        """Record that this worker is alive, and which of its jobs fail."""
        WorkerHeartbeat.objects.update_or_create(
            worker=self.id,
            defaults={
                "started_at": self.started_at,
                "beat_at": clock.now(),
                "failing": ", ".join(sorted(self._failing))[:200],
            },
        )

    def deregister(self) -> None:
        """Delete this worker's heartbeat, and those of workers that were killed long ago."""
        WorkerHeartbeat.objects.filter(worker=self.id).delete()
        WorkerHeartbeat.objects.filter(beat_at__lt=clock.now() - DELETE_HEARTBEATS_AFTER).delete()
