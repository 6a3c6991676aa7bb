"""Servers to compare with, on stock uvicorn: `python -m benchmarks.bare hello|django PORT`.

`hello` answers every request with five bytes; `django` is the project's Django as it comes, with nothing in front.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn

Send = Callable[[Mapping[str, Any]], Awaitable[None]]

HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"5")]


async def hello(_scope: object, _receive: object, send: Send) -> None:
    """The least that an ASGI application can do."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"hello"})


def stock_django() -> Callable[..., Any]:
    """Django's own handler."""
    import django

    django.setup()

    from django.core.asgi import get_asgi_application

    return get_asgi_application()


def main(name: str, port: str) -> None:
    """Serve until terminated."""
    application = hello if name == "hello" else stock_django()
    uvicorn.run(
        application,
        port=int(port),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=4096,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
