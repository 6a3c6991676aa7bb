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
    """Wait until the event is set, `within_s` seconds at most (None: for as long as it takes); whether it is."""
    try:
        async with asyncio.timeout(within_s):
            return await event.wait()
    except TimeoutError:
        return event.is_set()


class ThreadPool:
    """Threads of their own for one sort of work, so that a rush in one lane holds up no other."""

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"efir-{name}")

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking `work`; the database connection is given back afterwards."""

        def call() -> T:
            try:
                result = work(*args, **kwargs)
            except BaseException:
                connections.close_all()
                raise
            _give_back()
            return result

        return await asyncio.get_running_loop().run_in_executor(self._pool, call)


def _give_back() -> None:
    """Close the connection; on SQLite keep it: it is nobody else's, and opening one costs more than what it is for."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        connections.close_all()


# People who come in; and everything that must go on while they do.
REQUEST_POOL = ThreadPool("crowd", 4)
BACKGROUND_POOL = ThreadPool("upkeep", 8)

in_thread = BACKGROUND_POOL.run
