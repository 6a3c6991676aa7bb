"""Database work away from the event loop, in a few threads that give their connection back while they rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connection, connections

P = ParamSpec("P")
T = TypeVar("T")


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
