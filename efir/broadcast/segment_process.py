"""The process that reads one container with limits: `python -m efir.broadcast.segment_process PARENT`.

PARENT is the id of the parent process. Standard input is a JSON line with the parameters, then frames: a chunk each; an
empty one ends the container. Standard output are messages (see `efir.broadcast.pipes`).
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import BinaryIO

from efir.broadcast.pipes import Pipes
from efir.lib.child_limits import limit_child

# 1080p60 at 8 Mbit/s keeps some 20 MB in memory beside PyAV's 40.
MEMORY_BYTES = 256 * 2**20


class Parent(Pipes):
    """The pipes to the parent, as a file for the demuxer: chunks come in, messages go out."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        super().__init__(source, target)
        self._chunk = memoryview(b"")
        self._begun = self._ended = False
        self.on_chunk: Callable[[bytes], None] = _ignore
        self.on_chunk_end: Callable[[], None] = _nothing
        self.position = 0

    def read(self, size: int) -> bytes:
        """Return some bytes of the container for the demuxer, and none at the end."""
        if self._ended:
            return b""
        if not self._chunk:
            if self._begun:
                self.on_chunk_end()
                self.send({"type": "read"})
            chunk = self.read_frame()
            if not chunk:
                self._ended = True
                return b""
            self._begun = True
            self.on_chunk(chunk)
            self._chunk = memoryview(chunk)
        taken, self._chunk = self._chunk[:size], self._chunk[size:]
        self.position += len(taken)
        return bytes(taken)


def _ignore(_chunk: bytes) -> None:
    """Ignore a chunk before there is a scanner."""


def _nothing() -> None:
    """Ignore the end of a chunk before there is a cutter."""


def main() -> None:
    """Cut the container on standard input."""
    limit_child(resource.RLIMIT_DATA, MEMORY_BYTES)
    if os.getppid() != int(sys.argv[1]):  # the parent had ended before the limits were set
        return
    parent = Parent(sys.stdin.buffer, sys.stdout.buffer)
    parameters = json.loads(sys.stdin.buffer.readline())
    import av.logging

    from efir.broadcast.cutter import CutSegment, Cutter
    from efir.broadcast.limits import Fault
    from efir.broadcast.scanner import SCANNERS, Unreadable

    av.logging.set_level(None)
    scanner = SCANNERS[parameters["kind"]]()

    def emit(segment: CutSegment) -> None:
        message = asdict(segment)
        blobs = [message.pop(name) for name in ("init", "media", "audio_init", "audio_media")]
        message["resume_pos"] = scanner.begin_before(segment.resume_pos)
        message["header_size"] = len(scanner.header)
        parent.send({"type": "segment"} | message, *blobs, scanner.header)

    cutter = Cutter(
        parent,
        parameters["kind"],
        parameters["segment_s"],
        emit,
        skip_until=parameters["skip_until"],
        audio_until=parameters["audio_until"],
        position=lambda: parent.position,
    )
    parent.on_chunk = scanner.feed
    parent.on_chunk_end = cutter.chunk_ended
    try:
        cutter.run()
    except (Fault, Unreadable, MemoryError, IndexError) as fault:
        parent.send({"type": "fault", "code": getattr(fault, "code", "unreadable")})
        return
    parent.send({"type": "end"})


if __name__ == "__main__":
    main()
