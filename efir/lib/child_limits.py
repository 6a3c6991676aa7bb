"""Limits that a process sets for itself before it reads untrusted input."""

from __future__ import annotations

import ctypes
import resource
import signal
from contextlib import suppress

PR_SET_PDEATHSIG = 1  # of prctl(2)


def limit_child(memory_limit: int, memory_bytes: int) -> None:
    """Permanently limit this process: it can write no files and use no more than this memory.

    It ends with the process that started it, on Linux at once.

    Args:
        memory_limit: the limit that counts the memory, such as `resource.RLIMIT_AS`.
        memory_bytes: the most it may use.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with suppress(ValueError, OSError):  # not every system has it
        resource.setrlimit(memory_limit, (memory_bytes, memory_bytes))
