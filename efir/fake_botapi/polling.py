"""Long polling: getUpdates, woken by a new update and ended by another getUpdates."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from efir.fake_botapi.errors import Json, conflict
from efir.fake_botapi.state import State

OTHER_POLL = "terminated by other getUpdates request; make sure that only one bot instance is running"


class Waiter:
    """Something that waits in an event loop and may be woken from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self.ousted = False

    def wake(self) -> None:
        # A loop that was stopped has nobody left to wake.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._woken.set)

    async def wait(self, seconds: float | None) -> bool:
        """True when woken, False when the time (None: no limit) ran out first."""
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            return False
        self._woken.clear()
        return True


class Polling:
    """The one getUpdates that may wait at a time."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._waiting: Waiter | None = None
        self._closing = False
        state.on_update = self.wake

    @property
    def waiting(self) -> bool:
        return self._waiting is not None

    def wake(self) -> None:
        if waiting := self._waiting:
            waiting.wake()

    def close(self) -> None:
        """Ends the waiting getUpdates with what there is, and lets none wait from now on."""
        self._closing = True
        self.wake()

    async def updates(self, offset: int, limit: int, timeout_s: float) -> list[Json]:
        """The updates from `offset` on, which confirms those before it; waits where there is none.

        A negative offset keeps only that many of the last ones. Raises ApiError 409 when another getUpdates
        begins meanwhile.
        """
        self._oust()
        self._confirm(offset)
        waiter = self._waiting = Waiter()
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            while not (found := self._state.pending[:limit]) and not self._closing:
                if not await waiter.wait(max(deadline - asyncio.get_running_loop().time(), 0)):
                    break
                if waiter.ousted:
                    raise conflict(OTHER_POLL)
            return found
        finally:
            if self._waiting is waiter:
                self._waiting = None

    def _oust(self) -> None:
        if waiting := self._waiting:
            waiting.ousted = True
            waiting.wake()

    def _confirm(self, offset: int) -> None:
        pending = self._state.pending
        if offset < 0 and pending:
            offset = pending[max(len(pending) + offset, 0)]["update_id"]
        self._state.confirm_before(offset)
