"""Process one broadcast in one worker: pass its chunks to a child process, and commit the segments that come back."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import transaction

from efir.broadcast import ingest, lease
from efir.broadcast.child import SegmentChild, wait_until_ended
from efir.broadcast.committer import Committer, Input
from efir.broadcast.lease import LeaseLost
from efir.broadcast.low_rung import LowRung
from efir.broadcast.models import BroadcastSession, Chunk, Container, SessionState
from efir.broadcast.scanner import container_kind
from efir.lib.concurrency import in_thread, wait_for

# Chunks that another process accepts are found by polling. In this process `notify` announces them.
POLL_S = 0.1
NOTIFIED_POLL_S = 0.5
# A sender that has been silent for this long is polled less often.
QUIET_S = 10.0
STALE_EVERY_S = 5.0
CHUNK_BATCH = 4
# After an error (the database is away, the disk does not answer) the run begins again from what is committed.
RETRY_S = 1.0

# A child that dies this often without another segment is not started again.
MAX_DEATHS = 3

log = structlog.get_logger(__name__)


class ChildDied(Exception):
    """The process that reads a container has ended without a last message."""


class BroadcastRun:
    """Makes the segments of one webinar until every session is finished, or the lease is lost."""

    def __init__(self, webinar_id: int, holder: UUID, term: int) -> None:
        self.webinar_id = webinar_id
        self._lease = (webinar_id, holder, term)
        self._wake = asyncio.Event()
        self._notified_at = 0.0
        self._active_at = time.monotonic()
        self._stale_at = 0.0
        self._child: SegmentChild | None = None
        self._input: Input | None = None
        self._deaths: tuple[tuple[int, int, int] | None, int] = None, 0
        self._committer = Committer(webinar_id, self._lease)
        self._low = LowRung(webinar_id, self._lease) if settings.EFIR.low_rung else None

    def notify(self) -> None:
        """Note that this process has accepted a chunk or changed a session."""
        self._notified_at = self._active_at = time.monotonic()
        self._wake.set()

    async def run(self) -> None:
        """Run to the end, renewing the lease meanwhile."""
        renewing = asyncio.create_task(self._renew())
        working = asyncio.create_task(self._work())
        # Nothing waits for the lower rung, and its failure does not end the run.
        encoding = [asyncio.create_task(self._low.run())] if self._low else []
        try:
            await asyncio.wait({renewing, working}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        except LeaseLost:
            log.warning("broadcast_lease_lost", webinar_id=self.webinar_id)
        except Exception:
            log.exception("broadcast_failed", webinar_id=self.webinar_id)
            await asyncio.sleep(RETRY_S)
        finally:
            for task in (renewing, working, *encoding):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task
            await self._drop_child()
            with suppress(DatabaseError):  # it expires by itself
                await in_thread(lease.release, *self._lease)

    async def _renew(self) -> None:
        """Renew the lease; return when it is lost, or could not be renewed for as long as it lasts."""
        renewed_at = time.monotonic()
        while time.monotonic() - renewed_at < lease.TTL.total_seconds():
            await asyncio.sleep(lease.RENEW_S)
            try:
                await in_thread(lease.renew, *self._lease)
            except LeaseLost:
                return
            except DatabaseError:
                continue
            renewed_at = time.monotonic()

    async def _work(self) -> None:
        while session := await in_thread(_oldest_unfinished, self.webinar_id):
            try:
                await self._run_session(session)
            except ChildDied:  # begin again from what is committed
                await self._drop_child()

    async def _run_session(self, session: BroadcastSession) -> None:
        """Make all segments of one session. Returns when no more data can arrive."""
        container = await in_thread(_open_container, session)
        cursor = container.resume_n if container else await in_thread(_first_chunk, session)
        if container:
            await self._begin(container)
        while True:
            self._wake.clear()
            worked = await self._commit_ready()
            next_n, state = await in_thread(_progress, session)
            if cursor < next_n and (self._child is None or self._child.takes_more):
                for chunk in await in_thread(_chunks_from, session, cursor):
                    await self._feed(session, chunk)
                    cursor = chunk.n + 1
                    self._active_at = time.monotonic()
                continue
            if self._child and self._child.is_stuck:
                await self._fault("stuck")
            if state != SessionState.OPEN and cursor >= next_n:
                await self._finish_container(cursor)
                return await in_thread(_finish_session, session, self._lease)
            if not worked:
                await self._end_if_stale()
                await wait_for(self._wake, self._poll_s())

    def _poll_s(self) -> float:
        now = time.monotonic()
        if now - self._notified_at < QUIET_S or now - self._active_at > QUIET_S:
            return NOTIFIED_POLL_S
        return POLL_S

    async def _end_if_stale(self) -> None:
        if time.monotonic() - self._stale_at > STALE_EVERY_S:
            self._stale_at = time.monotonic()
            await in_thread(ingest.end_stale, self.webinar_id)

    async def _feed(self, session: BroadcastSession, chunk: Chunk) -> None:
        data = bytes(chunk.data)
        if kind := container_kind(data):
            is_begun = self._input and (self._input.container.first_n, self._input.fed) == (chunk.n, 0)
            if not is_begun:
                await self._finish_container(chunk.n)
                await self._begin(await in_thread(_new_container, session, chunk, kind))
        if self._child is None:  # chunks after a fault are skipped, up to the next container
            return
        await self._wait_for_room()
        if self._child and self._input:
            self._child.feed(self._input.add(chunk.n, data, chunk.received_at))
        await self._commit_ready()

    async def _wait_for_room(self) -> None:
        """Commit segments until the child can take another chunk, or has ended."""
        while self._child and not (self._child.takes_more or self._child.ended or self._child.is_stuck):
            await wait_for(self._wake, POLL_S)
            self._wake.clear()
            await self._commit_ready()

    async def _begin(self, container: Container) -> None:
        """Start a process for a container, from its beginning or from where its segments end."""
        await self._drop_child()
        self._input = Input(container)
        parameters = {
            "kind": container.kind,
            "segment_s": settings.EFIR.segment_s,
            "skip_until": -1.0 if container.media_end is None else container.media_end,
            "audio_until": -1.0 if container.audio_end is None else container.audio_end,
        }
        self._child = await SegmentChild.start(parameters, self._wake)
        self._child.feed(self._input.add_header())

    async def _finish_container(self, next_n: int) -> None:
        """Have the child finish its container, and forget the chunks before `next_n`."""
        if self._child and not self._child.ended:
            self._child.finish()
            await wait_until_ended(self._child, self._wake)
            if not self._child.ended:
                await self._fault("stuck")
        await self._commit_ready()
        if self._input:
            await in_thread(self._committer.finish_container, self._input.container, next_n)
        await self._drop_child()

    async def _commit_ready(self) -> bool:
        """Commit the child's segments; return whether there was any message."""
        worked = False
        while self._child and self._child.messages:
            worked = True
            message = self._child.messages.popleft()
            if message.body["type"] == "segment" and self._input:
                segment = await in_thread(self._committer.commit, self._input, message)
                if segment and self._low:
                    self._low.offer(segment, b"".join(message.blobs[:2]))
            elif message.body["type"] == "fault":
                await self._fault(message.body["code"])
            elif message.body["type"] == "died" and self._input:
                await self._on_death(self._input.container)
        return worked

    async def _on_death(self, container: Container) -> None:
        """Raise ChildDied: somebody may have killed the process. If it dies again and again, its input kills it."""
        at = (container.pk, container.resume_n, container.resume_at)
        before, count = self._deaths
        self._deaths = at, (count + 1 if at == before else 1)
        if self._deaths[1] >= MAX_DEATHS:
            return await self._fault("unreadable")
        log.warning("broadcast_process_died", webinar_id=self.webinar_id)
        raise ChildDied

    async def _fault(self, code: str) -> None:
        """Refuse the container: the sender gets the code with its next chunk."""
        if self._input:
            log.warning("broadcast_refused", webinar_id=self.webinar_id, code=code)
            await in_thread(self._committer.refuse, self._input.container, self._input.last_n + 1, code)
        await self._drop_child()

    async def _drop_child(self) -> None:
        child, self._child, self._input = self._child, None, None
        if child:
            await child.kill()


def _oldest_unfinished(webinar_id: int) -> BroadcastSession | None:
    return (
        BroadcastSession.objects.filter(webinar_id=webinar_id, finished=False).order_by("opened_at").first()
    )


def _open_container(session: BroadcastSession) -> Container | None:
    return (
        Container.objects.select_related("session")
        .filter(session=session, finished=False)
        .order_by("-first_n")
        .first()
    )


def _first_chunk(session: BroadcastSession) -> int:
    first = Chunk.objects.filter(session=session).order_by("n").values_list("n", flat=True).first()
    return session.next_n if first is None else first


def _new_container(session: BroadcastSession, chunk: Chunk, kind: str) -> Container:
    values = {"kind": kind, "resume_n": chunk.n, "received_at": chunk.received_at}
    container, _ = Container.objects.get_or_create(session=session, first_n=chunk.n, defaults=values)
    container.session = session
    return container


def _progress(session: BroadcastSession) -> tuple[int, str]:
    return BroadcastSession.objects.values_list("next_n", "state").get(pk=session.pk)


def _chunks_from(session: BroadcastSession, n: int) -> list[Chunk]:
    return list(Chunk.objects.filter(session=session, n__gte=n).order_by("n")[:CHUNK_BATCH])


def _finish_session(session: BroadcastSession, held: tuple[int, UUID, int]) -> None:
    with transaction.atomic():
        lease.check(*held)
        BroadcastSession.objects.filter(pk=session.pk).update(finished=True)
        Chunk.objects.filter(session=session).delete()
