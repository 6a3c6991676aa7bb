"""Write to a non-blocking socket without giving other threads the interpreter."""

from __future__ import annotations

import ctypes
import os

# A library of `PyDLL` is called with the interpreter's lock held.
_libc = ctypes.PyDLL(None, use_errno=True)
_write = _libc.write
_write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
_write.restype = ctypes.c_ssize_t


def write_now(fd: int, data: bytes) -> int:
    """Write to a non-blocking file descriptor. Return how many bytes it took.

    `os.write` gives the interpreter's lock away for the call. While threads are busy, each of them then has it for
    `sys.getswitchinterval()` (5 ms), and a message to a thousand viewers takes seconds. This call cannot block, so it
    keeps the lock. Raises OSError: BlockingIOError if the buffer is full.
    """
    written: int = _write(fd, data, len(data))
    if written < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return written
