"""One open stream of one person: the interface, and the implementation through plain ASGI.

`efir.room.socket_viewer` has the other implementation, on a connection that the server has handed over.
"""

from __future__ import annotations

import asyncio
import random

from efir.web.security_headers import SECURITY_HEADERS

# An event, not a comment: browsers hide comments from the page, which then cannot tell a quiet room from a lost
# connection. It has a data line because an event without one is not dispatched.
KEEP_ALIVE = b"event: keep-alive\ndata:\n\n"
# How soon a browser reconnects: spread, so that a full room does not come back in the same second.
RETRY_MS = (1000, 5000)

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    *SECURITY_HEADERS,
]


class Viewer:
    """One stream of one person. `recorded`: whether it counts as presence; `watching`: as watching, too."""

    __slots__ = ("person_id", "recorded", "session_key", "watching", "webinar_id")

    def __init__(self, person_id: int, session_key: str, *, watching: bool = False) -> None:
        self.person_id = person_id
        self.session_key = session_key
        self.watching = watching
        self.webinar_id = 0
        self.recorded = False

    def is_connected(self) -> bool:
        """Return whether the other side has not closed yet, as far as is known."""
        return True

    def open(self) -> None:
        """Begin the response; called once the viewer is in its channel."""

    def send(self, message: bytes, *, last: bool = False) -> None:
        """Send an encoded event; end the stream after the `last` one. Never block."""
        raise NotImplementedError

    def keep_alive(self) -> None:
        """Show that the connection is alive, to the page and to every proxy on the way."""
        self.send(KEEP_ALIVE)

    def close(self) -> None:
        """End the stream; the browser reconnects after a random delay and is admitted or refused anew."""
        retry_ms = random.randint(*RETRY_MS)  # noqa: S311  # jitter, not a secret
        self.send(f"retry: {retry_ms}\n\n".encode(), last=True)


class AsgiViewer(Viewer):
    """A stream through plain ASGI: the latest message waits here for the coroutine that writes it."""

    __slots__ = ("_last", "_message", "woken")

    def __init__(self, person_id: int, session_key: str, *, watching: bool = False) -> None:
        super().__init__(person_id, session_key, watching=watching)
        self.woken = asyncio.Event()
        self._message = b""
        self._last = False

    def send(self, message: bytes, *, last: bool = False) -> None:
        # Each message is the whole state: a slow reader needs only the latest one.
        self._message, self._last = message, self._last or last
        self.woken.set()

    def keep_alive(self) -> None:
        if not self._message:
            super().keep_alive()

    def pop_message(self) -> tuple[bytes, bool]:
        """Return the waiting message (or b"") and whether it is the last one."""
        self.woken.clear()
        message, self._message = self._message, b""
        return message, self._last
