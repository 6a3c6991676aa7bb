"""The worker's job for recordings: prepare each that is due, in a child process."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import structlog
from django.db import Error as DatabaseError

from efir.broadcast import media, recordings
from efir.broadcast.models import Segment
from efir.broadcast.recording_parts import Parts, parts_of
from efir.lib.concurrency import in_thread, wait_for
from efir.lib.log import ThrottledErrorLog

POLL_S = 1.0
RENEW_S = 2.0
# Then the recording is ready without a file: it plays as HLS.
MAX_TRIES = 3

log = structlog.get_logger(__name__)


class NotJoined(Exception):
    """The process that joins the segments has failed."""


class RecordingJob:
    """Prepares recordings one after the other. Any number of workers may run one."""

    def __init__(self) -> None:
        self.id = uuid4()
        self._tries: dict[int, int] = {}
        self._failing = ThrottledErrorLog(log, "recording_failed")

    async def run(self, stop: asyncio.Event) -> None:
        """Run until told to stop."""
        while not stop.is_set():
            try:
                due = await in_thread(recordings.due)
            except DatabaseError:
                self._failing.failed()
                due = []
            for webinar_id in due:
                await self._try(webinar_id, stop)
            await wait_for(stop, POLL_S)

    async def _try(self, webinar_id: int, stop: asyncio.Event) -> None:
        """Prepare one recording. A failure does not keep the others waiting."""
        try:
            if not stop.is_set() and await in_thread(recordings.claim, webinar_id, self.id):
                await self._prepare(webinar_id, stop)
                self._failing.succeeded()
        except Exception:
            self._failing.failed(webinar_id=webinar_id)

    async def _prepare(self, webinar_id: int, stop: asyncio.Event) -> None:
        """Prepare a recording that this worker has claimed."""
        self._tries[webinar_id] = self._tries.get(webinar_id, 0) + 1
        parts = await in_thread(parts_of, webinar_id)
        name, size = media.new_name(webinar_id, "mp4"), 0
        if not await in_thread(_fits, parts):
            log.warning("recording_without_file", webinar_id=webinar_id, reason="no space")
        elif parts.segments:
            try:
                joined = await self._join(webinar_id, parts, name, stop)
            except (NotJoined, OSError):
                if self._tries[webinar_id] < MAX_TRIES:
                    await in_thread(recordings.release, webinar_id, self.id)
                    raise
                log.exception("recording_without_file", webinar_id=webinar_id)
                joined = 0
            if joined is None:  # does nothing if another worker has claimed it
                await in_thread(recordings.release, webinar_id, self.id)
                return
            size = joined
        done = await in_thread(
            recordings.complete,
            webinar_id,
            self.id,
            seconds=parts.seconds,
            missing_s=parts.missing_s,
            file=name if size else "",
            file_size=size,
        )
        if done:
            log.info(
                "recording_ready",
                webinar_id=webinar_id,
                seconds=round(parts.seconds, 1),
                missing_s=round(parts.missing_s, 1),
            )
            self._tries.pop(webinar_id, None)

    async def _join(self, webinar_id: int, parts: Parts, name: str, stop: asyncio.Event) -> int | None:
        """Make the file. Return its size, or None if the claim was lost. Raises NotJoined."""
        target = media.scratch_file(name)
        for left_behind in target.parent.glob("*.mp4.new"):  # by a worker that was killed
            left_behind.unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "efir.broadcast.assemble",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            env=os.environ | {"DJANGO_SETTINGS_MODULE": "efir.settings"},
        )
        try:
            # The reserved space was too small for the index: the next try writes the file twice instead.
            index_bytes = parts.index_bytes if self._tries[webinar_id] == 1 else 0
            runs = [_names(run) for run in parts.runs]
            wanted = {"target": str(target), "index_bytes": index_bytes, "runs": runs}
            if not await self._keep(webinar_id, process.communicate(json.dumps(wanted).encode()), stop):
                return None
            if process.returncode:
                raise NotJoined(process.returncode)
            size = target.stat().st_size
            saving = in_thread(media.store().save_file, name, target)
            return size if await self._keep(webinar_id, saving, stop) else None
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            target.unlink(missing_ok=True)

    async def _keep(self, webinar_id: int, work: Coroutine[Any, Any, object], stop: asyncio.Event) -> bool:
        """Extend the claim while the work goes on; return False if it was lost.

        Raises what the work raises.
        """
        working = asyncio.create_task(work)
        try:
            while not working.done():
                await asyncio.wait({working}, timeout=RENEW_S)
                if stop.is_set() or not await in_thread(recordings.renew, webinar_id, self.id):
                    return False
            await working
            return True
        finally:
            working.cancel()


def _names(run: Sequence[Segment]) -> list[str]:
    return [run[0].init, *(segment.name for segment in run)]


def _fits(parts: Parts) -> bool:
    """Return whether the size of the segments fits once more on this machine's disk, and into the store."""
    needed = sum(segment.size for segment in parts.segments) + parts.index_bytes
    return all(free is None or free > needed for free in (media.scratch_bytes(), media.store().free_bytes()))
