"""Messages that a restore holds, because it is unknown whether they were sent after the backup was made (ADR 0024)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Count, QuerySet

from efir.attendance import classifier, tracker
from efir.hooks.actions import Context, Source
from efir.ops.backup.tables import batched
from efir.telegram.models import HELD_BY_RESTORE, ChatNotice, MessageState, OutboxMessage
from efir.telegram.outbox.queries import UNSETTLED
from efir.telegram.outbox.resend import resolve
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

# One transaction of `resolve_held`: its rows stay locked meanwhile.
CHUNK = 500


def hold_unsettled() -> int:
    """Hold every message that may have been sent after the backup, until a person decides; return how many.

    Webinars that had ended are classified now, because their messages may have been sent, too. Requests of people to
    the bot are dropped: they can ask again.
    """
    ChatNotice.objects.all().delete()
    for webinar in Webinar.objects.filter(status=Status.FINISHED, classification__done_at=None):
        tracker.record_entries(webinar)
        while classifier.classify_chunk(webinar, classifier.chunk_size()):
            pass
    unsettled = OutboxMessage.objects.filter(state__in=UNSETTLED)
    unsettled.filter(uncertain_count=0).update(uncertain_count=1)
    return unsettled.update(state=MessageState.UNCERTAIN, error=HELD_BY_RESTORE, holder=None, expires_at=None)


def held(webinar_id: int | None = None) -> QuerySet[OutboxMessage]:
    """Return the messages that a restore holds, of one webinar or of all."""
    rows = OutboxMessage.objects.filter(state=MessageState.UNCERTAIN, error=HELD_BY_RESTORE)
    return rows if webinar_id is None else rows.filter(webinar_id=webinar_id)


def held_counts(webinar_id: int | None = None) -> Iterable[Mapping[str, Any]]:
    """Count the held messages by webinar and kind, as JSON values."""
    groups = held(webinar_id).values("webinar_id", "kind").annotate(count=Count("pk"))
    return groups.order_by("webinar_id", "kind")


def resolve_held(delivered: bool, webinar_id: int | None = None) -> int:
    """Mark held messages as delivered, or send them as soon as possible; return how many."""
    context = Context(None, Source.CLI)
    ids = list(held(webinar_id).order_by("pk").values_list("pk", flat=True))
    return sum(
        resolve(OutboxMessage.objects.filter(pk__in=chunk), delivered, context)
        for chunk in batched(ids, CHUNK)
    )
