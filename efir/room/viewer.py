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
# The maximum queue of one viewer: more than everything that the ring of a talk has for a page that reconnects, up to
# 300 messages, which have at most 840 kB. The bytes are shared by many viewers.
MAX_QUEUED_BYTES = 1024 * 1024
# The delay before a browser reconnects: random, so that a full room does not reconnect in the same second.
RETRY_MS = (1000, 5000)

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    *SECURITY_HEADERS,
]


class Viewer:
    """One stream of one person. `recorded`: whether it counts as presence; `watching`: as watching, too.

    `last_event`: the id of the last event that the page had when it opened the stream.
    """

    __slots__ = (
        "capabilities",
        "last_event",
        "person_id",
        "recorded",
        "session_key",
        "watching",
        "webinar_id",
    )

    def __init__(self, person_id: int, session_key: str, *, watching: bool = False) -> None:
        self.person_id = person_id
        self.session_key = session_key
        self.watching = watching
        self.webinar_id = 0
        self.recorded = False
        self.capabilities: frozenset[str] = frozenset()
        self.last_event: int | None = None

    def is_connected(self) -> bool:
        """Return whether the other side has not closed yet, as far as is known."""
        return True

    def open(self) -> None:
        """Begin the response; called once the viewer is in its channel."""

    def send(self, message: bytes, *, last: bool = False) -> None:
        """Send an encoded event; end the stream after the `last` one. Never block."""
        raise NotImplementedError

    def queue(self, event: bytes) -> None:
        """Send an event that must not be lost. Never block.

        A viewer with more than `MAX_QUEUED_BYTES` is disconnected: the browser reconnects with its `Last-Event-ID`.
        """
        raise NotImplementedError

    def keep_alive(self) -> None:
        """Show that the connection is alive, to the page and to every proxy on the way."""
        self.send(KEEP_ALIVE)

    def close(self) -> None:
        """End the stream; the browser reconnects after a random delay and is admitted or refused again."""
        retry_ms = random.randint(*RETRY_MS)  # noqa: S311  # jitter, not a secret
        self.send(f"retry: {retry_ms}\n\n".encode(), last=True)


class AsgiViewer(Viewer):
    """A stream through plain ASGI: the latest state and queued events wait here for the coroutine that writes them."""

    __slots__ = ("_last", "_message", "_queued", "woken")

    def __init__(self, person_id: int, session_key: str, *, watching: bool = False) -> None:
        super().__init__(person_id, session_key, watching=watching)
        self.woken = asyncio.Event()
        self._message = b""
        self._queued: list[bytes] = []
        self._last = False

    def send(self, message: bytes, *, last: bool = False) -> None:
        # Each state is the whole state: a slow reader needs only the latest one.
        self._message, self._last = message, self._last or last
        self.woken.set()

    def queue(self, event: bytes) -> None:
        self._queued.append(event)
        if sum(map(len, self._queued)) > MAX_QUEUED_BYTES:
            self._queued = []
            self.close()
        self.woken.set()

    def keep_alive(self) -> None:
        if not (self._message or self._queued):
            super().keep_alive()

    def pop_message(self) -> tuple[bytes, bool]:
        """Return the waiting data (or b"") and whether it is the last."""
        self.woken.clear()
        message, self._message = b"".join((self._message, *self._queued)), b""
        self._queued = []
        return message, self._last
