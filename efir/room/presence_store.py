"""Presence in the database: written in bulk, and read back as evidence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from efir.accounts.models import Person
from efir.lib import clock
from efir.room.models import (
    CtaPress,
    Opening,
    PlaybackTrouble,
    PresenceInterval,
    Recorder,
    SpeakerPageSeen,
    WatchingInterval,
)
from efir.room.presence import IntervalRow, Pending
from efir.webinars.models import Webinar

Interval = TypeVar("Interval", PresenceInterval, WatchingInterval)

CHUNK = 500
# A process whose heartbeat is older has no viewers any more: three flush intervals of 5 s.
ALIVE_WITHIN = timedelta(seconds=15)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class PresenceSpan:
    """A period in which a process saw a person.

    `lost`: the process died or hung at its end. `resumed`: the process had hung, and at the start of the span it found
    out whether the person was still connected; if not, the span is empty.
    """

    start: datetime
    end: datetime
    lost: bool = False
    resumed: bool = False


def write(pending: Pending, speaker_pages: Mapping[int, datetime] | None = None) -> None:
    """Upsert recorders, intervals and open speaker pages in one transaction, with one statement for each table.

    `speaker_pages`: webinar id → when its speaker page was last open. Rows of people or drafts that have been deleted
    meanwhile are dropped, so that the others can be written.
    """
    speaker_pages = speaker_pages or {}
    try:
        _write(pending, speaker_pages)
    except IntegrityError:
        rows = (*pending.intervals, *pending.watching)
        people = set(
            Person.objects.filter(pk__in={row.person_id for row in rows}).values_list("pk", flat=True)
        )
        named = {row.webinar_id for row in rows} | speaker_pages.keys()
        webinars = set(Webinar.objects.filter(pk__in=named).values_list("pk", flat=True))
        kept, watching = (
            tuple(row for row in each if row.person_id in people and row.webinar_id in webinars)
            for each in (pending.intervals, pending.watching)
        )
        pages = {webinar_id: at for webinar_id, at in speaker_pages.items() if webinar_id in webinars}
        dropped = len(rows) - len(kept) - len(watching) + len(speaker_pages) - len(pages)
        if not dropped:
            raise
        log.warning("presence_for_deleted_dropped", rows=dropped)
        _write(replace(pending, intervals=kept, watching=watching), pages)


def delete_of_draft(webinar_id: int, **kwargs: Any) -> None:
    """Delete the records of a draft's room, which people who may see drafts have visited. Receives `draft_deleted`."""
    for model in (PresenceInterval, WatchingInterval, Opening, CtaPress, PlaybackTrouble, SpeakerPageSeen):
        model._default_manager.filter(webinar_id=webinar_id).delete()


def _write(pending: Pending, speaker_pages: Mapping[int, datetime]) -> None:
    with transaction.atomic():
        Recorder.objects.bulk_create(
            [Recorder(**vars(row), records_watching=True) for row in pending.recorders],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["pulsed_at", "closed_at", "counts"],
        )
        _upsert(PresenceInterval, pending.intervals)
        _upsert(WatchingInterval, pending.watching)
        SpeakerPageSeen.objects.bulk_create(
            [SpeakerPageSeen(webinar_id=webinar_id, seen_at=at) for webinar_id, at in speaker_pages.items()],
            update_conflicts=True,
            unique_fields=["webinar"],
            update_fields=["seen_at"],
        )


def _upsert(model: type[Interval], rows: Iterable[IntervalRow]) -> None:
    model._default_manager.bulk_create(
        [model(**vars(row)) for row in rows],
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["recorder", "webinar", "person", "began_at"],
        update_fields=["ended_at"],
    )


def heartbeats(webinar_id: int, start: datetime, end: datetime) -> dict[UUID, datetime]:
    """Return the last heartbeat of each recorder that saw the webinar's room, or ran between `start` and `end`."""
    saw_room = PresenceInterval.objects.filter(webinar_id=webinar_id, recorder=OuterRef("pk"))
    found = Recorder.objects.filter(Exists(saw_room) | Q(pulsed_at__gt=start), started_at__lt=end)
    return dict(found.values_list("id", "pulsed_at"))


def spans_by_person(
    webinar_id: int,
    person_ids: Iterable[int] | None = None,
    as_of: Mapping[UUID, datetime] | None = None,
    kind: type[PresenceInterval] | type[WatchingInterval] = PresenceInterval,
) -> dict[int, list[PresenceSpan]]:
    """Return when these people (None: everybody) were in the webinar's room, by person id, in order.

    `kind`: whether presence or watching is meant. `as_of`: heartbeats. Then only rows up to them are returned: a
    process never writes a row that is later than the heartbeat written with it.
    """
    rows = kind._default_manager.filter(webinar_id=webinar_id).order_by("began_at")
    if person_ids is not None:
        rows = rows.filter(person_id__in=list(person_ids))
    # In one statement: a heartbeat that was read later than the rows would lengthen what has ended meanwhile. Without
    # model instances, because the classification reads a row or two for each lead.
    columns = (
        "person_id",
        "recorder_id",
        "began_at",
        "ended_at",
        "recorder__started_at",
        "recorder__pulsed_at",
    )
    spans: dict[int, list[PresenceSpan]] = defaultdict(list)
    for person_id, recorder_id, began_at, ended_at, started_at, pulsed_at in rows.values_list(
        *columns
    ).iterator(CHUNK):
        known_until, closed_at = pulsed_at, ended_at
        if as_of is not None:
            known_until = as_of.get(recorder_id, datetime.min.replace(tzinfo=UTC))
            if began_at > known_until:
                continue
            if ended_at and ended_at > known_until:
                closed_at = None
        # A clean shutdown ends every interval; an open one reaches to the last heartbeat.
        end = max(began_at, closed_at or known_until)
        spans[person_id].append(PresenceSpan(began_at, end, closed_at is None, began_at == started_at))
    return dict(spans)


def peer_counts(recorder_id: UUID) -> dict[int, int]:
    """Return the people in each room of the other running processes: webinar id → people."""
    alive_since = clock.now() - ALIVE_WITHIN
    others = Recorder.objects.filter(closed_at=None, pulsed_at__gt=alive_since).exclude(id=recorder_id)
    total: Counter[int] = Counter()
    for counts in others.values_list("counts", flat=True):
        total.update({int(webinar_id): people for webinar_id, people in counts.items()})
    return dict(total)


def present_person_ids(webinar_id: int) -> QuerySet[PresenceInterval, int]:
    """Return the ids of the people in this room in all running processes, each once, first come first.

    A lazy query, so that a paginator reads no more than a page.
    """
    present = PresenceInterval.objects.filter(
        webinar_id=webinar_id,
        ended_at=None,
        recorder__closed_at=None,
        recorder__pulsed_at__gt=clock.now() - ALIVE_WITHIN,
    )
    came = present.values("person_id").annotate(came_at=Min("began_at")).order_by("came_at", "person_id")
    return came.values_list("person_id", flat=True)


def recorded_spans(
    start: datetime, end: datetime, as_of: Mapping[UUID, datetime] | None = None
) -> list[tuple[datetime, datetime]]:
    """Return the spans between `start` and `end` in which each web process was recording; they may overlap.

    `as_of`: heartbeats; nothing after them counts.
    """
    recorders = list(Recorder.objects.filter(started_at__lt=end, pulsed_at__gt=start))
    if as_of is None:
        as_of = {recorder.id: recorder.pulsed_at for recorder in recorders}
    return [
        (max(recorder.started_at, start), min(as_of[recorder.id], end))
        for recorder in recorders
        if recorder.id in as_of
    ]


def is_watching_recorded(start: datetime, end: datetime, as_of: Iterable[UUID] | None = None) -> bool:
    """Return whether every process that ran between `start` and `end` recorded watching.

    During an upgrade a process of release 0.1 does not. `as_of`: the recorders that were known.
    """
    took_part = Recorder.objects.filter(started_at__lt=end, pulsed_at__gt=start)
    if as_of is not None:
        took_part = took_part.filter(id__in=list(as_of))
    return not took_part.exclude(records_watching=True).exists()


def openings_by_person(webinar_id: int, person_ids: Iterable[int]) -> dict[int, datetime]:
    """Return when these people first opened the webinar's broadcast, by person id."""
    openings = Opening.objects.filter(webinar_id=webinar_id, person_id__in=list(person_ids))
    return dict(openings.values_list("person_id", "opened_at"))


def clock_went_back(start: datetime, end: datetime) -> bool:
    """Return whether the clock was set back, so that some time between `start` and `end` occurred twice."""
    return _recorders_exist(Q(started_at__lt=end, repeats_until__gt=start), None)


def clock_was_set(start: datetime, end: datetime, as_of: Iterable[UUID] | None = None) -> bool:
    """Return whether the clock was set back or ahead: some time between `start` and `end` occurred twice, or never.

    `as_of`: the recorders that were known.
    """
    back = Q(started_at__lt=end, repeats_until__gt=start)
    ahead = Q(started_at__gt=start, skipped_from__lt=end)
    return _recorders_exist(back | ahead, as_of)


def _recorders_exist(condition: Q, as_of: Iterable[UUID] | None) -> bool:
    noticed = Recorder.objects.filter(condition)
    return (noticed if as_of is None else noticed.filter(id__in=list(as_of))).exists()


def recorded_until(grace_s: float | None = None) -> datetime:
    """Return the moment up to which every running web process has written its presence; now if none runs.

    A process whose heartbeat is older than the grace period (None: that of the settings) counts as dead and is not
    waited for.
    """
    now = clock.now()
    dead_before = now - timedelta(seconds=settings.EFIR.grace_s if grace_s is None else grace_s)
    running = Recorder.objects.filter(closed_at=None, pulsed_at__gt=dead_before)
    return min(running.aggregate(least=Min("pulsed_at"))["least"] or now, now)
