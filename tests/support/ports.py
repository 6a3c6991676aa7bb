"""Ports for the servers that tests start and start again."""

from __future__ import annotations

import os
import random
import socket
from itertools import cycle, islice

# Above the ports that browsers refuse (10080 is the last) and below those of outgoing connections (Linux: from 32768),
# so that a killed server finds its port free when it starts again.
_FIRST, _LAST = 11_000, 32_000
_WORKERS = 15
_SHARE = (_LAST - _FIRST) // _WORKERS


def _share() -> list[int]:
    """Return the ports of this worker of pytest-xdist, in turn from anywhere, as another run may have the same."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = _FIRST + int(worker) % _WORKERS * _SHARE
    begin = random.randrange(_SHARE)  # noqa: S311  # no secret
    return [first + (begin + number) % _SHARE for number in range(_SHARE)]


_ports = cycle(_share())


def free_port() -> int:
    """Return a port on which nobody listens, and which no other test of this run gets."""
    for port in islice(_ports, _SHARE):
        with socket.socket() as probe:
            # As servers do: a closed connection of an earlier one does not matter.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("no port is free")
