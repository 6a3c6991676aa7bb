"""The offset to the database's clock, measured on a connection whose delays are made up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from efir.lib import clock

ZERO = datetime(2026, 11, 23, 16, tzinfo=UTC)
AHEAD = timedelta(seconds=300)  # the database's clock
TOLERANCE = timedelta(milliseconds=5)


class FakeConnection:
    """A connection on made-up time: getting it takes `wait_s`, and each query takes the next of `trips_s` there."""

    vendor = "postgresql"

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.wait_s = 0.0
        self.trips_s: list[float] = []
        self.ahead = AHEAD
        self.set_by = timedelta()

    def theirs(self) -> datetime:
        return ZERO + timedelta(seconds=self.elapsed_s) + self.ahead

    def system(self) -> datetime:
        """Tell this machine's time, which somebody may set."""
        return ZERO + timedelta(seconds=self.elapsed_s) + self.set_by

    @contextmanager
    def cursor(self) -> Iterator[FakeConnection]:
        self.elapsed_s += self.wait_s
        yield self

    def execute(self, sql: str) -> None:
        self.elapsed_s += self.trips_s.pop(0) if self.trips_s else 0.0005
        self.answer = self.theirs()

    def fetchone(self) -> tuple[datetime]:
        self.elapsed_s += 0.0005
        return (self.answer,)


@pytest.fixture
def database(monkeypatch):
    fake = FakeConnection()
    monkeypatch.setattr(clock, "connection", fake)
    monkeypatch.setattr(clock, "steady_s", lambda: fake.elapsed_s)
    monkeypatch.setattr(clock, "_system", fake.system)
    monkeypatch.setattr(clock, "_source", clock._system)
    monkeypatch.setattr(clock, "_reference", None)
    return fake


def error(database: FakeConnection) -> timedelta:
    return abs(clock.now() - database.theirs())


def test_waiting_for_a_connection_is_no_travel_time(database):
    database.wait_s = 2
    clock.refresh()
    assert error(database) < TOLERANCE


def test_shortest_round_trip_counts(database):
    database.trips_s = [3.0, 0.0005, 1.5]
    clock.refresh()
    assert error(database) < TOLERANCE


def test_offset_that_jumps_once_is_not_believed(database):
    clock.refresh()
    database.trips_s = [3.0] * clock.SAMPLES
    clock.refresh()
    assert error(database) < TOLERANCE


def test_offset_that_is_never_the_same_is_not_believed(database):
    clock.refresh()
    database.trips_s = [3.0] * clock.SAMPLES + [9.0] * clock.SAMPLES
    clock.refresh()
    assert error(database) < TOLERANCE


def test_confirmed_jump_is_followed(database):
    clock.refresh()
    database.ahead = timedelta()
    clock.refresh()
    assert error(database) < TOLERANCE


def test_setting_the_machine_clock_changes_nothing(database):
    clock.refresh()
    database.set_by = timedelta(hours=1)
    assert error(database) < TOLERANCE
    clock.refresh()
    assert error(database) < TOLERANCE


def test_replaced_clock_is_not_refreshed(database):
    with clock.replaced(lambda: ZERO):
        clock.refresh()
        assert clock.now() == ZERO
