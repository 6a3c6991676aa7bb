"""A queue in which a client's requests delay only that client."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque


class QueueFull(Exception):
    """Raised if too many requests are waiting."""


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
