"""Directories in memory for the databases of tests and benchmarks: fsync is free there, and `kill -9` loses nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of their own is made in it
# Two clusters, a few dozen installations and their logs stay far below it.
MIN_FREE = 4 * 2**30


def memory_dir() -> str | None:
    """Return the folder for temporary files in memory; None if this machine has none, or too little of it."""
    if "TMPDIR" in os.environ or not os.access(SHARED_MEMORY, os.W_OK):
        return None
    return str(SHARED_MEMORY) if shutil.disk_usage(SHARED_MEMORY).free > MIN_FREE else None
