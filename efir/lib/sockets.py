"""Sockets: a free port, and writing without giving other threads the interpreter."""

from __future__ import annotations

import ctypes
import os
import socket

# A library of `PyDLL` is called with the interpreter's lock held. No argument types are declared: ctypes passes an int
# and bytes unchanged, and checking them takes as long as the call.
_write = ctypes.PyDLL(None).write
_write.restype = ctypes.c_ssize_t


def write_now(fd: int, data: bytes) -> int:
    """Write to a non-blocking file descriptor. Return how many bytes it took.

    `os.write` releases the interpreter's lock for the call. While threads are busy, each of them then holds it for
    `sys.getswitchinterval()` (5 ms), and a message to a thousand viewers takes seconds. This call cannot block, so it
    keeps the lock. Raises OSError: BlockingIOError if the buffer is full.
    """
    written: int = _write(fd, data, ctypes.c_size_t(len(data)))
    # Repeat the call in the rare case of an error, to get its number.
    return written if written >= 0 else os.write(fd, data)


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
