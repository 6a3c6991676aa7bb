"""The RTMP server: listens on `EFIR_RTMP_PORT`, looks stream keys up, and hands chunks to the broadcast's ingest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog
from django.conf import settings
from django.db import DatabaseError

from efir.broadcast import ingest, stream_keys
from efir.broadcast.ingest import BroadcastRefused
from efir.broadcast.models import BroadcastSession, SessionSource, SessionState
from efir.broadcast.rtmp.amf0 import AmfError
from efir.broadcast.rtmp.connection import Connection, Refused
from efir.broadcast.rtmp.flv import UnsupportedCodec
from efir.broadcast.rtmp.messages import ProtocolError
from efir.broadcast.rtmp.publication import ChunkReceiver, Publication
from efir.lib.concurrency import in_thread, wait_for
from efir.lib.log import ThrottledErrorLog

# An installation has a few speakers. Each connection may hold a message in memory.
MAX_CONNECTIONS = 20
# A port in use is tried again: another worker on this machine may have it and end.
LISTEN_EVERY_S = 5.0
# Chunks in memory while the database is slow: 30 seconds at the usual rate. Then the encoder has to wait.
MAX_WAITING_BYTES = 8 * 1024 * 1024
# As long as a page in the browser keeps what it could not send.
GIVE_UP_AFTER_S = 60.0
RETRY_S = 0.5
MIME = "video/x-flv"

log = structlog.get_logger(__name__)


async def serve_rtmp(stop: asyncio.Event) -> None:
    """Listen until told to stop. If the port is in use, try again; never stop the process."""
    port = settings.EFIR.rtmp_port
    if not port:
        return
    server, failing = RtmpServer(), ThrottledErrorLog(log, "rtmp_not_listening", port=port)
    while not stop.is_set():
        try:
            async with await asyncio.start_server(server.accept, settings.EFIR.host, port):
                log.info("rtmp_listening", host=settings.EFIR.host, port=port)
                failing.succeeded()
                await stop.wait()
        except OSError:
            failing.failed()
            await wait_for(stop, LISTEN_EVERY_S)
    await server.close()


class RtmpServer:
    """Serves encoders, each in a task of its own."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new connection in a task of its own."""
        if len(self._tasks) >= MAX_CONNECTIONS:
            log.warning("rtmp_refused", reason="too many connections")
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await Connection(reader, writer, _admit).serve()
        except (ProtocolError, AmfError, Refused, UnsupportedCodec, BroadcastRefused, TimeoutError) as exc:
            # The line does not contain what the encoder sent, because that might be a key.
            log.warning("rtmp_refused", reason=str(exc) or type(exc).__name__)
        except DatabaseError:
            log.warning("rtmp_failed", exc_info=True)
        finally:
            writer.close()

    async def close(self) -> None:
        """End all connections; an encoder connects again by itself, to the process that comes next."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _admit(key: str) -> Publication | None:
    webinar_id = await in_thread(stream_keys.webinar_of, key)
    if webinar_id is None:
        return None

    async def open_container() -> ChunkReceiver:
        # The key may have been renewed since the last container.
        if await in_thread(stream_keys.webinar_of, key) != webinar_id:
            raise Refused("the key is no longer valid")
        return SessionWriter(await in_thread(_open_session, webinar_id))

    return Publication(open_container)


def _open_session(webinar_id: int) -> BroadcastSession:
    """Open a session. An encoder with the key takes over from an earlier encoder, but not from a browser."""
    earlier = BroadcastSession.objects.filter(webinar_id=webinar_id, state=SessionState.OPEN).first()
    return ingest.open_session(
        webinar_id,
        None,
        source=SessionSource.RTMP,
        mime=MIME,
        take_over=bool(earlier and earlier.source == SessionSource.RTMP),
    )


class SessionWriter:
    """Writes chunks into a session in the background, and retries while the database is unreachable."""

    def __init__(self, session: BroadcastSession) -> None:
        self._session = session
        self._n = 0
        self._waiting: list[bytes] = []
        self._changed = asyncio.Event()
        self._ending = False
        self._writer = asyncio.create_task(self._write())

    async def accept(self, data: bytes) -> None:
        """Queue the next chunk; wait while too much is waiting to be written. Raises BroadcastRefused."""
        self._waiting.append(data)
        self._changed.set()
        while sum(map(len, self._waiting)) > MAX_WAITING_BYTES and not self._writer.done():
            await asyncio.wait({self._writer}, timeout=RETRY_S)
        if self._writer.done():
            self._writer.result()

    async def end(self) -> None:
        """Write the waiting chunks and end the session."""
        self._ending = True
        self._changed.set()
        with suppress(BroadcastRefused):
            await self._writer
            end = partial(
                ingest.end_session, self._session.pk, webinar_id=self._session.webinar_id, person=None
            )
            await self._retry(end)

    async def _write(self) -> None:
        while not (self._ending and not self._waiting):
            if not self._waiting:
                self._changed.clear()
                await self._changed.wait()
                continue
            accept = partial(
                ingest.accept_chunk,
                self._session.pk,
                self._n,
                self._waiting[0],
                webinar_id=self._session.webinar_id,
                person=None,
            )
            await self._retry(accept)
            self._n += 1
            del self._waiting[0]

    async def _retry(self, work: Callable[[], object]) -> None:
        """Run idempotent database work until it succeeds."""
        begun = time.monotonic()
        while True:
            try:
                await in_thread(work)
            except DatabaseError:
                if time.monotonic() - begun > GIVE_UP_AFTER_S:
                    raise
                await asyncio.sleep(RETRY_S)
            else:
                return
