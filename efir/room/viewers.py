"""One open stream: on the bare connection where the server hands it over, through ASGI where it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from efir import clock
from efir.room.line import Line, Watched

KEEP_ALIVE = b": here\n\n"
# Who reads so slowly that this much waits to be sent is dropped, and comes back to a snapshot.
SLOWEST_BYTES = 64 * 1024

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]
# The end of the connection is the end of the stream: no length, and no chunks to wrap each message in.
_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    + b"".join(b"%s: %s\r\n" % header for header in HEADERS)
    + b"connection: close\r\n\r\n"
)


class Viewer:
    """One stream of one person. `recorded`: whether it counts as presence."""

    def __init__(self, person_id: int) -> None:
        self.person_id = person_id
        self.recorded = False

    def tell(self, message: bytes, *, last: bool = False) -> None:
        """Send a prepared message; after the `last` one the stream ends. Never waits."""
        raise NotImplementedError

    def keep_alive(self) -> None:
        """Send a sign of life; called every few seconds."""
        self.tell(KEEP_ALIVE)


class WireViewer(Viewer, asyncio.Protocol):
    """A stream that has its connection to itself: no coroutine and no copy for each viewer while it lives."""

    def __init__(self, person_id: int, line: Line) -> None:
        super().__init__(person_id)
        self._watched = Watched(line, clock.now())
        self._line = line
        self._transport: asyncio.Transport | None = None
        self._when_gone: Callable[[datetime], None] | None = None

    def take_over(self, when_gone: Callable[[datetime], None]) -> bool:
        """Answer the request and keep its connection; whether it was still there.

        `when_gone` is called once, with the moment at which the viewer was there last.
        """
        self._transport = self._line.take_over(self)
        if self._transport is None:
            return False
        self._when_gone = when_gone
        self._transport.write(_HEAD)
        return True

    def tell(self, message: bytes, *, last: bool = False) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > SLOWEST_BYTES:
            transport.abort()
            return
        transport.write(message)
        if last:
            transport.close()

    def keep_alive(self) -> None:
        self._watched.look(clock.now())
        super().keep_alive()

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.lost = exc
        if self._when_gone:
            self._when_gone(self._watched.last_sign(clock.now()))


class AsgiViewer(Viewer):
    """A stream through plain ASGI: the latest message waits here for the coroutine that writes it."""

    def __init__(self, person_id: int) -> None:
        super().__init__(person_id)
        self.woken = asyncio.Event()
        self._message = b""
        self._last = False

    def tell(self, message: bytes, *, last: bool = False) -> None:
        # A state is whole: who has not read the one before needs only this one.
        self._message, self._last = message, self._last or last
        self.woken.set()

    def keep_alive(self) -> None:
        if not self._message:
            super().keep_alive()

    def take(self) -> tuple[bytes, bool]:
        """The message that waits, if any, and whether it is the last."""
        self.woken.clear()
        message, self._message = self._message, b""
        return message, self._last
