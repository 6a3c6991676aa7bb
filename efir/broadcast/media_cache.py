"""Media files from memory: segments that hundreds of viewers ask for within the same second."""

from __future__ import annotations

import asyncio

from efir.broadcast import media
from efir.lib.concurrency import ThreadPool
from efir.lib.sized_cache import SizedCache

# The last minute of four broadcasts at 1.5 Mbit/s, of one at the highest rate.
MAX_BYTES = 64 * 1024 * 1024
# A file larger than this is a recording, which is read in parts.
MAX_CACHED_BYTES = 16 * 1024 * 1024
# Threads of its own: a slow disk or S3 must not hold up the room.
_POOL = ThreadPool("media", 4)


class MediaCache:
    """The files used last. Its methods run on the event loop."""

    def __init__(self) -> None:
        self._files = SizedCache[bytes](MAX_BYTES, len)
        self._reading: dict[str, asyncio.Task[bytes | None]] = {}

    async def get(self, name: str) -> bytes | None:
        """Return a file, or None if there is none. Requests at the same time share one read. Raises OSError."""
        content = self.peek(name)
        if content is not None:
            return content
        if name not in self._reading:
            task = self._reading[name] = asyncio.create_task(self._read(name))
            task.add_done_callback(lambda _: self._reading.pop(name, None))
        return await asyncio.shield(self._reading[name])

    def peek(self, name: str) -> bytes | None:
        """Return a file if it is in memory."""
        return self._files.get(name)

    async def _read(self, name: str) -> bytes | None:
        content = await _POOL.run(media.store().read, name)
        if content is not None and len(content) <= MAX_CACHED_BYTES:
            self._files.put(name, content)
        return content


async def read_part(name: str, start: int, length: int) -> bytes:
    """Return a part of a large file. Raises OSError."""
    return await _POOL.run(media.store().read_part, name, start, length)


async def size_of(name: str) -> int | None:
    """Return the size of a file, or None if there is none. Raises OSError."""
    return await _POOL.run(media.store().size, name)
