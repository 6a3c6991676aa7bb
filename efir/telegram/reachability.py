"""Count whom messages can reach: one person, or the seat holders of a webinar and their inviters."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, QuerySet

from efir.accounts.models import Person
from efir.lib import clock
from efir.telegram.health import BotHealth, bot_health
from efir.telegram.link_tokens import chat_of
from efir.telegram.models import TelegramChat
from efir.webinars.labels import absolute_time
from efir.webinars.models import Webinar, default_time_zone


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """How many people the bot can write to, cannot write to although they are linked, and are not linked."""

    reachable: int
    blocked: int
    not_linked: int

    @property
    def total(self) -> int:
        return self.reachable + self.blocked + self.not_linked


@dataclass(frozen=True, slots=True)
class Reachability:
    """The people whom messages about a webinar will reach, and whether the bot works."""

    holders: LinkCounts
    inviters: LinkCounts
    health: BotHealth


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """Whether one person has linked Telegram; `has_bot` is false in an installation without a bot."""

    has_bot: bool
    chat: TelegramChat | None

    @property
    def reachable(self) -> bool | None:
        """Return whether the bot can write to the person; None if the person has not linked Telegram."""
        return self.chat.reachable if self.chat else None

    @property
    def needed(self) -> bool:
        """Return whether the person should link Telegram, or link it again."""
        return self.has_bot and not self.reachable

    @property
    def reset_held_until(self) -> str:
        """Return when password links may go to the chat, for people to read; empty if they may go now."""
        held = self.chat and self.chat.reset_from
        return absolute_time(held, ZoneInfo(default_time_zone())) if held and held > clock.now() else ""

    @property
    def why_unreachable(self) -> str:
        return self.chat.unreachable_label if self.chat else ""


def link_status(person: Person) -> LinkStatus:
    """Look up the person's chat, with one query."""
    return LinkStatus(bool(settings.EFIR.telegram_token), chat_of(person))


def reachability_of(webinar: Webinar) -> Reachability:
    """Count the seat holders and their inviters by what is known of their chats, with one query for each."""
    return Reachability(seat_holders(webinar), inviters(webinar), bot_health())


def seat_holders(webinar: Webinar) -> LinkCounts:
    """Count the people who have a seat, with one query."""
    return _count(Person.objects.filter(seats__webinar=webinar))


def inviters(webinar: Webinar) -> LinkCounts:
    """Count the people who invited somebody who has a seat, each once, with one query."""
    return _count(Person.objects.filter(candidates__seats__webinar=webinar))


def _count(people: QuerySet[Person]) -> LinkCounts:
    by_link = dict(
        people.order_by().values_list("telegramchat__reachable").annotate(number=Count("pk", distinct=True))
    )
    return LinkCounts(by_link.get(True, 0), by_link.get(False, 0), by_link.get(None, 0))
