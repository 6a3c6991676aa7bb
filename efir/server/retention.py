"""Delete what is older than the retention settings, a batch at a time. Facts and verdicts are kept forever."""

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

from efir.accounts.models import Person, Session
from efir.attendance.models import Classification
from efir.audit.models import AuditAddress
from efir.broadcast.media_retention import prune_media
from efir.lib import clock
from efir.room.models import Opening, PlaybackTrouble, PresenceInterval, Recorder, WatchingInterval
from efir.talk.models import Message, Mute
from efir.telegram.models import MessageState, OutboxMessage
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

# Rows of one kind in one call: on SQLite other writers wait while they are deleted.
BATCH = 1000
# Failed logins count for 15 minutes. Those of an account are kept for questions of its owner; a script with made-up
# logins creates four rows a second.
ATTEMPTS_RETENTION = timedelta(days=1)
UNKNOWN_LOGIN_RETENTION = timedelta(hours=1)
# A missing picture counts for 75 s; a closed page leaves its row.
TROUBLES_RETENTION = timedelta(days=1)
# Not more often, because finding old rows reads large tables, and the settings are in days.
EVERY_S = 600.0
SETTLED = (MessageState.SENT, MessageState.FAILED, MessageState.EXPIRED)

log = structlog.get_logger(__name__)


class RetentionJob:
    """The worker's job: it looks every ten minutes, and at every call while there is more to delete."""

    def __init__(self) -> None:
        self._next_at = 0.0

    def prune(self) -> None:
        """Delete a batch of each kind, if it is time to look."""
        if time.monotonic() >= self._next_at and not (prune_batch() or prune_media()):
            self._next_at = time.monotonic() + EVERY_S


def prune_batch() -> bool:
    """Delete up to a batch of each kind of old rows; return whether there may be more."""
    now, keep = clock.now(), settings.EFIR
    owners = Person.objects.filter(login=OuterRef("username"))
    counts = [
        _delete(Session.objects.filter(expire_date__lt=now)),
        _delete(AccessAttempt.objects.filter(attempt_time__lt=now - ATTEMPTS_RETENTION)),
        _delete(
            AccessAttempt.objects.filter(~Exists(owners), attempt_time__lt=now - UNKNOWN_LOGIN_RETENTION)
        ),
        _delete(PlaybackTrouble.objects.filter(told_at__lt=now - TROUBLES_RETENTION)),
    ]
    by_days: tuple[tuple[float, Callable[[datetime], int]], ...] = (
        (keep.address_days, lambda before: _delete(AuditAddress.objects.filter(at__lt=before))),
        (keep.text_days, _clear_texts),
        (keep.talk_days, lambda before: _delete(Message.objects.filter(at__lt=before))),
        (keep.talk_days, lambda before: _delete(Mute.objects.filter(webinar__finished_at__lt=before))),
        (keep.evidence_days, _delete_evidence),
        (keep.trace_days, _delete_recorders),
    )
    # 0 days means forever.
    counts += [prune(now - timedelta(days=days)) for days, prune in by_days if days]
    if any(counts):
        log.info("pruned", rows=sum(counts))
    return max(counts) >= BATCH


def _delete(rows: QuerySet[Any]) -> int:
    count, _ = rows.filter(pk__in=list(rows.values_list("pk", flat=True)[:BATCH])).delete()
    return count


def _clear_texts(before: datetime) -> int:
    """Clear the texts of settled messages; their times, recipients and states stay."""
    old = OutboxMessage.objects.filter(state__in=SETTLED, created_at__lt=before).exclude(text="")
    return old.filter(pk__in=list(old.values_list("pk", flat=True)[:BATCH])).update(text="")


def _delete_evidence(before: datetime) -> int:
    """Delete the recorded presence and watching of archived webinars: each verdict keeps its own intervals.

    The mark on the classification comes first, in the same transaction: it explains why intervals are missing.
    """
    archived = Webinar.objects.filter(status=Status.ARCHIVED, finished_at__lt=before)
    deleted = []
    for model in (PresenceInterval, WatchingInterval, Opening):
        with transaction.atomic():
            rows = model._default_manager.filter(webinar__in=archived)
            batch = list(rows.values_list("pk", "webinar_id")[:BATCH])
            Classification.objects.filter(
                webinar_id__in={webinar_id for _, webinar_id in batch}, evidence_pruned_at=None
            ).update(evidence_pruned_at=clock.now())
            count, _ = rows.filter(pk__in=[pk for pk, _ in batch]).delete()
            deleted.append(count)
    return max(deleted)


def _delete_recorders(before: datetime) -> int:
    """Delete recorders that are no evidence: without viewers, live time or a changed clock."""
    finished = Webinar.objects.filter(
        started_at__lt=OuterRef("pulsed_at"), finished_at__gt=OuterRef("started_at")
    )
    on_air = Webinar.objects.filter(started_at__lt=OuterRef("pulsed_at"), finished_at=None)
    viewers = PresenceInterval.objects.filter(recorder=OuterRef("pk"))
    return _delete(
        Recorder.objects.filter(
            ~Exists(finished),
            ~Exists(on_air),
            ~Exists(viewers),
            pulsed_at__lt=before,
            repeats_until=None,
            skipped_from=None,
        )
    )
