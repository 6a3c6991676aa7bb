"""The schedule: the webinars on air, ahead and just finished.

The edge needs it a thousand times a second and reads it through a `ScheduleCache`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import QuerySet

from efir.lib.compiled_query import CompiledQuery, Parameter
from efir.lib.concurrency import REQUEST_POOL
from efir.site_settings.current import current
from efir.webinars.lifecycle import ON_AIR, Status
from efir.webinars.models import Seat, Webinar
from efir.webinars.selectors import just_finished, on_air, upcoming

# A cached schedule is invalidated on every change; this limits its age if a notification is lost.
CACHE_S = 2.0


@dataclass(frozen=True)
class Schedule:
    """The webinars that the schedule and the room show, in this order."""

    on_air: tuple[Webinar, ...]
    upcoming: tuple[Webinar, ...]
    just_finished: tuple[Webinar, ...]

    @classmethod
    def read(cls) -> Schedule:
        """Read it from the database, and the site's settings, which the pages of the edge show with it."""
        current()
        return cls(tuple(on_air()), tuple(upcoming()), tuple(just_finished()))

    def current(self, seats: Collection[int]) -> Webinar | None:
        """Return the webinar of `/account/webinar_room/` for a person with seats at the webinars with these ids.

        It is the one on air (of several, the one with a seat, else the latest started), else the next scheduled one,
        else one that finished in the last 24 hours.
        """
        seated = (webinar for webinar in self.on_air if webinar.pk in seats)
        ahead = (webinar for webinar in self.upcoming if not webinar.withdrawn)
        for found in (seated, self.on_air, ahead, self.just_finished):
            if webinar := next(iter(found), None):
                return webinar
        return None

    def ahead(self, seats: Collection[int] = frozenset()) -> Webinar | None:
        """Return the current webinar unless it is over: the one on air, else the next."""
        current = self.current(seats)
        return current if current and current.state in (Status.SCHEDULED, *ON_AIR) else None

    def get(self, webinar_id: int) -> Webinar | None:
        """Return the webinar with this id, or None if the schedule does not have it."""
        everything = (*self.on_air, *self.upcoming, *self.just_finished)
        return next((webinar for webinar in everything if webinar.pk == webinar_id), None)


def booked_webinar_ids(person_id: int) -> frozenset[int]:
    """Return the ids of the webinars at which the person has a seat."""
    return frozenset(webinar_id for (webinar_id,) in _SEATS_OF.rows(person_id=person_id))


def _seats_of() -> QuerySet[Seat, tuple[int]]:
    return Seat.objects.filter(person_id=Parameter("person_id", Seat, "person")).values_list("webinar_id")


_SEATS_OF = CompiledQuery(_seats_of)


class ScheduleCache:
    """The schedule as this process knows it. Its methods run on the event loop unless they say otherwise."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._schedule = Schedule((), (), ())
        self._good_until = 0.0
        self._changes = 0
        self._reading: tuple[int, asyncio.Task[Schedule]] | None = None

    async def get(self) -> Schedule:
        """Return the schedule, at most `CACHE_S` seconds old. Raises the database's errors."""
        if time.monotonic() < self._good_until:
            return self._schedule
        if self._reading is None or self._reading[1].done() or self._reading[0] != self._changes:
            self._reading = self._changes, asyncio.create_task(REQUEST_POOL.run(self._read, self._changes))
        # All waiting requests share one read; shield it, so that a request that is cancelled does not cancel it.
        return await asyncio.shield(self._reading[1])

    def get_in_thread(self) -> Schedule:
        """Return the same for a request in a thread that changes no webinar. Thread-safe."""
        if time.monotonic() < self._good_until:
            return self._schedule
        return self._read(self._changes)

    def invalidate(self) -> None:
        """Read the schedule again for the next request, because a webinar may have changed."""
        with self._lock:
            self._changes += 1
            self._good_until = 0.0

    def _read(self, changes_before: int) -> Schedule:
        schedule = Schedule.read()
        with self._lock:
            if self._changes == changes_before:  # a change during the read may be missing from it
                self._schedule, self._good_until = schedule, time.monotonic() + CACHE_S
        return schedule
