"""What nobody knows after a restore: whether what waited in the backup has gone out since it was made (ADR 0024)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from django.db.models import Count, QuerySet

from efir.accounts.models import Session
from efir.attendance import classifier, tracker
from efir.hooks.actions import Context, Source
from efir.server.models import WorkerBeat
from efir.telegram.models import HELD_BY_RESTORE, ChatNotice, DispatcherState, MessageState, OutboxMessage
from efir.telegram.outbox import enqueue
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

CHUNK = 500


def forget_processes() -> None:
    """The processes of the backup's day are gone, and with them their leases and signs of life."""
    WorkerBeat.objects.all().delete()
    DispatcherState.objects.update(holder=None, lease_until=None)


def hold_unsettled() -> int:
    """Hold every message that may have gone out since, until somebody says what became of it; how many.

    A webinar that had ended is judged here and now: its messages may have gone out, too. What people had asked the bot
    for they can ask again.
    """
    ChatNotice.objects.all().delete()
    for webinar in Webinar.objects.filter(status=Status.FINISHED, classification__done_at=None):
        tracker.record_entries(webinar)
        while classifier.classify_chunk(webinar):
            pass
    doubtful = OutboxMessage.objects.filter(state__in=enqueue.UNSETTLED)
    doubtful.filter(uncertain_count=0).update(uncertain_count=1)
    return doubtful.update(state=MessageState.UNCERTAIN, error=HELD_BY_RESTORE, holder=None, expires_at=None)


def held(webinar_id: int | None = None) -> QuerySet[OutboxMessage]:
    """What a restore holds, of one webinar or of all."""
    rows = OutboxMessage.objects.filter(state=MessageState.UNCERTAIN, error=HELD_BY_RESTORE)
    return rows if webinar_id is None else rows.filter(webinar_id=webinar_id)


def held_counts(webinar_id: int | None = None) -> Iterable[Mapping[str, Any]]:
    """How many are held of each webinar and kind, as JSON holds it."""
    groups = held(webinar_id).values("webinar_id", "kind").annotate(count=Count("pk"))
    return groups.order_by("webinar_id", "kind")


def resolve_held(delivered: bool, webinar_id: int | None = None) -> int:
    """Somebody knows: these arrived, or they go out (again) as soon as they can; how many."""
    context = Context(None, Source.CLI)
    return sum(
        enqueue.resolve(OutboxMessage.objects.filter(pk__in=chunk), delivered, context)
        for chunk in _chunks(held(webinar_id))
    )


def end_sessions() -> int:
    """Everybody logs in anew; how many sessions that ends."""
    return Session.objects.all().delete()[0]


def _chunks(rows: QuerySet[OutboxMessage]) -> Iterator[list[int]]:
    ids = iter(list(rows.order_by("pk").values_list("pk", flat=True)))
    while chunk := list(islice(ids, CHUNK)):
        yield chunk
