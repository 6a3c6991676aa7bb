"""Requests a second: each of some connections, kept alive, asks again as soon as it has its answer."""

from __future__ import annotations

import os
import select
import socket
import time
from typing import Any

from benchmarks.connections import HOST, READ_BYTES, is_whole


def call(port: int, requests: list[str], seconds: float) -> dict[str, Any]:
    """Ask for so long, each request on a connection of its own; how long each answer took. Raises on any error."""
    epoll = select.epoll()
    connections = [socket.create_connection((HOST, port)) for _ in requests]
    wanted = {
        connection.fileno(): request.encode()
        for connection, request in zip(connections, requests, strict=True)
    }
    asked: dict[int, float] = {}
    for number, request in wanted.items():
        epoll.register(number, select.EPOLLIN)
        asked[number] = time.monotonic()
        os.write(number, request)
    took: list[float] = []
    partial: dict[int, bytes] = {}
    began = now = time.monotonic()
    while asked:  # what was asked for in time is waited for: a server that is busy is so until the end
        for number, _event in epoll.poll(1.0):
            received = partial.pop(number, b"") + os.read(number, READ_BYTES)
            _check(received)
            if not is_whole(received):
                partial[number] = received
                continue
            now = time.monotonic()
            took.append(now - asked.pop(number))
            if now < began + seconds:
                asked[number] = now
                os.write(number, wanted[number])
    for connection in connections:
        connection.close()
    return {"took": took, "seconds": now - began}


def _check(received: bytes) -> None:
    if not received.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"the server said {received[:200]!r}")
