"""Find the processes that an installation's own processes have started."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from tests.support.site import Site


def child_of(site: Site, module: str) -> int | None:
    """Return the id of the process that runs this module for one of the site's: its argument is its parent's id."""
    parents = {str(process.pid).encode() for process in site.processes}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if module.encode() in words and words[-2] in parents:
                return int(path.parent.name)
    return None
