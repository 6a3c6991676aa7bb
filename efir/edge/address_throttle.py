"""Slows down an address from which many logins fail, without locking anybody behind it out.

Beyond the limit its requests with a password pass one at a time, and after a failed one the next waits a moment. Right
passwords cost no wait, so that other people at the address get in while somebody guesses. Counted in each process.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from efir.edge.fair_queue import FairQueue

# Four guesses a second: a login has its own limit, and 3,600 in 15 minutes are few against passwords of which the
# 20,000 most common are refused. A hundred people who queue behind a hundred guesses get in within half a minute.
PAUSE_S = 0.25
# Addresses that are remembered; beyond them the one that failed least recently is forgotten.
MAX_ADDRESSES = 10_000


@dataclass(slots=True)
class _Address:
    """A leaky bucket: `level` failures at the time `at`; as many as the limit leak away in a period."""

    level: float = 0.0
    at: float = 0.0
    lane: FairQueue | None = None
    in_lane: int = 0


@dataclass(slots=True)
class AddressThrottle:
    """The failures of each address as a leaky bucket, and the queues of throttled addresses. Used on the event loop."""

    limit: int
    period_s: float
    max_in_lane: int
    now: Callable[[], float] = time.monotonic
    _addresses: OrderedDict[str, _Address] = field(default_factory=OrderedDict)

    async def enter(self, key: str) -> bool:
        """Wait until this address may try a password. Return whether it is throttled: then call `leave`.

        Raises QueueFull if too many requests of the address wait already.
        """
        address = self._addresses.get(key)
        if address is None or (not address.in_lane and self._level(address) < self.limit):
            return False
        address.lane = address.lane or FairQueue(1, self.max_in_lane, self.max_in_lane)
        address.in_lane += 1
        try:
            await address.lane.acquire(key)
        except BaseException:
            address.in_lane -= 1
            raise
        return True

    def leave(self, key: str, *, failed: bool) -> None:
        """Admit the next request of a throttled address, after a pause if this one failed."""
        asyncio.get_running_loop().call_later(PAUSE_S if failed else 0, self._open, self._addresses[key])

    def _open(self, address: _Address) -> None:
        address.in_lane -= 1
        if address.lane:
            address.lane.release()

    def count(self, key: str, failures: int) -> None:
        """Count the failures of a request."""
        if not failures:
            return
        address = self._addresses.setdefault(key, _Address(at=self.now()))
        # At most twice the limit, so that the address is as fast as any other one period after its last failure.
        address.level = min(self._level(address) + failures, 2 * self.limit)
        address.at = self.now()
        self._addresses.move_to_end(key)
        oldest = next(iter(self._addresses))
        if len(self._addresses) > MAX_ADDRESSES and not self._addresses[oldest].in_lane:
            del self._addresses[oldest]

    def _level(self, address: _Address) -> float:
        forgiven = (self.now() - address.at) * self.limit / self.period_s
        return max(0.0, address.level - forgiven)
