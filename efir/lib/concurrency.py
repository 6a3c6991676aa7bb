"""Run database work in threads beside the event loop, and wait for events with a timeout."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connection, connections

P = ParamSpec("P")
T = TypeVar("T")


async def wait_for(event: asyncio.Event, within_s: float | None) -> bool:
    """Wait for the event for at most `within_s` seconds (None: without a limit); return whether it is set."""
    try:
        async with asyncio.timeout(within_s):
            return await event.wait()
    except TimeoutError:
        return event.is_set()


class ThreadPool:
    """A pool of threads for one kind of work, so that a rush in one pool does not block the others."""

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"efir-{name}")

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking `work` in a thread and close its database connection afterwards.

        On SQLite the connection stays open: no other thread uses it, and opening one costs more than most queries.
        """

        def call() -> T:
            try:
                result = work(*args, **kwargs)
            except BaseException:
                connections.close_all()
                raise
            if connection.vendor != "sqlite" or connection.in_atomic_block:
                connections.close_all()
            return result

        return await asyncio.get_running_loop().run_in_executor(self._pool, call)


# For visitors' requests, and for background work that must continue during a rush.
REQUEST_POOL = ThreadPool("crowd", 4)
BACKGROUND_POOL = ThreadPool("upkeep", 8)

in_thread = BACKGROUND_POOL.run
