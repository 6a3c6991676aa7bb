"""The worker's own port (`EFIR_METRICS_PORT`): its metrics and its health, and nothing else."""

from __future__ import annotations

import asyncio
import socket

from django.core.asgi import get_asgi_application

from efir.lib.asgi import Receive, Scope, Send, send_response
from efir.server.web import Server

PATHS = frozenset({"/metrics", "/healthz"})


async def serve_metrics(listening: socket.socket, stop: asyncio.Event) -> None:
    """Answer until `stop` is set."""
    django = get_asgi_application()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PATHS:
            await django(scope, receive, send)
        else:
            await send_response(send, 404, [(b"content-length", b"0")])

    server = Server(application, timeout_graceful_shutdown=1)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await stop.wait()
    server.should_exit = True
    await serving
