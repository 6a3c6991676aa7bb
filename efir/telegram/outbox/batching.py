"""Gathering: where one person has many messages of a kind from one webinar, few calls carry them all.

They are made one batch, once and for ever: what does not fit into the first message goes in the next, however few
are left, and what has to be tried again goes together again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

import structlog
from django.db import Error as DatabaseError

from efir.telegram.models import OutboxMessage
from efir.telegram.outbox.message_types import MAX_TEXT, compose, registered
from efir.telegram.outbox.queries import due, locked

# More than one message holds, however short each of them is told.
MANY = MAX_TEXT // 10

log = structlog.get_logger(__name__)


def batch_for(first: OutboxMessage, now: datetime) -> list[OutboxMessage]:
    """What one call carries where `first` is due, in the order in which it is told; part of a claim's transaction."""
    gathering = registered(first.kind).gathering
    if gathering is None:
        return [first]
    rows = batch_candidates(first, now)
    if first.batch is None and len(rows) <= gathering.singly:
        return [first]
    if first.batch is None:
        assign_batch(rows)
    try:
        return fit_to_limit(gathering.arrange(rows))
    except DatabaseError:
        raise
    except Exception:  # one that cannot be told must not keep the others: each goes by itself
        log.exception("gathering_failed", message_id=first.pk)
        return [first]


def batch_candidates(first: OutboxMessage, now: datetime) -> list[OutboxMessage]:
    """The due messages of its kind and batch; one that perhaps went out already never goes with one that did not."""
    same = due(now).filter(
        person_id=first.person_id,
        webinar_id=first.webinar_id,
        kind=first.kind,
        batch=first.batch,
        uncertain_count=first.uncertain_count,
    )
    return list(locked(same).order_by("pk"))


def assign_batch(rows: Sequence[OutboxMessage]) -> None:
    batch = uuid4()
    OutboxMessage.objects.filter(pk__in=[row.pk for row in rows]).update(batch=batch)
    for row in rows:
        row.batch = batch


def fit_to_limit(rows: list[OutboxMessage]) -> list[OutboxMessage]:
    """As many as one message holds, and one at least."""
    if len(rows) <= MANY and compose(rows).length <= MAX_TEXT:
        return rows
    counts = range(1, min(len(rows), MANY) + 1)
    fitting = bisect_right(counts, MAX_TEXT, key=lambda count: compose(rows[:count]).length)
    return rows[: max(fitting, 1)]
