"""Batches: if a person has many messages of a kind from one webinar, few calls carry them all.

A batch is made once and stays: what does not fit into its first call goes with the next, however few are left, and
what has to be tried again goes together again.
"""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

import structlog
from django.db import Error as DatabaseError

from efir.telegram.models import OutboxMessage
from efir.telegram.outbox.message_types import MAX_TEXT, compose, message_type
from efir.telegram.outbox.queries import COMPOSED_FROM, due

# More than one message holds, however short each line is. It bounds the work of finding out how many fit.
MAX_FITTING = MAX_TEXT // 10

log = structlog.get_logger(__name__)


def batch_for(first: OutboxMessage, now: datetime) -> list[OutboxMessage]:
    """Return the messages that one call carries if `first` is due, in the order in which the text lists them.

    To be called before the claim's transaction, because composing takes time: no lock is held, but the batch is
    assigned. What the claim then no longer finds in the queue is left out.
    """
    policy = message_type(first.kind).batching
    if policy is None:
        return [first]
    same = due(now).filter(
        person_id=first.person_id,
        webinar_id=first.webinar_id,
        kind=first.kind,
        # A message that may have arrived already never goes with one that did not.
        uncertain_count=first.uncertain_count,
    )
    batch = first.batch
    if batch is None:
        loose = same.filter(batch=None)
        if loose[: policy.max_single + 1].count() <= policy.max_single:
            return [first]
        batch = uuid4()
        loose.update(batch=batch)
    ranked = policy.rank(same.filter(batch=batch)).select_related(*COMPOSED_FROM)
    rows = list(ranked[:MAX_FITTING]) or [first]
    try:
        return fit_to_limit(policy.sort(rows))
    except DatabaseError:
        raise
    except Exception:  # a message that cannot be composed must not stop the others: each goes by itself
        log.exception("batching_failed", message_id=first.pk)
        return [first]


def fit_to_limit(rows: list[OutboxMessage]) -> list[OutboxMessage]:
    """Return as many of these as one call holds, at least one."""
    count = len(rows)
    while count > 1 and (length := compose(rows[:count]).length) > MAX_TEXT:
        # Lines are of about the same length, so this comes close after a few steps.
        count = max(1, min(count - 1, count * MAX_TEXT // length))
    while count < len(rows) and compose(rows[: count + 1]).length <= MAX_TEXT:
        count += 1
    return rows[:count]
