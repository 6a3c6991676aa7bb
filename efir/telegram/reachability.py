"""Before the evening: whom of a webinar's seat holders, and of those who invited them, a message can reach."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, QuerySet

from efir.accounts.models import Person
from efir.webinars.models import Webinar


@dataclass(frozen=True, slots=True)
class Reach:
    """How many people are linked and can be written to, are linked but cannot, and are not linked."""

    reachable: int
    blocked: int
    not_linked: int

    @property
    def total(self) -> int:
        return self.reachable + self.blocked + self.not_linked


def seat_holders(webinar: Webinar) -> Reach:
    """Those who have a seat, with one grouped query."""
    return _reach(Person.objects.filter(seats__webinar=webinar))


def inviters(webinar: Webinar) -> Reach:
    """Those who invited somebody who has a seat, each counted once, with one grouped query."""
    return _reach(Person.objects.filter(candidates__seats__webinar=webinar))


def _reach(people: QuerySet[Person]) -> Reach:
    by_link = dict(
        people.order_by().values_list("telegramchat__reachable").annotate(number=Count("pk", distinct=True))
    )
    return Reach(by_link.get(True, 0), by_link.get(False, 0), by_link.get(None, 0))
