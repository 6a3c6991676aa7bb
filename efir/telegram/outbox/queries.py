"""Queries of the outbox: due messages and their order, unsettled messages, counts by state."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from efir.lib.compiled_query import CompiledQuery, Parameter
from efir.telegram.models import MessageState, OutboxMessage
from efir.telegram.outbox.message_types import batch_policies

# The states that a message leaves without a decision of a person.
UNSETTLED = (
    MessageState.WAITING_RECORDING,
    MessageState.WAITING_LINK,
    MessageState.QUEUED,
    MessageState.SENDING,
)
# After so many failures (about a minute of retries) a message no longer holds up the person's later messages.
MAX_FAILURES = 6
COMPOSED_FROM = ("webinar", "lead", "person")
# A query for each of two costs more than their columns in so many rows.
JOINED_AT_MOST = 20
# Longer than any delay that Efir sets (`completion.LAST_RETRY_S`).
LONGEST_DELAY = timedelta(minutes=2)


def due(now: datetime | Parameter) -> QuerySet[OutboxMessage]:
    """Return the messages that may go now."""
    return _queued().filter(due_at__lte=now).exclude(deadline__lte=now)


def _queued() -> QuerySet[OutboxMessage]:
    """Return the queue without the batches of which more messages are still to come. One query sees both."""
    rows = OutboxMessage.objects.filter(state=MessageState.QUEUED)
    for kind, policy in batch_policies():
        rows = rows.exclude(Q(kind=kind) & Q(policy.has_more_to_come()))
    return rows


def first_of_each_person(
    now: datetime, limit: int, exclude_person_ids: Collection[int] = ()
) -> list[OutboxMessage]:
    """Return each person's message with the earliest cause, if it is due; up to `limit` of them.

    They are ordered by priority; within one, everybody's first message goes before anybody's second. The queue is
    read in this order and each person looked up once, so that one with thousands of messages costs no more than others.
    """
    if not exclude_person_ids and not _ANY_DUE.rows(now=now):
        return []  # the usual case: the queue is polled several times a second
    seen, found = set(exclude_person_ids), list[tuple[int, int, int]]()
    reached: tuple[int, ...] = ()
    while sum(order <= reached for order in found) < limit:
        others = due(now).exclude(person_id__in=seen).order_by("priority", "place", "pk")
        part = list(others.values_list("priority", "place", "pk", "person_id")[:limit])
        if not part:
            break
        for *order, person_id in part:
            reached = tuple(order)
            if person_id not in seen:
                seen.add(person_id)
                found += _first_of(person_id, now)
    keys = [pk for _priority, _place, pk in sorted(found)[:limit]]
    rows = composable(OutboxMessage.objects.all(), len(keys)).in_bulk(keys)
    return [rows[key] for key in keys if key in rows]


def _first_of(person_id: int, now: datetime) -> list[tuple[int, int, int]]:
    """Return the place in the queue of the person's message with the earliest cause, if it is due; else nothing.

    One that failed often holds up no other.
    """
    rows = _AHEAD.rows(person_id=person_id, now=now)
    return [(priority, place, pk) for priority, place, pk, due_at in rows if due_at <= now]


def _ahead() -> QuerySet[OutboxMessage, tuple[Any, ...]]:
    now = Parameter("now", OutboxMessage, "due_at")
    person = Parameter("person_id", OutboxMessage, "person")
    ahead = _queued().filter(Q(due_at__lte=now) | Q(failures__lt=MAX_FAILURES), person_id=person)
    first = ahead.exclude(deadline__lte=now).order_by("cause_at", "priority", "pk")
    return first.values_list("priority", "place", "pk", "due_at")[:1]


_AHEAD = CompiledQuery(_ahead)


def _any_due() -> QuerySet[OutboxMessage, tuple[Any, ...]]:
    return (
        due(Parameter("now", OutboxMessage, "due_at"))
        .order_by("priority", "place", "pk")
        .values_list("pk")[:1]
    )


_ANY_DUE = CompiledQuery(_any_due)


def locked(rows: QuerySet[OutboxMessage]) -> QuerySet[OutboxMessage]:
    """Lock these rows until the transaction ends, skipping locked ones."""
    return rows.select_for_update(skip_locked=True)


def composable(rows: QuerySet[OutboxMessage], count: int) -> QuerySet[OutboxMessage]:
    """Fetch what composing needs; `count` rows are expected.

    The messages of a list share their webinar and their person: of many rows these are read once each.
    """
    if count > JOINED_AT_MOST:
        return rows.select_related("lead").prefetch_related("webinar", "person")
    return rows.select_related(*COMPOSED_FROM)


def requeue(rows: QuerySet[OutboxMessage]) -> int:
    """Queue the claimed messages among `rows` again, as if they had never been claimed. Return how many."""
    return rows.filter(state=MessageState.SENDING).update(
        state=MessageState.QUEUED,
        attempts=F("attempts") - 1,
        attempt_id=None,
        holder=None,
        carried_by=None,
        text="",
    )


def release_from_future(now: datetime) -> int:
    """Make the messages due whose time lies further ahead than any delay. Return how many.

    Their time was written by a clock that has been set back since; they must not wait until it catches up.
    """
    queued = OutboxMessage.objects.filter(state=MessageState.QUEUED)
    return queued.filter(due_at__gt=now + LONGEST_DELAY).update(due_at=now)


def all_settled(webinar_id: int) -> bool:
    """Return whether no message of the webinar will change its state by itself any more."""
    return not OutboxMessage.objects.filter(webinar_id=webinar_id, state__in=UNSETTLED).exists()


def count_by_state(webinar_id: int) -> dict[str, int]:
    """Return how many messages of the webinar are in each state; a state without any is left out."""
    messages = OutboxMessage.objects.filter(webinar_id=webinar_id)
    return dict(messages.values_list("state").annotate(Count("pk")).order_by())
