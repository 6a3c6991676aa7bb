"""Serving the stand-in on a port of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from efir.fake_botapi.app import FakeBotApi
from efir.fake_botapi.asgi import DROP

STOP_AFTER_S = 3


class _Protocol(HttpToolsProtocol):
    """Lets the application drop its connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {DROP: self.transport.abort}  # type: ignore[dict-item]  # not a standard one


class _Server(uvicorn.Server):
    """Leaves the signals to whoever runs it, and does not wait for a getUpdates that waits."""

    def __init__(self, fake_bot_api: FakeBotApi) -> None:
        super().__init__(
            uvicorn.Config(
                fake_bot_api,
                http=_Protocol,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=STOP_AFTER_S,
            )
        )
        self._fake_bot_api = fake_bot_api

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._fake_bot_api.close()
        await super().shutdown(sockets)


async def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    fake_bot_api: FakeBotApi | None = None,
    stop: asyncio.Event | None = None,
    announce: Callable[[str], object] | None = None,
) -> None:
    """Serves until `stop` is set or the task is cancelled; port 0 takes a free one.

    `announce` gets the address, `http://host:port`, once connections are accepted (default: prints it).
    Raises OSError where the address is taken.
    """
    server = _Server(fake_bot_api or FakeBotApi())
    listening = _listen(host, port)
    (announce or _print)(address_of(listening))
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    stopping = asyncio.ensure_future((stop or asyncio.Event()).wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        server.should_exit = True
        await serving


@contextlib.contextmanager
def running(fake_bot_api: FakeBotApi, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serves in a thread while the block runs; gives the address the Bot API is at."""
    server = _Server(fake_bot_api)
    listening = _listen(host, port)
    thread = threading.Thread(target=server.run, args=([listening],), name="standin", daemon=True)
    thread.start()
    try:
        yield address_of(listening) + fake_bot_api.prefix
    finally:
        server.should_exit = True
        thread.join()


def address_of(listening: socket.socket) -> str:
    """`http://host:port` of a bound socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def _print(address: str) -> None:
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
