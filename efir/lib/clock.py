"""The only source of time: the database's clock, so that all machines of an installation agree.

Each process knows the database's time at one moment and goes on from there by a clock that cannot be set; the
long-running ones call `refresh` every 30 s. No other code asks for the time, in Python or in SQL, so that tests can
move the clock instead of sleeping.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connection

# In this time a machine's clock drifts by a few milliseconds at most.
REFRESH_EVERY_S = 30.0
# A round trip takes about a millisecond. A pause of either machine makes one of them long, but hardly ever all three.
SAMPLES = 3
# A larger change is measured again. It is more than a clock drifts between two refreshes, and less than people notice.
MAX_DRIFT = timedelta(milliseconds=20)


class _Reference(NamedTuple):
    """The database's time when the steady clock showed `steady_s`."""

    time: datetime
    steady_s: float

    def at(self, steady_s: float) -> datetime:
        return self.time + timedelta(seconds=steady_s - self.steady_s)


def _system() -> datetime:
    return datetime.now(UTC)


def steady_s() -> float:
    """Return the seconds of a clock that cannot be set; on Linux it also runs while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


_source: Callable[[], datetime] = _system
_reference: _Reference | None = None


def now() -> datetime:
    """Return the current time by the database's clock, in UTC; with SQLite that is this machine's."""
    return _reference.at(steady_s()) if _reference else _source()


def refresh() -> None:
    """Ask the database for its time; with SQLite that is this machine's.

    A time that is off by more than `MAX_DRIFT` is believed if a second measurement confirms it; otherwise the clock
    goes on as before until the next refresh. Raises the database's errors.
    """
    global _reference  # noqa: PLW0603  # one clock for the process
    if connection.vendor != "postgresql" or _source is not _system:
        return
    measured = _measure()
    if _reference and not _agree(_reference, measured):
        first, measured = measured, _measure()
        if not (_agree(first, measured) or _agree(_reference, measured)):
            return
    _reference = measured


def _agree(earlier: _Reference, later: _Reference) -> bool:
    return abs(later.time - earlier.at(later.steady_s)) <= MAX_DRIFT


def _measure() -> _Reference:
    """Return the sample with the shortest round trip: half of the trip bounds its error."""
    samples: list[tuple[float, _Reference]] = []
    with (
        connection.cursor() as cursor
    ):  # may wait for a connection, which must not count as part of a round trip
        for _ in range(SAMPLES):
            started = steady_s()
            cursor.execute("SELECT clock_timestamp()")
            (theirs,) = cursor.fetchone()
            ended = steady_s()
            samples.append((ended - started, _Reference(theirs, (started + ended) / 2)))
    _, best = min(samples)
    return best


@contextmanager
def replaced(source: Callable[[], datetime]) -> Iterator[None]:
    """Take the time from `source` within the block, for tests and for data of earlier times (demo, import).

    It applies to the whole process, so never use it in one that serves requests.
    """
    global _source, _reference
    kept = _source, _reference
    _source, _reference = source, None
    try:
        yield
    finally:
        _source, _reference = kept


def stopped_at(moment: datetime) -> AbstractContextManager[None]:
    """Stop the clock at this moment within the block, with the same limits as `replaced`."""
    return replaced(lambda: moment)


def iso(moment: datetime) -> str:
    """Format a time as ISO 8601 in UTC with a final `Z`, as in all machine-readable output."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
