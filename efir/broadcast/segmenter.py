"""The worker's component that makes segments: it looks for broadcasts with input and runs those whose lease it gets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import structlog

from efir.broadcast import lease
from efir.broadcast.ingest import input_changed
from efir.broadcast.models import BroadcastSession
from efir.broadcast.run import BroadcastRun
from efir.lib.concurrency import in_thread, wait_for
from efir.lib.log import ThrottledErrorLog

# How often to look for broadcasts that another worker has released, or that get input through another process.
POLL_S = 0.5

log = structlog.get_logger(__name__)


class Segmenter:
    """Runs until told to stop. Any number of workers may have one: leases distribute the broadcasts."""

    def __init__(self) -> None:
        self._holder = uuid4()
        self._runs: dict[int, BroadcastRun] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._errors = ThrottledErrorLog(log, "broadcast_lookup_failed")

    async def run(self, stop: asyncio.Event) -> None:
        """Make the segments of every broadcast without another holder."""
        input_changed.connect(self._on_input)
        try:
            while not stop.is_set():
                self._wake.clear()
                try:
                    await self._start_due()
                    self._errors.succeeded()
                except Exception:
                    self._errors.failed()
                await self._wait(stop)
        finally:
            input_changed.disconnect(self._on_input)
            await asyncio.gather(*(self._end(task) for task in list(self._tasks.values())))

    async def _wait(self, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        waking = asyncio.create_task(wait_for(self._wake, POLL_S))
        await asyncio.wait({stopping, waking}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        waking.cancel()

    async def _end(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _start_due(self) -> None:
        for webinar_id in await in_thread(_webinars_with_input):
            if webinar_id in self._tasks:
                continue
            term = await in_thread(lease.acquire, webinar_id, self._holder)
            if term is None:
                continue
            run = self._runs[webinar_id] = BroadcastRun(webinar_id, self._holder, term)
            task = self._tasks[webinar_id] = asyncio.create_task(run.run())
            task.add_done_callback(partial(self._forget, webinar_id))

    def _forget(self, webinar_id: int, _task: asyncio.Task[None]) -> None:
        self._runs.pop(webinar_id, None)
        self._tasks.pop(webinar_id, None)

    def _on_input(self, webinar_id: int, **kwargs: Any) -> None:
        self._loop.call_soon_threadsafe(self._wake_run, webinar_id)

    def _wake_run(self, webinar_id: int) -> None:
        if run := self._runs.get(webinar_id):
            run.notify()
        else:
            self._wake.set()


def _webinars_with_input() -> list[int]:
    unfinished = BroadcastSession.objects.filter(finished=False)
    return list(unfinished.order_by("webinar_id").values_list("webinar_id", flat=True).distinct())
