"""Run `efir` on a machine whose clock can be set: `python -m tests.oracle.jumping_clock FILE efir-arguments…`

The file holds how many seconds the machine's clock is ahead, as a double; writing to it sets the clock.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from efir.lib import clock
from efir.ops.cli import main

AHEAD = struct.Struct("d")


def set_ahead(file: Path, seconds: float) -> None:
    """Set the clock of the processes that use this file."""
    # In place: another file would not be the one that they have mapped.
    with file.open("r+b" if file.exists() else "w+b") as opened:
        opened.write(AHEAD.pack(seconds))


def follow(file: Path) -> None:
    """Let this process take its time from a clock that the file sets."""
    with file.open("rb") as opened:
        mapped = mmap.mmap(opened.fileno(), AHEAD.size, access=mmap.ACCESS_READ)

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=AHEAD.unpack(mapped[: AHEAD.size])[0])

    clock._system = clock._source = now


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "efir.settings"
    follow(Path(sys.argv[1]))
    sys.exit(main.main(sys.argv[2:]))
