"""Cache the seats of people, for pages that are answered before Django."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from efir.lib import clock
from efir.lib.batch_cache import BatchCache
from efir.webinars.lifecycle import ON_AIR, Status
from efir.webinars.models import Seat

# A seat that is booked in this process is seen at once; this limits the delay for a seat of another process.
MAX_AGE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class PersonSeats:
    """The ids of the webinars, ahead or on air, at which a person has a seat. `until`: the entry expires then."""

    webinar_ids: frozenset[int]
    until: datetime


def read_seats(person_ids: Iterable[int]) -> dict[int, PersonSeats]:
    """Read the seats of these people with one query."""
    until = clock.now() + MAX_AGE
    booked: dict[int, set[int]] = defaultdict(set)
    open_seats = Seat.objects.filter(
        person_id__in=person_ids, webinar__status__in=(Status.SCHEDULED, *ON_AIR)
    )
    for person_id, webinar_id in open_seats.values_list("person_id", "webinar_id"):
        booked[person_id].add(webinar_id)
    return {person_id: PersonSeats(frozenset(booked[person_id]), until) for person_id in person_ids}


class SeatCache:
    """The seats that this process was asked for. Its methods run on the event loop."""

    def __init__(self) -> None:
        self._cache: BatchCache[int, PersonSeats] = BatchCache(read_seats)

    async def get(self, person_id: int) -> frozenset[int]:
        """Return the ids of the webinars, ahead or on air, of the person's seats. Raises the database's errors."""
        seats = await self._cache.get(person_id)
        return seats.webinar_ids if seats else frozenset()

    def invalidate(self, person_id: int) -> None:
        """Drop the cached seats of this person."""
        self._cache.forget(person_id)
