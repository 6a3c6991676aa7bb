"""What is forgotten with time: a little at each call, so that nobody waits for it. Facts and verdicts never are."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from axes.models import AccessAttempt
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from efir.accounts.models import Session
from efir.attendance.models import Classification
from efir.audit.models import AuditAddress
from efir.lib import clock
from efir.room.models import PresenceInterval, Recorder
from efir.telegram.models import MessageState, OutboxMessage
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

BATCH = 1000
FORGET_ATTEMPTS_AFTER = timedelta(days=1)
# Looking for what is old reads large tables: often enough for settings in days.
EVERY_S = 600.0
SETTLED = (MessageState.SENT, MessageState.FAILED, MessageState.EXPIRED)

log = structlog.get_logger(__name__)


class RetentionJob:
    """The worker's duty: it looks every ten minutes, and goes on at once while there is more."""

    def __init__(self) -> None:
        self._again_at = 0.0

    def prune(self) -> None:
        """Forget a batch of each kind, if it is time to look."""
        if time.monotonic() >= self._again_at and not forget_some():
            self._again_at = time.monotonic() + EVERY_S


def forget_some() -> bool:
    """Forget up to a batch of everything that is old enough; whether there may be more."""
    now, kept = clock.now(), settings.EFIR
    counts = [
        _delete(Session.objects.filter(expire_date__lt=now)),
        _delete(AccessAttempt.objects.filter(attempt_time__lt=now - FORGET_ATTEMPTS_AFTER)),
        _older(kept.address_days, now, lambda limit: _delete(AuditAddress.objects.filter(at__lt=limit))),
        _older(kept.text_days, now, _clear_texts),
        _older(kept.evidence_days, now, _prune_evidence),
        _older(kept.trace_days, now, _delete_traces),
    ]
    if any(counts):
        log.info("forgotten", rows=sum(counts))
    return max(counts) >= BATCH


def _older(days: float, now: datetime, forget: Callable[[datetime], int]) -> int:
    """Forget what is older than so many days; nothing where 0 keeps it for ever."""
    return forget(now - timedelta(days=days)) if days else 0


def _delete(rows: QuerySet[Any]) -> int:
    count, _ = rows.filter(pk__in=list(rows.values_list("pk", flat=True)[:BATCH])).delete()
    return count


def _clear_texts(limit: datetime) -> int:
    """What the messages said; that they went, when and to whom stays."""
    old = OutboxMessage.objects.filter(state__in=SETTLED, created_at__lt=limit).exclude(text="")
    return old.filter(pk__in=list(old.values_list("pk", flat=True)[:BATCH])).update(text="")


def _prune_evidence(limit: datetime) -> int:
    """The recorded presence of archived webinars; each verdict keeps its own intervals and can be judged again by them.

    The mark comes first, in the same transaction: who finds no intervals finds why.
    """
    archived = Webinar.objects.filter(status=Status.ARCHIVED, finished_at__lt=limit)
    with transaction.atomic():
        rows = PresenceInterval.objects.filter(webinar__in=archived)
        batch = list(rows.values_list("pk", "webinar_id")[:BATCH])
        Classification.objects.filter(
            webinar_id__in={webinar_id for _, webinar_id in batch}, evidence_pruned_at=None
        ).update(evidence_pruned_at=clock.now())
        count, _ = rows.filter(pk__in=[pk for pk, _ in batch]).delete()
        return count


def _delete_traces(limit: datetime) -> int:
    """Recorders that saw nobody, ran at no live time and no clock set back: by them nothing is judged."""
    judged = Webinar.objects.filter(
        started_at__lt=OuterRef("pulsed_at"), finished_at__gt=OuterRef("started_at")
    )
    on_air = Webinar.objects.filter(started_at__lt=OuterRef("pulsed_at"), finished_at=None)
    seen = PresenceInterval.objects.filter(recorder=OuterRef("pk"))
    return _delete(
        Recorder.objects.filter(
            ~Exists(judged), ~Exists(on_air), ~Exists(seen), pulsed_at__lt=limit, repeats_until=None
        )
    )
