"""Claiming: a message is marked as being sent before the call, so that a crash never hides that it may have gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from efir import clock
from efir.telegram.kinds import Composed, joining, registered
from efir.telegram.lease import holds
from efir.telegram.models import MessageState, OutboxMessage, TelegramChat
from efir.telegram.outbox import park


@dataclass(frozen=True, slots=True)
class Claim:
    """One call to be made: the carrying message first, then those that go along with it."""

    attempt_id: UUID
    chat_id: int
    messages: list[OutboxMessage] = field(default_factory=list)

    @property
    def person_id(self) -> int:
        return self.messages[0].person_id

    def compose(self) -> Composed:
        """What the call will say."""
        return registered(self.messages[0].kind).compose(self.messages).acceptable()


def claim(limit: int, holder: UUID, exclude_person_ids: Collection[int] = ()) -> list[Claim]:
    """Claim up to `limit` calls for the holder of the lease, at most one for each person.

    They are committed as `sending` when this returns; nothing is claimed without the lease.
    """
    now = clock.now()
    if not _due(now).exclude(person_id__in=exclude_person_ids).exists():
        return []
    with transaction.atomic():
        if not holds(holder):
            return []
        firsts = _first_of_each_person(now).exclude(person_id__in=exclude_person_ids)
        ready, chats = _ready(_locked(firsts)[:limit])
        claims = [_claimed(row, chats[row.person_id], holder) for row in ready]
        _join(claims, holder)
        rows = [row for each in claims for row in each.messages]
        OutboxMessage.objects.bulk_update(rows, ["state", "attempt_id", "attempts", "holder", "carried_by"])
    return claims


def _due(now: datetime) -> QuerySet[OutboxMessage]:
    return OutboxMessage.objects.filter(state=MessageState.QUEUED, due_at__lte=now)


def _first_of_each_person(now: datetime) -> QuerySet[OutboxMessage]:
    earlier = Q(priority__lt=OuterRef("priority")) | Q(priority=OuterRef("priority"), pk__lt=OuterRef("pk"))
    others = _due(now).filter(earlier, person_id=OuterRef("person_id"))
    return _due(now).exclude(Exists(others)).order_by("priority", "pk")


def _locked(rows: QuerySet[OutboxMessage]) -> QuerySet[OutboxMessage]:
    return rows.select_for_update(skip_locked=True, of=("self",)).select_related("webinar", "lead", "person")


def _ready(picked: Iterable[OutboxMessage]) -> tuple[list[OutboxMessage], dict[int, int]]:
    """Those that can go, and the chats they go to; the others wait again."""
    rows = list(picked)
    reachable = TelegramChat.objects.filter(reachable=True, person_id__in=[row.person_id for row in rows])
    chats = dict(reachable.values_list("person_id", "chat_id"))
    ready = [row for row in rows if row.person_id in chats and _has_its_recording(row)]
    park(row for row in rows if row not in ready)
    return ready, chats


def _has_its_recording(row: OutboxMessage) -> bool:
    return bool(row.webinar.recording_url) or not registered(row.kind).needs_recording


def _claimed(row: OutboxMessage, chat_id: int, holder: UUID) -> Claim:
    attempt_id = uuid4()
    _mark(row, attempt_id, holder, None)
    return Claim(attempt_id, chat_id, [row])


def _mark(row: OutboxMessage, attempt_id: UUID, holder: UUID, carrier: OutboxMessage | None) -> None:
    row.state, row.attempt_id, row.holder, row.carried_by = MessageState.SENDING, attempt_id, holder, carrier
    row.attempts += 1


def _join(claims: Sequence[Claim], holder: UUID) -> None:
    """Let each message take along those of its webinar, lead and person that are due as well."""
    carriers = {_whose(each.messages[0]): each for each in claims if joining(each.messages[0].kind)}
    if not carriers:
        return
    kinds = {kind for each in carriers.values() for kind in joining(each.messages[0].kind)}
    candidates = _locked(
        _due(clock.now()).filter(kind__in=kinds, person_id__in={whose[2] for whose in carriers})
    )
    for row in candidates.order_by("priority", "pk"):
        carrier = carriers.get(_whose(row))
        if carrier and row.kind in joining(carrier.messages[0].kind) and _has_its_recording(row):
            _mark(row, carrier.attempt_id, holder, carrier.messages[0])
            carrier.messages.append(row)


def _whose(row: OutboxMessage) -> tuple[int, int, int]:
    return row.webinar_id, row.lead_id, row.person_id


def release(claimed: Claim) -> None:
    """Give a claim back of which nothing was sent."""
    OutboxMessage.objects.filter(attempt_id=claimed.attempt_id, state=MessageState.SENDING).update(
        state=MessageState.QUEUED, attempts=F("attempts") - 1, attempt_id=None, holder=None, carried_by=None
    )
