"""The web process: uvicorn, the rooms, and what keeps them informed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import structlog
import uvicorn
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from efir.edge.error_responses import refuse
from efir.lib import clock, metrics
from efir.lib.asgi import HAND_OVER, PREPARED, Headers, Receive, Scope, Send
from efir.lib.concurrency import in_thread
from efir.room.change_listener import notify_of_changes
from efir.room.hub import RoomHub, open_hub
from efir.server import fd_limit, readiness

# For requests under way; what comes after them fits into the ten seconds, too.
GRACEFUL_S = 6
# A phone out of coverage is not present for minutes: the kernel gives up on bytes unacknowledged for this long.
TCP_USER_TIMEOUT_MS = 30_000

# Line, headers and cookies of one request; nginx lets through 32 kB by default.
LARGEST_HEAD = 64 * 1024

log = structlog.get_logger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections inherit the time-out; raises OSError where the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=4096)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
    return listening


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol that hands a connection over to the room's stream, and sends what is prepared as it is.

    What it touches of uvicorn is held by tests/integration/server/test_uvicorn_contract.py; uvicorn is pinned exactly.
    """

    # How much of a request's head has come while its end has not; none between heads.
    _head_came: int | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if _crowding().is_too_many(transport.get_extra_info("socket").fileno()):
            self.app = fd_limit.refuse
            self.loop.call_later(fd_limit.ASKS_WITHIN_S, transport.close)

    def data_received(self, data: bytes) -> None:
        before = self._head_came
        super().data_received(data)
        if before is not None and self._head_came == before:  # still of the same head
            self._head_came += len(data)
            if self._head_came > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response("Request head too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_came = 0

    def on_headers_complete(self) -> None:
        self._head_came = None
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > LARGEST_HEAD:
            self.app = _refuse_head
        super().on_headers_complete()
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope:  # not where it is an upgrade that was refused
            if readiness.is_draining():  # a balancer that keeps this connection finds another process
                cycle.keep_alive = False
            # Neither is one of the standard ones. The request is bound: others may follow it on the same connection.
            offered: dict[str, Any] = {PREPARED: partial(self._send_prepared, cycle)}
            if hasattr(select, "epoll"):  # where it is not, a stream is a coroutine
                offered[HAND_OVER] = partial(self._hand_over, cycle)
            self.scope["extensions"] = offered

    def _hand_over(self, cycle: RequestResponseCycle) -> int | None:
        """Leave the connection to the caller; to uvicorn the request is answered and the connection is gone."""
        transport, others = self.transport, cycle is not self.cycle
        if others or transport.is_closing() or cycle.disconnected or transport.get_write_buffer_size():
            return None
        try:
            fd = os.dup(transport.get_extra_info("socket").fileno())
        except OSError as exc:
            log.error("stream_not_taken_over", error=exc.strerror)  # out of descriptors
            return None
        if _crowding().is_too_many(
            fd
        ):  # a second descriptor would come out of what is spare: this one has to do
            os.close(fd)
            return None
        self._unset_keepalive_if_required()
        cycle.response_started = cycle.response_complete = True
        self.connections.discard(self)
        # Closing one of two descriptors ends nothing on the line.
        transport.set_protocol(asyncio.Protocol())
        transport.close()
        return fd

    def _send_prepared(self, cycle: RequestResponseCycle, head: bytes, headers: Headers, body: bytes) -> bool:
        """Answer in one write: what `cycle.send` would put together header by header, and check, is ready."""
        if cycle.disconnected:
            return True
        if cycle.flow.write_paused:
            return False  # answers that nobody reads must not pile up
        ending = () if cycle.keep_alive else ((b"connection", b"close"),)
        lines = [b"%s: %s\r\n" % header for header in (*cycle.default_headers, *headers, *ending)]
        self.transport.write(b"".join((head, *lines, b"\r\n", body)))
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True


async def _refuse_head(scope: Scope, receive: Receive, send: Send) -> None:
    metrics.answered("head too large", 431)
    await refuse(scope, send, 431, [(b"connection", b"close")])


@cache
def _crowding() -> fd_limit.FdLimit:
    return fd_limit.of_this_process()


class WebServer(uvicorn.Server):
    """uvicorn that leaves signals to its caller and sends the viewers away before it waits for connections."""

    def __init__(self, application: Callable[..., Any], hub: RoomHub) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=HttpProtocol,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # efir.web.client_ip reads X-Forwarded-For as far as it may be trusted
                timeout_graceful_shutdown=GRACEFUL_S,
            )
        )
        self._hub = hub

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new connections, send the viewers away, let the requests under way finish: in this order.

        `close` only asks for it: before anybody is sent away, uvicorn has closed the listening socket.
        """
        self._hub.close()
        await super().shutdown(sockets)


async def serve_web(application: Callable[..., Any], listening: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; then every stream is told to come back and what was seen is written.

    Between the two lies `EFIR_DRAIN_S`: everything is still served, but `/healthz` says that this process leaves.
    """
    hub = open_hub()
    server = WebServer(application, hub)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(hub.run())
        serving = group.create_task(server.serve(sockets=[listening]))
        helpers = [group.create_task(notify_of_changes(hub)), group.create_task(_keep_clock())]
        stopping = group.create_task(stop.wait())
        readiness.notify_ready()
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        readiness.start_draining()
        await asyncio.wait({serving}, timeout=settings.EFIR.drain_s)
        server.should_exit = True
        await serving
        await running
        for task in [*helpers, stopping]:
            task.cancel()


async def _keep_clock() -> None:
    while True:
        with contextlib.suppress(Exception):  # the database is away: the offset known so far goes on
            await in_thread(clock.refresh)
        await asyncio.sleep(clock.REFRESH_EVERY_S)
