"""Whoever shows a password waits here for their turn: hashing is what costs, and a flood must not keep people out.

A request gets a thread and a database connection only when its turn comes, and the addresses take turns: one that
sends a thousand log-ins waits behind itself. In each process; the proxy knows nothing of it.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import OrderedDict, deque

from efir.edge.error_responses import refuse
from efir.lib import metrics
from efir.lib.asgi import Application, Message, Receive, Scope, Send, header_of
from efir.web.client_ip import client_ip, rate_limit_key

HASHING = re.compile(r"/(?:login/|signup/|account/(?:password/|data/(?:export|erase)|reset/.*))")
# Twice the cores: while some are hashed, others are looked up and answered.
AT_ONCE = 2 * (os.cpu_count() or 1)
# Three seconds' worth on two cores: a full hall behind one router fits in, a flood does not.
OF_ONE_ADDRESS = 100
OF_ALL = 1000
WAIT_S = 5
BODY_WITHIN_S = 20.0


class QueueFull(Exception):
    """Too many wait already."""


class FairQueue:
    """So many at once; those who wait are let in one of each key after the other. Its methods run on the event loop."""

    def __init__(self, at_once: int, of_one: int, of_all: int) -> None:
        self._free, self._of_one, self._of_all = at_once, of_one, of_all
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._count = 0

    async def take(self, key: str) -> None:
        """Wait for a turn. Raises Crowded, also for one of the longest queue when there is room for no more."""
        if self._free and not self._count:
            self._free -= 1
            return
        if len(self._waiting.get(key, ())) >= self._of_one:
            raise QueueFull
        if self._count >= self._of_all:
            self._push_out(key)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        self._count += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()  # it came just then
            raise

    def give(self) -> None:
        """Let the next one in."""
        while self._waiting:
            key, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            self._count -= 1
            if queue:
                self._waiting[key] = queue  # at the end of the round
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _push_out(self, key: str) -> None:
        longest = max(self._waiting, key=lambda each: len(self._waiting[each]))
        queue = self._waiting[longest]
        if longest == key or len(queue) <= len(self._waiting.get(key, ())) + 1:
            raise QueueFull
        turn = queue.pop()
        self._count -= 1
        if not turn.done():
            turn.set_exception(QueueFull())


class PasswordQueueMiddleware:
    """An application whose requests with a password come to it in turn, each whole already."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner
        self._turns = FairQueue(AT_ONCE, OF_ONE_ADDRESS, OF_ALL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; 429 where too many wait."""
        if scope["method"] != "POST" or not HASHING.fullmatch(scope["path"]):
            return await self._inner(scope, receive, send)
        try:
            # Read first: who sends it slowly takes nobody's turn.
            body = await asyncio.wait_for(_whole(receive), BODY_WITHIN_S)
        except TimeoutError:
            body = None
        if body is None:
            return await refuse(scope, send, 429, [(b"connection", b"close")])
        try:
            await self._turns.take(_address(scope))
        except QueueFull:
            metrics.answered("turnstile", 429)
            return await refuse(scope, send, 429, [(b"retry-after", b"%d" % WAIT_S)])
        try:
            await self._inner(scope, _again(body, receive), send)
        finally:
            self._turns.give()


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return rate_limit_key(client_ip(client[0] if client else "", header_of(scope, b"x-forwarded-for")))


async def _whole(receive: Receive) -> bytes | None:
    """The body; None where its sender has gone."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """What the application receives: the body at once, then what else comes."""
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again
