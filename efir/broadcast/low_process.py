"""The process that encodes the lower rung of one broadcast with limits: `python -m efir.broadcast.low_process PARENT`.

PARENT is the id of the parent process. Standard input is a JSON line, then frames: an initialization segment with its
fragment each. For each of them come a message, "segment" with the blobs or "left_out", and "read".
"""

from __future__ import annotations

import os
import resource
import sys

from efir.broadcast.pipes import Pipes
from efir.lib.child_limits import limit_child

# Decoding 1080p with sixteen reference frames takes some 60 MB beside PyAV's 40, encoding 360p some 20.
MEMORY_BYTES = 384 * 2**20
# The lowest priority: everything else on the machine comes first.
NICENESS = 10


def main() -> None:
    """Encode the segments on standard input."""
    limit_child(resource.RLIMIT_DATA, MEMORY_BYTES)
    if os.getppid() != int(sys.argv[1]):  # the parent had ended before the limits were set
        return
    os.nice(NICENESS)
    pipes = Pipes(sys.stdin.buffer, sys.stdout.buffer)
    sys.stdin.buffer.readline()  # there are no parameters
    import av
    import av.logging

    from efir.broadcast.limits import Fault
    from efir.broadcast.low_encoder import ENCODER, LowEncoder, NotEncoded

    av.logging.set_level(None)
    if ENCODER not in av.codecs_available:
        pipes.send({"type": "fault", "code": "no_encoder"})
        return
    encoder = LowEncoder()
    while data := pipes.read_frame():
        try:
            encoded = encoder.encode(data)
        except (NotEncoded, Fault, av.FFmpegError, ValueError, IndexError, OverflowError, MemoryError):
            pipes.send({"type": "left_out"})
            encoder = LowEncoder()
        else:
            pipes.send({"type": "segment"}, *encoded)
        pipes.send({"type": "read"})


if __name__ == "__main__":
    main()
