"""Webinars as they were scheduled, started and held, with the clock moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings

from efir.accounts.models import Person
from efir.attendance import classifier, tracker
from efir.hooks.actions import Context, Source
from efir.lib import clock
from efir.room.models import Opening
from efir.room.presence import IntervalRow, Pending, RecorderRow
from efir.room.presence_store import write
from efir.webinars import core
from efir.webinars.models import Webinar
from tools.screenshots.state import NOW

SYSTEM = Context(None, Source.SYSTEM)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

ABOUT = (
    "Живой эфир: рассказываем, как всё устроено, и отвечаем на вопросы.\n\n"
    "Подойдёт тем, кто только присматривается. Ничего готовить не нужно."
)


def at_time(moment: datetime) -> AbstractContextManager[None]:
    """Set the clock to this moment while the block runs."""
    return clock.replaced(lambda: moment)


def schedule(title: str, starts_at: datetime, **fields: object) -> Webinar:
    """Publish a webinar, some days before it begins."""
    with at_time(min(NOW, starts_at) - 3 * DAY):
        webinar = core.create(
            {
                "title": title,
                "description": ABOUT,
                "speaker_name": "Анна Ветрова",
                "starts_at": starts_at,
                "player_url": f"{settings.EFIR.public_url}/demo/player/",
            }
            | fields,
            SYSTEM,
        )
        return core.publish(webinar.pk, SYSTEM)


def start_webinar(webinar: Webinar) -> Webinar:
    """Start a webinar at its announced time."""
    assert webinar.starts_at  # noqa: S101  # it is scheduled
    with at_time(webinar.starts_at):
        return core.core_webinar_set_status(webinar.pk, "start", SYSTEM)


def hold_webinar(  # noqa: PLR0913  # all by name
    title: str,
    start: datetime,
    people: dict[str, Person],
    seen: dict[str, tuple[int, int]],
    *,
    seats: list[str],
    watched: dict[str, tuple[int, int] | None] | None = None,
    died: dict[str, int] | None = None,
    judged: bool = True,
    steps: dict[int, Callable[[int], object]] | None = None,
) -> Webinar:
    """Hold a webinar of an hour.

    `seen`: login → minute of coming and of leaving. `watched`: login → from and until which minute they watched, or
    None for never; whoever is not in it watched all the time. `died`: login → minute at which that person's web process
    dies.
    `steps`: minute → what the speaker, the operator or a viewer does. With `judged`, everybody gets a verdict.
    """
    webinar = schedule(title, start)
    with at_time(start - DAY):
        for login in seats:
            core.book_seat(webinar.pk, people[login])
    webinar = start_webinar(webinar)
    for minute, step in (steps or {}).items():
        with at_time(start + minute * MINUTE):
            step(webinar.pk)
    stop = start + 60 * MINUTE
    with at_time(stop):
        _write_presence(webinar, people, start, seen=seen, watched=seen | (watched or {}), died=died or {})
        webinar = core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    with at_time(stop + timedelta(seconds=settings.EFIR.settle_s + 1)):
        tracker.record_entries(webinar)
        while judged and classifier.classify_due():
            pass
    return webinar


def _write_presence(  # noqa: PLR0913  # all by name
    webinar: Webinar,
    people: dict[str, Person],
    start: datetime,
    *,
    seen: Mapping[str, tuple[int, int]],
    watched: Mapping[str, tuple[int, int] | None],
    died: dict[str, int],
) -> None:
    alive = RecorderRow(uuid4(), start - 60 * MINUTE, start + 60 * MINUTE, closed_at=start + 60 * MINUTE)
    dead = {minute: RecorderRow(uuid4(), start, start + minute * MINUTE) for minute in set(died.values())}

    def row(login: str, came: int, went: int) -> IntervalRow:
        return IntervalRow(
            (dead[died[login]] if login in died else alive).id,
            webinar.pk,
            people[login].pk,
            start + came * MINUTE,
            None if login in died else start + went * MINUTE,
        )

    present = [row(login, *minutes) for login, minutes in seen.items()]
    watching = [row(login, *minutes) for login, minutes in watched.items() if minutes]
    write(Pending((alive, *dead.values()), tuple(present), tuple(watching)))
    for login, minutes in watched.items():
        if minutes:
            opened_at = start + max(minutes[0], 0) * MINUTE
            Opening.objects.create(webinar=webinar, person=people[login], opened_at=opened_at)
