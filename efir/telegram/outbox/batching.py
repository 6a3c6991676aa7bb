"""Batches: if a person has many messages of a kind from one webinar, few calls carry them all.

A batch is made once and stays: what does not fit into its first call goes with the next, however few are left, and
what has to be tried again goes together again.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from uuid import uuid4

import structlog
from django.db import Error as DatabaseError

from efir.telegram.models import OutboxMessage
from efir.telegram.outbox.message_types import MAX_TEXT, compose, message_type
from efir.telegram.outbox.queries import due, locked

# More than one message holds, however short each line is. It bounds the work of finding out how many fit.
MAX_FITTING = MAX_TEXT // 10

log = structlog.get_logger(__name__)


def batch_for(first: OutboxMessage, now: datetime) -> list[OutboxMessage]:
    """Return the messages that one call carries if `first` is due, in the order in which the text lists them.

    To be called in the claim's transaction: it locks the messages and assigns the batch.
    """
    policy = message_type(first.kind).batching
    if policy is None:
        return [first]
    same = due(now).filter(
        person_id=first.person_id,
        webinar_id=first.webinar_id,
        kind=first.kind,
        batch=first.batch,
        # A message that may have arrived already never goes with one that did not.
        uncertain_count=first.uncertain_count,
    )
    rows = list(locked(same).order_by("pk"))
    if first.batch is None:
        if len(rows) <= policy.max_single:
            return [first]
        batch = uuid4()
        OutboxMessage.objects.filter(pk__in=[row.pk for row in rows]).update(batch=batch)
        for row in rows:
            row.batch = batch
    try:
        return fit_to_limit(policy.sort(rows))
    except DatabaseError:
        raise
    except Exception:  # a message that cannot be composed must not stop the others: each goes by itself
        log.exception("batching_failed", message_id=first.pk)
        return [first]


def fit_to_limit(rows: list[OutboxMessage]) -> list[OutboxMessage]:
    """Return as many of these as one call holds, at least one."""
    if len(rows) <= MAX_FITTING and compose(rows).length <= MAX_TEXT:
        return rows
    counts = range(1, min(len(rows), MAX_FITTING) + 1)
    fitting = bisect_right(counts, MAX_TEXT, key=lambda count: compose(rows[:count]).length)
    return rows[: max(fitting, 1)]
