"""Bookings wait for no other bookings, but for a change of the webinar, and a change waits for them."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, transaction

from efir.hooks.actions import ActionRefused, Code
from efir.webinars import core
from efir.webinars.models import Seat
from tests.conftest import SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)
LONG_S = 120.0


class Started(threading.Thread):
    """Does something in a thread with a connection of its own."""

    def __init__(self, work):
        super().__init__()
        self.work, self.refused = work, None
        self.start()

    def run(self):
        try:
            self.work()
        except ActionRefused as refused:
            self.refused = refused.code
        finally:
            connection.close()


def wait_until_somebody_waits():
    while not somebody_waits():
        time.sleep(0.01)


def somebody_waits():
    if connection.vendor == "sqlite":
        return bool(connection.writers._waiting)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone()[0] > 0


def stop(webinar):
    core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer")
def test_bookings_do_not_wait_for_each_other(make_webinar, make_person):
    webinar, first, second = make_webinar("live"), make_person(), make_person()
    with transaction.atomic():
        core.book_seat(webinar.pk, first)
        other = Started(lambda: core.book_seat(webinar.pk, second))
        other.join(LONG_S)
        assert not other.is_alive()
    assert Seat.objects.filter(webinar=webinar).count() == 2


def test_stop_waits_for_a_booking(make_webinar, make_person):
    webinar, person = make_webinar("live"), make_person()
    with transaction.atomic():
        core.book_seat(webinar.pk, person)
        stopping = Started(lambda: stop(webinar))
        wait_until_somebody_waits()
    stopping.join()
    assert Seat.objects.get().held_by_lead is True  # settled at the stop


def test_booking_waits_for_a_stop(make_webinar, make_person):
    webinar, person = make_webinar("live"), make_person()
    with transaction.atomic():
        stop(webinar)
        booking = Started(lambda: core.book_seat(webinar.pk, person))
        wait_until_somebody_waits()
    booking.join()
    assert booking.refused is Code.SEATS_CLOSED
    assert not Seat.objects.exists()


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer")
def test_later_bookings_do_not_overtake_a_stop(make_webinar, make_person):
    webinar, first, late = make_webinar("live"), make_person(), make_person()
    with transaction.atomic():
        core.book_seat(webinar.pk, first)
        stopping = Started(lambda: stop(webinar))
        wait_until_somebody_waits()
        booking = Started(lambda: core.book_seat(webinar.pk, late))
    for each in (stopping, booking):
        each.join()
    assert booking.refused is Code.SEATS_CLOSED
