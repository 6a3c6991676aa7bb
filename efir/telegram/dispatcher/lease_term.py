"""The time during which this process holds the bot's lease: from acquiring it until it is lost or given up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from efir.lib.concurrency import wait_for

T = TypeVar("T")


class LeaseTerm:
    """One term of the lease. It ends by `end`, or by itself if `extend` is not called in time."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def extend(self, until: float) -> None:
        """Let the term last until `until`, a time of the event loop's clock."""
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(until, self._over.set)

    def end(self) -> None:
        """End the term: no new call is started from now on."""
        if self._timer:
            self._timer.cancel()
        self._over.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Sleep for `seconds` (None: without limit) or until the term is over. Return whether it is over."""
        return await wait_for(self._over, seconds)

    async def run(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of `work`, or None if the term ends first: `work` is cancelled then."""
        working, ending = asyncio.ensure_future(work), asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            working.cancel()
            ending.cancel()
