"""The worker's own port, where `EFIR_METRICS_PORT` asks for one: its numbers and its health, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from django.core.asgi import get_asgi_application

from efir.lib.asgi import Application, Receive, Scope, Send, answer

OPEN = frozenset({"/metrics", "/healthz"})


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they are the process's


async def serve_numbers(listening: socket.socket, stop: asyncio.Event) -> None:
    """Answer until `stop` is set."""
    config = uvicorn.Config(
        _narrowed(get_asgi_application()),
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await stop.wait()
    server.should_exit = True
    await serving


def _narrowed(django: Application) -> Application:
    async def narrowed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in OPEN:
            await django(scope, receive, send)
        else:
            await answer(send, 404, [(b"content-length", b"0")])

    return narrowed
