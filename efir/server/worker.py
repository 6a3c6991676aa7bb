"""The worker: everything that happens without anybody asking. The database is the queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import structlog
from django.conf import settings

from efir.attendance import classifier, tracker
from efir.hooks.actions import ActionRefused, Context, Source
from efir.hooks.bus import retry_failed_listeners
from efir.lib import clock
from efir.lib.concurrency import in_thread, wait_for
from efir.lib.log import ThrottledErrorLog
from efir.room.auto_stop import stop_forgotten
from efir.server.archiving import archive
from efir.server.models import WorkerBeat
from efir.server.retention import RetentionJob
from efir.telegram.outbox import enqueue
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar
from efir.webinars.posters.store import forget_unused

TICK_S = 1.0
SELDOM_S = 5.0
FORGET_BEATS_AFTER = timedelta(days=1)

log = structlog.get_logger(__name__)


class Worker:
    """Runs the duties until told to stop. Any number of workers may run; each duty tolerates the others."""

    def __init__(self) -> None:
        self.id = uuid4()
        self.started_at = clock.now()
        self._seldom_at = 0.0
        self._failing: dict[str, ThrottledErrorLog] = {}
        self._retention = RetentionJob()

    async def run(self, stop: asyncio.Event) -> None:
        """Do the duties every second; at once again while there is more to do."""
        while not stop.is_set():
            busy = await self._round()
            if not busy:
                await wait_for(stop, TICK_S)
        await in_thread(self._goodbye)

    async def _round(self) -> bool:
        busy = False
        for duty in (tracker.record_new_entries, *self._seldom()):
            await self._do(duty)
        busy = await self._do(classifier.classify_due) is True
        await self._do(self._beat)
        return busy

    async def _do(self, duty: Callable[[], object]) -> object:
        try:
            done = await in_thread(duty)
        except Exception:  # one duty that fails (the database is away, say) must not stop the others
            failing = ThrottledErrorLog(log, "duty_failed", duty=duty.__qualname__)
            self._failing.setdefault(duty.__name__, failing).failed()
            return None
        if over := self._failing.pop(duty.__name__, None):
            over.succeeded()
        return done

    def _seldom(self) -> list[Callable[[], object]]:
        if time.monotonic() - self._seldom_at < SELDOM_S:
            return []
        self._seldom_at = time.monotonic()
        return [
            clock.refresh,
            enqueue.expire,
            retry_failed_listeners,
            stop_forgotten,
            archive_settled,
            forget_unused,
            self._retention.prune,
        ]

    def _beat(self) -> None:
        WorkerBeat.objects.update_or_create(
            worker=self.id,
            defaults={
                "started_at": self.started_at,
                "beat_at": clock.now(),
                "failing": ", ".join(sorted(self._failing))[:200],
            },
        )

    def _goodbye(self) -> None:
        WorkerBeat.objects.filter(worker=self.id).delete()
        WorkerBeat.objects.filter(beat_at__lt=clock.now() - FORGET_BEATS_AFTER).delete()


def archive_settled() -> int:
    """Archive what was finished long enough ago and has every message settled; how many."""
    before = clock.now() - timedelta(days=settings.EFIR.archive_days)
    finished = Webinar.objects.filter(status=Status.FINISHED, finished_at__lte=before)
    return sum(_archived(webinar_id) for webinar_id in finished.values_list("pk", flat=True))


def _archived(webinar_id: int) -> bool:
    try:
        archive(webinar_id, Context(None, Source.SYSTEM))
    except ActionRefused:
        return False  # a verdict or a message is still on its way: it is asked again in a few seconds
    return True
