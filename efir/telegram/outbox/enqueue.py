"""Writing messages to the outbox, and moving them between waiting and the queue.

A message is written in the transaction of the fact that caused it. It waits for the person's Telegram link, then for
the recording if it needs one, and then it is queued.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet

from efir.accounts.capabilities import people_who_can
from efir.accounts.models import Person
from efir.lib import clock
from efir.lib.bulk_insert import bulk_insert
from efir.telegram.models import (
    BotUpdate,
    Ineligible,
    Kind,
    LinkToken,
    MessageState,
    OutboxMessage,
    TelegramChat,
)
from efir.telegram.outbox.message_types import message_type
from efir.telegram.outbox.queries import release_from_future
from efir.webinars.models import Webinar

# Waiting messages that are released in one request: some hundredths of a second when a recording is published. The
# worker releases the rest.
RELEASE_CHUNK = 500
# Telegram keeps an update for a day, and begins a new count after a week of silence.
FORGET_AFTER = timedelta(days=7)
# journald cuts a line after 48 kB.
IDS_IN_A_LINE = 500

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message to be queued.

    cause_at: the moment of the event that caused it; its waits are counted from there.
    caused_by_id: the person whose decision caused it; None if the system did.
    rank: where many go as one, the lowest is listed first.
    occasion, deadline: see `OutboxMessage`.
    """

    webinar_id: int
    lead_id: int
    person_id: int
    kind: Kind
    cause_at: datetime
    caused_by_id: int | None = None
    rank: float = 0.0
    occasion: str = ""
    deadline: datetime | None = None


def enqueue(messages: Sequence[NewMessage]) -> None:
    """Write messages in the caller's transaction. Idempotent: a message that exists already is skipped."""
    if not messages:
        return
    linked = _linked(message.person_id for message in messages)
    published = set(
        _published().filter(pk__in={message.webinar_id for message in messages}).values_list("pk", flat=True)
    )
    now = clock.now()
    rows = [
        OutboxMessage(
            webinar_id=message.webinar_id,
            lead_id=message.lead_id,
            person_id=message.person_id,
            kind=message.kind,
            caused_by_id=message.caused_by_id,
            rank=message.rank,
            occasion=message.occasion,
            deadline=message.deadline,
            priority=message_type(message.kind).priority,
            created_at=now,
            cause_at=message.cause_at,
            due_at=now,
            **_waiting(
                message.kind,
                message.cause_at,
                is_linked=message.person_id in linked,
                is_published=message.webinar_id in published,
            ),
        )
        for message in messages
    ]
    expire_ineligible(rows, _lock_people(rows))
    _set_places(rows)
    bulk_insert(rows, ignore_conflicts=True)
    log.info("enqueued", kinds=sorted({row.kind for row in rows}), count=len(rows))


def _waiting(kind: str, cause_at: datetime, *, is_linked: bool, is_published: bool) -> dict[str, Any]:
    """Return the state of a message by what it has to wait for, and when it expires."""
    if not is_linked:
        days = settings.EFIR.link_days
        return {"state": MessageState.WAITING_LINK, "expires_at": cause_at + timedelta(days=days)}
    if message_type(kind).needs_recording and not is_published:
        days = settings.EFIR.recording_days
        return {"state": MessageState.WAITING_RECORDING, "expires_at": cause_at + timedelta(days=days)}
    return {"state": MessageState.QUEUED, "expires_at": None}


def _linked(person_ids: Iterable[int]) -> set[int]:
    """Return which of these people the bot can write to."""
    chats = _reachable().filter(person_id__in=set(person_ids))
    return set(chats.values_list("person_id", flat=True))


def _reachable() -> QuerySet[TelegramChat]:
    return TelegramChat.objects.filter(reachable=True)


def _published() -> QuerySet[Webinar]:
    return Webinar.objects.exclude(recording_url="")


def _lock_people(rows: Sequence[OutboxMessage]) -> dict[int, Person]:
    """Lock receivers and leads: an erasure looks for messages, so it must wait until these are committed."""
    ids = {row.person_id for row in rows} | {row.lead_id for row in rows}
    people = Person.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    return {person.pk: person for person in people.only("erased_at", "is_active")}


def _set_places(rows: Sequence[OutboxMessage]) -> None:
    """Set each message's place: how many of its kind the person has from the webinar already."""
    existing = (
        OutboxMessage.objects.filter(
            webinar_id__in={row.webinar_id for row in rows}, person_id__in={row.person_id for row in rows}
        )
        .values_list("webinar_id", "person_id", "kind")
        .annotate(Count("pk"))
        .order_by()
    )
    places = Counter(
        {(webinar_id, person_id, kind): count for webinar_id, person_id, kind, count in existing}
    )
    for row in rows:
        key = (row.webinar_id, row.person_id, str(row.kind))
        row.place = places[key]
        places[key] += 1


def expire_ineligible(rows: Sequence[OutboxMessage], people: Mapping[int, Person]) -> list[OutboxMessage]:
    """Mark messages that may not be sent any more as expired and return them. Nothing is saved.

    That is so if the receiver or the lead is erased, the receiver's account is closed, or the receiver lost the
    capability that the kind needs. `people`: id → every receiver and every lead.
    """
    receiver_ids = {row.person_id for row in rows}
    allowed: dict[str, set[int]] = {}
    for kind in {row.kind for row in rows}:
        if needed := message_type(kind).needs:
            able = people_who_can(needed).filter(pk__in=receiver_ids)
            allowed[kind] = set(able.values_list("pk", flat=True))
    ineligible = []
    for row in rows:
        receiver = people[row.person_id]
        if receiver.erased_at or people[row.lead_id].erased_at:
            row.error = Ineligible.PERSON_ERASED
        elif not receiver.is_active or row.person_id not in allowed.get(row.kind, receiver_ids):
            row.error = Ineligible.NO_ACCESS
        else:
            continue
        row.state, row.expires_at = MessageState.EXPIRED, None
        ineligible.append(row)
    return ineligible


def release_for_link(person: Person) -> int:
    """Release what waits for this person's link, up to `RELEASE_CHUNK` messages. Return how many.

    `expire` releases the rest.
    """
    return _release(OutboxMessage.objects.filter(person=person, state=MessageState.WAITING_LINK))


def release_for_recording(*, webinar_id: int, **_: Any) -> int:
    """Release what waits for this recording, up to `RELEASE_CHUNK` messages. Return how many.

    Receives `recording_published`, in the transaction that publishes. `expire` releases the rest.
    """
    return _release(OutboxMessage.objects.filter(webinar_id=webinar_id, state=MessageState.WAITING_RECORDING))


def _release(waiting: QuerySet[OutboxMessage]) -> int:
    """Move up to `RELEASE_CHUNK` of these messages to the next thing they wait for, or to the queue."""
    now = clock.now()
    with transaction.atomic():
        rows = list(
            waiting.filter(expires_at__gt=now)
            .select_for_update(of=("self",))
            .select_related("webinar")
            .order_by("pk")[:RELEASE_CHUNK]
        )
        before = {row.pk: row.state for row in rows}
        _set_waiting(rows)
        # Most have the same cause, and so expire at the same moment: an UPDATE for each of a few groups.
        groups: dict[tuple[str, datetime | None], list[int]] = defaultdict(list)
        for row in rows:
            groups[row.state, row.expires_at].append(row.pk)
        for (state, expires_at), pks in groups.items():
            OutboxMessage.objects.filter(pk__in=pks).update(state=state, expires_at=expires_at, due_at=now)
    released = [row.pk for row in rows if row.state != before[row.pk]]
    if released:
        log_message_ids(log, "released", released)
    return len(released)


def move_to_waiting(rows: Sequence[OutboxMessage]) -> None:
    """Move queued messages back to waiting, because the link or the recording is gone. The caller holds their locks."""
    _set_waiting(rows)
    OutboxMessage.objects.bulk_update(rows, ["state", "expires_at"])


def _set_waiting(rows: Sequence[OutboxMessage]) -> None:
    linked = _linked(row.person_id for row in rows)
    for row in rows:
        waiting = _waiting(
            row.kind,
            row.cause_at,
            is_linked=row.person_id in linked,
            is_published=bool(row.webinar.recording_url),
        )
        row.state, row.expires_at = waiting["state"], waiting["expires_at"]


def expire() -> int:
    """Expire messages that waited too long, and release those that no longer have to wait.

    Return how many messages expired.

    The worker calls this every few seconds.
    """
    # Messages beyond the limit of a request, and messages that were written at the same moment as the link or the
    # recording was committed. Each chunk is a transaction.
    is_reachable = Exists(_reachable().filter(person_id=OuterRef("person_id")))
    is_published = Exists(_published().filter(pk=OuterRef("webinar_id")))
    for waiting in (
        OutboxMessage.objects.filter(is_reachable, state=MessageState.WAITING_LINK),
        OutboxMessage.objects.filter(is_published, state=MessageState.WAITING_RECORDING),
    ):
        while _release(waiting) == RELEASE_CHUNK:
            pass

    now = clock.now()
    if count := release_from_future(now):
        log.warning("released_from_future", count=count)
    waits = (MessageState.WAITING_LINK, MessageState.WAITING_RECORDING)
    overdue = OutboxMessage.objects.filter(state__in=waits, expires_at__lte=now)
    stale = OutboxMessage.objects.filter(state__in=(*waits, MessageState.QUEUED), deadline__lte=now)
    if count := overdue.update(state=MessageState.EXPIRED) + stale.update(state=MessageState.EXPIRED):
        log.info("expired", count=count)
    LinkToken.objects.filter(expires_at__lt=now - FORGET_AFTER).delete()
    BotUpdate.objects.filter(seen_at__lt=now - FORGET_AFTER).delete()
    return count


def log_message_ids(log: Any, event: str, message_ids: Sequence[int], **fields: Any) -> None:
    """Log what happened to these messages, in lines of `IDS_IN_A_LINE` ids; one line if there is none."""
    for start in range(0, max(1, len(message_ids)), IDS_IN_A_LINE):
        part = list(message_ids[start : start + IDS_IN_A_LINE])
        log.info(event, count=len(part), message_ids=part, **fields)
