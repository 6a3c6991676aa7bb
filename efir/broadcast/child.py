"""The parent's side of a child process that reads untrusted input: `segment_process` and `low_process`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from efir.lib.concurrency import wait_for

# A chunk is read in milliseconds, and a segment encoded in a fifth of a second; on a machine that is ten times slower
# and busy it takes a few seconds.
STUCK_S = 20.0
# Chunks in the pipe; the others wait in the database.
MAX_UNREAD = 4
MAX_MESSAGE = 32 * 1024 * 1024
# The child gets only the variables that Python needs to find its modules: it must not see our secrets.
ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True)
class ChildMessage:
    """A message of the child: its JSON object and the blobs that follow."""

    body: dict[str, Any]
    blobs: list[bytes]


class SegmentChild:
    """One running child process. `wake` is set when it has sent a message."""

    def __init__(self, process: asyncio.subprocess.Process, wake: asyncio.Event) -> None:
        self._process, self._wake = process, wake
        self._unread = 0
        self._busy_since = 0.0
        self.messages: deque[ChildMessage] = deque()
        self.ended = False
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls, parameters: dict[str, Any], wake: asyncio.Event, module: str = "segment_process"
    ) -> SegmentChild:
        """Start a process with the parameters of this module of `efir.broadcast`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"efir.broadcast.{module}",
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            limit=MAX_MESSAGE,
        )
        child = cls(process, wake)
        child._write(json.dumps(parameters).encode() + b"\n")
        return child

    @property
    def takes_more(self) -> bool:
        """Whether another chunk may be fed."""
        return self._unread < MAX_UNREAD and not self.ended

    @property
    def is_stuck(self) -> bool:
        """Whether it has been busy with one chunk for too long."""
        return self._unread > 0 and time.monotonic() - self._busy_since > STUCK_S

    def feed(self, data: bytes) -> None:
        """Pass the next bytes of the container to the child."""
        if not data:
            return
        if not self._unread:
            self._busy_since = time.monotonic()
        self._unread += 1
        self._write(len(data).to_bytes(4, "big") + data)

    def finish(self) -> None:
        """Send the child the end of the container; its last message is "end" or "fault"."""
        self._unread += 1
        self._busy_since = time.monotonic()
        self._write(bytes(4))

    async def kill(self) -> None:
        """End the process at once and wait for it."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._reading.cancel()
        await self._process.wait()

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101  # it was started with a pipe
        with suppress(OSError):  # it has ended; the reader notices
            self._process.stdin.write(data)

    async def _read(self) -> None:
        """Collect messages. If the process dies without a last message, "died" is added."""
        assert self._process.stdout is not None  # noqa: S101  # it was started with a pipe
        stdout = self._process.stdout
        try:
            while True:
                head = json.loads(
                    await self._exactly(stdout, int.from_bytes(await self._exactly(stdout, 4), "big"))
                )
                blobs = [await self._exactly(stdout, size) for size in head.pop("blobs")]
                if head["type"] == "read":
                    self._unread -= 1
                    self._busy_since = time.monotonic()
                else:
                    self.messages.append(ChildMessage(head, blobs))
                self._wake.set()
                if head["type"] in ("end", "fault"):
                    break
        except asyncio.IncompleteReadError:
            self.messages.append(ChildMessage({"type": "died"}, []))
        except (ValueError, KeyError):
            self.messages.append(ChildMessage({"type": "fault", "code": "unreadable"}, []))
        self.ended = True
        self._unread = 0
        self._wake.set()

    async def _exactly(self, stream: asyncio.StreamReader, size: int) -> bytes:
        if size > MAX_MESSAGE:
            raise ValueError(size)
        return await stream.readexactly(size)


async def wait_until_ended(child: SegmentChild, wake: asyncio.Event) -> None:
    """Wait until the process has sent its last message, or has been busy for too long."""
    while not child.ended and not child.is_stuck:
        wake.clear()
        await wait_for(wake, 1.0)
