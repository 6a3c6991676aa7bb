"""The time for which this process acts for the bot: from taking the lease to losing it, or to being told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from efir.lib.concurrency import wait_for

T = TypeVar("T")


class LeaseTerm:
    """Ends by `end`, or by itself when `extend` has not been called in time."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def extend(self, until: float) -> None:
        """Go on until this moment of the loop's clock."""
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(until, self._over.set)

    def end(self) -> None:
        """Nothing new is begun from now on."""
        if self._timer:
            self._timer.cancel()
        self._over.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Sleep for so long, or until the turn is over; whether it is."""
        return await wait_for(self._over, seconds)

    async def cut(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` gives, or nothing where the turn ended first."""
        working, ending = asyncio.ensure_future(work), asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            working.cancel()
            ending.cancel()
