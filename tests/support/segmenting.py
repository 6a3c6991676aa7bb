"""Run the process that cuts containers, as the worker does, on bytes of a test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Cut:
    """The process's output. `fault` is empty if it accepted everything."""

    segments: list[dict[str, Any]] = field(default_factory=list)
    fault: str = ""
    ended: bool = False

    @property
    def frames(self) -> int:
        return sum(segment["frames"] for segment in self.segments)

    @property
    def files(self) -> list[bytes]:
        """The initialization segment and the segments."""
        return [self.segments[0]["init"], *(segment["media"] for segment in self.segments)]


def cut(chunks: Iterable[bytes], kind: str = "mp4", **parameters: Any) -> Cut:
    """Feed the chunks to a process and return its output up to its end."""
    given = {"kind": kind, "segment_s": 1.0, "skip_until": -1.0, "audio_until": -1.0} | parameters
    frames = b"".join(len(chunk).to_bytes(4, "big") + chunk for chunk in chunks if chunk)
    done = subprocess.run(
        [sys.executable, "-m", "efir.broadcast.segment_process", str(os.getpid())],
        input=json.dumps(given).encode() + b"\n" + frames + bytes(4),
        capture_output=True,
        timeout=100,
        check=False,
    )
    found, data, at = Cut(), done.stdout, 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        message = json.loads(data[at + 4 : at + 4 + size])
        at += 4 + size
        blobs = []
        for length in message.pop("blobs"):
            blobs.append(data[at : at + length])
            at += length
        if message["type"] == "segment":
            names = ("init", "media", "audio_init", "audio_media", "header")
            found.segments.append(message | dict(zip(names, blobs, strict=True)))
        elif message["type"] == "fault":
            found.fault = message["code"]
        elif message["type"] == "end":
            found.ended = True
    if not found.ended and not found.fault:
        found.fault = f"died: {done.returncode}"
    return found
