"""Write messages before a webinar to people who asked for them: the reminder, the start, a new time.

They are rows of the outbox like all others. The worker writes them, a chunk of seats in a transaction: what a seat's
person was told of (`Seat.announced`) changes with the row that tells of it, so that a crash leaves both or neither.
They cause no event, and from their deadline on they are not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from efir.accounts.models import Person
from efir.hooks.actions import ActionRefused, Code
from efir.lib import clock
from efir.telegram.models import Ineligible, Kind, MessageState, OutboxMessage
from efir.telegram.outbox.enqueue import NewMessage, enqueue
from efir.webinars.lifecycle import ON_AIR, Status
from efir.webinars.models import Seat, Webinar

CHUNK = 500
# Later than this, the message that the webinar has begun is useless.
ON_AIR_FOR = timedelta(minutes=10)
WITHDRAWN = "withdrawn"
_NOT_SENT = (MessageState.QUEUED, MessageState.WAITING_LINK)

log = structlog.get_logger(__name__)


def announcement(webinar: Webinar) -> str:
    """Return what is announced of the webinar's time: `withdrawn`, or the start."""
    if webinar.withdrawn or webinar.starts_at is None:
        return WITHDRAWN
    return clock.iso(webinar.starts_at)


def set_reminders(webinar_id: int, person: Person, *, on: bool) -> Seat:
    """Switch the person's reminders on or off. Raises ActionRefused if they have no seat or the webinar is over."""
    with transaction.atomic():
        # A claim or the worker's job may be using these messages: the seat's lock serializes them.
        seat = _seats().filter(webinar_id=webinar_id, person=person).first()
        if seat is None:
            raise ActionRefused(Code.NOT_FOUND, "there is no seat at this webinar")
        if on and seat.webinar.state not in (Status.SCHEDULED, *ON_AIR):
            raise ActionRefused(Code.SEATS_CLOSED, f"no reminders are sent while {seat.webinar.status}")
        if on == (seat.remind_since is not None):
            return seat
        seat.remind_since = clock.now() if on else None
        seat.announced = announcement(seat.webinar)
        seat.save(update_fields=["remind_since", "announced"])
        if not on:
            _expire([seat], (Kind.SEAT_REMINDER, Kind.SEAT_ON_AIR, Kind.SEAT_MOVED), Ineligible.NOT_WANTED)
    log.info("reminders_set", webinar_id=webinar_id, person_id=person.pk, on=on)
    return seat


def enqueue_due() -> int:
    """Queue the messages whose occasion has come. Return how many. The worker calls this every second."""
    now, count = clock.now(), 0
    asked = Exists(Seat.objects.filter(webinar=OuterRef("pk"), remind_since__isnull=False))
    for webinar in Webinar.objects.filter(asked, status__in=[Status.SCHEDULED, *ON_AIR]):
        if webinar.state is Status.SCHEDULED:
            count += _announce(webinar)
            count += _remind(webinar, now)
        elif webinar.started_at and now < webinar.started_at + ON_AIR_FOR:
            count += _announce_start(webinar, webinar.started_at)
    return count


def _seats() -> QuerySet[Seat]:
    return Seat.objects.select_related("webinar").select_for_update(of=("self",), no_key=True)


def _announce(webinar: Webinar) -> int:
    """Announce a new time, a withdrawal or a return. An unsent message is replaced."""
    now_announced = announcement(webinar)

    def tell(seats: list[Seat]) -> None:
        for seat in seats:
            seat.announced = now_announced
            seat.announcements += 1
        Seat.objects.bulk_update(seats, ["announced", "announcements"])
        _expire(seats, (Kind.SEAT_REMINDER, Kind.SEAT_MOVED), Ineligible.REPLACED)
        occasions = [(seat, f"{seat.announcements}:{now_announced}") for seat in seats]
        enqueue(
            [_message(seat, Kind.SEAT_MOVED, occasion, webinar.starts_at) for seat, occasion in occasions]
        )

    asked = Seat.objects.filter(webinar=webinar, remind_since__isnull=False)
    return _for_each_chunk(asked.exclude(announced=now_announced), tell)


def _remind(webinar: Webinar, now: datetime) -> int:
    """Remind the people who asked before the reminder's time."""
    if webinar.withdrawn or webinar.starts_at is None:
        return 0
    remind_at = webinar.starts_at - timedelta(minutes=settings.EFIR.remind_min)
    if not remind_at <= now < webinar.starts_at:
        return 0
    occasion = announcement(webinar)
    asked = Seat.objects.filter(webinar=webinar, remind_since__lte=remind_at, announced=occasion)
    return _enqueue_once(asked, Kind.SEAT_REMINDER, occasion, webinar.starts_at)


def _announce_start(webinar: Webinar, started_at: datetime) -> int:
    asked = Seat.objects.filter(webinar=webinar, remind_since__isnull=False)
    return _enqueue_once(
        asked,
        Kind.SEAT_ON_AIR,
        "",
        started_at + ON_AIR_FOR,
        replaces=(Kind.SEAT_REMINDER, Kind.SEAT_MOVED),
    )


def _enqueue_once(
    asked: QuerySet[Seat], kind: Kind, occasion: str, deadline: datetime, replaces: Sequence[Kind] = ()
) -> int:
    """Queue the message for those of these seats that do not have it, in place of unsent ones that it replaces."""
    written = OutboxMessage.objects.filter(
        webinar=OuterRef("webinar"), lead=OuterRef("person"), kind=kind, occasion=occasion
    )

    def tell(seats: list[Seat]) -> None:
        if replaces:
            _expire(seats, replaces, Ineligible.REPLACED)
        enqueue([_message(seat, kind, occasion, deadline) for seat in seats])

    return _for_each_chunk(asked.exclude(Exists(written)), tell)


def _for_each_chunk(waiting: QuerySet[Seat], tell: Callable[[list[Seat]], None]) -> int:
    """Call `tell` with the locked seats, each chunk in a transaction, until none waits. Return their number."""
    count = 0
    while waiting.exists():  # usually there is none, and this check needs no lock
        with transaction.atomic():
            seats = list(waiting.select_for_update(of=("self",), no_key=True).order_by("pk")[:CHUNK])
            if not seats:  # another worker was faster
                break
            tell(seats)
        count += len(seats)
    return count


def _message(seat: Seat, kind: Kind, occasion: str, deadline: datetime | None) -> NewMessage:
    return NewMessage(
        webinar_id=seat.webinar_id,
        lead_id=seat.person_id,
        person_id=seat.person_id,
        kind=kind,
        cause_at=clock.now(),
        occasion=occasion,
        deadline=deadline,
    )


def _expire(seats: Sequence[Seat], kinds: Sequence[Kind], why: Ineligible) -> None:
    """Expire these people's messages of these kinds that have not gone out."""
    unsent = OutboxMessage.objects.filter(
        webinar_id=seats[0].webinar_id,
        person_id__in=[seat.person_id for seat in seats],
        kind__in=kinds,
        state__in=_NOT_SENT,
    )
    unsent.update(state=MessageState.EXPIRED, expires_at=None, error=why)
