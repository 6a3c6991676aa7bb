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
# A round trip takes about a millisecond. A pause of either machine makes one of them long, and hardly ever all three.
SAMPLES = 3
# A larger change is measured again: more than a clock drifts between two refreshes, less than anybody notices.
MAX_DRIFT = timedelta(milliseconds=20)

_offset = timedelta(0)
_is_measured = False


def _system() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _system


def now() -> datetime:
    """Return the current time by the database's clock, in UTC."""
    return _source() + _offset


def refresh() -> None:
    """Measure the offset between this machine's clock and the database's (none with SQLite).

    An offset that differs from the last one by more than `MAX_DRIFT` is believed if a second measurement confirms it;
    otherwise the last one stays until the next refresh. Raises the database's errors.
    """
    global _offset, _is_measured
    if connection.vendor != "postgresql":
        return
    measured = _measure_offset()
    if _is_measured and abs(measured - _offset) > MAX_DRIFT:
        first, measured = measured, _measure_offset()
        if min(abs(measured - first), abs(measured - _offset)) > MAX_DRIFT:
            return
    _offset, _is_measured = measured, True


def _measure_offset() -> timedelta:
    """Return the offset by the sample with the shortest round trip: half of the trip bounds its error."""
    samples: list[tuple[float, timedelta]] = []
    with connection.cursor() as cursor:  # may wait for a connection: that is no part of any round trip
        for _ in range(SAMPLES):
            started = time.monotonic()
            cursor.execute("SELECT clock_timestamp()")
            (theirs,) = cursor.fetchone()
            round_trip_s, ours = time.monotonic() - started, _system()
            samples.append((round_trip_s, theirs + timedelta(seconds=round_trip_s / 2) - ours))
    _, offset = min(samples)
    return offset


@contextmanager
def replaced(source: Callable[[], datetime]) -> Iterator[None]:
    """Take the time from `source` within the block; for tests."""
    global _source, _offset, _is_measured
    kept = _source, _offset, _is_measured
    _source, _offset, _is_measured = source, timedelta(0), False
    try:
        yield
    finally:
        _source, _offset, _is_measured = kept


def iso(moment: datetime) -> str:
    """Format a time as ISO 8601 in UTC with a final `Z`, as in all machine-readable output."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
