"""Claiming: a message is marked as being sent before the call, so that a crash never hides that it may have gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from django.db.models import F

from efir.lib import clock
from efir.telegram.bot.lease import holds
from efir.telegram.models import MessageState, OutboxMessage, TelegramChat
from efir.telegram.outbox import message_types
from efir.telegram.outbox.batching import batch_for
from efir.telegram.outbox.eligibility import expire_ineligible
from efir.telegram.outbox.enqueue import move_to_waiting
from efir.telegram.outbox.message_types import OutgoingMessage, joining, registered
from efir.telegram.outbox.queries import due, first_of_each_person, locked, requeue

# A claim writes, and on SQLite nobody else can meanwhile; the rest is claimed right afterwards.
ROWS_AT_ONCE = 200

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """One call to be made: the carrying message first, then those that go along with it."""

    attempt_id: UUID
    chat_id: int
    messages: list[OutboxMessage]

    @property
    def person_id(self) -> int:
        return self.messages[0].person_id

    def compose(self) -> OutgoingMessage:
        """What the call will say."""
        return message_types.compose(self.messages)


def claim(limit: int, holder: UUID, exclude_person_ids: Collection[int] = ()) -> list[Claim]:
    """Claim up to `limit` calls for the holder of the lease, at most one for each person.

    They are committed as `sending` when this returns; nothing is claimed without the lease.
    """
    now = clock.now()
    if not due(now).exclude(person_id__in=exclude_person_ids).exists():
        return []
    with transaction.atomic():
        if not holds(holder):
            return []
        firsts = first_of_each_person(now).exclude(person_id__in=exclude_person_ids)
        ready, chats = _ready(locked(firsts)[:limit])
        claims = build_claims(ready, chats, now)
        _join(claims)
        for each in claims:
            _mark(each, holder)
    return claims


def _ready(picked: Iterable[OutboxMessage]) -> tuple[list[OutboxMessage], dict[int, int]]:
    """Those that can go, and the chats they go to; the others wait again."""
    rows = drop_ineligible(list(picked))
    reachable = TelegramChat.objects.filter(reachable=True, person_id__in=[row.person_id for row in rows])
    chats = dict(reachable.values_list("person_id", "chat_id"))
    ready = [row for row in rows if row.person_id in chats and _has_its_recording(row)]
    move_to_waiting(row for row in rows if row not in ready)
    return ready, chats


def drop_ineligible(rows: list[OutboxMessage]) -> list[OutboxMessage]:
    """Without those that are for nobody any more."""
    people = {person.pk: person for row in rows for person in (row.person, row.lead)}
    barred = expire_ineligible(rows, people)
    OutboxMessage.objects.bulk_update(barred, ["state", "expires_at", "error"])
    return [row for row in rows if row not in barred]


def _has_its_recording(row: OutboxMessage) -> bool:
    return bool(row.webinar.recording_url) or not registered(row.kind).needs_recording


def build_claims(firsts: Iterable[OutboxMessage], chats: dict[int, int], now: datetime) -> list[Claim]:
    claims: list[Claim] = []
    for row in firsts:
        claims.append(Claim(uuid4(), chats[row.person_id], batch_for(row, now)))
        if sum(len(each.messages) for each in claims) >= ROWS_AT_ONCE:
            break
    return claims


def _join(claims: Sequence[Claim]) -> None:
    """Let each message take along those of its webinar, lead and person that are due as well."""
    carriers = {grouping_key(each.messages[0]): each for each in claims if joining(each.messages[0].kind)}
    if not carriers:
        return
    joined = {kind for each in carriers.values() for kind in joining(each.messages[0].kind)}
    candidates = locked(
        due(clock.now()).filter(kind__in=joined, person_id__in={whose[2] for whose in carriers})
    )
    for row in candidates.order_by("priority", "pk"):
        carrier = carriers.get(grouping_key(row))
        if carrier and row.kind in joining(carrier.messages[0].kind) and _has_its_recording(row):
            carrier.messages.append(row)


def grouping_key(row: OutboxMessage) -> tuple[int, int, int]:
    return row.webinar_id, row.lead_id, row.person_id


def _mark(claimed: Claim, holder: UUID) -> None:
    """Write that these are being sent; each knows which of them carries it."""
    carrier, *carried = claimed.messages
    rows = OutboxMessage.objects.filter(pk__in=[row.pk for row in claimed.messages])
    rows.update(
        state=MessageState.SENDING,
        attempt_id=claimed.attempt_id,
        holder=holder,
        attempts=F("attempts") + 1,
        text="",
        carried_by=None,
    )
    if carried:
        rows.filter(pk__in=[row.pk for row in carried]).update(carried_by=carrier)


def mark_sending(claimed: Claim, text: str) -> bool:
    """Note, right before the call, what it says; False where the claim is no longer ours: then it is not to be made.

    So what was claimed and has no text has surely not been sent.
    """
    ours = OutboxMessage.objects.filter(attempt_id=claimed.attempt_id, state=MessageState.SENDING)
    return bool(ours.update(text=text))


def release(claimed: Claim) -> None:
    """Give a claim back of which nothing was sent."""
    requeue(OutboxMessage.objects.filter(attempt_id=claimed.attempt_id))


def recover(holder: UUID, under_way: Collection[UUID]) -> int:
    """Give back what the holder has claimed without hearing of it; how many messages.

    A database that goes away in the middle of a commit may have done it, and no call was begun for that.
    """
    count = requeue(OutboxMessage.objects.filter(holder=holder).exclude(attempt_id__in=under_way))
    if count:
        log.warning("recovered", count=count)
    return count
