"""Before the evening: whom of a webinar's seat holders, and of those who invited them, a message can reach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from efir.accounts.models import Person
from efir.telegram.models import TelegramChat
from efir.webinars.models import Webinar


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """How many people are linked and can be written to, are linked but cannot, and are not linked."""

    reachable: int
    blocked: int
    not_linked: int

    @property
    def total(self) -> int:
        return self.reachable + self.blocked + self.not_linked


def seat_holders(webinar: Webinar) -> LinkCounts:
    """Those who have a seat, with one grouped query."""
    return _reach(Person.objects.filter(seats__webinar=webinar))


def inviters(webinar: Webinar) -> LinkCounts:
    """Those who invited somebody who has a seat, each counted once, with one grouped query."""
    return _reach(Person.objects.filter(candidates__seats__webinar=webinar))


def reachable_by_person(people: Iterable[Person]) -> dict[int, bool]:
    """Person's id → whether the bot can write to them, with one query; who is not linked is left out."""
    chats = TelegramChat.objects.filter(person_id__in=[person.pk for person in people])
    return dict(chats.values_list("person_id", "reachable"))


def _reach(people: QuerySet[Person]) -> LinkCounts:
    by_link = dict(
        people.order_by().values_list("telegramchat__reachable").annotate(number=Count("pk", distinct=True))
    )
    return LinkCounts(by_link.get(True, 0), by_link.get(False, 0), by_link.get(None, 0))
