"""The one source of time: the database's clock, so that every machine of an installation agrees.

The process keeps an offset to it and refreshes that every 30 s (`refresh`, called by the long-running
processes). Nothing else asks for the time, in Python or in SQL; tests move the clock instead of sleeping.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.db import connection

REFRESH_EVERY_S = 30.0

_offset = timedelta(0)


def _system() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _system


def now() -> datetime:
    """The instant by the database's clock, in UTC."""
    return _source() + _offset


def refresh() -> None:
    """Measure how far this machine's clock is from the database's (SQLite: the same clock)."""
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
    """For tests: take the time from `source` for as long as the block runs."""
    global _source, _offset
    kept = _source, _offset
    _source, _offset = source, timedelta(0)
    try:
        yield
    finally:
        _source, _offset = kept


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC, ending in `Z`, as every machine-readable output of Efir writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
