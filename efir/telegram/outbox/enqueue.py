"""The outbox: what is to be said is written beside the fact that caused it, and waits until it can go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet

from efir.accounts.models import Person
from efir.lib import clock
from efir.telegram.models import (
    BotUpdate,
    Kind,
    LinkToken,
    MessageState,
    OutboxMessage,
    TelegramChat,
)
from efir.telegram.outbox.eligibility import expire_ineligible
from efir.telegram.outbox.log import tell
from efir.telegram.outbox.message_types import registered
from efir.telegram.outbox.resend import resolve as resolve  # noqa: PLC0414  # part of what an outbox does
from efir.telegram.outbox.resend import retry as retry  # noqa: PLC0414  # part of what an outbox does
from efir.webinars.models import Webinar

INSERT_CHUNK = 500
UNSETTLED = (
    MessageState.WAITING_RECORDING,
    MessageState.WAITING_LINK,
    MessageState.QUEUED,
    MessageState.SENDING,
)
# Telegram keeps an update for a day, and begins a new count after a week of silence.
FORGET_AFTER = timedelta(days=7)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message to be queued. Its waits are counted from `cause_at`, the moment of the event.

    `caused_by_id` is whoever decided it; nobody where the system did.
    """

    webinar_id: int
    lead_id: int
    person_id: int
    kind: Kind
    cause_at: datetime
    caused_by_id: int | None = None


def enqueue(drafts: Sequence[NewMessage]) -> None:
    """Write messages in the caller's transaction; what is there already is passed over."""
    if not drafts:
        return
    reachable = set(
        _reachable()
        .filter(person_id__in={each.person_id for each in drafts})
        .values_list("person_id", flat=True)
    )
    published = set(
        _published().filter(pk__in={each.webinar_id for each in drafts}).values_list("pk", flat=True)
    )
    now = clock.now()
    rows = [_row(each, now, each.person_id in reachable, each.webinar_id in published) for each in drafts]
    expire_ineligible(rows, _locked_people(rows))
    _give_places(rows)
    OutboxMessage.objects.bulk_create(rows, batch_size=INSERT_CHUNK, ignore_conflicts=True)
    log.info("enqueued", kinds=sorted({row.kind for row in rows}), count=len(rows))


def _locked_people(rows: Sequence[OutboxMessage]) -> dict[int, Person]:
    """Receivers and leads. Until these messages are committed none of them is erased: that looks for messages later."""
    ids = {row.person_id for row in rows} | {row.lead_id for row in rows}
    locked = Person.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    return {person.pk: person for person in locked.only("erased_at", "is_active")}


def _give_places(rows: Sequence[OutboxMessage]) -> None:
    """Count each person's messages of a kind from a webinar, from those that are there already."""
    there = (
        OutboxMessage.objects.filter(
            webinar_id__in={row.webinar_id for row in rows}, person_id__in={row.person_id for row in rows}
        )
        .values_list("webinar_id", "person_id", "kind")
        .annotate(Count("pk"))
        .order_by()
    )
    places = Counter({(webinar_id, person_id, kind): count for webinar_id, person_id, kind, count in there})
    for row in rows:
        whose = (row.webinar_id, row.person_id, str(row.kind))
        row.place = places[whose]
        places[whose] += 1


def _row(draft: NewMessage, now: datetime, linked: bool, published: bool) -> OutboxMessage:
    kind = registered(draft.kind)
    if not linked:
        wait = _wait_for_link(draft.cause_at)
    elif kind.needs_recording and not published:
        wait = _wait_for_recording(draft.cause_at)
    else:
        wait = {"state": MessageState.QUEUED, "expires_at": None}
    return OutboxMessage(
        webinar_id=draft.webinar_id,
        lead_id=draft.lead_id,
        person_id=draft.person_id,
        kind=draft.kind,
        caused_by_id=draft.caused_by_id,
        priority=kind.priority,
        created_at=now,
        cause_at=draft.cause_at,
        due_at=now,
        **wait,
    )


def _wait_for_link(cause_at: datetime) -> dict[str, Any]:
    return {
        "state": MessageState.WAITING_LINK,
        "expires_at": cause_at + timedelta(days=settings.EFIR.link_days),
    }


def _wait_for_recording(cause_at: datetime) -> dict[str, Any]:
    return {
        "state": MessageState.WAITING_RECORDING,
        "expires_at": cause_at + timedelta(days=settings.EFIR.recording_days),
    }


def _reachable() -> QuerySet[TelegramChat]:
    return TelegramChat.objects.filter(reachable=True)


def _published() -> QuerySet[Webinar]:
    return Webinar.objects.exclude(recording_url="")


def release_for_link(person: Person) -> int:
    """The person can be reached (again): what waited for that goes on; how many messages."""
    return _unblock(OutboxMessage.objects.filter(person=person, state=MessageState.WAITING_LINK))


def release_for_recording(webinar_id: int) -> int:
    """The recording is published: what waited for it goes on; how many messages."""
    return _unblock(OutboxMessage.objects.filter(webinar_id=webinar_id, state=MessageState.WAITING_RECORDING))


def recording_was_published(*, webinar_id: int, **_: Any) -> None:
    """Receiver of `recording_published`, within the transaction that publishes."""
    release_for_recording(webinar_id)


def _unblock(waiting: QuerySet[OutboxMessage]) -> int:
    """Move each of these to the next thing it waits for, or to the queue."""
    now = clock.now()
    moved: list[int] = []
    with transaction.atomic():
        rows = list(
            waiting.filter(expires_at__gt=now)
            .select_for_update(of=("self",))
            .select_related("webinar")
            .order_by("pk")
        )
        linked = set(
            _reachable()
            .filter(person_id__in={row.person_id for row in rows})
            .values_list("person_id", flat=True)
        )
        for row in rows:
            fresh = _row(_draft(row), now, row.person_id in linked, bool(row.webinar.recording_url))
            if fresh.state != row.state:
                moved.append(row.pk)
            row.state, row.expires_at, row.due_at = fresh.state, fresh.expires_at, now
        OutboxMessage.objects.bulk_update(rows, ["state", "expires_at", "due_at"], batch_size=INSERT_CHUNK)
    if moved:
        tell(log, "released", moved)
    return len(moved)


def _draft(row: OutboxMessage) -> NewMessage:
    return NewMessage(
        webinar_id=row.webinar_id,
        lead_id=row.lead_id,
        person_id=row.person_id,
        kind=Kind(row.kind),
        cause_at=row.cause_at,
    )


def move_to_waiting(messages: Iterable[OutboxMessage]) -> None:
    """Put queued messages that cannot go (no link any more, no recording any more) back to waiting."""
    for row in messages:
        needs_link = not _reachable().filter(person_id=row.person_id).exists()
        wait = _wait_for_link(row.cause_at) if needs_link else _wait_for_recording(row.cause_at)
        OutboxMessage.objects.filter(pk=row.pk, state=MessageState.QUEUED).update(**wait)


def expire() -> int:
    """Give up on what waited too long, and let go on what a race left waiting; how many expired.

    Called by the worker every few seconds.
    """
    _release_overlooked()
    now = clock.now()
    waits = (MessageState.WAITING_LINK, MessageState.WAITING_RECORDING)
    count = OutboxMessage.objects.filter(state__in=waits, expires_at__lte=now).update(
        state=MessageState.EXPIRED
    )
    if count:
        log.info("expired", count=count)
    LinkToken.objects.filter(expires_at__lt=now - FORGET_AFTER).delete()
    BotUpdate.objects.filter(seen_at__lt=now - FORGET_AFTER).delete()
    return count


def _release_overlooked() -> None:
    """A link or a recording that was committed while the message was being written went unseen by it."""
    waiting = OutboxMessage.objects.all()
    reachable = Exists(_reachable().filter(person_id=OuterRef("person_id")))
    published = Exists(_published().filter(pk=OuterRef("webinar_id")))
    _unblock(waiting.filter(reachable, state=MessageState.WAITING_LINK))
    _unblock(waiting.filter(published, reachable, state=MessageState.WAITING_RECORDING))


def all_settled(webinar_id: int) -> bool:
    """Whether no message of the webinar will move by itself any more."""
    return not OutboxMessage.objects.filter(webinar_id=webinar_id, state__in=UNSETTLED).exists()


def summary(webinar_id: int) -> dict[str, int]:
    """How many messages of the webinar are in each state; states without any are left out."""
    counts = (
        OutboxMessage.objects.filter(webinar_id=webinar_id)
        .values_list("state")
        .annotate(Count("pk"))
        .order_by()
    )
    return dict(counts)
