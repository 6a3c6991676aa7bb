"""What people look at now: the webinars on air, ahead and just finished, read once for everybody.

Who is asked for it a thousand times a second keeps it (`KeptProgramme`) until something changes; and never for long,
should no word of the change arrive.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass

from efir.lib.concurrency import REQUEST_POOL
from efir.webinars.lifecycle import ON_AIR, Status
from efir.webinars.models import Seat, Webinar
from efir.webinars.selectors import just_finished, on_air, upcoming

CACHE_S = 2.0


@dataclass(frozen=True)
class Schedule:
    """The webinars that the schedule and the room show, in their order."""

    on_air: tuple[Webinar, ...]
    upcoming: tuple[Webinar, ...]
    just_finished: tuple[Webinar, ...]

    @classmethod
    def read(cls) -> Schedule:
        """Read it from the database."""
        return cls(tuple(on_air()), tuple(upcoming()), tuple(just_finished()))

    def current(self, seats: Collection[int]) -> Webinar | None:
        """The webinar of `/account/webinar_room/`, for somebody who has these seats (webinars' ids).

        The one on air (of several: the one with a seat, else the latest started), else the next scheduled, else one
        finished in the last 24 hours.
        """
        seated = (webinar for webinar in self.on_air if webinar.pk in seats)
        ahead = (webinar for webinar in self.upcoming if not webinar.withdrawn)
        for found in (seated, self.on_air, ahead, self.just_finished):
            if webinar := next(iter(found), None):
                return webinar
        return None

    def ahead(self, seats: Collection[int] = frozenset()) -> Webinar | None:
        """The current webinar, unless it is over: the one on air, else the next."""
        current = self.current(seats)
        return current if current and current.state in (Status.SCHEDULED, *ON_AIR) else None

    def get(self, webinar_id: int) -> Webinar | None:
        """The webinar with this id, if it is here."""
        everything = (*self.on_air, *self.upcoming, *self.just_finished)
        return next((webinar for webinar in everything if webinar.pk == webinar_id), None)


def booked_webinar_ids(person_id: int) -> frozenset[int]:
    """For which webinars this person has a seat: their ids."""
    return frozenset(Seat.objects.filter(person_id=person_id).values_list("webinar_id", flat=True))


class ScheduleCache:
    """The programme as this process knows it. Its methods run on the event loop."""

    def __init__(self) -> None:
        self._programme = Schedule((), (), ())
        self._good_until = 0.0
        self._changes = 0
        self._reading: tuple[int, asyncio.Task[Schedule]] | None = None

    async def now(self) -> Schedule:
        """The programme, as it was read a moment ago at most. Raises the database's errors."""
        if time.monotonic() < self._good_until:
            return self._programme
        if self._reading is None or self._reading[1].done() or self._reading[0] != self._changes:
            self._reading = self._changes, asyncio.create_task(self._read(self._changes))
        # One read for all who wait; nobody who goes away takes it from the others.
        return await asyncio.shield(self._reading[1])

    def changed(self) -> None:
        """A webinar may have changed: who asks next gets it read anew."""
        self._changes += 1
        self._good_until = 0.0

    async def _read(self, before: int) -> Schedule:
        programme = await REQUEST_POOL.run(Schedule.read)
        if self._changes == before:  # a change meanwhile may or may not be in it
            self._programme, self._good_until = programme, time.monotonic() + CACHE_S
        return programme
