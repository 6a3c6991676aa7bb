"""Cache rows of the database by key, reading those that are missing in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from itertools import islice
from typing import Generic, Protocol, TypeVar

from efir.lib import clock
from efir.lib.concurrency import REQUEST_POOL

# Beyond this number the oldest entries are evicted.
MAX_ENTRIES = 50_000
# Keys in one query, below SQLite's limit of 999 parameters in Django.
READ_BATCH = 500


class Expiring(Protocol):
    """A value that is valid until a moment."""

    @property
    def until(self) -> datetime: ...


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Expiring)


class BatchCache(Generic[K, V]):
    """The cache of one process. Its methods run on the event loop."""

    def __init__(self, read: Callable[[list[K]], Mapping[K, V]]) -> None:
        """Cache the results of `read`, which is called in a thread and returns the existing values of these keys."""
        self._read = read
        self._entries: dict[K, V] = {}
        self._wanted: dict[K, asyncio.Future[V | None]] = {}
        self._in_flight: dict[K, asyncio.Future[V | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """Return the value of this key, or None if there is none. Raises the database's errors."""
        value = self._entries.get(key)
        if value and value.until > clock.now():
            return value
        wanted = self._in_flight.get(key) or self._wanted.get(key)
        if wanted is None:
            wanted = self._wanted[key] = asyncio.get_running_loop().create_future()
            if self._reading is None:
                self._reading = asyncio.create_task(self._read_wanted())
        return await asyncio.shield(wanted)

    def forget(self, key: K) -> None:
        """Drop one entry. A read in progress still answers its callers, but is not stored."""
        self._entries.pop(key, None)
        self._in_flight.pop(key, None)

    def forget_all(self, is_stale: Callable[[K, V], bool]) -> None:
        """Drop the entries for which `is_stale` holds. Reads in progress are not stored."""
        for key in [key for key, value in self._entries.items() if is_stale(key, value)]:
            del self._entries[key]
        self._in_flight.clear()

    async def _read_wanted(self) -> None:
        """Read all requested keys: in a rush the queries get larger, but not more frequent."""
        try:
            while self._wanted:
                batch = dict(islice(self._wanted.items(), READ_BATCH))
                for key in batch:
                    del self._wanted[key]
                self._in_flight = dict(batch)
                try:
                    found = await REQUEST_POOL.run(self._read, list(batch))
                except Exception as exc:  # each waiting caller gets it
                    self._in_flight.clear()
                    for wanted in batch.values():
                        wanted.set_exception(exc)
                    continue
                for key, wanted in batch.items():
                    value = found.get(key)
                    if value and key in self._in_flight:
                        self._store(key, value)
                    wanted.set_result(value)
                self._in_flight.clear()
        finally:
            self._reading = None

    def _store(self, key: K, value: V) -> None:
        # Insert it as the newest entry.
        self._entries.pop(key, None)
        while len(self._entries) >= MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = value
