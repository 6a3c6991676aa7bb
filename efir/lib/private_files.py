"""Files that the user of this process alone may read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def read_or_create(path: Path, make: Callable[[], str]) -> str:
    """Return the file's text without white space around it. A file that is missing is created with what `make` returns.

    Raises OSError.
    """
    if not path.exists():
        # Several processes may start at this moment: the first link wins, and the file appears as a whole.
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:
            file.write(make())
            file.flush()
            with suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text().strip()


def create_empty(path: Path) -> None:
    """Create an empty file, unless there is one. Raises OSError.

    An existing file is not opened: closing it would release the locks that SQLite holds in it.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
