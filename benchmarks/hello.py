"""The limit of what a page can be: an ASGI application that answers five bytes. `python -m benchmarks.hello PORT`."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn

HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"5")]


async def hello(
    _scope: object, _receive: object, send: Callable[[Mapping[str, Any]], Awaitable[None]]
) -> None:
    """Answer every request with "hello"."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"hello"})


if __name__ == "__main__":
    uvicorn.run(
        hello,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=4096,
    )
