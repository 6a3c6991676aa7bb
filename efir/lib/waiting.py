"""Waiting for something to happen, but not for ever."""

from __future__ import annotations

import asyncio


async def wait_for(event: asyncio.Event, within_s: float | None) -> bool:
    """Wait until the event is set, `within_s` seconds at most (None: for as long as it takes); whether it is."""
    try:
        async with asyncio.timeout(within_s):
            return await event.wait()
    except TimeoutError:
        return event.is_set()
