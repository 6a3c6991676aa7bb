"""Run the process that encodes the lower rung, as the worker does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable

RUN = "from efir.broadcast import low_process; low_process.main()"
# What a distribution's FFmpeg without x264 answers.
WITHOUT_X264 = "import av; av.codecs_available.discard('libx264'); " + RUN


def encode_low(segments: Iterable[bytes], program: str = RUN) -> list[tuple[str, list[bytes]]]:
    """Feed segments to a process; return the type and the blobs of each message but "read"."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(os.getpid())],
        input=b"{}\n" + b"".join(len(each).to_bytes(4, "big") + each for each in segments),
        capture_output=True,
        timeout=100,
        check=True,
    )
    found, data, at = [], done.stdout, 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        message = json.loads(data[at + 4 : at + 4 + size])
        at += 4 + size
        blobs = []
        for length in message["blobs"]:
            blobs.append(data[at : at + length])
            at += length
        if message["type"] != "read":
            found.append((message["type"], blobs))
    return found
