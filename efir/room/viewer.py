"""One open stream: on the bare connection where the server hands it over (`wires`), through ASGI where it does not."""

from __future__ import annotations

import asyncio

from efir.web.security_headers import EVERYWHERE

KEEP_ALIVE = b": here\n\n"

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    *EVERYWHERE,
]


class Viewer:
    """One stream of one person. `recorded`: whether it counts as presence."""

    __slots__ = ("person_id", "recorded", "session_key", "webinar_id")

    def __init__(self, person_id: int, session_key: str) -> None:
        self.person_id = person_id
        self.session_key = session_key
        self.webinar_id = 0
        self.recorded = False

    def open(self) -> None:
        """Begin the answer, once the room knows the viewer."""

    def tell(self, message: bytes, *, last: bool = False) -> None:
        """Send a prepared message; after the `last` one the stream ends. Never waits."""
        raise NotImplementedError

    def keep_alive(self) -> None:
        """Send a sign of life; called every few seconds."""
        self.tell(KEEP_ALIVE)


class AsgiViewer(Viewer):
    """A stream through plain ASGI: the latest message waits here for the coroutine that writes it."""

    __slots__ = ("_last", "_message", "woken")

    def __init__(self, person_id: int, session_key: str) -> None:
        super().__init__(person_id, session_key)
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
