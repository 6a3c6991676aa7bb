"""Queues requests with a password: hashing costs a tenth of a second of CPU, and a flood must not block others.

A request takes a thread and a database connection only when it is admitted. Addresses are admitted in turn: one that
sends a thousand logins delays only itself. Each process has a queue of its own.
"""

from __future__ import annotations

import os
import re
import time

from efir.edge.address_throttle import AddressThrottle
from efir.edge.error_responses import refuse
from efir.edge.fair_queue import FairQueue, QueueFull
from efir.lib import metrics
from efir.lib.asgi import Application, Message, Receive, Scope, Send
from efir.web.client_ip import scope_rate_limit_key
from efir.web.rate_limit import FAILED_LOGINS, LIMITS

HASHING_PATHS = re.compile(
    r"/(?:login/(?:forgotten/|code/)?|signup/|account/(?:password/|second_factor/.*|data/(?:export|erase)|reset/.*|people/.*|telegram/(?:link|qr)))"
)
# Twice the cores: while some requests hash, others wait for the database.
CONCURRENCY = 2 * (os.cpu_count() or 1)
# Some ten seconds of hashing on two cores: enough for hundreds of people behind one router who log in at once.
MAX_WAITING_PER_ADDRESS = 400
MAX_WAITING = 1000
# The longest login, name and password need a sixth of it. So one address holds 25 MB at most.
LARGEST_BODY = 64 * 1024
RETRY_AFTER_S = 5


class PasswordQueueMiddleware:
    """Reads the whole body of a request with a password, queues it, and passes it on once it is admitted."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner
        self._queue = FairQueue(CONCURRENCY, MAX_WAITING_PER_ADDRESS, MAX_WAITING)
        slow = LIMITS["login_failures_address"]
        self._throttle = AddressThrottle(slow.count, slow.period_s, MAX_WAITING_PER_ADDRESS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request: 429 if too many wait."""
        if scope["method"] != "POST" or not HASHING_PATHS.fullmatch(scope["path"]):
            return await self._inner(scope, receive, send)
        # Before queueing: a client that sends slowly must not block the queue.
        body = await read_body(receive)
        if body is None:
            return None
        if len(body) > LARGEST_BODY:
            return await refuse(scope, send, 413)
        try:
            return await self._admit(scope, replay_body(body, receive), send, scope_rate_limit_key(scope))
        except QueueFull:
            metrics.count_request("password_queue", 429)
            return await refuse(scope, send, 429, [(b"retry-after", b"%d" % RETRY_AFTER_S)])

    async def _admit(self, scope: Scope, receive: Receive, send: Send, address: str) -> None:
        """Handle one request when it is its turn. Raises QueueFull before anything is sent."""
        failures: list[bool] = []
        scope[FAILED_LOGINS] = failures
        arrived_at = time.monotonic()
        is_slow = await self._throttle.enter(address)
        try:
            await self._queue.acquire(address)
            metrics.PASSWORD_QUEUE.observe(time.monotonic() - arrived_at)
            try:
                await self._inner(scope, receive, send)
            finally:
                self._queue.release()
        finally:
            self._throttle.count(address, len(failures))
            if is_slow:
                self._throttle.leave(address, failed=bool(failures))


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
