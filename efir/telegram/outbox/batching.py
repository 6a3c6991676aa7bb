"""Batch messages: if a person has many messages of a kind from one webinar, few calls send them all.

A batch is permanent: messages that do not fit into its first call go with the next, however few are left, and messages
that are retried are retried together.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID, uuid4

import structlog
from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import Count, QuerySet

from efir.telegram.models import Kind, MessageBatch, MessageState, OutboxMessage
from efir.telegram.outbox.message_types import MAX_TEXT, BatchPolicy, message_type
from efir.telegram.outbox.queries import composable, due

# More than one message holds, however short each line is. It limits the work of finding out how many fit.
MAX_FITTING = MAX_TEXT // 10
# More than one message holds if its lines are of the usual length, some 50 characters.
USUALLY_FITTING = 100
NOT_CLAIMED = (MessageState.QUEUED, MessageState.WAITING_LINK, MessageState.WAITING_RECORDING)

log = structlog.get_logger(__name__)


def close_batches(kind: Kind, webinar_id: int, person_ids: Collection[int]) -> None:
    """Batch each person's messages of a kind from a webinar if they are many, because no more of them will come.

    A claim does the same with messages that were not batched here, but its time grows with their number, and meanwhile
    nothing is sent to others.
    """
    policy = message_type(kind).batching
    if policy is None:
        return
    loose = OutboxMessage.objects.filter(
        kind=kind, webinar_id=webinar_id, batch=None, state__in=NOT_CLAIMED, uncertain_count=0
    )
    counts = loose.filter(person_id__in=person_ids).values("person_id").annotate(count=Count("pk")).order_by()
    for person_id in counts.filter(count__gt=policy.max_single).values_list("person_id", flat=True):
        _make_batch(loose.filter(person_id=person_id), policy)


@transaction.atomic
def _make_batch(rows: QuerySet[OutboxMessage], policy: BatchPolicy) -> UUID:
    batch = uuid4()
    rows.update(batch=batch)
    summary = policy.summarize(OutboxMessage.objects.filter(batch=batch))
    MessageBatch.objects.create(pk=batch, summary=summary)
    return batch


def batch_for(first: OutboxMessage, now: datetime) -> list[OutboxMessage]:
    """Return the messages that one call carries if `first` is due, in the order in which the text lists them.

    To be called before the claim's transaction, because composing takes time: no lock is held, but the batch is
    assigned. The claim leaves out messages that are no longer in the queue.
    """
    policy = message_type(first.kind).batching
    if policy is None:
        return [first]
    same = due(now).filter(
        person_id=first.person_id,
        webinar_id=first.webinar_id,
        kind=first.kind,
        # A message that may have arrived is never sent together with one that did not.
        uncertain_count=first.uncertain_count,
    )
    batch = first.batch
    if batch is None:
        loose = same.filter(batch=None)
        if loose[: policy.max_single + 1].count() <= policy.max_single:
            return [first]
        batch = _make_batch(loose, policy)
    ranked = composable(same.filter(batch=batch).order_by("rank", "pk"), USUALLY_FITTING)
    rows: list[OutboxMessage] = []
    try:
        for limit in (USUALLY_FITTING, MAX_FITTING):
            rows = _fit_to_limit(policy.sort(list(ranked[:limit]) or [first]), policy)
            if len(rows) < limit:
                break
    except DatabaseError:
        raise
    except Exception:  # a message that cannot be composed must not stop the others: each goes by itself
        log.exception("batching_failed", message_id=first.pk)
        return [first]
    return rows


def _fit_to_limit(rows: list[OutboxMessage], policy: BatchPolicy) -> list[OutboxMessage]:
    """Return as many of these as one call holds, at least one."""
    composed = policy.prepare(rows)

    def length(count: int) -> int:
        return composed(count).acceptable().length

    count = len(rows)
    while count > 1 and (too_long := length(count)) > MAX_TEXT:
        # Lines are of about the same length, so this comes close after a few steps.
        count = max(1, min(count - 1, count * MAX_TEXT // too_long))
    while count < len(rows) and length(count + 1) <= MAX_TEXT:
        count += 1
    return rows[:count]
