"""Queues requests with a password: hashing costs a tenth of a second of CPU, and a flood must not block others.

A request takes a thread and a database connection only when it is admitted. Clients are admitted in turn by address:
one that sends a thousand logins waits behind itself. Each process has a queue of its own.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import OrderedDict, deque

from efir.edge.error_responses import refuse
from efir.lib import metrics
from efir.lib.asgi import Application, Message, Receive, Scope, Send
from efir.web.client_ip import scope_rate_limit_key

HASHING_PATHS = re.compile(
    r"/(?:login/|signup/|account/(?:password/|data/(?:export|erase)|reset/.*|people/.*|telegram/(?:link|qr)))"
)
# Twice the cores: while some requests hash, others wait for the database.
CONCURRENCY = 2 * (os.cpu_count() or 1)
# About three seconds of hashing on two cores: a full hall behind one router fits in, a flood does not.
MAX_WAITING_PER_ADDRESS = 100
MAX_WAITING = 1000
RETRY_AFTER_S = 5


class QueueFull(Exception):
    """Too many requests wait already."""


class FairQueue:
    """A semaphore that admits its waiters round-robin by key. Its methods run on the event loop."""

    def __init__(self, concurrency: int, max_per_key: int, max_waiting: int) -> None:
        self._free, self._max_per_key, self._max_waiting = concurrency, max_per_key, max_waiting
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._count = 0

    async def acquire(self, key: str) -> None:
        """Wait to be admitted; call `release` afterwards.

        Raises QueueFull at once, or later if the key with the longest queue has to make room for another.
        """
        if self._free and not self._count:
            self._free -= 1
            return
        if len(self._waiting.get(key, ())) >= self._max_per_key:
            raise QueueFull
        if self._count >= self._max_waiting:
            self._evict_for(key)
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(admitted)
        self._count += 1
        try:
            await admitted
        except asyncio.CancelledError:
            if admitted.done() and not admitted.cancelled():
                self.release()  # admitted and cancelled at the same time
            raise

    def release(self) -> None:
        """Admit the next waiter."""
        while self._waiting:
            key, queue = self._waiting.popitem(last=False)
            admitted = queue.popleft()
            self._count -= 1
            if queue:
                self._waiting[key] = queue  # at the end of the round
            if not admitted.done():
                admitted.set_result(None)
                return
        self._free += 1

    def _evict_for(self, key: str) -> None:
        """Refuse the last waiter of the longest queue, if that is clearly longer than the queue of `key`."""
        longest = max(self._waiting, key=lambda each: len(self._waiting[each]))
        queue = self._waiting[longest]
        if longest == key or len(queue) <= len(self._waiting.get(key, ())) + 1:
            raise QueueFull
        evicted = queue.pop()
        self._count -= 1
        if not evicted.done():
            evicted.set_exception(QueueFull())


class PasswordQueueMiddleware:
    """Reads the whole body of a request with a password, queues it, and passes it on once it is admitted."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner
        self._queue = FairQueue(CONCURRENCY, MAX_WAITING_PER_ADDRESS, MAX_WAITING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request: 429 if too many wait."""
        if scope["method"] != "POST" or not HASHING_PATHS.fullmatch(scope["path"]):
            return await self._inner(scope, receive, send)
        # Before queueing: a client that sends slowly must not block the queue.
        body = await read_body(receive)
        if body is None:
            return None
        try:
            await self._queue.acquire(scope_rate_limit_key(scope))
        except QueueFull:
            metrics.count_request("password_queue", 429)
            return await refuse(scope, send, 429, [(b"retry-after", b"%d" % RETRY_AFTER_S)])
        try:
            await self._inner(scope, replay_body(body, receive), send)
        finally:
            self._queue.release()


async def read_body(receive: Receive) -> bytes | None:
    """Return the whole body, or None if the client has disconnected."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def replay_body(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the whole body first, then what else comes."""
    waiting = [body]

    async def replay() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay
