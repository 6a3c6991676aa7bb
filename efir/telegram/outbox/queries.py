"""What may go now, and in which order: to each person in the order of the causes, to all in turn."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from efir.telegram.models import MessageState, OutboxMessage
from efir.telegram.outbox.message_types import gatherings

# So many failures (about a minute of them) until a person's later messages no longer wait for this one.
PATIENCE = 6


def due(now: datetime) -> QuerySet[OutboxMessage]:
    """What may go now."""
    return _complete().filter(due_at__lte=now)


def _complete() -> QuerySet[OutboxMessage]:
    """The queue, without what will go as one but is not all there yet: one query sees both."""
    rows = OutboxMessage.objects.filter(state=MessageState.QUEUED)
    for kind, gathering in gatherings():
        rows = rows.exclude(kind=kind, webinar_id__in=gathering.unfinished())
    return rows


def first_of_each_person(now: datetime) -> QuerySet[OutboxMessage]:
    """Of each person's messages the one with the earliest cause, if it is due, in the order in which people get theirs.

    That is by kind, and then everybody's first message, everybody's second, and so on.
    """
    at_once = Q(cause_at=OuterRef("cause_at"))
    before = Q(priority__lt=OuterRef("priority")) | Q(priority=OuterRef("priority"), pk__lt=OuterRef("pk"))
    earlier = Q(cause_at__lt=OuterRef("cause_at")) | (at_once & before)
    ahead = Q(due_at__lte=now) | Q(failures__lt=PATIENCE)
    others = _complete().filter(earlier, ahead, person_id=OuterRef("person_id"))
    return due(now).exclude(Exists(others)).order_by("priority", "place", "pk")


def locked(rows: QuerySet[OutboxMessage]) -> QuerySet[OutboxMessage]:
    """These rows with what composing needs, kept from others until the transaction ends."""
    return rows.select_for_update(skip_locked=True, of=("self",)).select_related("webinar", "lead", "person")


def requeue(rows: QuerySet[OutboxMessage]) -> int:
    """Queue again, as if they had not been claimed, those of these messages that are being sent; how many."""
    return rows.filter(state=MessageState.SENDING).update(
        state=MessageState.QUEUED,
        attempts=F("attempts") - 1,
        attempt_id=None,
        holder=None,
        carried_by=None,
        text="",
    )
