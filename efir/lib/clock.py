"""The only source of time: the database's clock, so that all machines of an installation agree.

Each process stores its offset to that clock; the long-running ones call `refresh` every 30 s. No other code asks for
the time, in Python or in SQL, so that tests can move the clock instead of sleeping.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.db import connection

# In this time a machine's clock drifts by a few milliseconds at most.
REFRESH_EVERY_S = 30.0

_offset = timedelta(0)


def _system() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _system


def now() -> datetime:
    """Return the current time by the database's clock, in UTC."""
    return _source() + _offset


def refresh() -> None:
    """Measure the offset between this machine's clock and the database's (none with SQLite)."""
    global _offset  # noqa: PLW0603  # one clock for the process
    if connection.vendor != "postgresql":
        return
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (theirs,) = cursor.fetchone()
    halfway = timedelta(seconds=(time.monotonic() - started) / 2)
    _offset = theirs + halfway - _system()


@contextmanager
def replaced(source: Callable[[], datetime]) -> Iterator[None]:
    """Take the time from `source` within the block; for tests."""
    global _source, _offset
    kept = _source, _offset
    _source, _offset = source, timedelta(0)
    try:
        yield
    finally:
        _source, _offset = kept


def iso(moment: datetime) -> str:
    """Format a time as ISO 8601 in UTC with a final `Z`, as in all machine-readable output."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
