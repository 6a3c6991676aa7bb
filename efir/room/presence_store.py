"""Presence in the database: writing it in bulk, and reading the evidence back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Min, QuerySet

from efir.accounts.models import Person
from efir.room.models import Attention, PresenceInterval, Recorder
from efir.room.presence import Pending

CHUNK = 500

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class PresenceSpan:
    """A stretch in which a person was seen. `lost`: the recorder's pulse stopped while the person was there."""

    start: datetime
    end: datetime
    lost: bool = False


def write(pending: Pending, attended: Mapping[int, datetime] | None = None) -> None:
    """Write recorders, intervals and open speaker's pages in one transaction, each with one statement for many rows.

    `attended`: webinar's id → when its speaker's page was last seen open. The presence of somebody who was deleted by
    hand meanwhile is left out: it must not keep the others' from being written.
    """
    try:
        _write(pending, attended)
    except IntegrityError:
        people = Person.objects.filter(pk__in={row.person_id for row in pending.intervals})
        there = set(people.values_list("pk", flat=True))
        kept = tuple(row for row in pending.intervals if row.person_id in there)
        if len(kept) == len(pending.intervals):
            raise
        log.warning("presence_of_nobody", intervals=len(pending.intervals) - len(kept))
        _write(replace(pending, intervals=kept), attended)


def _write(pending: Pending, attended: Mapping[int, datetime] | None) -> None:
    with transaction.atomic():
        Recorder.objects.bulk_create(
            [Recorder(**vars(row)) for row in pending.recorders],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["pulsed_at", "closed_at", "counts"],
        )
        PresenceInterval.objects.bulk_create(
            [PresenceInterval(**vars(row)) for row in pending.intervals],
            batch_size=CHUNK,
            update_conflicts=True,
            unique_fields=["recorder", "webinar", "person", "began_at"],
            update_fields=["ended_at"],
        )
        Attention.objects.bulk_create(
            [Attention(webinar_id=webinar_id, seen_at=at) for webinar_id, at in (attended or {}).items()],
            update_conflicts=True,
            unique_fields=["webinar"],
            update_fields=["seen_at"],
        )


def seen_by_person(webinar_id: int, person_ids: Iterable[int] | None = None) -> dict[int, list[PresenceSpan]]:
    """Every stretch in which these people (everybody, if None) were seen in the webinar's room."""
    rows = (
        PresenceInterval.objects.filter(webinar_id=webinar_id).select_related("recorder").order_by("began_at")
    )
    if person_ids is not None:
        rows = rows.filter(person_id__in=list(person_ids))
    seen: dict[int, list[PresenceSpan]] = defaultdict(list)
    for row in rows.iterator(CHUNK):
        seen[row.person_id].append(_seen(row))
    return dict(seen)


def _seen(row: PresenceInterval) -> PresenceSpan:
    # A recorder that ended cleanly has ended its intervals, too; an open one reaches to the last pulse.
    lost = row.ended_at is None
    return PresenceSpan(row.began_at, max(row.began_at, row.ended_at or row.recorder.pulsed_at), lost)


def peer_counts(recorder_id: UUID, alive_since: datetime) -> dict[int, int]:
    """How many people the other processes that live have in each room: webinar's id → people."""
    others = Recorder.objects.filter(closed_at=None, pulsed_at__gt=alive_since).exclude(id=recorder_id)
    total: Counter[int] = Counter()
    for counts in others.values_list("counts", flat=True):
        total.update({int(webinar_id): people for webinar_id, people in counts.items()})
    return dict(total)


def present_person_ids(webinar_id: int, alive_since: datetime) -> QuerySet[PresenceInterval, int]:
    """The ids of the people in this room by every process that lives, each once, in the order in which they came.

    A query, so that who pages through it reads no more than a page.
    """
    here = PresenceInterval.objects.filter(
        webinar_id=webinar_id,
        ended_at=None,
        recorder__closed_at=None,
        recorder__pulsed_at__gt=alive_since,
    )
    came = here.values("person_id").annotate(came_at=Min("began_at")).order_by("came_at", "person_id")
    return came.values_list("person_id", flat=True)


def coverage(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The stretches between `start` and `end` in which some web process was up and recording."""
    return [
        (max(recorder.started_at, start), min(recorder.pulsed_at, end))
        for recorder in Recorder.objects.filter(started_at__lt=end, pulsed_at__gt=start)
    ]


def repeats(start: datetime, end: datetime) -> bool:
    """Whether the clock was set back so that some of the time between `start` and `end` came twice."""
    return Recorder.objects.filter(started_at__lt=end, repeats_until__gt=start).exists()


def flushed_past(moment: datetime, now: datetime, dead_after: timedelta) -> bool:
    """Whether every web process that lives has written what it saw up to `moment`.

    One whose pulse is older than `dead_after` counts as dead and is not waited for.
    """
    return not Recorder.objects.filter(
        closed_at=None, started_at__lt=moment, pulsed_at__lt=moment, pulsed_at__gt=now - dead_after
    ).exists()


def told_until(now: datetime, dead_after: timedelta) -> datetime:
    """Up to when every web process that lives has written what it saw; `now` where none lives."""
    living = Recorder.objects.filter(closed_at=None, pulsed_at__gt=now - dead_after)
    return min(living.aggregate(least=Min("pulsed_at"))["least"] or now, now)
