"""Closes the streams of people who may no longer watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any

import structlog
from django.db import Error as DatabaseError

from efir.accounts.access_changes import changed_since
from efir.lib import clock
from efir.lib.concurrency import in_thread, wait_for
from efir.room.admission import AdmissionChecker
from efir.room.recorder import flush_interval_s
from efir.room.viewer import Viewer

log = structlog.get_logger(__name__)


class AccessWatch:
    """Rechecks viewers whose access has changed: at once if this process made the change, else by polling."""

    def __init__(self, admission: AdmissionChecker, viewers: Callable[[], Iterable[Viewer]]) -> None:
        self._admission = admission
        self._viewers = viewers
        self._loop = asyncio.get_running_loop()
        self._wake_event = asyncio.Event()

    def on_access_changed(self, person_ids: Collection[int], **kwargs: Any) -> None:
        """Receive `access_changed`, in any thread."""
        self._loop.call_soon_threadsafe(self._wake, person_ids)

    def _wake(self, person_ids: Collection[int]) -> None:
        self._admission.invalidate(person_ids)
        self._wake_event.set()

    async def run(self) -> None:
        """Recheck within one flush interval of each change, until cancelled."""
        checked_at = clock.now()
        while True:
            await wait_for(self._wake_event, flush_interval_s())
            self._wake_event.clear()
            with suppress(DatabaseError):  # the next round reads from the same moment on
                now = clock.now()
                await self.recheck(await in_thread(changed_since, checked_at))
                checked_at = now

    async def recheck(self, person_ids: set[int]) -> None:
        """Close the streams of those of these people who may no longer watch. Raises the database's errors."""
        self._admission.invalidate(person_ids)
        viewers = [viewer for viewer in self._viewers() if viewer.person_id in person_ids]
        # All at once: the cache reads the sessions together.
        admissions = await asyncio.gather(
            *(self._admission.admit(viewer.session_key, viewer.webinar_id) for viewer in viewers)
        )
        for viewer, admission in zip(viewers, admissions, strict=True):
            if admission.access:
                viewer.capabilities = admission.access.capabilities
            if admission.webinar is None:
                log.info("viewer_disconnected", person_id=viewer.person_id, webinar_id=viewer.webinar_id)
                viewer.close()
