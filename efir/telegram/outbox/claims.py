"""Claim messages: commit each as `sending` before its call, so that a crash never hides that it may have arrived."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from django.db.models import F

from efir.lib import clock
from efir.lib.snapshot import snapshot
from efir.telegram.bot import lease
from efir.telegram.models import MessageState, OutboxMessage, TelegramChat
from efir.telegram.outbox import message_types
from efir.telegram.outbox.batching import batch_for
from efir.telegram.outbox.enqueue import expire_ineligible, move_to_waiting
from efir.telegram.outbox.message_types import OutgoingMessage, joining, message_type
from efir.telegram.outbox.queries import composable, due, first_of_each_person, locked, requeue
from efir.webinars.models import Webinar

# On SQLite nothing else can be written during a claim, so it is kept short. The rest is claimed right afterwards.
ROW_BATCH = 200

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """One call to be made: the carrying message first, then the messages that it carries."""

    attempt_id: UUID
    chat_id: int
    messages: list[OutboxMessage]

    @property
    def person_id(self) -> int:
        return self.messages[0].person_id

    def compose(self) -> OutgoingMessage:
        """Compose the message of the call from one snapshot. Raises IncompleteMessage.

        The messages are read again: each query of a claim sees what was committed until then, so the claim may know
        of one message the webinar before a change and of another the webinar after it.
        """
        with snapshot():
            found = _read([message.pk for message in self.messages])
            return message_types.compose([found[message.pk] for message in self.messages])


def claim(limit: int, holder: UUID, exclude_person_ids: Collection[int] = ()) -> list[Claim]:
    """Claim up to `limit` calls for the holder of the lease, at most one for each person.

    They are committed as `sending` when this returns. Nothing is claimed without the lease.
    """
    now = clock.now()
    plan = _plan(limit, now, exclude_person_ids)
    if not plan:
        return []
    with transaction.atomic():
        if not lease.holds(holder):
            return []
        planned = [row.pk for call in plan for row in call]
        present = set(locked(due(now).filter(pk__in=planned)).values_list("pk", flat=True))
        found = [[row for row in call if row.pk in present] for call in plan]
        # Of a list only the first message is looked at here. `compose` reads all of them again.
        fresh = _read([call[0].pk for call in found if call])
        calls = [[fresh[call[0].pk], *call[1:]] for call in found if call]
        firsts = [call[0] for call in calls]
        people = {person.pk: person for row in firsts for person in (row.person, row.lead)}
        ineligible = expire_ineligible(firsts, people)
        OutboxMessage.objects.bulk_update(ineligible, ["state", "expires_at", "error"])
        calls = [call for call in calls if call[0] not in ineligible]
        reachable = TelegramChat.objects.filter(
            reachable=True, person_id__in=[call[0].person_id for call in calls]
        )
        chats = dict(reachable.values_list("person_id", "chat_id"))
        ready = [
            call
            for call in calls
            if call[0].person_id in chats and _has_its_recording(call[0].kind, call[0].webinar)
        ]
        move_to_waiting([call[0] for call in calls if call not in ready])
        claims = [Claim(uuid4(), chats[call[0].person_id], call) for call in ready]
        _join(claims)
        for each in claims:
            _mark_claimed(each, holder)
    return claims


def _read(ids: Collection[int]) -> dict[int, OutboxMessage]:
    return composable(OutboxMessage.objects.all(), len(ids)).in_bulk(ids)


def _plan(limit: int, now: datetime, exclude_person_ids: Collection[int]) -> list[list[OutboxMessage]]:
    """Return the messages of up to `limit` calls, of `ROW_BATCH` or little more in all. Nothing is locked.

    To find out how many messages fit into one call they are composed. Under the lock of the lease that would keep it
    from being renewed.
    """
    plan: list[list[OutboxMessage]] = []
    for first in first_of_each_person(now, limit, exclude_person_ids):
        plan.append(batch_for(first, now))
        if sum(map(len, plan)) >= ROW_BATCH:
            break
    return plan


def _has_its_recording(kind: str, webinar: Webinar) -> bool:
    return bool(webinar.recording_url) or not message_type(kind).needs_recording


def _join(claims: Sequence[Claim]) -> None:
    """Let each message take along the due messages of its webinar, lead and person whose kind joins it."""
    carriers = {grouping_key(each.messages[0]): each for each in claims if joining(each.messages[0].kind)}
    if not carriers:
        return
    joined = {kind for each in carriers.values() for kind in joining(each.messages[0].kind)}
    people = {each.person_id for each in carriers.values()}
    candidates = due(clock.now()).filter(kind__in=joined, person_id__in=people).order_by("priority", "pk")
    for row in locked(candidates):
        carrier = carriers.get(grouping_key(row))
        if carrier is None or row.kind not in joining(carrier.messages[0].kind):
            continue
        if _has_its_recording(row.kind, carrier.messages[0].webinar):
            carrier.messages.append(row)


def grouping_key(row: OutboxMessage) -> tuple[int, int, int]:
    """Return what messages must share to go in one call."""
    return row.webinar_id, row.lead_id, row.person_id


def _mark_claimed(claim: Claim, holder: UUID) -> None:
    carrier, *carried = claim.messages
    rows = OutboxMessage.objects.filter(pk__in=[row.pk for row in claim.messages])
    rows.update(
        state=MessageState.SENDING,
        attempt_id=claim.attempt_id,
        holder=holder,
        attempts=F("attempts") + 1,
        text="",
        carried_by=None,
    )
    if carried:
        rows.filter(pk__in=[row.pk for row in carried]).update(carried_by=carrier)


def mark_sending(claim: Claim, text: str) -> bool:
    """Write the text right before the call: a claimed message without a text was surely not sent.

    Return False if the claim is no longer ours. Then the call must not be made.
    """
    ours = OutboxMessage.objects.filter(attempt_id=claim.attempt_id, state=MessageState.SENDING)
    return bool(ours.update(text=text))


def release(claim: Claim) -> None:
    """Return a claim of which nothing was sent to the queue."""
    requeue(OutboxMessage.objects.filter(attempt_id=claim.attempt_id))


def recover(holder: UUID, under_way: Collection[UUID]) -> int:
    """Requeue messages claimed by this holder that it does not know. Return the count.

    A commit may succeed although the client sees an error, if the connection breaks during it. No call was begun for
    such a claim. `under_way`: the attempts that the holder knows.
    """
    count = requeue(OutboxMessage.objects.filter(holder=holder).exclude(attempt_id__in=under_way))
    if count:
        log.warning("recovered", count=count)
    return count
