"""The HTTP servers: uvicorn with the room's hub and its background tasks, and the worker's port for metrics."""

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

from efir.broadcast.live import open_live
from efir.edge.error_responses import refuse
from efir.lib import clock, metrics
from efir.lib.asgi import HAND_OVER, PREPARED, Headers, Receive, Scope, Send, send_response
from efir.lib.concurrency import in_thread
from efir.room.change_listener import notify_of_changes
from efir.room.hub import RoomHub, open_hub
from efir.server import fd_limit, readiness
from efir.web.asgi_handler import OneThreadHandler

# For requests in progress. The steps after them must also fit into the ten seconds of a stop.
GRACEFUL_S = 6
# The kernel gives up on unacknowledged bytes after this long, so that a phone without coverage does not count as
# present for minutes.
TCP_USER_TIMEOUT_MS = 30_000
# Request line and headers of one request; nginx lets 32 kB through by default.
LARGEST_HEAD = 64 * 1024
# How long a client may be silent before its first request, or take for a head: Apache's RequestReadTimeout has 20 s.
HEAD_TIMEOUT_S = 20.0
# A larger body is not copied behind its head: above malloc's threshold of 128 KiB a copy costs more than a write.
COPIED_UP_TO = 64 * 1024
METRICS_PATHS = frozenset({"/metrics", "/healthz"})

log = structlog.get_logger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket whose connections inherit the time-out. Raises OSError if the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=4096)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
    return listening


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, extended by handing a connection over to the room's hub and sending prepared responses.

    tests/integration/server/test_uvicorn_contract.py tests what it uses of uvicorn, which is pinned exactly.
    """

    # Bytes received of an unfinished request head; None between heads.
    _head_bytes: int | None = None
    # Closes the connection unless a whole head arrives; None while a request is in progress or uvicorn's keep-alive
    # time-out runs.
    _head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        fd = transport.get_extra_info("socket").fileno()
        if _fd_limit().leaves_no_refusal(fd):
            transport.abort()
        elif _fd_limit().exceeds_limit(fd):
            self.app = fd_limit.refuse
            self.loop.call_later(fd_limit.REQUEST_WITHIN_S, transport.close)
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_no_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._head_bytes
        super().data_received(data)
        # These bytes may be the beginning of a head, empty lines, or the body of a request that was answered before.
        if self._head_deadline is None and not self._is_answering():
            self._expect_head()
        if before is not None and self._head_bytes == before:  # no head has begun or ended in this data
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response("Request head too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        self._expect_no_head()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > LARGEST_HEAD:
            self.app = _refuse_head
        super().on_headers_complete()
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope:  # an upgrade that was refused
            return
        if readiness.is_draining():  # the balancer's next request must go to another process
            cycle.keep_alive = False
        # Extensions of our own. They are bound to this request: others may follow on the same connection.
        extensions: dict[str, Any] = {PREPARED: partial(self._send_prepared, cycle)}
        if hasattr(select, "epoll"):  # without this extension a stream is a coroutine
            extensions[HAND_OVER] = partial(self._hand_over, cycle)
        self.scope["extensions"] = extensions

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answer at once if the application can.

        Without a coroutine and a task a segment takes 12 % less processor time (2026-11-30, 500 viewers: 195 instead of
        223 µs, less in each of five pairs of runs).
        """
        respond = getattr(app, "respond_at_once", None)
        if respond and cycle.scope["method"] == "GET" and not readiness.is_draining():
            response = respond(cycle.scope["path"])
            if response and self._send_prepared(cycle, *response):
                return
        super()._start_asgi_task(cycle, app)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        self._head_deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._close_without_head)

    def _expect_no_head(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _close_without_head(self) -> None:
        self._head_deadline = None
        self.transport.close()

    def _hand_over(self, cycle: RequestResponseCycle) -> int | None:
        """Return a descriptor of the connection and let uvicorn forget it; None if that is not possible."""
        transport = self.transport
        has_next_request = cycle is not self.cycle
        if (
            has_next_request
            or transport.is_closing()
            or cycle.disconnected
            or transport.get_write_buffer_size()
        ):
            return None
        try:
            fd = os.dup(transport.get_extra_info("socket").fileno())
        except OSError as exc:  # no descriptors left
            log.error("socket_handover_failed", error=exc.strerror)
            return None
        if _fd_limit().exceeds_limit(fd):  # a second descriptor would use up a spare one
            os.close(fd)
            return None
        self._unset_keepalive_if_required()
        cycle.response_started = cycle.response_complete = True
        self.connections.discard(self)
        # The duplicate keeps the connection open when the transport closes its own descriptor.
        transport.set_protocol(asyncio.Protocol())
        transport.close()
        return fd

    def _send_prepared(self, cycle: RequestResponseCycle, head: bytes, headers: Headers, body: bytes) -> bool:
        """Send a response in one write, without the checks that `cycle.send` makes of each header.

        Return False if the client reads too slowly: such responses must not pile up in memory.
        """
        if cycle.disconnected:
            return True
        if cycle.flow.write_paused:
            return False
        ending = () if cycle.keep_alive else ((b"connection", b"close"),)
        lines = [b"%s: %s\r\n" % header for header in (*cycle.default_headers, *headers, *ending)]
        if len(body) < COPIED_UP_TO:
            self.transport.write(b"".join((head, *lines, b"\r\n", body)))
        else:  # uvloop hands both to the kernel in one call, without a copy of what hundreds of viewers get
            self.transport.write(b"".join((head, *lines, b"\r\n")))
            self.transport.write(body)
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True


async def _refuse_head(scope: Scope, receive: Receive, send: Send) -> None:
    metrics.count_request("head too large", 431)
    await refuse(scope, send, 431, [(b"connection", b"close")])


@cache
def _fd_limit() -> fd_limit.FdLimit:
    return fd_limit.FdLimit.from_rlimit()


class Server(uvicorn.Server):
    """uvicorn as both of our servers use it: signals and logging are those of the process."""

    def __init__(self, application: Callable[..., Any], **config: Any) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=HttpProtocol,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # efir.web.client_ip decides which X-Forwarded-For to trust
                **config,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `efir.server.processes`."""
        yield


async def serve_metrics(listening: socket.socket, stop: asyncio.Event) -> None:
    """Answer `/metrics` and `/healthz` on the worker's own port until `stop` is set."""
    django = OneThreadHandler()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in METRICS_PATHS:
            await django(scope, receive, send)
        else:
            await send_response(send, 404, [(b"content-length", b"0")])

    server = Server(application, timeout_graceful_shutdown=1)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await stop.wait()
    server.should_exit = True
    await serving


class WebServer(Server):
    """The web server, which disconnects the viewers before it waits for connections."""

    def __init__(self, application: Callable[..., Any], hub: RoomHub) -> None:
        super().__init__(application, timeout_graceful_shutdown=GRACEFUL_S)
        self._hub = hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new connections, disconnect the viewers, let requests in progress finish, in this order.

        `hub.close` only asks for it, so uvicorn has closed the listening socket before a viewer leaves.
        """
        self._hub.close()
        await super().shutdown(sockets)


async def serve_web(application: Callable[..., Any], listening: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; then tell every stream to reconnect, and write the recorded presence.

    Before that it drains for `EFIR_DRAIN_S`: it serves everything, but `/healthz` fails.
    """
    hub = open_hub()
    server = WebServer(application, hub)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(hub.run())
        serving = group.create_task(server.serve(sockets=[listening]))
        tasks = (notify_of_changes(hub), _refresh_clock(), open_live(hub).run())
        helpers = [group.create_task(task) for task in tasks]
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


async def _refresh_clock() -> None:
    while True:
        with contextlib.suppress(Exception):  # while the database is away, the last offset stays in use
            await in_thread(clock.refresh)
        await asyncio.sleep(clock.REFRESH_EVERY_S)
